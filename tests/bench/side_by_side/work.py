"""The work folder: models, and the records both sides read."""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent
TINY = REPOSITORY / "checkpoints" / "tiny-base"
FILES = ("train", "eval-text", "eval-image")
# Cases drawn for growing numbers of them; of training, also enough not to see one twice.
SYNTHETIC = 60
# Side of the synthetic pictures.
PIXELS = 512


def models(python: str, work: Path, shape: Path, real: Path | None) -> None:
    """`model` and `adapter` in WORK/model and WORK/tiny. A folder that is there is kept."""
    source = ["--from", str(real), "--must-be", str(shape)] if real else ["--from", str(TINY), "--shape", str(shape)]
    for name, arguments in (("model", source), ("tiny", ["--from", str(TINY)])):
        if not (work / name).exists():
            unfinished = work / f"{name}.unfinished"
            run([python, str(HERE / "make_work.py"), *arguments, "--out", str(unfinished)])
            unfinished.rename(work / name)


def records(programs: dict[str, Path], work: Path, imported: Path | None, cases: int, growing: int) -> None:
    """`train`, `eval-text` and `eval-image` from synthetic cases, in turn with imported ones where there are some, and
    what growth is measured on, from `growing` synthetic cases alone."""
    if (work / "growth").exists():
        return
    drawn = work / "synthetic"
    if not drawn.exists():
        unfinished = work / "synthetic.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        sizes = ["--cases", str(SYNTHETIC), "--image-size", str(PIXELS)]
        run([str(programs["stepwise"]), "data", "synth", str(unfinished), *sizes])
        unfinished.rename(drawn)
    sources = {"synthetic": drawn} | ({"imported": imported} if imported else {})
    parts = {"growth-source": drawn} | sources
    for name, source in parts.items():
        asked = growing if name == "growth-source" else -(-cases // len(sources))
        folder = ["--out", str(work / f"records-{name}"), "--cases", str(asked)]
        run([str(programs["bench"]), "records", str(source), *folder])
    for file in FILES:
        made = [by_case(placed(work, f"records-{name}", file)) for name in sources]
        write(work / f"{file}.jsonl", [record for case in alternating(made) for record in case])
        write(work / f"growth-{file.removeprefix('eval-')}.jsonl", placed(work, "records-growth-source", file))
    (work / "growth").mkdir()


def placed(work: Path, folder: str, file: str) -> list[dict]:
    """A source's records with their pictures' paths from WORK."""
    return [record | {"image": f"{folder}/{record['image']}"} for record in read(work / folder / f"{file}.jsonl")]


def by_case(records: list[dict]) -> list[list[dict]]:
    """Cases in the order in which they first appear, each with its records in theirs."""
    found: dict[str, list[dict]] = {}
    for record in records:
        found.setdefault(record["case"], []).append(record)
    return list(found.values())


def alternating(groups: list[list]) -> list:
    """One of each in turn; those of the longest group come last."""
    return [item for turn in itertools.zip_longest(*groups) for item in turn if item is not None]


def cut_into_tiles(model: Path, out: Path, side: int) -> None:
    """A folder like `model` whose processor makes `side` by `side` tiles of a square picture; the weights are linked."""
    shutil.rmtree(out, ignore_errors=True)
    for part in ("model", "adapter"):
        (out / part).mkdir(parents=True)
        for file in (model / part).iterdir():
            os.symlink(file.resolve(), out / part / file.name)
    path = out / "model" / "preprocessor_config.json"
    config = json.loads(path.read_text())
    path.unlink()
    longest = side * config["max_image_size"]["longest_edge"]
    config |= {"do_image_splitting": side > 1, "size": {"longest_edge": longest}}
    path.write_text(json.dumps(config, indent=2) + "\n")


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, records: list[dict]) -> None:
    """Pictures' paths, from WORK, become those from the file's folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    up = "../" if path.parent.name == "growth" else ""
    lines = (json.dumps(record | {"image": up + record["image"]}, ensure_ascii=False) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def run(command: list[str]) -> None:
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {ended.returncode}\n{ended.stderr}")
