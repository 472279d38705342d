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



def jackknife(table, column, statistic):
    """Delete-one-cluster variance around the full estimate."""
    full = statistic(table)
    clusters = table[column].unique()
    without = np.array([statistic(table[table[column] != cluster]) for cluster in clusters])
    return (len(clusters) - 1) / len(clusters) * ((without - full) ** 2).sum()


def two_way(table, statistic):
    """Value, interval and p of Cameron, Gelbach and Miller (2011) with jackknife parts and t(min(P, Q) - 1)."""
    value = statistic(table)
    patients, questions = (jackknife(table, column, statistic) for column in ("patient", "question"))
    both = jackknife(table.assign(cell=table["patient"] + "/" + table["question"]), "cell", statistic)
    variance = max(patients + questions - both, patients, questions)
    clusters = min(table["patient"].nunique(), table["question"].nunique())
    error = np.sqrt(variance)
    half = scipy.stats.t.ppf(0.975, clusters - 1) * error
    p = max(2 * scipy.stats.t.sf(abs(value) / error, clusters - 1), 2.0 ** (1 - clusters))
    return {"value": float(value), "interval": [float(value - half), float(value + half)], "p": float(p)}


# Crossed patients and questions with unequal numbers of items in a cell, and holes.
reference["two_way"] = []
for patients, questions, question_sd in [(6, 40, 0.2), (25, 9, 0.3), (30, 30, 0.0)]:
    rows = []
    ease = rng.normal(scale=question_sd, size=(2, questions))
    for patient in range(patients):
        for question in range(questions):
            for _ in range(rng.integers(0, 3)):
                right = [int(rng.uniform() < np.clip(0.5 + 0.1 * model + ease[model, question], 0, 1)) for model in (0, 1)]
                rows.append({"patient": f"p{patient:02}", "question": f"q{question:02}", "a": right[0], "b": right[1]})
    table = pd.DataFrame(rows)
    difference = two_way(table, lambda part: part["b"].mean() - part["a"].mean())
    # A ratio: of the items that model a has wrong, the share that model b has right.
    ratio = two_way(table[table["a"] == 0], lambda part: part["b"].mean())
    groups = np.column_stack([table[column].astype("category").cat.codes for column in ("patient", "question")])
    fit = smf.ols("d ~ 1", table.assign(d=table["b"] - table["a"]))
    robust = fit.fit(cov_type="cluster", cov_kwds={"groups": groups})
    reference["two_way"].append({
        "rows": [[row["patient"], row["question"], row["a"], row["b"]] for row in rows],
        "difference": difference,
        "ratio": ratio,
        "statsmodels_error": float(robust.bse.iloc[0]) if np.isfinite(robust.bse.iloc[0]) else None,
    })

reference["student"] = [
    {"t": t, "degrees": degrees, "p": float(2 * scipy.stats.t.sf(t, degrees)), "quantile": float(scipy.stats.t.ppf(0.975, degrees))}
    for t, degrees in [(0.3, 1), (2.5, 5), (2.0, 41), (8.0, 12), (1.96, 5000)]
]

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
    everyone = np.arange(groups)
    without = np.array([slope_difference(everyone[everyone != group]) for group in everyone])
    value = point[1] - point[0]
    error = np.sqrt((groups - 1) / groups * ((without - value) ** 2).sum())
    half = scipy.stats.t.ppf(0.975, groups - 1) * error
    reference["slope_difference"].append({
        "counts": counts.tolist(),
        "chance": chance.tolist(),
        "first": first.tolist(),
        "second": second.tolist(),
        "difference": float(value),
        "interval": [float(value - half), float(value + half)],
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

reference["minimum_detectable_difference"] = []
for n, p, deff, degrees, level in [(2000, 0.2, 1.48, 59, 0.05), (64, 0.35, 1.0, 7, 0.01)]:
    t = scipy.stats.t(degrees)
    difference = float((t.ppf(1 - level / 2) + t.ppf(0.8)) * np.sqrt(deff * p / n))
    reference["minimum_detectable_difference"].append({
        "pairs": n, "discordant": p, "design_effect": deff, "degrees": degrees, "level": level, "difference": difference,
    })

path = pathlib.Path(__file__).with_name("stats.json")
lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in reference.items()]
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
print(f"wrote {path.name}")
