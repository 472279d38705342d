"""Compares the tokens that LLaMA-Factory, ms-swift and TRL train on with those of Stepwise, for the same folder.

    python compare.py STEPWISE FOLDER FAMILY MODEL RESULT.json

FOLDER is that of `make_folders.py`, with FAMILY-TOOL.json and FAMILY-TOOL-worded.json of `encode.py` in it. The result is
added to RESULT.json under the name of the family.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from make_folders import CONVERSATIONS, conversations

TOOLS = {"llama-factory": "llamafactory", "ms-swift": "ms-swift", "trl": "trl"}
RECIPE = """model_name_or_path = {model}
[data]
dataset = {cases}

[[curriculum.phase]]
name = "all"
stages = [1, 2, 3, 4]

[benchmark]
suite = "none"
"""


def command(*arguments):
    return subprocess.run([str(argument) for argument in arguments], check=True, capture_output=True, text=True).stdout


def of_stepwise(stepwise, folder, tool, family, model):
    """Imports the folder of a tool, and returns ids and labels of Stepwise by question."""
    cases = folder / f"cases-{tool}"
    shutil.rmtree(cases, ignore_errors=True)
    command(stepwise, "data", "import", tool, folder / tool, cases, "--rest", "25", "--split", "new")
    records = [json.loads(line) for line in (cases / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    recipe = folder / f"{family}-{tool}.toml"
    recipe.write_text(RECIPE.format(model=json.dumps(str(model)), cases=json.dumps(str(cases))))
    found = {}
    for number, record in enumerate(records):
        # `preview` shows training cases, and a recipe needs another case for the evaluation.
        held = (number + 1) % len(records)
        split = [{**other, "split": "validation" if place == held else "train"} for place, other in enumerate(records)]
        text = "".join(json.dumps(other, ensure_ascii=False) + "\n" for other in split)
        (cases / "cases.jsonl").write_text(text, encoding="utf-8")
        shown = json.loads(command(stepwise, "preview", recipe, "--case", number - (held < number), "--json"))
        texts = {f"{record['case_id']}/{item['id']}": item["question"] for item in record["chain"]}
        for example in shown["examples"]:
            found[texts[example["name"]]] = {"ids": example["token_ids"], "labels": example["labels"]}
    return found


def spans(row):
    """Runs of supervised tokens."""
    runs, before = [], -2
    for place, label in enumerate(row["labels"]):
        if label == -100:
            continue
        assert label == row["ids"][place]
        if place != before + 1:
            runs.append([])
        runs[-1].append(label)
        before = place
    return runs


def answers(ours, tool, rows):
    """Compares the supervised tokens of each answer. A tool may supervise more tokens after the end of the turn."""
    order = [turns for _, turns in conversations(False)]
    if tool == "trl":
        order = [turns for turns in order if len(turns) > 1] + [turns for turns in order if len(turns) == 1]
    found = []
    assert len(order) == len(rows), (len(order), len(rows))
    for turns, row in zip(order, rows):
        taught = spans(row)
        assert len(taught) == len(turns), (turns, taught)
        for (question, answer), theirs in zip(turns, taught):
            (own,) = spans(ours[question])
            is_equal = theirs[: len(own)] == own
            found.append({"question": question, "answer": answer, "tokens": own, "equal": is_equal, "more": theirs[len(own) :]})
            if not is_equal:
                found[-1]["theirs"] = theirs
    return found


def whole(ours, rows):
    """Compares all ids of single turns whose question has the sentence that Stepwise adds."""
    questions = [turns[0][0] for _, turns, added in CONVERSATIONS if added is not None]
    found = []
    for question, row in zip(questions, rows):
        own, theirs = ours[question]["ids"], row["ids"]
        shared = next((place for place, pair in enumerate(zip(own, theirs)) if pair[0] != pair[1]), min(len(own), len(theirs)))
        found.append({"question": question, "tokens": len(own), "equal_tokens": shared, "ours_after": own[shared:], "theirs_after": theirs[shared:]})
    return found


def main():
    stepwise, folder, family, model, out = sys.argv[1:]
    folder, out = Path(folder).resolve(), Path(out)
    result = json.loads(out.read_text()) if out.exists() else {}
    tools = {}
    for tool, package in TOOLS.items():
        files = [folder / f"{family}-{tool}{end}.json" for end in ("", "-worded")]
        if not all(file.exists() for file in files):
            continue
        plain, worded = (json.loads(file.read_text()) for file in files)
        ours = of_stepwise(stepwise, folder, tool, family, Path(model).resolve())
        tools[package] = {"versions": plain["versions"], "answers": answers(ours, tool, plain["rows"]), "whole": whole(ours, worded["rows"])}
        compared = tools[package]
        equal = sum(answer["equal"] for answer in compared["answers"])
        print(f"{family} {tool}: {equal} of {len(compared['answers'])} answers equal")
    result[family] = tools
    out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
