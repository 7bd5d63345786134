"""Prints a table with rich."""

from rich.console import Console
from rich.table import Table

table = Table(title="Squares")
table.add_column("n", justify="right")
table.add_column("square", justify="right", style="bold")
for number in range(10):
    table.add_row(str(number), str(number * number))
Console(width=60).print(table)
