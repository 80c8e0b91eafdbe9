"""Deliberate mistakes in the networks and the training: does a test notice each of them?

    python -m tests.mutations [NAME ...]

Each mutation is a replacement of text in a copy of the repository, in which the tests that concern
it are then run. Exits with 1 if one is not noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("cinn_hub", "training", "benchmarks", "tests", "weights", "examples", "pyproject.toml")


@dataclass(frozen=True)
class Mutation:
    """file: of the repository, a pattern that one file matches; before, after: of its text.

    tests: that are to notice it.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


GOLDEN = ("tests/test_golden.py",)
MUTATIONS = [
    Mutation(
        "L normalised wrongly", "cinn_hub/networks.py",
        "(lightness * 2.55 - 127) / 128", "(lightness * 2.55 - 127) / 127",
        GOLDEN,
    ),
    Mutation(
        "attention without its scale", "cinn_hub/networks.py",
        "query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5", "query @ key.transpose(-1, -2)",
        GOLDEN,
    ),
    Mutation(
        "spread of the expected colours zeroed", "cinn_hub/networks.py",
        "clamp_min(0).sqrt()", "clamp_min(0).sqrt() * 0",
        ("tests/test_golden.py", "tests/test_training.py::test_bins_give_back_the_color"),
    ),
    Mutation(
        "bilinear for nearest", "cinn_hub/networks.py",
        'mode="nearest"', 'mode="bilinear"',
        GOLDEN,
    ),
    Mutation(
        "subnets without saturation", "cinn_hub/networks.py",
        "return x * (1 + (x / limit).square()).rsqrt()", "return x",
        ("tests/test_golden.py", "tests/test_numbers.py"),
    ),
    Mutation(
        "enlarged colours without limits", "cinn_hub/photos*",
        "return np.clip(ab, self.lowest, self.highest, out=ab)", "return ab",
        ("tests/test_numbers.py",),
    ),
    Mutation(
        "hints without a limit of their steps", "cinn_hub/hints.py",
        "LONGEST_STEP = 4.0", "LONGEST_STEP = 1e9",
        ("tests/test_numbers.py",),
    ),
    Mutation(
        "transfer keeps another share", "cinn_hub/models/colorization_cinn.py",
        "THINGS: 0.4", "THINGS: 0.5",
        GOLDEN,
    ),
    Mutation(
        "no noise in training", "training/color_flow.py",
        "noisy = ab + self.noise * noise_like(ab)", "noisy = ab",
        ("tests/test_loop.py",),
    ),
    Mutation(
        "no average of the weights", "training/loop.py",
        "self.task.load_state_dict(averaged.module.state_dict())", "pass",
        ("tests/test_loop.py",),
    ),
    Mutation(
        "the sign of a log-determinant", "cinn_hub/flow/couplings.py",
        "return (x - mean) * (-log_scale).exp(), -sum_per_sample(log_scale)",
        "return (x - mean) * (-log_scale).exp(), sum_per_sample(log_scale)",
        ("tests/test_flow.py",),
    ),
    Mutation(
        "the order of Haar's outputs", "cinn_hub/flow/resampling.py",
        'self.dim = 1 if order == "wavelet" else 2', "self.dim = 2",
        ("tests/test_flow.py",),
    ),
    Mutation(
        "a permutation that is not inverted", "cinn_hub/flow/linear.py",
        "return torch.empty_like(z).index_copy(1, self.order, z)", "return z[:, self.order]",
        ("tests/test_flow.py",),
    ),
    Mutation(
        "seeds that depend on n", "cinn_hub/model.py",
        "seeds = [sample_seed(seed, i) for i in range(n)]",
        "seeds = [sample_seed(seed, i + n) for i in range(n)]",
        ("tests/test_model.py",),
    ),
    Mutation(
        "one level without its temperature", "cinn_hub/latent.py",
        "levels[name] = (scale[name] * torch.stack(rows))",
        "levels[name] = (scale[list(shapes)[0]] * torch.stack(rows))",
        ("tests/test_model.py", "tests/test_numbers.py"),
    ),
    Mutation(
        "log-scales without their clamp", "cinn_hub/flow/base.py",
        "return 0.636 * limit * torch.atan(raw / limit)", "return 0.636 * raw",
        ("tests/test_flow.py",),
    ),
    Mutation(
        "alpha dropped", "cinn_hub/photos*",
        "Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))",
        "Image.fromarray(rgb)",
        ("tests/test_photos.py",),
    ),
]  # fmt: skip


def mutated_file(copy: Path, mutation: Mutation) -> Path:
    """The one file that has the text, once.

    Raises:
        ValueError: none or several have it; the mutation is to be written anew.
    """
    places = [p for found in copy.glob(mutation.file) for p in [found, *found.rglob("*.py")]]
    files = [p for p in places if p.is_file() and mutation.before in p.read_text("utf-8")]
    if len(files) != 1 or files[0].read_text("utf-8").count(mutation.before) != 1:
        raise ValueError(f"{mutation.name}: {mutation.file} does not have this text once.")
    return files[0]


def passes(mutation: Mutation, mutated: bool) -> bool:
    """Whether the tests of a mutation pass in a copy, with or without the mutation."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for name in COPIED:
            source = ROOT / name
            move = shutil.copytree if source.is_dir() else shutil.copy
            copy.mkdir(exist_ok=True)
            move(source, copy / name)
        path = mutated_file(copy, mutation)
        if mutated:
            text = path.read_text("utf-8").replace(mutation.before, mutation.after)
            path.write_text(text, "utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", *mutation.tests]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # small models: threads only wait
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: a test failed
        raise RuntimeError(f"{mutation.name}: the tests could not be run.\n{done.stdout[-2000:]}")
    return done.returncode == 0


def main(names: list[str]) -> int:
    chosen = [m for m in MUTATIONS if not names or m.name in names]
    missed, sound = 0, {m.tests: m for m in chosen}
    for mutation in sound.values():
        if not passes(mutation, mutated=False):
            raise SystemExit(f"Without any mutation a test fails: {', '.join(mutation.tests)}.")
    for mutation in chosen:
        noticed = not passes(mutation, mutated=True)
        missed += not noticed
        print(f"{'noticed' if noticed else 'NOT NOTICED':12} {mutation.name}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutations are noticed.")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
