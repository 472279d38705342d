"""Makes the full fixture of one family, of any size. See README.md.

    python -m families.make_full NAME --models FOLDER --images FILE FILE --out FOLDER
"""

import argparse
from pathlib import Path

from maker import environment

from . import full_fixture
from .options import Options, add_sizes
from .registry import FIXTURES

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=FIXTURES)
    parser.add_argument("--models", type=Path, required=True, help="folder with the real files, one folder a model")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="two or more images")
    parser.add_argument("--out", type=Path, required=True, help="folder of the fixture, emptied before")
    add_sizes(parser)
    given = vars(parser.parse_args())
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()
    build, variant, _ = FIXTURES[given.pop("name")]
    tie = {"yes": True, "no": False, None: None}[given.pop("tie")]
    full_fixture.make(build, Options(**given, tie=tie, extra=variant))


if __name__ == "__main__":
    main()
