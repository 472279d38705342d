"""BPE tokenizers with the structure of Gemma's and Llama's, and with merges trained on `training_text.txt`.

The special tokens and the steps around the BPE are those of the released tokenizers, because model and template need
them. Nothing is taken from a released vocabulary.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

TEXT = Path(__file__).resolve().parent / "training_text.txt"
BLANK = "\u2581"
# Characters with a token. Bytes stand for all others.
CHARACTERS = [BLANK, *map(chr, range(0x21, 0x7F)), *"äöüßéèïñ°±µ"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
# Gemma has tokens for runs of at most 31 newlines, tabs or blanks, and for the tags of HTML.
LONGEST_RUN = 8
TAGS = ("table", "tr", "td", "b", "i", "s", "code", "div")
BLANKS_TO_CHARACTER = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
DECODERS = [
    {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
]


def llama(merges: int) -> tuple[dict, dict[str, int]]:
    """Returns the content of a tokenizer.json with the structure of Llama 2's, and the id of every token.

    A blank is put before the text. `<image>` and `<pad>` come last, as in LLaVA.
    """
    first, last = ["<unk>", "<s>", "</s>"], ["<image>", "<pad>"]
    prepend = {"type": "Prepend", "prepend": BLANK}
    steps = {
        "normalizer": {"type": "Sequence", "normalizers": [prepend, BLANKS_TO_CHARACTER]},
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [*DECODERS, {"type": "Strip", "content": " ", "start": 1, "stop": 0}],
        },
    }
    return _content(first, last, {*first, *last}, trained_merges(merges), "<s>", steps)


def gemma(merges: int) -> tuple[dict, dict[str, int]]:
    """Returns the content of a tokenizer.json with the structure of Gemma 3's, and the id of every token.

    The merges of runs of blanks come before the trained ones, the longest run first.
    """
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    images = ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]
    lines, tabs = (_runs(character, 1) for character in "\n\t")
    tags = [f"<{slash}{tag}>" for slash in ("", "/") for tag in TAGS]
    first = [*special[:4], "<mask>", *special[4:], *lines, *_runs(BLANK, 2), *tags, *tabs]
    of_blanks = [
        [BLANK * left, BLANK * right]
        for left in range(LONGEST_RUN - 1, 0, -1)
        for right in range(min(left, LONGEST_RUN - left), 0, -1)
    ]
    steps = {
        "normalizer": BLANKS_TO_CHARACTER,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "decoder": {"type": "Sequence", "decoders": DECODERS},
    }
    return _content(first, images, {*special, *images}, of_blanks + trained_merges(merges), "<bos>", steps)


def settings(tokenizer: dict) -> dict:
    """Returns the part of tokenizer_config.json that both kinds have."""
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": {
            str(token["id"]): {name: value for name, value in token.items() if name != "id"}
            for token in tokenizer["added_tokens"]
        },
        "clean_up_tokenization_spaces": False,
        "pad_token": "<pad>",
        "padding_side": "left",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


def trained_merges(count: int) -> list[list[str]]:
    """Returns the first merges of BPE within words, which begin with the character for a blank."""
    lines = TEXT.read_text(encoding="utf-8").splitlines()
    assert set("".join(lines)) - {" "} <= set(CHARACTERS), f"{TEXT}: a character has no token"
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement=BLANK, prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=len(CHARACTERS) + count, min_frequency=1, initial_alphabet=CHARACTERS, show_progress=False
    )
    trained.train_from_iterator(lines, trainer)
    merges = json.loads(trained.to_str())["model"]["merges"]
    assert len(merges) == count, f"{TEXT}: the text gives only {len(merges)} of {count} merges"
    return merges


def _runs(character: str, shortest: int) -> list[str]:
    return [character * length for length in range(shortest, LONGEST_RUN + 1)]


def _content(
    first: list[str], last: list[str], special: set[str], merges: list[list[str]], start: str, steps: dict
) -> tuple[dict, dict[str, int]]:
    """Numbers the tokens: `first`, bytes, merged tokens, characters, `last`. `start` is put before every text."""
    model_tokens = dict.fromkeys([*first, *BYTES, *("".join(merge) for merge in merges), *CHARACTERS])
    ids = {name: number for number, name in enumerate(model_tokens)}
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": "<unk>",
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": dict(ids),
        "merges": merges,
    }
    for name in last:
        ids[name] = len(ids)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": ids[name], "content": name, **flags, "special": name in special} for name in [*first, *last]]
    content = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **steps}
    return content | {"post_processor": _starts_with(start, ids[start]), "model": model}, ids


def _starts_with(token: str, number: int) -> dict:
    def part(kind: str, name: str, text: int) -> dict:
        return {kind: {"id": name, "type_id": text}}

    single = [part("SpecialToken", token, 0), part("Sequence", "A", 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, part("SpecialToken", token, 1), part("Sequence", "B", 1)],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }
