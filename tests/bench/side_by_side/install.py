"""What a user downloads and keeps on disk: one binary against the Python environment."""

import json
import subprocess
import zlib
from pathlib import Path

from .plan import Bound
from .quantities import MIB
from .rows import line

HERE = Path(__file__).resolve().parent.parent
TARGET = Bound("at_most", 0.02)
NAMES = {
    "install-disk": ("disk", "disk for a user's install, one binary against what requirements.txt brings (MiB)"),
    "install-download": ("download", "download for the same, compressed (MiB)"),
}


def measured(python: str, binary: Path) -> dict | None:
    """Bytes; `peer` for each distribution, `ours` the binary and the binary compressed. None where PYTHON cannot say."""
    command = [python, str(HERE / "torch_side" / "installed.py"), str(HERE / "requirements.txt")]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        return None
    peer = json.loads(ended.stdout)
    bytes_of = binary.read_bytes()
    return {"peer": peer, "ours": {"disk": len(bytes_of), "download": len(zlib.compress(bytes_of))}}


def judged(name: str, found: dict | None) -> dict:
    quantity, what = NAMES[name]
    if found is None:
        return line(what, "", "", "", TARGET, ["the sizes of PYTHON's packages were not found"], False)
    peer, ours = sum(found["peer"][quantity].values()) / MIB, found["ours"][quantity] / MIB
    ratio = TARGET.ratio(peer, ours)
    absent = found["peer"]["absent"]
    # The environment would be larger with them: the row can only be worse than the truth.
    note = f", not installed: {' '.join(absent)}" if absent else ""
    return line(what + note, peer, ours, ratio, TARGET, [], TARGET.holds(ratio))
