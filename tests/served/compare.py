"""Compares the replies of the server with those of the program, item by item, and writes result.json: `compare.py SIZE ...`.

SIZE is the side of the images in pixels; the outcomes are in native-SIZE and served-SIZE. Exit code 1 where a reply, a
verdict or a question differs.
"""

import importlib.metadata
import json
import sys
from collections import Counter
from pathlib import Path

PACKAGES = ("transformers", "torch", "torchvision", "pillow", "fastapi", "uvicorn")


def replies(path: Path) -> dict:
    """Returns reply, verdict and digest of the question by case, item and condition."""
    outcomes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        (outcome["case_id"], outcome["item_id"], outcome["condition"]): (
            outcome["reply"].strip(),
            outcome["verdict"],
            outcome["asked"],
        )
        for outcome in outcomes
    }


def compare(size: str) -> dict:
    native = replies(Path(f"native-{size}/model/outcomes.jsonl"))
    served = replies(Path(f"served-{size}/outcomes.jsonl"))
    other = sorted(key for key in native.keys() | served.keys() if native.get(key) != served.get(key))
    for key in other[:10]:
        print(f"{key}: native {native.get(key)}, served {served.get(key)}")
    count = len(native.keys() | served.keys())
    print(f"images of {size} pixels: {count - len(other)} of {count} greedy replies, verdicts and questions are equal")
    return {
        "image_size": int(size),
        "items": count,
        "equal": count - len(other),
        "different_replies": len({reply for reply, _, _ in native.values()}),
        "by_condition": dict(sorted(Counter(condition for _, _, condition in native).items())),
    }


versions = {name: importlib.metadata.version(name) for name in PACKAGES}
found = [compare(size) for size in sys.argv[1:]]
Path("result.json").write_text(json.dumps({"versions": versions, "results": found}, indent=1) + "\n")
sys.exit(any(result["equal"] != result["items"] or not result["items"] for result in found))
