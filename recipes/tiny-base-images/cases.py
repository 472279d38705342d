"""Puts the cases of an imported folder on one side of the split, and rewrites FOLDER/cases.jsonl.

    python3 cases.py FOLDER SIDE [--published] [--most N] [--drop-constant] [--prefix TEXT] [--without CASE ...]
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path


def gold(item):
    """Answer of a question as text: the right options, or the value."""
    answer = item["answer"]
    if "options" in answer:
        return json.dumps(sorted(str(answer["options"][place]) for place in answer["gold"]))
    return json.dumps(answer.get("gold"))


def without(chain, left_out):
    """Removes questions from a chain. Questions that build on a removed one build on the parents of that one."""
    parents = {item["id"]: item.get("parents", []) for item in chain}

    def kept(ids):
        for name in ids:
            if name in left_out:
                yield from kept(parents[name])
            else:
                yield name

    items = [item for item in chain if item["id"] not in left_out]
    for item in items:
        if "parents" in item:
            item["parents"] = list(dict.fromkeys(kept(item["parents"])))
            if not item["parents"]:
                del item["parents"]
    return items


def main():
    parser = argparse.ArgumentParser(description="Puts the cases of an imported folder on one side of the split.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("side", choices=["train", "validation", "test"])
    parser.add_argument("--published", action="store_true", help="keep only the cases that are on this side already")
    parser.add_argument("--most", type=int, help="keep this many cases, spread evenly over the file")
    parser.add_argument("--drop-constant", action="store_true", help="leave out questions with one answer in all cases")
    parser.add_argument("--prefix", default="", help="put this before the ids of cases and groups")
    parser.add_argument("--without", nargs="*", default=[], help="leave out the cases whose ids begin so")
    options = parser.parse_args()
    path = options.folder / "cases.jsonl"
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    if options.published:
        cases = [case for case in cases if case["split"] == options.side]
    if options.most and len(cases) > options.most:
        cases = [cases[place * len(cases) // options.most] for place in range(options.most)]
    answers = defaultdict(set)
    for case in cases:
        for item in case["chain"]:
            answers[item["question"]].add(gold(item))
    with path.open("w") as out:
        for case in cases:
            case["split"] = options.side
            case["case_id"] = options.prefix + case["case_id"]
            case["group_id"] = options.prefix + case["group_id"]
            if options.drop_constant:
                left_out = {item["id"] for item in case["chain"] if len(answers[item["question"]]) == 1}
                case["chain"] = without(case["chain"], left_out)
            if case["chain"] and not case["case_id"].startswith(tuple(options.without)):
                out.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
