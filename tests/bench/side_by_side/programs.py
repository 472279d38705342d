"""Our programs, built."""

import json
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
# Target names of cargo: what is measured, and what a user installs (and synthetic cases are drawn with).
PACKAGES = {"bench": ["-p", "stepwise-trainer", "--example", "bench"], "stepwise": ["-p", "stepwise", "--bin", "stepwise"]}


def built(given: dict[str, Path | None]) -> dict[str, Path]:
    """Paths of both; cargo makes those that are not given, where CARGO_TARGET_DIR says."""
    programs = {}
    for name, path in given.items():
        programs[name] = (path or build(name)).resolve()
        if not programs[name].is_file():
            raise SystemExit(f"{programs[name]}: no such program -> leave the option out to have it built")
    return programs


def build(name: str) -> Path:
    command = ["cargo", "build", "--release", "--message-format", "json-render-diagnostics", *PACKAGES[name]]
    ended = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {ended.returncode}")
    messages = map(json.loads, ended.stdout.splitlines())
    made = [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == name]
    return Path(made[-1])
