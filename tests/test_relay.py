"""The relay of trainings: it goes on where it was ended, and keeps only what is better."""

import json

import numpy as np
import pytest
import torch
from helpers import SMALL, color_picture

import cinn_hub
from cinn_hub.models.colorization_cinn import ColorizationCINN
from training import colorization, relay
from training.judging import Gain, Judgement, gain, gains, judge
from training.looking import log_probabilities, looks_at, teaching
from training.photos import Source, rarity
from training.relay import Relay, best_share


@pytest.fixture
def model_folder(tmp_path):
    torch.manual_seed(0)
    ColorizationCINN(SMALL).save_pretrained(tmp_path / "init")
    return tmp_path / "init"


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(5):
        color_picture(96, 80, seed=i).save(folder / f"{i}.png")
    color_picture().convert("L").save(folder / "grey.png")
    return folder


@pytest.fixture
def trained(monkeypatch):
    """What trainings were asked for; each moves the network's colours to those of the photos."""
    asked = []

    def main(options):
        asked.append(options)
        model = cinn_hub.load(options.init, device="cpu")
        with torch.no_grad():
            model.bins.head.bias += 0.1 * len(asked)
            model.bins.head.bias[180] -= 1.0
        model.save_pretrained(options.out)
        (options.out / "training.json").write_text("{}")

    monkeypatch.setattr(colorization, "main", main)
    return asked


def test_stages_go_on_from_the_best(tmp_path, model_folder, photos, trained):
    home = tmp_path / "home"
    chain = Relay(home, str(model_folder), [photos], 3, ["--batch", "8"])
    assert chain.best == str(model_folder)
    chain.run_stage()
    small, large = trained
    assert (small.init, large.init) == (str(model_folder), str(small.out))
    assert (small.size, large.size, small.batch) == (128, 256, 8)
    assert small.minutes == pytest.approx(1) and large.minutes == pytest.approx(2)
    line = json.loads((home / "relay.jsonl").read_text())
    assert line["stage"] == 1 and line["photos"] == 5
    assert line["gains"] == {"photos": line["gain"]}
    again = Relay(home, "another", [photos], 3)
    assert again.best == line["best"] and cinn_hub.load(line["best"], device="cpu")
    again.run_stage()
    assert trained[2].init == line["best"] and trained[2].seed != trained[0].seed
    assert len(again.stages) == 2


