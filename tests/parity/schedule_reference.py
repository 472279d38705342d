"""Writes schedule_reference.csv: the learning-rate factors of transformers' get_scheduler.

    python tests/parity/schedule_reference.py > tests/parity/schedule_reference.csv

Made with transformers 5.23.0. Columns: scheduler, warm-up steps, total steps, steps done, factor.
"""

import torch
from transformers import get_scheduler

CASES = [(0, 1), (0, 7), (3, 20), (1, 2), (5, 5), (8, 5)]

print("scheduler,warmup_steps,total_steps,steps_done,factor")
for name in ["cosine", "linear", "constant", "constant_with_warmup"]:
    for warmup, total in CASES:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total)
        for done in range(total + 1):
            print(f"{name},{warmup},{total},{done},{scheduler.get_last_lr()[0]!r}")
            optimizer.step()
            scheduler.step()
