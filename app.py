"""The Space and `python app.py`: builds the app and launches it.

Environment variables set its options, see `cinn_hub.ui.options.AppOptions` and docs/operations.md.
"""

from pathlib import Path

from cinn_hub.ui import app
from cinn_hub.ui.models import load_pair
from cinn_hub.ui.options import AppOptions

options = AppOptions.of()
demo = app.build(
    *load_pair(options.model),
    examples=Path(__file__).with_name("examples"),
    options=options,
)

if __name__ == "__main__":
    app.launch(demo, options)
