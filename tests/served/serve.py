"""Serves a copy of a model folder with `transformers serve` on a free port: `serve.py FOLDER COPY`.

The copy's generation_config.json samples and penalises repetitions, as many released folders do.
"""

import json
import os
import shutil
import socket
import sys
from pathlib import Path

model, copy = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
shutil.rmtree(copy, ignore_errors=True)
shutil.copytree(model, copy)
settings = copy / "generation_config.json"
config = json.loads(settings.read_text())
config |= {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.3}
settings.write_text(json.dumps(config, indent=2))

with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(copy), *options]
os.execve(sys.executable, command, os.environ | {"HF_HUB_OFFLINE": "1"})
