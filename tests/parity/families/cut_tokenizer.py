"""Qwen's BPE tokenizers, reduced to their first merges."""

import copy
import json
from pathlib import Path


def cut(tokenizer: dict, merges: int) -> tuple[dict, dict[str, int]]:
    """Reduces the content of a tokenizer.json to its first `merges` merges and numbers the tokens anew.

    Returns the reduced content and the id of every token.
    """
    tokenizer = copy.deepcopy(tokenizer)
    added = tokenizer["added_tokens"]
    added_names = {token["content"] for token in added}
    model = tokenizer["model"]
    ordered = [name for name, _ in sorted(model["vocab"].items(), key=lambda entry: entry[1])]
    kept = [name for name in ordered if name in added_names or len(name) == 1]
    known, kept_merges = set(kept), []
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if left in known and right in known and len(kept_merges) < merges:
            kept_merges.append([left, right])
            if left + right not in known:
                known.add(left + right)
                kept.append(left + right)
    ids = {name: number for number, name in enumerate(kept)}
    model["vocab"], model["merges"] = dict(ids), kept_merges
    for token in added:
        token["id"] = ids.setdefault(token["content"], len(ids))
    tokenizer["added_tokens"] = sorted(added, key=lambda token: token["id"])
    post_processor = tokenizer.get("post_processor") or {}
    for special in (post_processor.get("special_tokens") or {}).values():
        special["ids"] = [ids[name] for name in special["tokens"]]
    return tokenizer, ids


def qwen2_5(models: Path) -> dict:
    """Builds the content of Qwen2.5's tokenizer.json from vocab.json and merges.txt, with the structure of Qwen3's."""
    real = models / "qwen2.5-vl-7b-instruct"
    tokenizer = json.loads((models / "qwen3-text-tokenizer/tokenizer.json").read_text())
    tokenizer["model"]["vocab"] = json.loads((real / "vocab.json").read_text())
    lines = (real / "merges.txt").read_text(encoding="utf-8").split("\n")
    tokenizer["model"]["merges"] = [line.split(" ") for line in lines if line and not line.startswith("#")]
    added = json.loads((real / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    tokenizer["added_tokens"] = [{"id": int(number), **token} for number, token in added.items()]
    return tokenizer


def write(folder: Path, tokenizer: dict, ids: dict[str, int], settings: dict) -> None:
    """Writes tokenizer.json and tokenizer_config.json with the new ids."""
    settings = copy.deepcopy(settings)
    if "added_tokens_decoder" in settings:
        settings["added_tokens_decoder"] = {
            str(ids[token["content"]]): token
            for token in settings["added_tokens_decoder"].values()
            if token["content"] in ids
        }
    settings["model_max_length"] = 2048
    if settings.get("chat_template", "") is None:
        del settings["chat_template"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n")


def table_rows(ids: dict[str, int], multiple: int = 16) -> int:
    """Returns a number of vocabulary rows above the number of tokens, as in the real models."""
    return (max(ids.values()) + 2 * multiple) // multiple * multiple
