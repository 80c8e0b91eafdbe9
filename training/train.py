"""`python -m training.train TASK`: trains a model and writes its folder."""

from __future__ import annotations

import argparse

from training import color_flow, colorization, digits

TASKS = {"colorization": colorization, "flow": color_flow, "mnist": digits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)
    for name, task in TASKS.items():
        task.add_arguments(tasks.add_parser(name, help=task.__doc__.splitlines()[0]))
    options = parser.parse_args()
    TASKS[options.task].main(options)


if __name__ == "__main__":
    main()
