"""Medians and how sure they are."""
import math
import statistics
from typing import NamedTuple


class Interval(NamedTuple):
    """low and high hold the true median with probability coverage, whatever the distribution is."""
    median: float
    low: float
    high: float
    coverage: float


def tail(n, k):
    """The probability of at most k heads in n throws."""
    return sum(math.comb(n, i) for i in range(k + 1)) / 2 ** n


def median_interval(values, level=0.95):
    """The interval between two order statistics: of n values sorted, the j-th from either end. j is the greatest that
    reaches the level; too few values reach it with none, and then it is the smallest and the greatest of them."""
    values = sorted(values)
    n = len(values)
    j = 1
    while j < n // 2 and 1 - 2 * tail(n, j) >= level:
        j += 1
    coverage = max(0.0, 1 - 2 * tail(n, j - 1))
    return Interval(statistics.median(values), values[j - 1], values[n - j], coverage)
