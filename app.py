"""The Space and `python app.py`: builds the app and launches it.

Environment variables set its options, see `cinn_hub.ui.settings.Settings` and docs/operations.md.
"""

from pathlib import Path

from cinn_hub.ui import blocks
from cinn_hub.ui.models import load_pair
from cinn_hub.ui.settings import Settings

settings = Settings.of()
demo = blocks.build(
    *load_pair(settings.model),
    examples=Path(__file__).with_name("examples"),
    settings=settings,
)

if __name__ == "__main__":
    blocks.launch(demo, settings)
