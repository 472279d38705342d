"""The reference: the same work with PyTorch, transformers, PEFT and TRL. See README.md beside it.

    python reference.py train|sft|eval|vision|family-train|family-eval --work WORK --conversations FILE.jsonl [--json OUT] ...
"""

import argparse
import importlib
import os
from pathlib import Path

MODULES = {
    "train": "train",
    "sft": "sft",
    "eval": "evaluate",
    "vision": "vision",
    "family-train": "family",
    "family-eval": "family",
}


def main() -> None:
    arguments = parser().parse_args()
    # Read when the libraries are imported, so they are imported afterwards, and only those a command needs.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    from torch_side import measure

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    module = importlib.import_module(f"torch_side.{MODULES[arguments.command]}")
    result = module.run(arguments)
    measure.write(arguments.json, {**measure.environment(vars(arguments)), **result})


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--work", type=Path, required=True, help="folder that make_work.py made")
    common.add_argument("--conversations", type=Path, required=True, help="records, one JSON a line")
    common.add_argument("--json", type=Path, help="where the result goes (standard output when absent)")
    common.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    common.add_argument("--threads", type=int, default=2)
    common.add_argument("--device", default="cpu", help="cpu or cuda")
    common.add_argument("--warmup", type=int, default=3, help="steps, questions or passes done first and not counted")

    training = argparse.ArgumentParser(add_help=False)
    training.add_argument("--batch", type=int, default=8, help="questions an optimiser step")
    training.add_argument("--steps", type=int, default=20)
    training.add_argument("--learning-rate", type=float, default=2e-4)

    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", parents=[common, training], help="a careful loop")
    train.add_argument("--mode", choices=("plain", "cached"), default="plain")
    train.add_argument("--head", choices=("full", "supervised"), default="full", help="where logits are computed")
    sft = commands.add_parser("sft", parents=[common, training], help="TRL's SFTTrainer")
    sft.add_argument("--no-gradient-checkpointing", action="store_true", help="TRL's default is to recompute")
    evaluate = commands.add_parser("eval", parents=[common], help="option log-likelihood")
    evaluate.add_argument("--mode", choices=("loop", "past"), default="loop")
    commands.add_parser("family-train", parents=[common, training], help="a careful loop, models of other families")
    commands.add_parser("family-eval", parents=[common], help="option log-likelihood, models of other families")
    vision = commands.add_parser("vision", parents=[common], help="the vision tower's forward pass")
    vision.add_argument("--tiles", type=int, default=4)
    vision.add_argument("--steps", type=int, default=20)
    return top


if __name__ == "__main__":
    main()
