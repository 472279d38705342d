"""A byte-level BPE tokenizer of a few hundred tokens with the structure of the real one.

Pre-tokenizer, names and order of special tokens are equal; token ids differ.
"""

import itertools
import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

MERGES = 180
# Reserved tokens between <image> and <end_of_utterance>. The real tokenizer has 88.
RESERVED = 4


def build(real: Path, folder: Path) -> Tokenizer:
    """Trains on generated sentences and writes tokenizer.json, tokenizer_config.json and special_tokens_map.json."""
    original = json.loads((real / "tokenizer.json").read_text())
    first_added = len(original["model"]["vocab"])
    leading = [token["content"] for token in original["added_tokens"] if token["id"] < first_added]
    trailing = [token["content"] for token in original["added_tokens"] if token["id"] >= first_added]
    reserved = [name for name in trailing if "reserved_special_token" in name]
    trailing = [name for name in trailing if name not in reserved[RESERVED:]]

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(leading) + 256 + MERGES,
        special_tokens=[AddedToken(name, normalized=False, special=True) for name in leading],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in trailing])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_companions(real, folder, tokenizer)
    return tokenizer


def _write_companions(real: Path, folder: Path, tokenizer: Tokenizer) -> None:
    settings = json.loads((real / "tokenizer_config.json").read_text())
    kept = {
        tokenizer.token_to_id(entry["content"]): entry
        for entry in settings["added_tokens_decoder"].values()
        if tokenizer.token_to_id(entry["content"]) is not None
    }
    settings["added_tokens_decoder"] = {str(number): kept[number] for number in sorted(kept)}
    settings["vocab_size"] = tokenizer.get_vocab_size()
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    special = json.loads((real / "special_tokens_map.json").read_text())
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")


def sentences() -> list[str]:
    """Returns a fixed list of a few hundred sentences."""
    modalities = ("X-ray", "CT", "MRI", "ultrasound", "microscopy")
    organs = ("lung", "brain", "liver", "heart", "kidney", "blood cells")
    findings = ("lesion", "effusion", "consolidation", "mass", "nodule", "fracture")
    margins = ("smooth", "spiculated", "ill-defined", "lobulated")
    sides = ("left", "right")
    shown = [
        f"User:What is the modality of this image? Assistant: {modality}, it shows the {organ}."
        for modality, organ in itertools.product(modalities, organs)
    ]
    described = [
        f"There is a {margin} {finding} on the {side} side of the {organ}. Is there a second {finding}? no"
        for margin, finding, side, organ in itertools.product(margins, findings, sides, organs)
    ]
    return shown + described
