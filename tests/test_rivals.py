"""The rivals of the comparison: each learns for seconds on pictures made here, and is measured."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import color_picture, randomize

from benchmarks.differences import PARTS as DIFFERENCES
from benchmarks.features import Seen
from benchmarks.rivals import __main__ as command
from benchmarks.rivals import answers, conditions, measuring, report, training, verdicts
from benchmarks.rivals.classification import Classification
from benchmarks.rivals.colorgan import CLIP, ColorGAN
from benchmarks.rivals.conditions import PARTS
from benchmarks.rivals.lsun_minimal import LsunMinimal
from benchmarks.rivals.our_flow import OurFlow
from benchmarks.rivals.pix2pix import Pix2Pix
from benchmarks.rivals.regression import Regression
from benchmarks.rivals.rival import DIMENSIONS, beside_truth
from benchmarks.rivals.rows import ROWS
from benchmarks.rivals.runs import Runs
from benchmarks.rivals.table import MEASURED, cells, ranged, table
from benchmarks.rivals.training import Terms

MINUTES = 0.005


class Critic:
    """Stands for the pretrained network: features are the means of a few parts of the picture."""

    def look(self, pictures):
        pixels = torch.stack([torch.from_numpy(p).float().mean((0, 1)) for p in pictures])
        return Seen(pixels, pixels.repeat(1, 3))


@pytest.fixture(scope="module")
def trunk():
    """The network without its pretrained weights, which may not be installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "load_pretrained", lambda backbone: None)
        torch.manual_seed(0)
        return conditions.Trunk()


@pytest.fixture(scope="module")
def terms(tmp_path_factory, trunk):
    root = tmp_path_factory.mktemp("rivals")
    for folder, seeds in (("photos", range(12)), ("held", range(20, 23))):
        (root / folder).mkdir()
        for i in seeds:
            color_picture(80, 64, seed=i).save(root / folder / f"{i:02}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Trunk", lambda: trunk)
        patch.setattr(measuring, "ColorCritic", Critic)
        patch.setattr(training, "VIEWS", 1)
        data, held = (str(root / "photos"),), (str(root / "held"),)
        yield Terms(data, held, Runs(root / "runs"), root / "caches", minutes=MINUTES)


def parts_of(rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"fine": (40, 32, 32), "middle": (112, 16, 16), "coarse": (320, 8, 8)}
    parts = {k: torch.randn(rows, *s, generator=generator) for k, s in shapes.items()}
    return {**parts, "lightness": 100 * torch.rand(rows, 1, 64, 64, generator=generator)}


def colors_of(rows, seed=1):
    return 20 * torch.randn(rows, 2, 32, 32, generator=torch.Generator().manual_seed(seed))


# of each kind of training and answer; critics have tests of their own
KINDS = ["regression", "classification", "cvae", "pix2pix", "our-flow"]


@pytest.mark.parametrize("name", KINDS)
def test_a_row_is_trained_and_measured(terms, name, tmp_path):
    result = training.run(terms, name, 0)
    figures = result["figures"]
    assert set(MEASURED) - {"bits"} <= figures.keys()
    assert all(math.isfinite(value) for value in figures.values())
    assert ("bits" in figures) == ROWS[name].build().has_likelihood
    assert figures["of 8"] <= figures["nearest"] + 1e-6 <= figures["of 1"] + 2e-6
    if not ROWS[name].is_diverse:
        assert figures["variance"] < 1e-6
    assert result["pictures"] > 0 and result["history"][-1]["minutes"] >= MINUTES
    assert terms.runs.finished(name, 0) == json.loads(terms.runs.result(name, 0).read_text("utf-8"))
    kept = answers.read(terms.runs.answers(name, 0))
    assert len(kept) == len(answers.names()) and kept[0].shape == (8, 64, 64, 2)
    if name == "regression":  # it is finished: nothing changes
        now, _ = training.trained(terms, training.Trunk(), name, 0)
        answers.keep(path := tmp_path / "again.npz", now, training.Trunk())
        assert all(map(np.array_equal, answers.read(path), kept))


