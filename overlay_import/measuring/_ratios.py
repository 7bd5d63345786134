"""What a row of measurements says: its median, its spread, and how sure the median is."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["less", "more", "noise"]

# How sure an interval is meant to be; with few measurements it is as sure as they allow, and says so.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """The median of measurements, and an interval in which the true median lies with the given confidence."""

    median: float
    low: float
    high: float
    confidence: float

    @property
    def verdict(self) -> Verdict:
        """For a ratio: less or more than 1, or too close to tell."""
        return "less" if self.high < 1 else "more" if self.low > 1 else "noise"


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The median of `values` and its interval, which assumes nothing about how they are distributed.

    Each value is above the true median with a chance of one half, so the chance that fewer than `k` of `n` lie on one
    side is a binomial one: the interval goes from the k-th smallest to the k-th largest, with the largest `k` that
    gives the confidence. Where none does, with fewer than six values, it goes from the smallest to the largest.

    Source: H. A. David and H. N. Nagaraja, Order Statistics, 3rd edition, section 7.1.
    """
    ordered = sorted(values)
    count = len(ordered)
    chances = [_covered(count, rank) for rank in range(1, count // 2 + 1)] or [0.0]
    rank = max((rank for rank, chance in enumerate(chances, 1) if chance >= confidence), default=1)
    return Interval(statistics.median(ordered), ordered[rank - 1], ordered[-rank], chances[rank - 1])


def _covered(count: int, rank: int) -> float:
    """How probable it is that the true median lies between the rank-th smallest and largest of `count` values."""
    outside: float = sum(math.comb(count, below) for below in range(rank)) / 2 ** (count - 1)
    return 1 - outside


def paired_ratio(values: Sequence[float], base: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The interval of the ratios `value / base` of pairs. Raises `ValueError` where the values are not paired."""
    return median_interval([value / other for value, other in zip(values, base, strict=True)], confidence)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """`(lower quartile, median, upper quartile)`; of a single value, three times that."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper
