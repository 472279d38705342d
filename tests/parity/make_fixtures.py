"""Makes the fixtures of the tiny and the real model folder. See README.md.

    python make_fixtures.py [--real FOLDER]

FOLDER holds the configuration, processor, template and tokenizer files of HuggingFaceTB/SmolVLM-256M-Instruct (its
weights are not used). Repeated runs on one machine give identical files.
"""

import argparse
from pathlib import Path

from maker import environment, old_keys, pictures, real_folder, resize, suite, tiny_folder, variants

HERE = Path(__file__).resolve().parent
REAL = HERE.parents[2] / "shared/models/smolvlm-256m-instruct"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=REAL)
    real = parser.parse_args().real
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()

    pictures.draw_all(HERE / "images")
    tiny_folder.build(real, HERE / "tiny", HERE / "tiny-new-layout")
    resize.record(HERE / "images", HERE / "lanczos.safetensors")
    suite.record(HERE)
    variants.record(HERE)
    environment.write_json(HERE / "tiny-old-keys.json", old_keys.record(HERE / "tiny/model.safetensors"))
    environment.write_json(HERE / "real_folder.json", real_folder.record(real, HERE / "images"))
    environment.write_json(HERE / "versions.json", environment.versions())


if __name__ == "__main__":
    main()
