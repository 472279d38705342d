"""Writes ridge.json: decision values of scikit-learn's RidgeClassifier on rows with planted classes.

    pip install numpy==2.4.6 scikit-learn==1.7.2
    python tests/parity/ridge_reference.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeClassifier

rng = np.random.default_rng(5)
classes = np.array([0, 1, 2] * 8 + [1, 0, 2, 2, 1, 0])
centres = rng.normal(size=(3, 40))
features = (centres[classes] + rng.normal(size=(len(classes), 40))).astype(np.float32).round(3)
fitted = 24
penalties = [0.5, 10.0, 400.0]
decisions = []
for penalty in penalties:
    model = RidgeClassifier(alpha=penalty).fit(features[:fitted].astype(np.float64), classes[:fitted])
    decisions.append(model.decision_function(features.astype(np.float64)).round(9).tolist())

rows = [[float(f"{value:.3f}") for value in row] for row in features]
written = {"features": rows, "classes": classes.tolist(), "fitted": fitted, "penalties": penalties, "decisions": decisions}
Path(__file__).with_name("ridge.json").write_text(json.dumps(written) + "\n")
