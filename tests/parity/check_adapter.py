"""Computes PEFT's outputs with an adapter on the tiny model, to be compared with Stepwise's outputs.

    python check_adapter.py FOLDER_BASE FOLDER_ADAPTER OUT.json [--conversation NAME]

FOLDER_BASE is `tiny`, FOLDER_ADAPTER a PEFT folder, NAME a conversation of fixtures.json (default `single`). OUT.json
holds the logits that predict the supervised tokens (one row each), the loss, the greedy continuation of the prompt, the
largest difference of the logits after merging, and the digest of the adapter file.
"""

import argparse
from pathlib import Path

import torch
from peft import PeftModel

from maker import conversations, encoding, environment, tiny_folder, trace

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--conversation", default="single", choices=conversations.TINY)
    given = parser.parse_args()
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()
    environment.write_json(given.out, checked(given.base, given.adapter, given.conversation))


@torch.no_grad()
def checked(base: Path, adapter: Path, conversation: str) -> dict:
    case = conversations.TINY[conversation]
    processor = tiny_folder.load_processor(base)
    turns = case["messages"]
    answered = encoding.encode(processor, HERE / "images", case, turns, generation_prompt=False)
    prompt = encoding.encode(processor, HERE / "images", case, turns[:-1], generation_prompt=True)

    model = PeftModel.from_pretrained(tiny_folder.load_model(base), adapter).eval()
    output = model(**answered.inputs(), labels=answered.labels, use_cache=False)
    predicting = [place - 1 for place in answered.supervised()]
    targets = sorted(model.targeted_module_names)
    merged = model.merge_and_unload()
    difference = merged(**answered.inputs(), use_cache=False).logits - output.logits
    return {
        "conversation": conversation,
        "adapter_sha256": environment.sha256((adapter / "adapter_model.safetensors").read_bytes()),
        "targets": targets,
        "positions": predicting,
        "logits": output.logits[0, predicting].tolist(),
        "loss": output.loss.item(),
        "greedy": trace.greedy(merged, prompt),
        "merged_max_abs_difference": difference.abs().max().item(),
    }


if __name__ == "__main__":
    main()
