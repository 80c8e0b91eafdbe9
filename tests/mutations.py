"""Deliberate mistakes in every room of the house: does a test notice each of them?

    python -m tests.mutations [NAME ...]

Each mutation is a replacement of text in a copy of the repository, in which the tests that concern
it are then run. Exits with 1 if one is not noticed, or a test fails without any.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COPIED = ("cinn_hub", "training", "benchmarks", "tests", "weights", "examples", "docs")
COPIED += ("app.py", "pyproject.toml", "CONTRIBUTING.md", "README.md")
LIBRARIES = ("torch", "cv2", "PIL.Image", "huggingface_hub", "gradio", "safetensors.torch")


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


GOLDEN = ("tests/test_golden.py::test_golden_values[bedroom]",)
LAYERS = "tests/test_flow.py::test_inverse_and_log_det"
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
        ("tests/test_training.py::test_bins_give_back_the_color",),
    ),
    Mutation(
        "bilinear for nearest", "cinn_hub/networks.py",
        'mode="nearest"', 'mode="bilinear"',
        GOLDEN,
    ),
    Mutation(
        "subnets without saturation", "cinn_hub/networks.py",
        "return x * (1 + (x / limit).square()).rsqrt()", "return x",
        GOLDEN,
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
        "return (x - mean) * (-log_scale).exp(), -sum_per_sample",
        "return (x - mean) * (-log_scale).exp(), sum_per_sample",
        (f"{LAYERS}[gaussian]",),
    ),
    Mutation(
        "the order of Haar's outputs", "cinn_hub/flow/linear.py",
        'self.dim = 1 if order == "wavelet" else 2', "self.dim = 2",
        ("tests/test_flow.py::test_the_order_of_what_blocks_become",),
    ),
    Mutation(
        "a permutation that is not inverted", "cinn_hub/flow/linear.py",
        "return torch.empty_like(z).index_copy(1, self.order, z)", "return z[:, self.order]",
        (f"{LAYERS}[permutation]",),
    ),
    Mutation(
        "seeds that depend on n", "cinn_hub/model.py",
        "seeds = [sample_seed(seed, i) for i in range(n)]",
        "seeds = [sample_seed(seed, i + n) for i in range(n)]",
        ("tests/test_model.py",),
    ),
    Mutation(
        "one level without its temperature", "cinn_hub/latent.py",
        "by_level = {level: temperature.get(level, 1.0) for level in levels}",
        "by_level = dict.fromkeys(levels, temperature.get(levels[0], 1.0))",
        ("tests/test_model.py", "tests/test_numbers.py"),
    ),
    Mutation(
        "log-scales without their clamp", "cinn_hub/flow/base.py",
        "return 0.636 * limit * torch.atan(raw / limit)", "return 0.636 * raw",
        ("tests/test_flow.py::test_log_scale_stays_within_the_clamp",),
    ),
    Mutation(
        "alpha dropped", "cinn_hub/photos*",
        "Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))",
        "Image.fromarray(rgb)",
        ("tests/test_photos.py",),
    ),
    Mutation(
        "plausibility without vividness", "cinn_hub/choosing.py",
        "Judgement(fit.mean((1, 2)) - vividness, oddity)", "Judgement(fit.mean((1, 2)), oddity)",
        ("tests/test_plausibility.py",),
    ),
    Mutation(
        "a pool without the farthest-point rule", "cinn_hub/choosing.py",
        "chosen.append(int(nearest.argmax()))", "chosen.append(len(chosen))",
        ("tests/test_selection.py",),
    ),
    Mutation(
        "a hint's colour at another lightness", "cinn_hub/hints.py",
        "    lab[..., 0] = lightness\n", "",
        ("tests/test_guidance.py",),
    ),
    Mutation(
        "a training resumed without its averages", "training/loop.py",
        'averaged.load_state_dict(saved["averaged"])', "pass",
        ("tests/test_loop.py",),
    ),
    Mutation(
        "a training resumed with decayed peak rates", "training/loop.py",
        "return optimizer, averaged, peaks",
        'return optimizer, averaged, [group["lr"] for group in optimizer.param_groups]',
        ("tests/test_loop.py",),
    ),
    Mutation(
        "main in place of the pinned revision", "cinn_hub/hub.py",
        "revision or entry.revision", "revision",
        ("tests/hub/test_loading.py::test_the_registry_pins_a_revision_and_a_hash",),
    ),
    Mutation(
        "a machine with other weights", "cinn_hub/batch/tasks.py",
        "(cinn_hub.__version__, model.fingerprint) != (version, weights)",
        "cinn_hub.__version__ != version",
        ("tests/test_storage.py",),
    ),
    Mutation(
        "results inside the album taken for photos", "cinn_hub/batch/album.py",
        "files_in(folder, out if inside else None)", "files_in(folder, None)",
        ("tests/test_album.py",),
    ),
    Mutation(
        "the distance of the wrong answer", "cinn_hub/batch/tasks.py",
        "result.distance(typical)", "typical.distance(typical)",
        ("tests/test_manifest.py",),
    ),
    Mutation(
        "a full line that refuses nobody", "cinn_hub/ui/queueing.py",
        "if len(waiting) < most and", "if True or",
        ("tests/test_queueing.py",),
    ),
    Mutation(
        "saves that wait behind colours", "cinn_hub/ui/queueing.py",
        "not (kind.patient and heavy >= JOBS)", "heavy < JOBS",
        ("tests/test_queueing.py",),
    ),
    Mutation(
        "numbers that are none handed on", "cinn_hub/ui/requests.py",
        "not abs(part) <= bounds.LARGEST_NUMBER", "abs(part) > bounds.LARGEST_NUMBER",
        ("tests/test_requests.py",),
    ),
    Mutation(
        "two pictures of one name in an archive", "cinn_hub/ui/saving.py",
        "if name.casefold() not in taken", "if True",
        ("tests/test_lightbox.py",),
    ),
    Mutation(
        "a proxy that says `via` forgotten", "cinn_hub/ui/models.py",
        ', "via")', ")",
        ("tests/test_operations.py::test_who_comes_through_a_proxy_may_be_a_stranger",),
    ),
    Mutation(
        "EXIF's colour space left as it was", "cinn_hub/photos/metadata.py",
        "details[TAG.ColorSpace] = 1", "pass",
        ("tests/test_metadata.py",),
    ),
    Mutation(
        "a large picture kept whatever the intensity", "cinn_hub/ui/table.py",
        "row.intensity(index), row.larges", "100, row.larges",
        ("tests/test_lightbox.py",),
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


def failures(copy: Path, words: Iterable[str]) -> list[str]:
    """The tests that fail in the copy, as pytest names them; words: tests and options of it.

    It runs in a fork of this process, which has imported what takes long already.
    """
    said = copy / "said.txt"
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=run_tests, args=(copy, words, said))
    process.start()
    process.join()
    if process.exitcode not in (0, 1):  # 1: a test failed
        raise RuntimeError(f"The tests could not be run.\n{said.read_text()[-2000:]}")
    lines = said.read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]


def run_tests(copy: Path, words: Iterable[str], said: Path) -> None:
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        code = pytest.main(["-q", "-p", "no:cacheprovider", *words])
        sys.stdout.flush()
        os._exit(int(code))  # threads of an app do not keep it


def is_noticed(copy: Path, mutation: Mutation, broken: Iterable[str]) -> bool:
    path = mutated_file(copy, mutation)
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutation.before, mutation.after), "utf-8")
    try:
        left_out = [f"--deselect={test}" for test in broken]
        return bool(failures(copy, ["-x", *left_out, *mutation.tests]))
    finally:
        path.write_text(text, "utf-8")


def main(names: list[str]) -> int:
    chosen = [m for m in MUTATIONS if not names or m.name in names]
    missed, start = 0, time.monotonic()
    # Small models: threads only wait. Bytecode of one mutation would be taken for that of another.
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        tests = dict.fromkeys(test for mutation in chosen for test in mutation.tests)
        if broken := failures(copy, tests):
            print(
                "These fail without any mutation, and are left out:", *broken, sep="\n", flush=True
            )
        for mutation in chosen:
            noticed = is_noticed(copy, mutation, broken)
            missed += not noticed
            print(f"{'noticed' if noticed else 'NOT NOTICED':12} {mutation.name}", flush=True)
    found, minutes = len(chosen) - missed, (time.monotonic() - start) / 60
    print(f"{found} of {len(chosen)} mutations are noticed, in {minutes:.0f} minutes.")
    return int(missed > 0 or bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
