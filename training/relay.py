"""The condition network learns on, stage after stage, until it is ended; nothing of it can be lost.

    nice python -m training.relay --home HOME --snapshots DIR --held-out PHOTOS [PHOTOS ...]

The same command goes on where it was ended. First `training.gather` takes photos out of the
snapshots into HOME/photos; without --snapshots, those that are there are used. Each stage then
trains from the best model so far: for a third of --minutes at 128 px on all photos, for the rest
at 256 px on the large ones, each down to rate zero. The means of the weights before and after are
judged on HOME/photos/choosing and --choose-by, and the best model, of which the next stage starts,
is that of the least error among those whose cross-entropy is no higher than before. A line of
HOME/relay.jsonl says so of each stage, and the last one names the best model. On a CPU it takes one
core.
Other options go to `training.train colorization`; on a large GPU:

    --batch 256 --lr 1e-3 --workers 14 --clock wall
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import torch

import cinn_hub
from cinn_hub.files import write_whole
from training import colorization, gather
from training.average import mean
from training.judging import Gain, gain, gains, judge

SHARES = (0.3, 0.5, 0.7)  # of the weights after a stage, in the mean with those before
PARTS = {"small": (128, 1 / 3), "large": (256, 2 / 3)}  # photos: size in pixels, part of the time
RECIPE = (
    *("--stages", "condition=1", "--frozen-stages", "3", "--batch", "32", "--lr", "1.5e-4"),
    *("--checked", "--workers", "0", "--clock", "cpu", "--held-out-photos", "200"),
)


class Relay:
    """The stages in a folder.

    Arguments:
        home: the folder; photos are in its `photos`.
        init: the model of the first stage, by name or folder.
        choose_by: folders and zips of photos that no stage trains on.
        minutes: of each stage.
        more: options of `training.train colorization`.
    """

    def __init__(
        self,
        home: Path,
        init: str,
        choose_by: Sequence[str | Path],
        minutes: float,
        more: Sequence[str] = (),
    ) -> None:
        self.home = home.resolve()
        self.init = init
        self.choose_by = list(map(str, choose_by))
        self.minutes = minutes
        self.more = list(more)
        self.record = home / "relay.jsonl"

    @property
    def stages(self) -> list[dict]:
        """What became of the stages that are done."""
        lines = self.record.read_text("utf-8").splitlines() if self.record.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def best(self) -> str:
        """The name or folder of the best model so far."""
        done = self.stages
        return done[-1]["best"] if done else self.init

    def run_stage(self) -> None:
        """Trains, or goes on training, one stage, and notes what became of it."""
        number = len(self.stages) + 1
        folder = self.home / "stages" / f"{number:04}"
        start = self.best
        for part in PARTS:
            start = self.train(folder / part, start, part, number)
        line = {"stage": number, **self.choose(folder, self.best, start)}
        print(json.dumps(line), flush=True)
        lines = [*self.stages, line]
        write_whole(self.record, "".join(json.dumps(x) + "\n" for x in lines))

    def train(self, out: Path, init: str, part: str, seed: int) -> str:
        """One part of a stage; the folder of its model."""
        work = out.with_name(out.name + ".training")
        if not (out / "training.json").exists():
            size, share = PARTS[part]
            words = ["--init", init, "--out", str(out), "--work", str(work), *RECIPE]
            words += ["--data", str(self.home / "photos" / part), "--held-out", *self.choose_by]
            words += ["--size", str(size), "--seed", str(seed)]
            parser = argparse.ArgumentParser()
            colorization.add_arguments(parser)
            minutes = str(share * self.minutes)
            colorization.main(parser.parse_args([*words, *self.more, "--minutes", minutes]))
        shutil.rmtree(work, ignore_errors=True)
        return str(out)

    def choose(self, folder: Path, before: str, after: str) -> dict:
        """The best of the models before and after a stage and their means, and its figures."""
        old = judge(cinn_hub.load(before), self.choose_by)
        judged = {0.0: old}
        for share in SHARES:
            path = folder / f"mean-{share}"
            write_mean(before, after, share, path)
            judged[share] = judge(cinn_hub.load(path), self.choose_by)
            print(f"{share} of the weights after: {gain(judged[share], old)}", flush=True)
        found = {share: gain(new, old) for share, new in judged.items()}
        share = best_share(found)
        for other in set(SHARES) - {share}:
            shutil.rmtree(folder / f"mean-{other}")
        entropy, error = old.figures()
        return {
            "photos": len(old.entropy),
            "before": {"entropy": entropy, "error": error},
            "share": share,
            "gain": asdict(found[share]),
            "gains": {name: asdict(one) for name, one in gains(judged[share], old).items()},
            "best": str(folder / f"mean-{share}") if share else before,
        }


def best_share(found: dict[float, Gain]) -> float:
    """That of the least error, of those whose cross-entropy is no higher than before."""
    able = {share: one for share, one in found.items() if one.entropy <= 0}
    return min(able, key=lambda share: able[share].error)


def write_mean(before: str, after: str, share: float, out: Path) -> None:
    """A model whose weights are the mean of two models', `share` of the second."""
    first, second = (cinn_hub.load(name, device="cpu") for name in (before, after))
    first.load_state_dict(mean(first.state_dict(), second.state_dict(), share, {}))
    first.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True, help="folder of photos and stages")
    gather.add_arguments(parser, required=False)
    parser.add_argument("--choose-by", nargs="+", default=[], help="folders or zips of photos")
    parser.add_argument(
        "--init", default="imagenet", help="the model that the first stage starts from"
    )
    parser.add_argument("--minutes", type=float, default=45, help="of a stage (default 45)")
    parser.add_argument("--until", type=int, help="the last stage (default: go on and on)")
    options, more = parser.parse_known_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    options.home.mkdir(parents=True, exist_ok=True)
    with (options.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits until no other one runs in this folder
        run(options, more)


def run(options: argparse.Namespace, more: Sequence[str]) -> None:
    photos = options.home / "photos"
    if options.snapshots:
        held_out = [*options.held_out, *options.choose_by]
        gather.gather_all(options.snapshots, photos, held_out, options.lists)
    choose_by = [*options.choose_by, photos / gather.CHOOSING]
    relay = Relay(options.home, options.init, choose_by, options.minutes, more)
    while options.until is None or len(relay.stages) < options.until:
        relay.run_stage()


if __name__ == "__main__":
    main()
