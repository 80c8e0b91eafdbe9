"""The Space and `python app.py`: builds the app and launches it."""

from pathlib import Path

import cinn_hub
from cinn_hub.ui import blocks

demo = blocks.build(
    cinn_hub.load("imagenet"), cinn_hub.load("mnist"), Path(__file__).with_name("examples")
)

if __name__ == "__main__":
    blocks.launch(demo)
