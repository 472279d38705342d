"""Reads the event files of a run with TensorBoard and compares them with trainer_log.jsonl.

    python tests/parity/read_events.py RUN

Needs the package tensorboard (checked with 2.21.0). Prints the tags. Exits with 1 when the log holds no values, or when a
step of the log is missing from the event files, occurs twice, or has another loss, learning rate, stage loss or metric.
"""

import json
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def as_f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


MAIN = {"accuracy/clean", "accuracy/hint_minus", "accuracy/blank", "accuracy/fgsm"}
MAIN |= {"chain_accuracy", "mean_attacked_accuracy", "robust_accuracy"}


def metric_tag(name):
    """The tag that crates/trainer/src/log/tags.rs gives to a metric of an epoch."""
    kind, _, metric = name.rpartition("/") if "/" not in name else name.partition("/")
    if not kind:
        return f"1_main/{metric}"
    if kind in ("benchmark", "gain") and metric in MAIN:
        return "1_main/" + ("gain_" if kind == "gain" else "") + metric.replace("/", "_")
    groups = {"gain": ("3_gain", "6_gain_by_condition"), "benchmark": ("4_benchmark", "7_benchmark_by_condition")}
    if kind in groups:
        return f"{groups[kind]['/' in metric]}/{metric}"
    return f"5_{name}"


def main(run):
    accumulator = EventAccumulator(str(run / "runs"), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    print(json.dumps({kind: sorted(tags[kind]) for kind in ("scalars", "tensors")}))

    expected = {}
    for text in (run / "trainer_log.jsonl").read_text().splitlines():
        line = json.loads(text)
        step = line["current_steps"]
        values = {metric_tag(name): value for name, value in line.get("metrics", {}).items()}
        if "loss" in line:
            values |= {"1_main/loss": line["loss"], "2_train/lr": line["lr"]}
            values |= {f"2_train/phase/{line['phase']}/loss": line["loss"]}
            values |= {f"2_train/stage/{stage}/loss": loss for stage, loss in line["stage_loss"].items()}
        for tag, value in values.items():
            expected.setdefault(tag, []).append((step, as_f32(value)))

    wrong = 0
    for tag, points in expected.items():
        read = [(event.step, event.value) for event in accumulator.Scalars(tag)] if tag in tags["scalars"] else []
        if read != points:
            print(f"{tag}: the log has {points}, TensorBoard reads {read}", file=sys.stderr)
            wrong += 1
    return 1 if wrong or not expected else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
