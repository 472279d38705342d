"""Makes the committed fixtures of all families. See README.md.

    python -m families.make_fixtures --models FOLDER [NAME ...]
"""

import argparse
import tempfile
from pathlib import Path

from maker import environment

from . import conversations, full_fixture
from .options import Options
from .registry import FIXTURES, SMALL
from .trim import trim

HERE = Path(__file__).resolve().parent
IMAGES = [HERE.parent / "images" / f"{name}.png" for name in ("photo", "wide")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="fixtures; default: all")
    parser.add_argument("--models", type=Path, required=True, help="folder with the real files, one folder a model")
    given = parser.parse_args()
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()
    for name in given.names or FIXTURES:
        out = HERE / "fixtures" / name
        with tempfile.TemporaryDirectory() as folder:
            build, variant, sizes = FIXTURES[name]
            full = Path(folder) / name
            settings = SMALL | {"layers": 2} | sizes
            full_fixture.make(build, Options(given.models, IMAGES, full, extra=variant, **settings))
            trim(full, out)
        environment.write_json(out / "conversations.json", conversations.record(out / "model", out))
        bytes_written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        print(f"{name}: {bytes_written} bytes")


if __name__ == "__main__":
    main()
