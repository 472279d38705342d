"""Ten steps of TRL's DPOTrainer and of TRL's SimPO loss on the tiny model with the adapter of `tiny-lora`."""

import copy
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from datasets import Dataset
from peft import PeftModel
from trl import DPOConfig, DPOTrainer
from trl.experimental.cpo import CPOTrainer

from . import conversations, pictures, sft, tiny_folder

# Training conversations with rejected answers, repeated in this order. The chosen answer is the recorded one.
REJECTED = {
    "single": "MRI",
    "two_images": "It shrank a little.",
    "multi_turn": "the heart",
    "small": "There are 3.",
    "strip": "yes",
}
STEPS = 10
SETTINGS = {
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 5e-4,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.01,
    # Lies between the gradient norms that occur, so that some steps are clipped and others are not.
    "max_grad_norm": 10.0,
}
# Parameters of each loss; the names are those of Stepwise.
LOSSES = {
    "sigmoid": {"beta": 0.5},
    "hinge": {"beta": 0.5},
    "ipo": {"beta": 0.5},
    "simpo": {"beta": 2.0, "gamma": 0.5},
}


class Recording(DPOTrainer):
    """Records the unrounded loss of each micro-batch, and the gradient of the first step."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.shares: list[float] = []
        self.first_gradient: dict[str, list[float]] = {}

    def training_step(self, *arguments, **named):
        share = super().training_step(*arguments, **named)
        self.shares.append(share.item())
        if len(self.shares) == SETTINGS["gradient_accumulation_steps"]:
            self.first_gradient = gradient(self.model)
        return share


class Simpo(Recording):
    """Trains with the SimPO loss of TRL's CPOTrainer, which takes no images, in the loop of the DPOTrainer."""

    def _compute_loss(self, model, inputs, return_outputs):
        mask = inputs.pop("completion_mask")
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        logits = model(**inputs, use_cache=False).logits
        chosen, rejected = CPOTrainer.get_batch_logps(logits, labels, average_log_prob=True).chunk(2)
        settings = SimpleNamespace(
            alpha=0.0,
            beta=LOSSES["simpo"]["beta"],
            simpo_gamma=LOSSES["simpo"]["gamma"],
            loss_type="simpo",
            label_smoothing=0.0,
            accelerator=self.accelerator,
        )
        losses, *_ = CPOTrainer.cpo_loss(settings, chosen, rejected)
        return losses.mean()


def gradient(model: torch.nn.Module) -> dict[str, list[float]]:
    """Returns the Euclidean norm and the sum of the gradient of each trained tensor."""
    trained = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    return {name.replace(".default", ""): [grad.norm().item(), grad.sum().item()] for name, grad in trained.items()}


def record(folder: Path, images: Path) -> dict:
    return {
        "settings": SETTINGS,
        "rejected": REJECTED,
        "losses": {name: curve(folder, images, name) for name in LOSSES},
    }


def curve(folder: Path, images: Path, loss: str) -> dict:
    """Records loss and gradient norm before each step with one loss, and the gradient of the first step."""
    network = PeftModel.from_pretrained(
        tiny_folder.load_model(folder / "tiny"), folder / "tiny-lora", is_trainable=True
    )
    processor = tiny_folder.load_processor(folder / "tiny")
    processor.image_processor.do_image_splitting = False
    processor.chat_template = sft.ending_with_the_turn(processor.chat_template)
    names = list(REJECTED)
    per_step = SETTINGS["gradient_accumulation_steps"]
    count = STEPS * per_step * SETTINGS["per_device_train_batch_size"]
    with tempfile.TemporaryDirectory() as output:
        trainer = (Simpo if loss == "simpo" else Recording)(
            model=network,
            # The reference is the base, not the adapter that training starts from.
            ref_model=tiny_folder.load_model(folder / "tiny"),
            args=DPOConfig(
                output_dir=output,
                max_steps=STEPS,
                max_length=None,
                beta=LOSSES[loss]["beta"],
                loss_type=["sigmoid" if loss == "simpo" else loss],
                train_sampling_strategy="sequential",
                bf16=False,
                use_cpu=True,
                gradient_checkpointing=False,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                **SETTINGS,
            ),
            train_dataset=Dataset.from_list([row(images, names[place % len(names)]) for place in range(count)]),
            processing_class=processor,
        )
        trainer.train()
    logged = [line for line in trainer.state.log_history if "loss" in line]
    shares = trainer.shares
    return {
        **LOSSES[loss],
        "losses": [sum(shares[first : first + per_step]) for first in range(0, len(shares), per_step)],
        "global_grad_norms": [line["grad_norm"] for line in logged],
        "first_gradient": trainer.first_gradient,
    }


def row(images: Path, name: str) -> dict:
    """Returns a training row: all messages before the last answer are the prompt."""
    case = conversations.TINY[name]
    messages = [
        {"role": message["role"], "content": [sft.plain(part) for part in message["content"]]}
        for message in copy.deepcopy(case["messages"])
    ]
    loaded = [pictures.load(images, picture).convert("RGB") for picture in case["images"]]
    rejected = [{"role": "assistant", "content": [{"type": "text", "text": REJECTED[name]}]}]
    return {"images": loaded, "prompt": messages[:-1], "chosen": messages[-1:], "rejected": rejected}
