"""Makes `preferences.json`. See README.md.

    pip install -r requirements.txt -r sft_requirements.txt
    python make_preferences.py
"""

import importlib.metadata
from pathlib import Path

from maker import environment, preferences

HERE = Path(__file__).resolve().parent


def main() -> None:
    pins = environment.pinned(HERE / "sft_requirements.txt")
    environment.check_versions(HERE / "requirements.txt")
    for name, version in pins.items():
        if importlib.metadata.version(name) != version:
            raise SystemExit(f"{name} is not {version} -> pip install -r sft_requirements.txt")
    environment.make_deterministic()
    curves = preferences.record(HERE, HERE / "images")
    environment.write_json(HERE / "preferences.json", {"versions": environment.versions() | pins, **curves})


if __name__ == "__main__":
    main()
