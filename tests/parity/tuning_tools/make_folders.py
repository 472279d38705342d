"""Makes one small data set in the formats of LLaMA-Factory, ms-swift and TRL.

    python make_folders.py FOLDER
"""

import json
import sys
from pathlib import Path

from PIL import Image

# Images of each conversation, its turns, and what Stepwise adds to the question of a single turn.
CONVERSATIONS = [
    (["a.png"], [("Which organ is shown?", "The left lung."), ("Is it enlarged?", "No."), ("How sure is that?", "Very sure")], None),
    (["b.png"], [("Is there a fracture?", "no")], "Answer yes or no."),
    (["c.png"], [("How many nodules are there?", "3")], "Answer with a number."),
    (["d.png", "e.png"], [("Which image is older?", "The first one,\nbecause it is darker.")], "Answer briefly."),
    (["f.png"], [("这是哪个器官?", "肝脏")], "Answer briefly."),
    (["g.png"], [("Which modality is this?", "  X-ray (PA), 12.5 kV ")], "Answer briefly."),
]


def draw(folder):
    """Images that are unlike each other, of whole patches of 28 pixels, so that every tool takes as many tokens for them."""
    for number, name in enumerate(sorted({name for images, *_ in CONVERSATIONS for name in images})):
        cells = Image.new("RGB", (6, 4))
        cells.putdata([((x * 97 * (number + 3)) % 256, (x * 53 + number * 41) % 256, (x * x * (number + 1)) % 256) for x in range(24)])
        cells.resize((168, 112), Image.Resampling.NEAREST).save(folder / name)


def conversations(worded):
    """The conversations; with `worded`, single turns with the sentence that Stepwise adds to their question."""
    for images, turns, added in CONVERSATIONS:
        if worded and added is None:
            continue
        yield images, [(f"{question}\n{added}" if worded else question, answer) for question, answer in turns]


def lines(path, records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def llama_factory(folder, worded):
    names = {"name": "set", "file_name": "set.json", "formatting": "sharegpt", "columns": {"messages": "messages", "images": "images"}}
    names["tags"] = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {names.pop("name"): names}
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=1))
    records = [{"messages": flat(images, turns), "images": images} for images, turns in conversations(worded)]
    (folder / "set.json").write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")


def ms_swift(folder, worded):
    lines(folder / "set.jsonl", [{"messages": flat(images, turns), "images": images} for images, turns in conversations(worded)])


def flat(images, turns):
    """Messages with a placeholder for each image before the first question."""
    messages = []
    for place, (question, answer) in enumerate(turns):
        placeholders = "<image>" * len(images) if place == 0 else ""
        messages += [{"role": "user", "content": placeholders + question}, {"role": "assistant", "content": answer}]
    return messages


def trl(folder, worded):
    """Single turns as prompt and completion, and conversations of several turns as messages."""
    records = []
    for images, turns in conversations(worded):
        parts = [{"type": "image"}] * len(images)
        messages = []
        for place, (question, answer) in enumerate(turns):
            text = {"type": "text", "text": question}
            messages.append({"role": "user", "content": [*(parts if place == 0 else []), text]})
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        single = {"prompt": messages[:1], "completion": messages[1:]}
        records.append({"images": images, **(single if len(turns) == 1 else {"messages": messages})})
    several = [record for record in records if "messages" in record]
    lines(folder / "several.jsonl", several) if several else None
    lines(folder / "single.jsonl", [record for record in records if "prompt" in record])


def main():
    for name, write in {"llama-factory": llama_factory, "ms-swift": ms_swift, "trl": trl}.items():
        for worded in (False, True):
            folder = Path(sys.argv[1]) / (f"{name}-worded" if worded else name)
            folder.mkdir(parents=True, exist_ok=True)
            draw(folder)
            write(folder, worded)


if __name__ == "__main__":
    main()
