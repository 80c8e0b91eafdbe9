"""Training on photos made here: it learns, and skips grey photos. See also test_loop.py."""

import argparse
import itertools
import json
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import SMALL, color_picture, randomize
from PIL import Image

import cinn_hub
from cinn_hub.models.colorization_cinn import ColorizationCINN
from cinn_hub.networks import ColorBins
from cinn_hub.publishing import DRAFT, model_bundle
from training import average, classes, color_flow, colorization, loop
from training.average import mean
from training.cache import in_order
from training.colorization import ColorizationTask, parse_shares, stages
from training.loop import Trainer
from training.losses import class_loss, color_loss
from training.photos import ColorPhotos, collate, find_photos, perhaps_aged


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """In this process, each look at the clock takes 25 ms: as many steps on busy machines, too."""
    seconds = itertools.count(0.0, 0.025)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


def options_of(*words, task=colorization):
    parser = argparse.ArgumentParser()
    task.add_arguments(parser)
    return parser.parse_args(list(map(str, words)))


@pytest.fixture
def words(tmp_path, color_photos):
    """Of a short training from scratch on the photos."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(SMALL.to_dict()))
    return [
        *("--data", color_photos, "--held-out", color_photos, "--out", tmp_path / "model"),
        *("--config", config, "--from-scratch", "--workers", "0"),
    ]


def test_a_training_makes_a_model_and_once_finished_changes_nothing(tmp_path, words, capsys):
    words += ["--minutes", "0.015", "--checkpoint-minutes", "0.004"]
    colorization.main(options_of(*words, "--stages", "decoder=1,condition=1"))
    assert cinn_hub.load(tmp_path / "model", device="cpu").config == SMALL
    log = json.loads((tmp_path / "model" / "training.json").read_text())
    assert [*dict.fromkeys(x["stage"] for x in log["history"])] == ["decoder", "condition"]
    entropy = [entry["cross-entropy"] for entry in log["history"]]
    assert entropy[-1] < entropy[0]
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    colorization.main(options_of(*words, "--stages", "decoder=1,condition=1", "--minutes", "9"))
    assert "This training is finished." in capsys.readouterr().out
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


def test_a_mean_of_checkpoints_becomes_a_model_or_a_start(tmp_path, monkeypatch, capsys):
    folders = [tmp_path / name for name in ("first", "second")]
    models = []
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        models.append(ColorizationCINN(SMALL))
        Trainer(ColorizationTask(models[-1]), [], 0, folder).save()
    models[0].save_pretrained(tmp_path / "model")
    files = [str(folder / "checkpoint.pt") for folder in folders]

    def run_average(*more):
        monkeypatch.setattr(sys, "argv", ["average", *files, *more])
        average.main()

    run_average("--model", str(tmp_path / "model"), "--out", str(tmp_path / "mean"))
    found = cinn_hub.load(tmp_path / "mean", device="cpu").state_dict()
    for name, x in models[0].state_dict().items():
        expected = torch.lerp(x, models[1].state_dict()[name], 0.5) if x.is_floating_point() else x
        torch.testing.assert_close(found[name], expected, atol=2e-3, rtol=2e-3)

    run_average("--out", str(tmp_path / "third" / "checkpoint.pt"))
    task = ColorizationTask(ColorizationCINN(SMALL))
    Trainer(task, stages(1e-3, 3), 1, tmp_path / "third").load()
    assert "Resuming at stage 1 of 2 after 0.0 minutes" in capsys.readouterr().out
    for name, x in task.model.state_dict().items():
        torch.testing.assert_close(x.cpu(), found[name], atol=2e-3, rtol=2e-3)


def test_a_flow_is_trained_on_cached_conditions(tmp_path, color_photos, capsys):
    torch.manual_seed(0)
    model = ColorizationCINN(SMALL)
    model.save_pretrained(tmp_path / "model")
    words = [
        *("--init", tmp_path / "model", "--data", color_photos, "--held-out", color_photos),
        *("--caches", tmp_path / "caches", "--out", tmp_path / "more"),
        *("--minutes", "0.02", "--batch", "8", "--lr", "1e-2"),
    ]
    color_flow.main(options_of(*words, task=color_flow))
    told = capsys.readouterr().out
    assert "12 photos; 2 without colours are skipped" in told  # whatever the number of views
    assert "14 of 14 held-out photos are also trained on" in told
    lines = told.splitlines()[-3:]
    assert lines[0].startswith("Before, on the held-out photos: cells") and "grain" in lines[0]
    assert lines[1].startswith("After: ") and lines[0].split()[5:7] != lines[1].split()[1:3]
    assert f"The model is in {tmp_path / 'more'}; try it: cinn-hub colorize" in lines[2]
    after = cinn_hub.load(tmp_path / "more", device="cpu").state_dict()
    for name, x in model.state_dict().items():  # only the flow was trained
        if not name.startswith("flow"):
            torch.testing.assert_close(x, after[name], atol=1e-3, rtol=1e-3)
    log = json.loads((tmp_path / "more" / "training.json").read_text())
    assert [*dict.fromkeys(x["stage"] for x in log["history"])] == ["cells", "details"]
    held = color_flow.caches_of(model, [str(color_photos)], tmp_path / "caches", [0])[0]
    task = color_flow.FlowTask(cinn_hub.load(tmp_path / "model", device="cpu"))
    with torch.no_grad():
        before = task.held_out("details", in_order(held, ("ab", *color_flow.PARTS)))
    assert log["history"][-1]["grain"] < before["grain"]
    card = tmp_path / "more" / "README.md"
    card.write_text(card.read_text().replace(DRAFT, "My own photos; yours to use."))
    sent = model_bundle(tmp_path / "more")  # and now it could be pushed
    assert sent.keys() == {"config.json", "model.safetensors", "README.md", "training.json"}


def test_grey_photos_teach_no_flow(tmp_path, photo):
    torch.manual_seed(0)
    ColorizationCINN(SMALL).save_pretrained(tmp_path / "model")
    (tmp_path / "grey").mkdir()
    photo.save(tmp_path / "grey" / "a.png")
    words = ["--init", tmp_path / "model", "--data", tmp_path / "grey", "--held-out"]
    words += [tmp_path / "grey", "--caches", tmp_path / "caches", "--out", tmp_path / "more"]
    with pytest.raises(SystemExit, match="None of the photos in .* has colours"):
        color_flow.main(options_of(*words, task=color_flow))


def test_another_shape_keeps_the_weights_that_fit(tmp_path):
    model = ColorizationCINN(SMALL)
    randomize(model)
    model.save_pretrained(tmp_path / "known")
    config = tmp_path / "narrow.json"
    config.write_text(json.dumps({**SMALL.to_dict(), "channels": [4, 12, 32]}))
    words = ["--init", tmp_path / "known", "--config", config]
    narrow = colorization.initial_model(options_of("--data", "x", "--out", "y", *words))
    assert narrow.config.channels == (4, 12, 32)
    backbone = narrow.condition_network.backbone.state_dict()
    for name, x in model.condition_network.backbone.state_dict().items():
        torch.testing.assert_close(backbone[name], x, atol=1e-3, rtol=1e-3)
    flow_words = [*words, "--held-out", "x", "--caches", "z"]
    with pytest.raises(SystemExit, match="another bins, condition_network than"):
        color_flow.initial_model(
            options_of("--data", "x", "--out", "y", *flow_words, task=color_flow)
        )


@pytest.mark.parametrize(
    ("count", "more", "sentence"),
    [
        (1, [], "There is only one photo"),
        (3, [], "None of the held-out photos has colours"),
        (3, ["--held-out", "photos"], "None of the photos to train on has colours"),
    ],
)
def test_photos_that_teach_nothing_are_refused(
    tmp_path, color_photos, monkeypatch, count, more, sentence
):
    (tmp_path / "grey").mkdir()
    for i in range(count):
        color_picture(seed=i).convert("L").save(tmp_path / "grey" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SMALL.to_dict()))
    words = ["--data", "grey", "--out", "model", "--config", "config.json", "--from-scratch"]
    with pytest.raises(SystemExit, match=sentence):
        colorization.main(options_of(*words, "--workers", "0", "--minutes", "0.01", *more))


def test_workers_do_not_share_an_archive(tmp_path, color_photos):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for i in range(60):
            archive.write(color_photos / f"{i % 12:02}.png", f"{i:03}.png")
    sources = find_photos([tmp_path / "many.zip"])
    sources[0].decode()  # opened before the workers are
    batches = colorization.loader(sources, 64, 4, workers=2, seed=0, augment=False)
    assert sum(len(lightness) for lightness, _ in batches) == 60


def test_names_tell_photos_apart(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split / "cat").mkdir(parents=True)
        (tmp_path / split / "cat" / "1.jpg").touch()
    sources = find_photos([tmp_path])
    names = [source.name for source in sources]
    assert names == [f"{tmp_path.name}/{split}/cat/1.jpg" for split in ("train", "val")]
    with pytest.raises(SystemExit, match="have the same name"):
        classes.write(tmp_path / "classes.npz", [*sources, *sources], np.zeros((4, 1000)))


def test_only_photos_with_colors_count(tmp_path, color_photos):
    color_picture(64, 64).convert("L").convert("RGB").save(color_photos / "grey.jpg")
    sepia = np.asarray(color_picture(64, 64).convert("L"), float)[..., None] * [1, 0.8, 0.6]
    Image.fromarray(sepia.astype(np.uint8)).save(color_photos / "sepia.png")
    (color_photos / "empty.jpg").touch()
    found = ColorPhotos(find_photos([color_photos]), size=64)
    items = [found[i] for i in range(len(found))]
    assert sum(item is not None for item in items) == 12
    lightness, ab = collate(items)
    assert lightness.shape == (12, 1, 64, 64) and ab.shape == (12, 2, 16, 16)
    assert lightness.min() >= 0 and lightness.max() <= 100


def test_bins_give_back_the_color():
    """The expected colour of the best prediction is the colour itself."""
    bins = ColorBins(4)
    ab = torch.tensor([[-37.0, 12.0]]).view(1, 2, 1, 1)
    logits = torch.zeros(1, bins.per_axis**2, 1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = color_loss(logits.log_softmax(1), ab, bins)
        value.backward()
        return value

    optimizer.step(loss)
    mean, spread = bins.mean_and_spread(logits.log_softmax(1))
    assert torch.allclose(mean, ab, atol=0.1)
    assert spread.flatten().tolist() == pytest.approx([5.3, 3.2], abs=0.3)  # between two bins each


def test_class_scores_find_their_photos(tmp_path, color_photos):
    sources = find_photos([color_photos])
    scores = np.random.default_rng(0).normal(size=(len(sources), 5)).astype(np.float16)
    classes.write(tmp_path / "classes.npz", sources, scores)
    backwards = classes.read(tmp_path / "classes.npz", sources[::-1])
    assert np.array_equal(backwards.numpy(), scores[::-1])
    found = ColorPhotos(sources, size=64, classes=classes.read(tmp_path / "classes.npz", sources))
    lightness, ab, third = collate([found[i] for i in range(12)])
    assert np.array_equal(third.numpy(), scores[:12])
    color_picture(64, 64).save(color_photos / "new.png")
    with pytest.raises(SystemExit, match=r"lacks 1 of the photos, such as photos/new.png"):
        classes.read(tmp_path / "classes.npz", find_photos([color_photos]))


def test_rare_classes_are_drawn_oftener():
    scores = torch.full((100, 3), -20.0)
    scores[:81, 0], scores[81:97, 1], scores[97:, 2] = 20, 20, 20  # 81, 16 and 3 photos
    weights = classes.rarity(scores)
    sums = torch.stack([part.sum() for part in weights.split([81, 16, 3])])
    assert torch.allclose(sums / sums[2], torch.tensor([27.0, 16 / 3, 1]).sqrt(), rtol=1e-3)


def test_class_loss_is_least_where_both_agree():
    wanted = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    assert class_loss(wanted + 3, wanted).item() == pytest.approx(0, abs=1e-6)
    assert class_loss(wanted.roll(1, 1), wanted) > 0.1


def test_shares():
    assert parse_shares("condition=2,decoder=0.5") == {"condition": 2, "decoder": 0.5}
    chosen = [(x.name, x.share) for x in stages(1e-3, 3, parse_shares("condition=3,decoder=1"))]
    assert chosen == [("condition", 0.75), ("decoder", 0.25)]
    for text in ("condition", "nothing=1", "decoder=0", "decoder=x"):
        with pytest.raises(Exception, match="is not a stage with its share"):
            parse_shares(text)


def test_aging_changes_lightness_alone_and_keeps_its_range(color_photos):
    source = find_photos([color_photos])[:1]
    chance = torch.Generator().manual_seed(0)
    plain = ColorPhotos(source, size=64)[0][0][0].numpy()
    aged = [perhaps_aged(plain, chance, share=1.0) for _ in range(8)]
    for picture in aged:
        assert picture.dtype == np.float32 and picture.shape == plain.shape
        assert picture.min() >= 0 and picture.max() <= 100
        assert np.corrcoef(picture.ravel(), plain.ravel())[0, 1] > 0.5
    assert np.std([picture.mean() for picture in aged]) > 1
    assert perhaps_aged(plain, chance, share=0.0) is plain


def test_means_of_weights():
    first = {"model.flow.a": torch.zeros(2), "bins.b": torch.zeros(1), "n": torch.tensor(3)}
    second = {"model.flow.a": torch.ones(2), "bins.b": torch.ones(1), "n": torch.tensor(5)}
    mixed = mean(first, second, 0.6, {"flow": 0.25})
    assert mixed["model.flow.a"].tolist() == [0.25, 0.25]
    assert mixed["bins.b"].item() == pytest.approx(0.6) and mixed["n"] == 3
    with pytest.raises(SystemExit, match="different models"):
        mean(first, {}, 0.5, {})
