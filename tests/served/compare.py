"""Compares the replies of two outcome files item by item: `compare.py NATIVE SERVED`. Exit code 1 where one differs."""

import json
import sys


def replies(path):
    with open(path, encoding="utf-8") as lines:
        outcomes = [json.loads(line) for line in lines if line.strip()]
    return {(o["case_id"], o["item_id"], o["condition"]): (o["reply"].strip(), o["verdict"], o["asked"]) for o in outcomes}


native, served = replies(sys.argv[1]), replies(sys.argv[2])
other = [key for key in native.keys() | served.keys() if native.get(key) != served.get(key)]
for key in sorted(other)[:10]:
    print(f"{key}: native {native.get(key)}, served {served.get(key)}")
print(f"{len(native) - len(other)} of {len(native)} greedy replies, verdicts and questions are equal")
sys.exit(1 if other else 0)
