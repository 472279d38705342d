"""Records the conversations with real tokenizers and processors, which are not in this repository. See README.md.

    python -m families.real_conversations --models FOLDER --out FOLDER
"""

import argparse
import json
import shutil
from pathlib import Path

from PIL import Image

from maker import environment

from . import conversations, cut_tokenizer

HERE = Path(__file__).resolve().parent
# name -> folder of the processor, folder of the tokenizer
FOLDERS = {
    "qwen2.5-vl-7b-instruct": ("qwen2.5-vl-7b-instruct", None),
    "qwen3-vl-4b-instruct": ("qwen3-vl-4b-instruct", "qwen3-text-tokenizer"),
    "gemma-3-4b-it": ("gemma-3-4b-it", "gemma-3-4b-it"),
    "llava-1.5-7b-hf": ("llava-1.5-7b-hf", "llava-1.5-7b-hf"),
    "llava-v1.6-mistral-7b-hf": ("llava-v1.6-mistral-7b-hf", "llava-v1.6-mistral-7b-hf"),
}
SIZES = [(640, 480), (400, 700)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder with the real files, one folder a model")
    parser.add_argument("--out", type=Path, required=True, help="gets NAME.json and the completed folder NAME/")
    given = parser.parse_args()
    environment.check_versions(HERE / "requirements.txt")
    names = [f"{width}x{height}" for width, height in SIZES]
    images = [Image.new("RGB", size) for size in SIZES]
    for name in FOLDERS:
        folder = complete(given.models, name, given.out / name)
        environment.write_json(given.out / f"{name}.json", conversations.record_with(folder, names, images))


def complete(models: Path, name: str, folder: Path) -> Path:
    """Writes the files of the processor and the tokenizer into one folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    processor, words = FOLDERS[name]
    for path in (models / processor).iterdir():
        if path.suffix in (".json", ".jinja") and "index" not in path.name:
            shutil.copyfile(path, folder / path.name)
    if words is None:
        content = cut_tokenizer.qwen2_5(models)
        (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False))
        return folder
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(models / words / file, folder / file)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    # Processors of transformers look for the template in a file of its own.
    if template := settings.pop("chat_template", None):
        if not any((folder / f"chat_template.{kind}").exists() for kind in ("json", "jinja")):
            environment.write_json(folder / "chat_template.json", {"chat_template": template})
        environment.write_json(folder / "tokenizer_config.json", settings)
    return folder


if __name__ == "__main__":
    main()
