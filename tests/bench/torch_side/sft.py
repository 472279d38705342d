"""TRL's SFTTrainer as its documentation shows it: prompt and completion, its own collator and defaults."""

import argparse
import tempfile

import torch
from datasets import Dataset, Image, List
from transformers import AutoProcessor, TrainerCallback
from trl import SFTConfig, SFTTrainer

from . import measure, model, records
from .records import Record


def run(arguments: argparse.Namespace) -> dict:
    device = torch.device(arguments.device)
    everything = records.read(arguments.conversations)
    steps = arguments.warmup + arguments.steps
    planned = [record for batch in records.batches(everything, arguments.batch, steps) for record in batch]
    network = model.adapted(arguments.work, arguments.dtype, device)
    watch = Watch(device)
    processor = AutoProcessor.from_pretrained(arguments.work / "model")
    processor.chat_template = ending_with_the_turn(processor.chat_template)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=network,
            args=settings(arguments, folder, steps),
            train_dataset=dataset(planned),
            processing_class=processor,
            callbacks=[watch],
        )
        peaks = measure.Peaks()
        trainer.train()
    return watch.report() | {"gradient_checkpointing": trainer.args.gradient_checkpointing, **peaks.report()}


def settings(arguments: argparse.Namespace, folder: str, steps: int) -> SFTConfig:
    """What must be equal on both sides is set, everything else is TRL's."""
    chosen = {"gradient_checkpointing": False} if arguments.no_gradient_checkpointing else {}
    return SFTConfig(
        output_dir=folder,
        per_device_train_batch_size=arguments.batch,
        max_steps=steps,
        learning_rate=arguments.learning_rate,
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
        bf16=arguments.dtype == "bfloat16",
        use_cpu=arguments.device == "cpu",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **chosen,
    )


def ending_with_the_turn(template: str) -> str:
    """The template without the line break after the last answer, which TRL would supervise: the one thing changed, so that
    losses can be compared."""
    end, loop = "<end_of_utterance>\n", "{% endfor %}"
    if template.count(end + loop) != 1:
        raise SystemExit("the chat template does not end its turns as SmolVLM's does")
    kept = "{% if not loop.last or message['role'] == 'user' %}{{ '\\n' }}{% endif %}"
    return template.replace(end + loop, end.rstrip() + kept + loop)


def dataset(planned: list[Record]) -> Dataset:
    rows = [
        {
            "images": [str(record.image)],
            "prompt": record.messages,
            "completion": record.answered(record.answer)[-1:],
        }
        for record in planned
    ]
    return Dataset.from_list(rows).cast_column("images", List(Image()))


class Watch(TrainerCallback):
    """Clocks of the trainer's steps: `prepare_seconds` is everything between two steps, the collator above all."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.losses: list[float] = []
        self.first_step: float | None = None

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.ends.append(measure.now(self.device))

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        self.starts.append(measure.now(self.device))

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.ends.append(measure.now(self.device))
        self.first_step = self.first_step or measure.since_process_start()

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            self.losses.append(float(logs["loss"]))

    def report(self) -> dict:
        between = zip(self.starts, self.ends[:-1], strict=True)
        inside = zip(self.ends[1:], self.starts, strict=True)
        return {
            "prepare_seconds": [start - end for start, end in between],
            "seconds": [end - start for end, start in inside],
            "losses": self.losses,
            "start_to_first_step_seconds": self.first_step,
        }
