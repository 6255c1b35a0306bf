"""The arithmetic of the comparison written out term by term, as an oracle for its tests."""

import numpy as np
from scipy.stats import t
from sklearn.preprocessing import StandardScaler


def standardise(rows: np.ndarray) -> StandardScaler:
    """scikit-learn's scaler, whose scales are at least the median of those of the columns that vary."""
    scaler = StandardScaler().fit(rows.astype(np.float64))
    scaler.scale_ = np.maximum(scaler.scale_, np.median(np.sqrt(scaler.var_[scaler.var_ > 0])))
    return scaler


def anova(
    table: np.ndarray, halves: list[tuple[float, float]], confidence: float
) -> tuple[float, float, float]:
    """Mean, half width and p-value of an (S, G) table of differences, from sums of squares over its single entries.

    halves: the mean in both halves of some splits of the items.
    """
    seeds, groups = table.shape
    entries = [(s, g, table[s, g]) for s in range(seeds) for g in range(groups)]
    mean = sum(x for *_, x in entries) / len(entries)
    row = [sum(table[s]) / groups for s in range(seeds)]
    column = [sum(table[:, g]) / seeds for g in range(groups)]
    ms_row = sum((row[s] - mean) ** 2 for s, *_ in entries) / (seeds - 1)
    ms_column = sum((column[g] - mean) ** 2 for _, g, _ in entries) / (groups - 1)
    ms_rest = sum((x - row[s] - column[g] + mean) ** 2 for s, g, x in entries) / ((seeds - 1) * (groups - 1))
    # The variance of the mean of two crossed random factors is (rows + columns - rest) / (S G).
    total, denominator, smallest_df = ms_column, ms_column**2 / (groups - 1), groups - 1
    if ms_row > ms_rest:
        total += ms_row - ms_rest
        denominator += ms_row**2 / (seeds - 1) + ms_rest**2 / ((seeds - 1) * (groups - 1))
        smallest_df = seeds - 1
    if halves:
        # Half the squared difference of two halves is a half's variance: twice that of the items, and the training's.
        of_half = sum((one - other) ** 2 for one, other in halves) / 2 / len(halves)
        training = max(0, of_half * len(entries) - 2 * ms_column) / 3
        total += training
        denominator += training**2 / min(len(halves), groups - 1)
        smallest_df = min(smallest_df, len(halves), groups - 1)
    df = max(total**2 / denominator, smallest_df)
    # More than three groups vary in all tests, so that there is no lower bound.
    error = (total / len(entries)) ** 0.5
    half = t.ppf(0.5 + confidence / 2, df) * error
    return mean, half, 2 * t.cdf(-abs(mean) / error, df)
