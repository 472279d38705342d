"""Writes calibration.json: probabilities and calibration of scored options, with which the benchmark is compared.

    pip install numpy scipy
    python tests/parity/calibration_reference.py

Bins and sums are those of numpy (`digitize`, `bincount`), the softmax is scipy's.
"""

import json
import pathlib

import numpy as np
import scipy
from scipy.special import softmax

BINS = 15
rng = np.random.default_rng(20261129)


def reference(count, options, sharpness):
    """Draws log-likelihoods of `count` questions; `sharpness` decides how far the options lie apart."""
    scores = [np.round(rng.normal(-3.0, sharpness, size=int(k)), 4) for k in rng.integers(2, options + 1, size=count)]
    gold = [int(rng.choice(len(score), p=softmax(score / 1.5))) for score in scores]
    probabilities = [softmax(score) for score in scores]
    confidence = np.array([p.max() for p in probabilities])
    right = np.array([p.argmax() == g for p, g in zip(probabilities, gold)], dtype=float)
    brier = np.mean([((p - np.eye(len(p))[g]) ** 2).sum() for p, g in zip(probabilities, gold)])
    bins = np.digitize(confidence, np.linspace(0.0, 1.0, BINS + 1)[1:-1], right=True)
    weights = np.bincount(bins, minlength=BINS) / count
    with np.errstate(invalid="ignore"):
        hits = np.bincount(bins, right, minlength=BINS) / np.bincount(bins, minlength=BINS)
        means = np.bincount(bins, confidence, minlength=BINS) / np.bincount(bins, minlength=BINS)
    return {
        "items": [{"scores": score.tolist(), "gold": g} for score, g in zip(scores, gold)],
        "brier_score": float(brier),
        "overconfidence": float(confidence.mean() - right.mean()),
        "calibration_error": float(np.nansum(weights * np.abs(hits - means))),
    }


found = {
    "numpy": np.__version__,
    "scipy": scipy.__version__,
    "sets": [reference(40, 5, 2.0), reference(25, 2, 0.3), reference(3, 4, 6.0)],
}
pathlib.Path(__file__).with_name("calibration.json").write_text(json.dumps(found) + "\n")
