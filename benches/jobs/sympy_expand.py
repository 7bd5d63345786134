"""Expands and integrates with sympy."""

from sympy import expand, integrate, symbols

x, y = symbols("x y")
print(expand((x + 2 * y) ** 5))
print(integrate(x**2 * (x + 1), x))