@pytest.mark.parametrize("name", ROWS)
def test_every_row_learns(name):
    torch.manual_seed(0)
    rival = ROWS[name].build()
    rival("", colors_of(4), *(parts_of(4)[part] for part in PARTS)).backward()
    gradients = [p.grad for p in rival.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert rival.answers(parts_of(2), 3).shape == (6, 2, 32, 32)


def test_a_training_that_diverges_is_measured_too(terms, monkeypatch):
    def loss(rival, ab, parts):
        return float("nan") * rival.painter.last[-1].weight.sum()

    monkeypatch.setattr(Regression, "loss", loss)
    endless = replace(terms, runs=Runs(terms.runs.root.with_name("diverged")), minutes=10.0)
    result = training.run(endless, "regression", 0)
    assert verdicts.collapse(result, {"FD": math.inf}) == "diverged"


def test_rows_on_other_terms_are_not_mixed(terms):
    terms.settle()
    for other in ({"minutes": 1.0}, {"photos": 2}, {"data": ("elsewhere",)}):
        with pytest.raises(SystemExit, match="take another --out"):
            training.run(replace(terms, **other), "regression", 0)


def test_all_runs_what_is_missing_and_the_report_shows_it(terms, monkeypatch):
    for name in ROWS.keys() - {"regression", "pix2pix"}:
        monkeypatch.delitem(ROWS, name)
    missing = [name for name in ROWS if not terms.runs.finished(name, 0)]
    ran, run = [], training.run
    monkeypatch.setattr(training, "run", lambda *which: ran.append(which[1]) or run(*which))
    command.run_missing(terms, seeds=1)
    command.run_missing(terms, seeds=1)
    assert ran == missing
    root = terms.runs.root
    page = root / "page.md"
    others = "<!-- table of others -->\nkept\n<!-- end of table -->"
    page.write_text(f"before\n{others}\n{report.begin_of(root)}\nold\n{report.END}\nafter\n")
    report.write(terms.runs, page)
    text = page.read_text()
    assert text.startswith(f"before\n{others}") and text.endswith("after\n") and "old" not in text
    page.write_text(others)
    with pytest.raises(SystemExit, match="has no table to replace, between"):
        report.write(terms.runs, page)
    assert all(row.title in text for row in ROWS.values()) and "grey" in text
    made = {path.name for path in (root / "report").iterdir()}
    assert {"table.md", "curves.png", "losses.png", "bed.jpg", "cat.jpg"} <= made


@pytest.mark.parametrize("build", [LsunMinimal, OurFlow])
def test_likelihoods_are_those_of_the_whole_flow(build):
    torch.manual_seed(0)
    rival = build().eval()
    randomize(rival.flow, scale=0.3)
    parts, ab = parts_of(2), colors_of(2)
    with torch.no_grad():
        nats = rival.nats(ab, parts)
        if isinstance(rival, OurFlow):
            condition, unit = rival.flow.condition(rival.known(parts)[0]), rival.flow.unit
        else:
            condition, unit = rival.condition(parts), 1.0
        latents, log_det = rival.flow(ab / unit, condition)
        energy = sum(z.flatten(1).square().sum(1) for z in latents.values())
        whole = 0.5 * (energy + DIMENSIONS * math.log(2 * math.pi)) - log_det
        torch.testing.assert_close(nats, whole + DIMENSIONS * math.log(unit), rtol=1e-4, atol=0.1)
        back, _ = rival.flow.inverse(latents, condition)
        torch.testing.assert_close(back * unit, ab, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("build", [Pix2Pix, ColorGAN, lambda: ColorGAN(penalty=True)])
def test_generator_and_critic_learn_by_turns(build):
    torch.manual_seed(0)
    rival, parts = build(), parts_of(4)
    for turn in range(2 * (rival.critic_turns + 1)):
        rival.zero_grad(set_to_none=True)
        rival("", colors_of(4), *(parts[name] for name in PARTS)).backward()
        of_critic = any(p.grad is not None for p in rival.critic.parameters())
        of_generator = any(p.grad is not None for p in rival.generator.parameters())
        wanted = turn % (rival.critic_turns + 1) < rival.critic_turns
        assert (of_critic, of_generator) == (wanted, not wanted)
    assert all(p.requires_grad for p in rival.parameters())
    assert rival.losses().keys() == set(rival.loss_names)
    if build is ColorGAN:
        assert max(p.abs().max().item() for p in rival.critic.parameters()) <= CLIP


class Colors(list):
    """A cache of ab alone."""

    rows = np.arange(100)

    def read(self, rows, names):
        return {"ab": torch.stack(list(self))[rows]}


def test_rare_colors_weigh_more():
    torch.manual_seed(0)
    ab = torch.zeros(100, 2, 32, 32)
    ab[0] = 55.0
    rival = Classification()
    rival.prepare([Colors(ab)])
    grey, rare = (rival.weights[rival.nearest(x)[0, 0, 0]] for x in (ab[1:2], ab[:1]))
    assert rare > 5 * grey


def test_the_best_of_eight():
    ab = torch.zeros(1, 2, 2, 2)
    answers = torch.stack([torch.full((2, 2, 2), float(k)) for k in (4, -2, 6)])
    found = beside_truth(answers, ab)
    assert found["of 8"].item() == 2 and found["of 1"].item() == 4
    assert found["variance"].item() == pytest.approx(answers[:, 0, 0, 0].var(unbiased=False).item())


GREY = {"FD": 100.0}


def result(row="a", best=5.0, variance=20.0, distance=50.0):
    figures = {"of 8": best, "variance": variance, "FD": distance, "squared error": 100.0}
    history = [{"minutes": 1.0, "of 8": 3.0}]
    return {"row": row, "figures": figures, "history": history, "parameters": 2_000_000}


def test_what_a_collapse_is():
    assert verdicts.collapse(result(), GREY) is None
    assert verdicts.collapse(result(variance=0.5), GREY) == "one answer"
    for distance in (100.0, float("nan")):
        assert verdicts.collapse(result(distance=distance), GREY) == "worse than grey"


def test_the_better_setting_has_fewer_collapses_then_the_lower_error():
    several = [result("a", 5.0), result("b", 4.0), result("c", 3.0, variance=0.0)]
    assert verdicts.better(several, GREY) == "b"


def test_a_training_is_at_its_best_when_it_is_nearly_as_good_as_ever():
    history = [{"minutes": m, "of 8": v} for m, v in ((1, 9.0), (2, 5.02), (3, 5.0), (4, 6.0))]
    assert verdicts.minutes_to_best(history) == 2
    assert verdicts.end_beside_best(history) == 1.2


def test_cells_of_the_table_have_mean_and_range():
    assert ranged([-0.01], 1) == "0.0" and ranged([3.0], 1) == "3.0"
    assert ranged([1.0, 2.0, 6.0], 1) == "3.0 (1.0 to 6.0)"
    assert ranged([-0.01, 0.21], 1) == "0.1 (0.0 to 0.2)"


def test_a_collapsed_training_has_no_best():
    fallen, sound = result("pix2pix", variance=0.0), result("pix2pix", variance=35.0)
    for one in (fallen, sound):
        one["figures"] |= {"pictures a second": 9.0}
        one["figures"] |= {part: 1.0 for part in DIFFERENCES} | {
            f"real {part}": 2.0 for part in DIFFERENCES
        }

    two = cells([fallen, fallen], GREY)
    assert two["collapsed"] == "2 of 2: one answer" and "minutes to its best" not in two
    assert "| 2 of 2: one answer |" in table({"pix2pix": [fallen, fallen]}, {"grey": GREY})
    one = cells([fallen, sound], GREY)
    assert one["collapsed"] == "1 of 2: one answer" and one["minutes to its best"] == "1"
    assert one["spread"] == "0.20 (0.00 to 0.40)" and one["million weights"] == "2.0"
    assert one["mood / real"] == "0.50 (0.50 to 0.50)"
