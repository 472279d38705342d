"""`real_folder.json`: results of the real tokenizer, template and processor for 17 conversations."""

from pathlib import Path

import torch
from transformers import AutoTokenizer, Idefics3Processor

from . import encoding, environment, tiny_folder
from .conversations import SYSTEM, assistant, system, user

LONG = " ".join(f"Finding {number}: the opacity in zone {number % 6 + 1} is unchanged." for number in range(1, 41))

# name -> images, turns. Conversations with images are recorded with image splitting on and off.
CASES = {
    "text_only": ([], [user("What does a pleural effusion look like?")]),
    "image_first": (["wide"], [user(0, "What is the modality of this image?")]),
    "image_last": (["tall"], [user("What is the modality of this image?", 0)]),
    "image_between": (["strip"], [user("Look at this:", 0, "Which side is the lesion on?")]),
    "image_only": (["square"], [user(0)]),
    "two_images": (["photo", "small"], [user(0, 1, "Compare the two.")]),
    "two_turns_two_images": (
        ["gray", "wide"],
        [user(0, "Is it normal?"), assistant("yes"), user(1, "And this one?")],
    ),
    "system": (["small"], [system(SYSTEM), user(0, "Describe the finding.")]),
    "multi_turn": (
        ["gray"],
        [user(0, "Modality?"), assistant("X-ray"), user("Organ?"), assistant("the lungs"), user("Why?")],
    ),
    "answered": (["gray"], [user(0, "Is there a mass?"), assistant("no")]),
    "unicode": ([], [user("Größe ≈ 3,5 µm × 10⁴ — «опухоль» 肺炎 🫁 e\u0301 naïve?")]),
    "digits": ([], [user("T12, L1-L5; 2024-06-11; 1234567.89 mm; [12, 7, 80, 100]")]),
    "digits_after_spaces": ([], [user("a  12\n\n34\t\t5 \n 6")]),
    "spaces": ([], [user("  two  spaces,\n\n\na gap\t\tand tabs  ")]),
    "special_in_text": ([], [user("He wrote <end_of_utterance> and <row_1_col_1> himself.")]),
    "code_and_quotes": ([], [user("It's the patient's; they'll \"see\" x_1 <= {y} && don't")]),
    "long": ([], [user(LONG)]),
}
SAMPLES = 8


def record(real: Path, images: Path) -> dict:
    processor = tiny_folder.load_processor(real)
    default = AutoTokenizer.from_pretrained(real)
    recorded = []
    for name, (shown, messages) in CASES.items():
        for splitting in (False, True) if shown else (False,):
            case = {"name": name, "images": shown, "do_image_splitting": splitting, "messages": messages}
            recorded.append(case | _outcome(processor, default, images, case))
    return {"template": processor.chat_template, "cases": recorded}


def _outcome(processor: Idefics3Processor, default: AutoTokenizer, images: Path, case: dict) -> dict:
    # A conversation that ends with an answer is rendered as for training, any other as a prompt.
    generation_prompt = case["messages"][-1]["role"] == "user"
    encoded = encoding.encode(processor, images, case, case["messages"], generation_prompt)
    ids = encoded.input_ids[0].tolist()
    outcome = {
        "generation_prompt": generation_prompt,
        "text": encoded.text,
        "input_ids": ids,
        "supervised": encoded.supervised(),
        "grid": encoded.grid,
    }
    other = default(processor.tokenizer.decode(ids, skip_special_tokens=False))["input_ids"]
    if other != ids:
        outcome["default_class_input_ids"] = other
    if encoded.pixel_values is not None:
        outcome["pixels"] = _pixels(encoded.pixel_values[0])
    return outcome


def _pixels(values: torch.Tensor) -> dict:
    """Digest of all grey levels in the order [tile, channel, row, column], and a few values for debugging."""
    levels = ((values * 0.5 + 0.5) * 255).round().to(torch.uint8)
    flat = values.flatten()
    places = [flat.numel() * (2 * sample + 1) // (2 * SAMPLES) + 17 * sample for sample in range(SAMPLES)]
    return {
        "shape": list(values.shape),
        "sha256": environment.sha256(levels.numpy().tobytes()),
        "places": places,
        "levels": levels.flatten()[places].tolist(),
        "values": flat[places].tolist(),
    }
