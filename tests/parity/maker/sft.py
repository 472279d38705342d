"""Ten steps of TRL's SFTTrainer on the tiny model with the adapter of `tiny-lora`."""

import copy
import tempfile
from pathlib import Path

from datasets import Dataset
from peft import PeftModel
from trl import SFTConfig, SFTTrainer

from . import conversations, pictures, tiny_folder

# Training conversations, repeated in this order. Five conversations in batches of two mix lengths differently
# each time.
TAUGHT = ["single", "two_images", "multi_turn", "small", "strip"]
STEPS = 10
SETTINGS = {
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 3,
    "weight_decay": 0.01,
    # Lies between the gradient norms that occur, so that some steps are clipped and others are not.
    "max_grad_norm": 5.0,
}


class Recording(SFTTrainer):
    """Records the unrounded loss of each micro-batch, because logged losses may be rounded."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.shares: list[float] = []

    def training_step(self, *arguments, **named):
        share = super().training_step(*arguments, **named)
        self.shares.append(share.item())
        return share


def record(folder: Path, images: Path) -> dict:
    """Records the loss before each step, the gradient norm before clipping, and the learning rate."""
    network = PeftModel.from_pretrained(
        tiny_folder.load_model(folder / "tiny"), folder / "tiny-lora", is_trainable=True
    )
    processor = tiny_folder.load_processor(folder / "tiny")
    processor.image_processor.do_image_splitting = False
    processor.chat_template = ending_with_the_turn(processor.chat_template)
    per_step = SETTINGS["gradient_accumulation_steps"]
    count = STEPS * per_step * SETTINGS["per_device_train_batch_size"]
    with tempfile.TemporaryDirectory() as output:
        trainer = Recording(
            model=network,
            args=settings(output),
            train_dataset=Dataset.from_list([row(images, TAUGHT[place % len(TAUGHT)]) for place in range(count)]),
            processing_class=processor,
        )
        trainer.train()
    logged = [line for line in trainer.state.log_history if "loss" in line]
    shares = trainer.shares
    return {
        "settings": SETTINGS,
        "taught": TAUGHT,
        "losses": [sum(shares[first : first + per_step]) for first in range(0, len(shares), per_step)],
        "global_grad_norms": [line["grad_norm"] for line in logged],
        "learning_rates": [line["learning_rate"] for line in logged],
    }


def settings(output: str) -> SFTConfig:
    return SFTConfig(
        output_dir=output,
        max_steps=STEPS,
        train_sampling_strategy="sequential",
        max_length=None,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **SETTINGS,
    )


def row(images: Path, name: str) -> dict:
    """Returns a training row: the last answer is the completion, all messages before it are the prompt."""
    case = conversations.TINY[name]
    messages = [
        {"role": message["role"], "content": [plain(part) for part in message["content"]]}
        for message in copy.deepcopy(case["messages"])
    ]
    loaded = [pictures.load(images, picture).convert("RGB") for picture in case["images"]]
    return {"images": loaded, "prompt": messages[:-1], "completion": messages[-1:]}


def plain(part: dict) -> dict:
    return {"type": "image", "text": None} if part["type"] == "image" else {"type": "text", "text": part["text"]}


def ending_with_the_turn(template: str) -> str:
    """Removes the line break after the last answer from the template. TRL would supervise it; Stepwise does not."""
    end, loop = "<end_of_utterance>\n", "{% endfor %}"
    assert template.count(end + loop) == 1, "the template ends its turns as SmolVLM's does"
    kept = "{% if not loop.last or message['role'] == 'user' %}{{ '\\n' }}{% endif %}"
    return template.replace(end + loop, end.rstrip() + kept + loop)
