"""Makes the data folders of recipes/study-confirm-real.toml. Its evaluation cases are cases on which order-real and rewarm-real were
trained and never evaluated.

First import the data sets of recipes/studies/real.toml again, with another split (their seed is 0):

    stepwise data import cxr FOLDER data/confirm/cxr --seed 1
    stepwise data import brain-mri FOLDER data/confirm/brain-mri --seed 1
    stepwise data import bccd FOLDER data/confirm/bccd --seed 1

Then run once:

    python3 recipes/studies/new-cases.py

A case outside the new training split is an evaluation case if it was a training case before; all other cases are training cases. Both
imports keep all cases of a patient in one split, and so does this script. The blood smears have a published split, which does not depend
on the seed: only their training cases are used, and none is evaluated.
"""

import json
import os


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


for name in ["cxr", "brain-mri", "bccd"]:
    path = f"data/confirm/{name}/cases.jsonl"
    before = {case["case_id"]: case["split"] for case in read(f"data/{name}/cases.jsonl")}
    cases = read(path)
    if name == "bccd":
        cases = [case for case in cases if case["split"] == "train"]
    for case in cases:
        asked = case["split"] != "train" and before[case["case_id"]] == "train"
        case["split"] = "validation" if asked else "train"
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n" for case in cases)
    os.replace(path + ".new", path)
    sides = [case["split"] for case in cases]
    print(f"{path}: {sides.count('train')} training cases, {sides.count('validation')} evaluation cases")
