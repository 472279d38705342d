"""Encodes a folder of `make_folders.py` with the data and template code of one tool, as its supervised fine-tuning does.

    python encode.py llama-factory|ms-swift|trl FOLDER MODEL FAMILY OUT.json

FAMILY is a key of LLAMA_FACTORY and MS_SWIFT. No weights are read and nothing is trained.
"""

import importlib.metadata
import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", USE_HF="1", CUDA_VISIBLE_DEVICES="", DISABLE_VERSION_CHECK="1")

PACKAGES = {"llama-factory": "llamafactory", "ms-swift": "ms-swift", "trl": "trl"}

# Names of the templates of the tools.
LLAMA_FACTORY = {"qwen2.5-vl": "qwen2_vl"}
MS_SWIFT = {"qwen2.5-vl": "qwen2_5_vl"}


def llama_factory(folder, model, family):
    """The data loading of `llamafactory-cli train` with stage sft."""
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    arguments = {"model_name_or_path": model, "stage": "sft", "do_train": True, "finetuning_type": "lora", "dataset": "set"}
    arguments |= {"dataset_dir": str(folder), "media_dir": str(folder), "template": LLAMA_FACTORY[family], "cutoff_len": 4096}
    arguments |= {"output_dir": str(folder / "out"), "overwrite_cache": True, "use_cpu": True, "report_to": "none"}
    model_args, data_args, training_args, *_ = get_train_args(arguments)
    loaded = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
    rows = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)["train_dataset"]
    # The collator replaces nothing of ids and labels for this family, so the rows are what is trained.
    return [{"ids": row["input_ids"], "labels": row["labels"]} for row in rows]


def ms_swift(folder, model, family):
    """The data loading of `swift sft`."""
    os.chdir(folder)
    from swift import get_processor, get_template, load_dataset

    template = get_template(get_processor(model, model_type=MS_SWIFT[family]))
    template.set_mode("train")
    rows, _ = load_dataset([str(folder / "set.jsonl")], split_dataset_ratio=0.0, load_from_cache_file=False, strict=True)
    encoded = [template.encode(dict(row)) for row in rows]
    return [{"ids": list(row["input_ids"]), "labels": list(row["labels"])} for row in encoded]


def trl(folder, model, _family):
    """The collator of `SFTTrainer`, set up as the trainer does: prompts with completions, and messages with
    assistant_only_loss."""
    os.chdir(folder)
    from datasets import Image, Sequence, load_dataset
    from transformers import AutoProcessor
    from trl.chat_template_utils import get_training_chat_template
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    processor = AutoProcessor.from_pretrained(model)
    collators = {
        "several.jsonl": {"assistant_only_loss": True, "chat_template": get_training_chat_template(processor)},
        "single.jsonl": {"completion_only_loss": True},
    }
    found = []
    for name, options in collators.items():
        if not Path(name).exists():
            continue
        rows = load_dataset("json", data_files=name, split="train", cache_dir=str(folder / "cache"))
        rows = rows.cast_column("images", Sequence(Image()))
        collator = DataCollatorForVisionLanguageModeling(processor, **options)
        for row in rows:
            batch = collator([row])
            found.append({"ids": batch["input_ids"][0].tolist(), "labels": batch["labels"][0].tolist()})
    return found


def main():
    tool, folder, model, family, out = sys.argv[1:]
    out = Path(out).resolve()
    encode = {"llama-factory": llama_factory, "ms-swift": ms_swift, "trl": trl}[tool]
    rows = encode(Path(folder).resolve(), str(Path(model).resolve()), family)
    versions = {name: importlib.metadata.version(name) for name in (PACKAGES[tool], "transformers", "datasets")}
    out.write_text(json.dumps({"versions": versions, "rows": rows}))


if __name__ == "__main__":
    main()
