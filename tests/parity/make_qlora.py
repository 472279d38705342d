"""Makes `qlora.safetensors`. See README.md.

    pip install -r requirements.txt -r qlora_requirements.txt
    python make_qlora.py
"""

from pathlib import Path

from maker import conversations, encoding, environment, qlora, suite, tiny_folder
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent


def main() -> None:
    environment.check_versions(HERE / "requirements.txt")
    environment.make_deterministic()
    case = conversations.TINY[suite.TRAINED]
    processor = tiny_folder.load_processor(HERE / "tiny")
    encoded = encoding.encode(processor, HERE / "images", case, case["messages"], generation_prompt=False)
    tensors = qlora.record(HERE / "tiny", encoded)
    save_file({name: value.contiguous() for name, value in tensors.items()}, HERE / "qlora.safetensors")


if __name__ == "__main__":
    main()
