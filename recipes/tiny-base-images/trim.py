#!/usr/bin/env python3
"""Drops questions from the imported variants of `variants.py`, in place: those whose answer is the same for all images of a
set, and those on the type of a pasted tumour.

    trim.py FOLDER...
"""

import json
import sys
from pathlib import Path

from variants import FIRST_PASTED

# Modality, sequence, body part, presence, count: the unchanged images have these questions.
SAME_FOR_ALL = {"01", "02", "04", "09", "10", "14"}
ON_THE_TYPE = {"24", "25"}


def main():
    for folder in sys.argv[1:]:
        path = Path(folder) / "cases.jsonl"
        cases = [trimmed(json.loads(line)) for line in path.open()]
        path.write_text("".join(json.dumps(case) + "\n" for case in cases if case["chain"]))


def trimmed(case):
    name = Path(case["images"][0]["path"]).name
    is_pasted = case["source"]["dataset"].startswith("figshare") and int(name.split("-")[1].split(".")[0]) >= FIRST_PASTED
    dropped = SAME_FOR_ALL | (ON_THE_TYPE if is_pasted else set())
    chain = [item for item in case["chain"] if item["category"] not in dropped]
    kept = {item["id"] for item in chain}
    for item in chain:
        item["parents"] = [parent for parent in item.get("parents", []) if parent in kept]
    return case | {"chain": chain}


if __name__ == "__main__":
    main()
