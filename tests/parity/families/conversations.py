"""`conversations.json`: rendered text and ids of conversations, and the number of tokens of images of many sizes."""

import json
from pathlib import Path

import jinja2
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoImageProcessor, AutoProcessor, ProcessorMixin

from maker.conversations import SYSTEM, assistant, system, user

# name -> turns. The numbers are indices of images. A conversation that ends with a question is rendered as a prompt.
CASES = {
    "image_first": [user(0, "Which view of the chest is this?")],
    "image_last": [user("Which view of the chest is this?", 0)],
    "answered": [user(0, "Is there a mass?"), assistant("No.")],
    "system": [system(SYSTEM), user(0, "Describe the finding.")],
    "system_answered": [system(SYSTEM), user(0, "Is it normal?"), assistant("Yes, it is.")],
    "two_images": [user(0, 1, "Compare the two."), assistant("The second is larger.")],
    "two_images_between": [user("The first:", 0, "and the second:", 1, "What changed?")],
    "two_turns_two_images": [user(0, "Is it normal?"), assistant("yes"), user(1, "And this one?")],
    "two_questions": [user(0, "Is it normal?"), user("Are you sure?")],
    "no_image": [user("What does a pleural effusion look like?")],
    "multi_turn": [
        user(0, "Modality?"),
        assistant("X-ray"),
        user("Organ?"),
        assistant("the lungs"),
        user("Why?"),
        assistant("Because of the ribs."),
    ],
    "decomposed": [
        user("Cafe\u0301 na\u00efve, A\u030angstro\u0308m, \ufb01ssure, \u1e9b\u0323 and \u212b?"),
        assistant("re\u0301sume\u0301"),
    ],
    "unicode": [user("Größe ≈ 3,5 µm × 10⁴: «опухоль» 肺炎 ½ \u00a0 \u200b \u2028 end?"), assistant("да, 肺")],
    "emoji": [user("🫁 or 👩🏽‍⚕️ or 🇨🇭?"), assistant("🫁!")],
    "blank_character": [user("a\u2581b \u2581\u2581 c \u2581"), assistant("\u2581yes")],
    "newlines": [user("one\n\ntwo\n\n\n\nthree\r\nfour\n"), assistant("\n1.\n2.\n")],
    "image_before_newlines": [user(0, "\n\nLook.\n"), assistant("I see.")],
    "blanks": [user("  two  blanks,   three,\t\ta tab and     five  "), assistant("  yes  ")],
    "digits": [user("T12, L1-L5; 2024-06-11; 1234567.89 mm; [12, 7, 80, 100]"), assistant("12345")],
    "digits_after_blanks": [user("a  12\n\n34\t\t5 \n 6")],
    "markup": [user("<b>bold</b> <table> </s> <|im_end|> <eos> [INST] </div> <unk>"), assistant("<i>x</i>")],
    "punctuation": [user("It's the patient's; they'll \"see\" x_1 <= {y} && don't... I'D"), assistant("WE'LL")],
    "empty_answer": [user(0, "Say nothing."), assistant("")],
}


# Width and height of blank images whose tokens are counted.
SIZES = [
    (1, 1),
    (7, 5),
    (28, 28),
    (30, 30),
    (64, 48),
    (48, 64),
    (100, 100),
    (42, 70),
    (126, 90),
    (150, 200),
    (300, 100),
    (60, 333),
    (1000, 20),
    (20, 700),
    (640, 480),
    (1024, 1024),
    (2500, 2048),
]


def record(folder: Path, images: Path) -> dict:
    """Records the conversations with picture0.png and picture1.png of `images`."""
    names = ["picture0", "picture1"]
    return record_with(folder, names, [Image.open(images / f"{name}.png").convert("RGB") for name in names])


def record_with(folder: Path, names: list[str], images: list[Image.Image]) -> dict:
    """Records the conversations with the processor of `folder`. `names` are the names of the images."""
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cases = [_case(processor, plain, name, turns, images) for name, turns in CASES.items()]
    sizes = {name: list(image.size) for name, image in zip(names, images)}
    config = json.loads((folder / "config.json").read_text())
    feature = config.get("image_token_id", config.get("image_token_index"))
    tokens = [{"size": list(size)} | _image_tokens(processor, feature, size) for size in SIZES]
    return {"images": sizes, "cases": cases, "image_tokens": tokens}


def _image_tokens(processor: ProcessorMixin, feature: int, size: tuple[int, int]) -> dict:
    """Returns how often the id of image features occurs for a blank image, and the shape of `pixel_values`."""
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    try:
        encoded = processor(text=[text], images=[[Image.new("RGB", size)]], return_tensors="pt")
    except (ValueError, ZeroDivisionError) as error:
        return {"refused": str(error)}
    count = int((encoded["input_ids"] == feature).sum())
    return {"tokens": count, "pixel_values": list(encoded["pixel_values"].shape)}


def _case(
    processor: ProcessorMixin, plain: Tokenizer, name: str, turns: list[dict], images: list[Image.Image]
) -> dict:
    """Returns one conversation with its text and ids, or with the template's refusal."""
    prompt = turns[-1]["role"] == "user"
    case = {"name": name, "messages": turns, "add_generation_prompt": prompt}
    messages = [_filled(turn, images) for turn in turns]
    try:
        text = processor.apply_chat_template(messages, add_generation_prompt=prompt)
    except jinja2.TemplateError as error:
        return case | {"refused": str(error)}
    encoded = processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=prompt
    )
    ids = encoded["input_ids"][0].tolist()
    _check_tokenizer(processor, plain, text, name)
    return case | {"text": text, "input_ids": ids}


def _filled(turn: dict, images: list[Image.Image]) -> dict:
    """Returns a message in the form of transformers."""
    content = [
        {"type": "image", "image": images[part["index"]]} if part["type"] == "image" else dict(part)
        for part in turn["content"]
    ]
    return {"role": turn["role"], "content": content}


def _check_tokenizer(processor: ProcessorMixin, plain: Tokenizer, text: str, name: str) -> None:
    """Asserts that the class of the folder and tokenizer.json as written give the same ids."""
    of_class = processor.tokenizer(text)["input_ids"]
    assert of_class == plain.encode(text).ids, f"{name}: the tokenizer class changes tokenizer.json"
