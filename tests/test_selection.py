"""Of many draws a few that differ and are believable; and the colours that one spot may have."""

import gradio as gr
import numpy as np
import pytest
import torch
from helpers import ROOT, color_picture, same

from cinn_hub import choosing
from cinn_hub.choosing import Judgement, possible_colors
from cinn_hub.color import to_lab
from cinn_hub.errors import CinnHubError
from cinn_hub.latent import Latent
from cinn_hub.models.colorization_cinn import ColorizationCINN
from cinn_hub.networks import ColorBins
from cinn_hub.ui.colorize import Colour
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.table import Table
from cinn_hub.ui.uploads import Uploads, open_sheet


def flat(*colors):
    """One colouring of one colour for each (a, b), (N, 2, 8, 8)."""
    return torch.tensor(colors, dtype=torch.float32)[..., None, None].expand(-1, -1, 8, 8)


def judged(plausibility, oddity=None):
    odd = torch.zeros(len(plausibility)) if oddity is None else torch.tensor(oddity)
    return Judgement(torch.tensor(plausibility), odd)


def test_the_chosen_ones_lie_far_apart_and_the_most_plausible_is_first():
    ab = flat((0, 1), (0, 0), (30, 0), (31, 0), (0, 30), (0, 31), (90, 0))
    chosen = choosing.choose(ab, judged([-0.1, 0.0, -1.0, -1.1, -1.2, -1.3, -9.0]), 3)
    assert chosen[0] == 1
    assert sorted(row // 2 for row in chosen) == [0, 1, 2]


def test_each_next_one_is_far_from_all_that_are_chosen():
    line = flat(*[(k, 0) for k in range(10)])  # 8 and 9 are not plausible enough
    assert choosing.choose(line, judged([-float(k) for k in range(10)]), 3) == [0, 3, 7]


def test_impossible_things_are_left_out_however_plausible_the_rest_is():
    line = flat(*[(10 * k, 0) for k in range(12)])
    odd = [0.0] * 12
    odd[1], odd[3] = 99.0, choosing.MOST_ODD + 1
    plausible = [-1.0, 5.0, -2.0, 4.0, *[-3.0 - k for k in range(8)]]
    assert choosing.choose(line, judged(plausible, odd), 10)[0] == 0
    assert {1, 3}.isdisjoint(choosing.choose(line, judged(plausible, odd), 10))
    assert choosing.choose(line, judged(plausible, odd), 11)[0] == 3  # the less odd one
    all_odd = [100.0 + k for k in range(12)]
    firsts = {choosing.choose(line, judged(plausible[::-1], all_odd), n)[0] for n in (1, 3, 8)}
    assert firsts == {7}  # of the eight least odd the most plausible, however many are asked for


def test_equal_draws_are_chosen_once_each():
    assert sorted(choosing.choose(flat(*[(5, 5)] * 6), judged([0.0] * 6), 4)) == [0, 1, 2, 3]


def test_a_blue_dog_on_a_green_lawn_is_odd_and_plausible():
    bins = ColorBins(1)
    ab = flat((-22, 33))[..., :1, :1].expand(1, 2, 32, 32)
    known = torch.full((1, 19 * 19, 32, 32), 1e-4)
    known[0, 19 * 7 + 12] = 1.0  # the lawn's green, everywhere
    log_p = (known / known.sum(1, keepdim=True)).log()
    lawn = ab.repeat(2, 1, 1, 1)
    lawn[1, :, 10:20, 10:20] = torch.tensor([10.0, -60.0])[:, None, None]
    found = choosing.judge(bins, log_p, lawn)
    assert found.oddity[0] < choosing.MOST_ODD < found.oddity[1]
    assert found.plausibility[0] > found.plausibility[1]


def test_a_hand_with_a_green_finger_is_odd():
    """Where any colour is possible, those of one thing still belong together."""
    bins = ColorBins(1)
    log_p = torch.full((1, 19 * 19, 32, 32), 1 / 19**2)
    log_p[0, 0, :, 16:] = 1e4  # another thing, of other colours
    log_p = (log_p / log_p.sum(1, keepdim=True)).log()
    plain = flat((10, 20))[..., :1, :1].expand(1, 2, 16, 16)
    hands = plain.repeat(3, 1, 1, 1)
    hands[1, :, 4:6, 4:6] = torch.tensor([-30.0, 20.0])[:, None, None]
    hands[2, :, :, 8:] = torch.tensor([-30.0, 20.0])[:, None, None]
    steps = choosing.worst(choosing.steps_in_things(log_p, hands), choosing.MOTTLED)
    torch.testing.assert_close(steps, torch.tensor([0.0, 32.0, 0.0]), atol=0.1, rtol=0)
    odd = choosing.judge(bins, log_p, hands[:2]).oddity
    assert odd[1] - odd[0] == pytest.approx(32 * choosing.NATS_PER_STEP, abs=0.1)


def test_details_do_not_change_the_judgement(imagenet):
    prepared = imagenet.prepare(color_picture())
    (z,) = imagenet.draws(prepared.condition, 1, seed=1, pool=None)
    whole, small = (
        imagenet.judge(ab, prepared.condition)
        for ab in (imagenet.decode(z, prepared.condition), imagenet.small_ab(z, prepared.condition))
    )
    torch.testing.assert_close(whole.plausibility, small.plausibility, atol=1e-3, rtol=0)
    torch.testing.assert_close(whole.oddity, small.oddity, atol=1e-2, rtol=0)


def test_answers_come_in_order_of_plausibility_and_are_samples_of_the_seed(small_model, photo):
    all_draws = small_model.colorize(photo, n=12, seed=4, pool=None)
    chosen = small_model.colorize(photo, n=3, seed=4, pool=12)
    samples = [int(result.settings["sample"]) for result in chosen]
    assert len(set(samples)) == 3
    for sample, result in zip(samples, chosen, strict=True):
        np.testing.assert_allclose(result.ab, all_draws[sample].ab, atol=1e-4)
        assert result.settings["pool"] == "12" and result.settings["seed"] == "4"
    plausible = [result.plausibility for result in small_model.colorize(photo, n=8, seed=4)]
    assert plausible == sorted(plausible, reverse=True)


def test_the_best_of_a_pool_differ_more_and_begin_with_the_most_plausible(imagenet):
    prepared = imagenet.prepare(ROOT / "examples" / "coffee.jpg")
    first, chosen = (imagenet.colorize(prepared, n=6, seed=0, pool=pool) for pool in (None, 24))
    pairs = np.triu_indices(6, 1)
    least = []
    for results in (first, chosen):
        coarse = np.stack([r.ab.reshape(8, 8, 8, 8, 2).mean((1, 3)).ravel() for r in results])
        least.append(np.linalg.norm(coarse[:, None] - coarse[None], axis=2)[pairs].min())
    assert least[1] > 1.2 * least[0]
    assert chosen[0].plausibility >= max(one.plausibility for one in chosen)


def test_a_pool_with_hints(small_model, photo):
    hints = [(20, 20, "#bb5544")]
    result = small_model.colorize(photo, n=2, seed=4, pool=8, hints=hints)[1]
    number = int(result.settings["sample"])
    drawn = small_model.colorize(photo, n=number + 1, seed=4, hints=hints, pool=None)
    np.testing.assert_allclose(result.ab, drawn[number].ab, atol=0.05)


@pytest.mark.parametrize("temperature", [0.0, 0.4, 1.0, 1.5])
def test_temperatures_scale_around_the_expected_colours(small_model, photo, temperature):
    prepared = small_model.prepare(photo)
    draws, cool = (
        Latent.cat(small_model.draws(prepared.condition, 3, t, seed=1, pool=None)).flatten()
        for t in (1.0, temperature)
    )
    center = small_model.center(prepared.condition).flatten()
    torch.testing.assert_close(cool, center + temperature * (draws - center))
    expected = small_model.expected_ab(prepared.condition)
    typical = torch.from_numpy(small_model.typical(prepared).ab).permute(2, 0, 1)[None]
    enlarged = torch.nn.functional.interpolate(expected, typical.shape[2:], mode="bilinear")
    torch.testing.assert_close(typical, enlarged, atol=0.02, rtol=0)


def test_modes_are_merged_and_come_with_their_probability():
    ab = np.array([[0, 0], [0, 11], [40, 30], [-40, 30], [40, 30.5]], np.float32)
    probabilities = np.array([0.3, 0.2, 0.2, 0.1, 0.2])
    found = possible_colors(probabilities, ab, 60.0, 6)
    assert [round(one.probability, 3) for one in found] == [0.5, 0.4, 0.1]
    rgb = np.array([list(bytes.fromhex(one.color[1:])) for one in found], np.uint8)
    np.testing.assert_allclose(to_lab(rgb[None])[0][:, 0], 60, atol=0.7)
    np.testing.assert_allclose(to_lab(rgb[None])[0][1], [60, 40, 30.25], atol=1.5)
    assert len(possible_colors(probabilities, ab, 60.0, 2)) == 2
    assert [one.color for one in possible_colors(probabilities, ab, 0.0, 6)] == ["#000000"]


def test_colors_at_a_spot(small_model, photo):
    prepared = small_model.prepare(photo)
    found = small_model.colors_at(prepared, 20, 20)
    assert 1 <= len(found) <= 6
    assert found == small_model.colors_at(photo, 20, 20)
    shares = [one.probability for one in found]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-5
    hint = (20, 20, found[-1].color)
    assert len(small_model.colorize(prepared, n=1, hints=[hint])) == 1
    with pytest.raises(CinnHubError, match="lies outside the photo; x must be from 0 to 95"):
        small_model.colors_at(prepared, 96, 3)
    with pytest.raises(CinnHubError, match="n is 0"):
        small_model.colors_at(prepared, 20, 20, n=0)


def test_bolder_answers_are_more_colourful_and_farther_from_the_truth(imagenet):
    """As the slider's words promise: lower is calmer, and nearer to the truth on average."""
    errors, chromas = [], []
    moods = ROOT / "examples" / "moods"
    photos = [imagenet.prepare(moods / f"{name}.jpg") for name in ("astronaut", "cat", "coffee")]
    for boldness in (0.5, 0.75, 1.0, 1.25):
        found = [
            (np.square(one.ab - photo.ab).mean(), one.chroma)
            for photo in photos
            for one in imagenet.colorize(photo, 8, imagenet.temperature(boldness), 3, pool=None)
        ]
        error, chroma = np.mean(found, 0)
        errors.append(error)
        chromas.append(chroma)
    assert errors == sorted(errors) and errors[-1] > 1.2 * errors[0]
    assert chromas == sorted(chromas) and chromas[-1] > 1.1 * chromas[0]


@pytest.fixture(scope="module")
def app_of_folder(model_folder):
    """The model of a folder, as Python has it, and the app's tool that colours with it."""
    model = ColorizationCINN.from_folder(model_folder)
    with gr.Blocks():
        return model, Colour(Table(Shelf(model), Uploads(None)))


@pytest.mark.parametrize(("n", "boldness", "seed"), [(8, 1.0, 7), (3, 0.6, 2**33)])
def test_app_command_line_and_python_give_the_same_pictures(
    app_of_folder, cinn, photo, tmp_path, n, boldness, seed
):
    model, tool = app_of_folder
    path = tmp_path / "grandma.png"
    photo.save(path)
    box = Lightbox(model.name)
    sheet = box.add(str(path))
    open_sheet(sheet, model)
    tool.color(box, sheet, box.begin(sheet), model, {"n": n, "temperature": boldness, "seed": seed})
    asked = cinn("colorize", path, "-n", n, "-b", boldness, "-s", seed, "-o", tmp_path / "out")
    assert asked.code == 0, asked
    for i, result in enumerate(model.colorize(path, n, model.temperature(boldness), seed)):
        assert same(tmp_path / "out" / f"grandma_color{i + 1}.png", result.image, limit=0)
        shown = sheet.rows[0].session.full_size(i, 1.0)
        assert shown.result.settings.items() >= result.settings.items()
        shown.save(tmp_path / f"shown{i}.png")
        assert same(tmp_path / f"shown{i}.png", result.image, limit=0)
