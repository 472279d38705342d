#!/usr/bin/env python3
"""Makes all cases of imported folders training cases, in place, and keeps the first COUNT cases of the folder SYNTH.

    sides.py COUNT SYNTH FOLDER...
"""

import re
import sys
from pathlib import Path


def main():
    count, synth, *others = sys.argv[1:]
    for folder, most in [(synth, int(count)), *((other, None) for other in others)]:
        path = Path(folder) / "cases.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:most]
        path.write_text("".join(re.sub(r'"split":"\w+"', '"split":"train"', line) for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
