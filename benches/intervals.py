"""Intervals as the results state them: `[low, median, high]`, within which the true median lies.

How they come about: `overlay_import.measuring._ratios`. The ends of ratios are rounded outwards to two decimals.
"""

import math
import statistics

from overlay_import.measuring._ratios import median_interval


def of_ratios(values, base):
    """That of the ratios `value / base` of paired measurements."""
    it = median_interval([value / other for value, other in zip(values, base, strict=True)])
    return stated(it.low, it.median, it.high)


def of_differences(values, base):
    """That of the differences `value - base` of paired measurements."""
    return of_amounts([value - other for value, other in zip(values, base, strict=True)])


def of_amounts(values):
    """That of seconds or bytes."""
    it = median_interval(values)
    return [float(f"{number:.3g}") for number in (it.low, it.median, it.high)]


def stated(low, median, high):
    """A ratio's interval as it is stated. What only an error of floating point sets apart from a hundredth is one."""
    return [math.floor(round(100 * low, 9)) / 100, round(median, 3), math.ceil(round(100 * high, 9)) / 100]


def geometric_mean(intervals):
    """The geometric mean of ratios, and those of their intervals' ends."""
    return stated(*map(statistics.geometric_mean, zip(*intervals, strict=True)))


def overlap(one, other):
    """Whether there is a number that lies in both."""
    return one[0] <= other[2] and other[0] <= one[2]
