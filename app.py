"""The Space and `python app.py`: builds the app and launches it.

Environment variables set its options, see `cinn_hub.ui.options.AppOptions` and docs/operations.md.
"""

from pathlib import Path


def main() -> None:
    # here, because processes that decode photos read this file, too, and need nothing of it
    from cinn_hub.ui import app
    from cinn_hub.ui.models import load_pair
    from cinn_hub.ui.options import AppOptions

    options = AppOptions.of()
    examples = Path(__file__).with_name("examples")
    demo = app.build(*load_pair(options.model), examples=examples, options=options)
    app.launch(demo, options)


if __name__ == "__main__":
    main()
