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


def main(run):
    accumulator = EventAccumulator(str(run / "runs"), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    print(json.dumps({kind: sorted(tags[kind]) for kind in ("scalars", "tensors")}))

    expected = {}
    for text in (run / "trainer_log.jsonl").read_text().splitlines():
        line = json.loads(text)
        step = line["current_steps"]
        values = dict(line.get("metrics", {}))
        if "loss" in line:
            values |= {"train/loss": line["loss"], "train/lr": line["lr"], f"phase/{line['phase']}/loss": line["loss"]}
            values |= {f"stage/{stage}/loss": loss for stage, loss in line["stage_loss"].items()}
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
