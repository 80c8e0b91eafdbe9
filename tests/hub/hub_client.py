"""A process whose Hugging Face client takes the Hub on the loopback for the real one."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers import ROOT

CARD = """---
library_name: cinn_hub
pipeline_tag: image-to-image
license: mit
tags:
  - colorization
---

# tiny
"""


class Client:
    """A process of its own; `run(code)` gives {"value": ...} or {"error": ..., "message": ...}."""

    def __init__(self, endpoint: str, home: Path) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DOWNLOAD_TIMEOUT": "60",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",  # plain HTTP, as every Hub has it
        }
        command = [sys.executable, str(Path(__file__).with_name("client.py"))]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def run(self, code: str) -> dict:
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
