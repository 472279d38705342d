"""Writes stats.json: results of scipy and statsmodels, with which the benchmark's statistics are compared.

    pip install numpy scipy statsmodels
    python tests/parity/stats_reference.py
"""

import json
import pathlib

import numpy as np
import pandas as pd
import scipy
import scipy.stats
import statsmodels
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(20260501)
reference = {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__}

reference["wilson"] = [
    {"successes": k, "trials": n, "interval": list(map(float, proportion_confint(k, n, method="wilson")))}
    for k, n in [(0, 1), (0, 20), (3, 10), (10, 10), (81, 263), (1999, 2000)]
]

# One-sided exact (Clopper-Pearson) upper bound of a rate when no event was observed.
reference["none_seen"] = [
    {"trials": n, "bound": float(scipy.stats.binomtest(0, n, alternative="less").proportion_ci(0.95, "exact").high)}
    for n in [1, 10, 64, 3000]
]

reference["mcnemar"] = [
    {"b": b, "c": c, "p": float(mcnemar([[0, b], [c, 0]], exact=True).pvalue)}
    for b, c in [(0, 0), (1, 0), (5, 5), (2, 9), (10, 25), (100, 150), (900, 1100)]
]

p_values = [[0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.2, 0.001, 0.9, 0.049, 1.0, 0.0], rng.uniform(size=25).tolist()]
reference["corrections"] = [
    {
        "p": p,
        "holm": multipletests(p, method="holm")[1].tolist(),
        "benjamini_hochberg": multipletests(p, method="fdr_bh")[1].tolist(),
    }
    for p in p_values
]

sign_flips = [[1, 2, -1, 3, 1], [1, 1, 1, 1, 1, 1], [-2, 2, 0, 1], rng.integers(-3, 5, size=14).tolist()]
many = rng.integers(-2, 4, size=60).tolist()
reference["sign_flip"] = []
for differences in sign_flips:
    exact = scipy.stats.permutation_test(
        (np.array(differences, dtype=float),), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    reference["sign_flip"].append({"differences": differences, "p": float(exact.pvalue), "tolerance": 1e-9})
drawn = scipy.stats.permutation_test(
    (np.array(many, dtype=float),), np.sum, permutation_type="samples", n_resamples=400_000, rng=rng
)
reference["sign_flip"].append({"differences": many, "p": float(drawn.pvalue), "tolerance": 0.01})

# Shares with unequal cluster sizes; scipy resamples cluster numbers, the statistic looks the sums up.
reference["cluster_bootstrap"] = []
for groups, mean_size in [(12, 2), (40, 3), (150, 2.6)]:
    sizes = 1 + rng.poisson(mean_size - 1, size=groups)
    lean = rng.beta(2, 2, size=groups)
    right = rng.binomial(sizes, lean)
    other = rng.binomial(sizes, np.clip(lean + 0.1, 0, 1))

    def difference(index, axis=-1):
        return (other[index].sum(axis=axis) - right[index].sum(axis=axis)) / sizes[index].sum(axis=axis)

    drawn = scipy.stats.bootstrap(
        (np.arange(groups),), difference, n_resamples=200_000, batch=10_000, method="percentile", rng=rng
    )
    reference["cluster_bootstrap"].append({
        "sizes": sizes.tolist(),
        "right": right.tolist(),
        "other": other.tolist(),
        "difference": float(difference(np.arange(groups))),
        "interval": [float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)],
        "standard_error": float(drawn.standard_error),
    })

# Difference of two models' slopes of chance-corrected accuracy over four stages, with cases in groups.
reference["slope_difference"] = []
slopes_rng = np.random.default_rng(20261101)
for groups, size in [(20, 1), (60, 3)]:
    counts = 1 + slopes_rng.integers(0, size, size=groups)
    chance = np.array([0.25, 0.5, 1 / 3, 0.2])
    lean = slopes_rng.beta(4, 4, size=groups)[:, None]
    first = np.stack([slopes_rng.binomial(counts, np.clip(lean[:, 0] + 0.3 - 0.15 * s, 0, 1)) for s in range(4)], axis=1)
    second = np.stack([slopes_rng.binomial(counts, np.clip(lean[:, 0] + 0.2 - 0.05 * s, 0, 1)) for s in range(4)], axis=1)

    def slope_difference(index, axis=-1):
        total = counts[index].sum(axis=axis)
        slopes = []
        for right in (first, second):
            accuracy = np.stack([right[:, s][index].sum(axis=axis) / total for s in range(4)], axis=-1)
            corrected = (accuracy - chance) / (1 - chance)
            slopes.append(corrected @ np.array([-0.3, -0.1, 0.1, 0.3]))
        return slopes[1] - slopes[0]

    point = [np.polyfit([1, 2, 3, 4], (r.sum(axis=0) / counts.sum() - chance) / (1 - chance), 1)[0] for r in (first, second)]
    drawn = scipy.stats.bootstrap(
        (np.arange(groups),), slope_difference, n_resamples=100_000, batch=10_000, method="percentile", rng=slopes_rng
    )
    reference["slope_difference"].append({
        "counts": counts.tolist(),
        "chance": chance.tolist(),
        "first": first.tolist(),
        "second": second.tolist(),
        "difference": float(point[1] - point[0]),
        "interval": [float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)],
        "standard_error": float(drawn.standard_error),
    })

reference["design"] = []
for groups, mean_size, spread in [(8, 3, 0.5), (30, 4, 2.0)]:
    rows = [
        {"group": group, "value": float(effect + rng.normal())}
        for group, effect in enumerate(rng.normal(scale=spread, size=groups))
        for _ in range(1 + rng.poisson(mean_size - 1))
    ]
    table = pd.DataFrame(rows)
    anova = anova_lm(smf.ols("value ~ C(group)", table).fit())
    between, within = anova["mean_sq"]
    counts = table.groupby("group").size().to_numpy()
    size = (counts.sum() - (counts**2).sum() / counts.sum()) / (groups - 1)
    rho = float(np.clip((between - within) / (between + (size - 1) * within), 0, 1))
    reference["design"].append({
        "clusters": [part["value"].tolist() for _, part in table.groupby("group")],
        "correlation": rho,
        "design_effect": 1 + (counts.mean() - 1) * rho,
        "mean_size": counts.mean(),
    })

z = scipy.stats.norm.ppf(0.975) + scipy.stats.norm.ppf(0.8)
reference["minimum_detectable_difference"] = [
    {"pairs": n, "discordant": p, "design_effect": deff, "difference": float(z * np.sqrt(deff * p / n))}
    for n, p, deff in [(2000, 0.2, 1.48), (64, 0.35, 1.0)]
]

path = pathlib.Path(__file__).with_name("stats.json")
path.write_text(json.dumps(reference, indent=1) + "\n")
print(f"wrote {path.name}")
