"""The Space and `python app.py`: builds the app and launches it.

CINN_HUB_MODEL names another colour model than "imagenet": a folder, or user/repo of the Hub.
"""

import os
from pathlib import Path

import cinn_hub
from cinn_hub.ui import blocks

demo = blocks.build(
    cinn_hub.load(os.environ.get("CINN_HUB_MODEL", "imagenet")),
    cinn_hub.load("mnist"),
    examples=Path(__file__).with_name("examples"),
    may_load="SPACE_ID" not in os.environ,  # in a Space, strangers share the disk
)

if __name__ == "__main__":
    blocks.launch(demo)
