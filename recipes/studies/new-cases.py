"""Folders for recipes/study-confirm-real.toml: it asks only cases that order-real and rewarm-real trained on and never asked.

Before it, beside the folders of recipes/studies/real.toml, whose seed is 0, the same sets with other sides:

    stepwise data import cxr FOLDER data/confirm/cxr --seed 1
    stepwise data import brain-mri FOLDER data/confirm/brain-mri --seed 1
    stepwise data import bccd FOLDER data/confirm/bccd --seed 1

Then, once:

    python3 recipes/studies/new-cases.py

A case stays to be asked if it was one to learn from before; every other one is learnt from. Both imports keep all cases of a patient
on one side, and so does this. The blood smears come with sides of their own, which no seed changes: they are learnt from as before,
and none is asked.
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
    print(f"{path}: {sides.count('train')} to learn from, {sides.count('validation')} to ask")