def test_an_ended_stage_goes_on(tmp_path, model_folder, photos, trained, monkeypatch):
    chain = Relay(tmp_path / "home", str(model_folder), [photos], 3)
    with monkeypatch.context() as patch:
        patch.setattr(Relay, "choose", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            chain.run_stage()
    assert len(trained) == 2 and not chain.stages
    chain.run_stage()
    assert len(trained) == 2 and len(chain.stages) == 1


def test_what_is_worse_is_not_kept():
    worse, better = Gain(0.1, 0.01, -0.1, 0.01), Gain(-0.1, 0.01, -0.01, 0.01)
    none = Gain(0.0, 0.0, 0.0, 0.0)
    assert best_share({0.0: none, 0.3: worse, 0.5: better}) == 0.5
    assert best_share({0.0: none, 0.3: worse, 0.5: Gain(-0.1, 0.01, 0.01, 0.01)}) == 0.0


def test_photos_are_judged_one_by_one(model_folder, photos):
    model = cinn_hub.load(model_folder, device="cpu")
    one = judge(model, [photos], sides=(64,))
    assert one.entropy.shape == one.error.shape == (5,) and set(one.groups) == {"photos"}
    assert judge(model, [photos], sides=(64,), limit=2).entropy.shape == (2,)
    same = gain(one, one)
    assert same == Gain(0.0, 0.0, 0.0, 0.0)
    twice = judge(model, [photos], sides=(64, 64))
    np.testing.assert_allclose(twice.entropy, one.entropy, rtol=1e-4)


def test_looks_are_averaged_as_probabilities(model_folder):
    model = cinn_hub.load(model_folder, device="cpu")
    looks = [50 + 20 * torch.randn(1, 1, side, side) for side in (256, 192)]
    with torch.inference_mode():
        both = log_probabilities(model, looks, 32).exp()
        first, second = (log_probabilities(model, [x], 32).exp() for x in looks)
    assert both.shape[-2:] == (32, 32)
    torch.testing.assert_close(both, (first + second) / 2, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(both.sum(1), torch.ones(1, 32, 32), atol=1e-4, rtol=0)


def test_a_pupil_learns_what_its_teacher_sees(model_folder):
    torch.manual_seed(3)
    lightness = 50 + 20 * torch.randn(4, 1, 64, 64)
    assert [x.shape[-1] for x in looks_at(torch.zeros(1, 1, 256, 256))] == [192, 256, 320]
    teacher = cinn_hub.load(model_folder, device="cpu")
    torch.nn.init.normal_(teacher.bins.head.bias)
    expected = teaching(teacher)
    wanted = expected(lightness)
    assert wanted.shape == (4, 361, 8, 8)
    torch.testing.assert_close(wanted.sum(1), torch.ones(4, 8, 8), atol=1e-4, rtol=0)

    def distance():
        log_p = pupil.bins(pupil.condition_network(lightness)[0])
        return (wanted * (wanted.log() - log_p)).sum(1).mean().item()

    pupil = cinn_hub.load(model_folder, device="cpu").requires_grad_(True)
    task = colorization.ColorizationTask(pupil, teacher=expected)
    assert not [name for name, _ in task.named_parameters() if "teacher" in name]
    before = distance()
    optimizer = torch.optim.Adam(pupil.bins.parameters(), 0.02)
    for _ in range(30):
        optimizer.zero_grad()
        task("condition", lightness, torch.zeros(4, 2, 16, 16)).backward()
        optimizer.step()
    assert distance() < 0.7 * before


def test_a_gain_is_that_of_photo_by_photo():
    old = Judgement(np.array([1.0, 3.0, 2.0]), np.array([8.0, 2.0, 4.0]), 10.0, np.array(["a"] * 3))
    new = Judgement(old.entropy - 0.5, old.error - 1.0, 10.0, old.groups)
    found = gain(new, old)
    assert found.entropy == pytest.approx(-0.5) and found.error == pytest.approx(-0.1)
    assert found.entropy_se == pytest.approx(0.0, abs=1e-12)
    assert "-0.5000" in str(found)


def test_a_gain_in_one_collection_is_seen_as_such():
    groups = np.array(["faces", "faces", "things"])
    old = Judgement(np.array([1.0, 3.0, 2.0]), np.array([8.0, 2.0, 4.0]), 10.0, groups)
    new = Judgement(old.entropy - [0.4, 0.6, 0.0], old.error, 10.0, groups)
    found = gains(new, old)
    assert found["faces"].entropy == pytest.approx(-0.5)
    assert found["things"] == Gain(0.0, 0.0, 0.0, 0.0)


def test_faces_are_a_tenth_at_most(tmp_path):
    def sources(group, count):
        return [Source(tmp_path, None, str(i), group) for i in range(count)]

    weights = rarity([*sources("faces_a", 400), *sources("faces_b", 100), *sources("dogs", 100)])
    assert weights[:500].sum() / weights.sum() == pytest.approx(0.1, rel=1e-4)
    assert weights[0] / weights[400] == pytest.approx(0.5)
    few = rarity([*sources("faces_a", 1), *sources("dogs", 10_000)])
    assert few[0] / few.sum() == pytest.approx(1 / 101)
    assert rarity(sources("faces_a", 4)).sum() > 0


def test_one_relay_at_a_time(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(relay, "run", lambda options, more: ran.append((options, more)))
    words = ["relay", "--home", str(tmp_path / "home"), "--snapshots", str(tmp_path), "--lr", "1"]
    monkeypatch.setattr("sys.argv", words)
    relay.main()
    assert ran[0][1] == ["--lr", "1"] and (tmp_path / "home" / "lock").exists()
