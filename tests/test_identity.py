"""What belongs to which photo and weights: prepared photos, latents, results, and how they look."""

import copy
import io

import numpy as np
import pytest
import torch
from helpers import SMALL, color_picture, randomize
from PIL import Image

from cinn_hub.errors import CheckpointError, CinnHubError, PhotoError
from cinn_hub.latent import Latent
from cinn_hub.models.colorization_cinn import ColorizationCINN
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
from cinn_hub.publishing import DRAFT


@pytest.fixture(scope="module")
def other_model():
    """The same shapes, other weights."""
    torch.manual_seed(1)
    model = ColorizationCINN(SMALL)
    randomize(model.flow, seed=1, scale=0.3)
    return model.eval().requires_grad_(False)


def test_a_shrunk_photo_keeps_its_colours(small_model):
    prepared = small_model.prepare(color_picture(300, 200))
    small = prepared.shrunk(50)
    assert small.photo.size == (50, 33) and small.size == (300, 200)
    assert np.array_equal(small.ab, prepared.ab) and small.colored
    assert small_model.latent_of(small) == small_model.latent_of(prepared)
    assert small_model.score(small).log_prob == small_model.score(prepared).log_prob
    hint = [(290, 190, "#bb5544")]  # in pixels of the photo as it was read
    hinted = small_model.colorize(small, 1, seed=1, hints=hint)[0]
    expected = small_model.colorize(prepared, 1, seed=1, hints=hint)[0]
    np.testing.assert_allclose(hinted.ab, expected.ab, atol=1e-4)


def test_colours_of_grey_photos_are_refused(small_model):
    grey = color_picture().convert("L")
    for photo in (grey, small_model.prepare(grey), small_model.prepare(grey).shrunk(20)):
        with pytest.raises(PhotoError, match="is grey and has no colours to score"):
            small_model.score(photo)
        with pytest.raises(PhotoError, match="has no colours to take"):
            small_model.latent_of(photo)


def test_results_are_made_by_decoding_once(small_model, monkeypatch):
    """The likelihood comes with the picture: one decoding does for all. Only the expected colours
    are encoded, once."""
    counts = {"encode": 0, "decode_with_log_prob": 0, "conditioned_on": 0}

    def counted(name):
        method = getattr(ColorizationCINN, name)

        def call(self, *args):
            counts[name] += 1
            return method(self, *args)

        return call

    prepared = small_model.prepare(color_picture())
    for name in counts:
        monkeypatch.setattr(ColorizationCINN, name, counted(name))
    results = small_model.colorize(prepared, 4, seed=1)
    assert counts == {"encode": 1, "decode_with_log_prob": 1, "conditioned_on": 0}
    for result in results:  # and it is the likelihood that encoding would give
        expected = small_model.log_prob(small_model.as_x(result.ab), prepared.condition)
        assert result.log_prob == pytest.approx(expected.item(), abs=0.05)
    small_model.score(prepared)
    assert counts == {
        "encode": 2 + len(results),
        "decode_with_log_prob": 2,
        "conditioned_on": 0,
    }


def test_what_other_weights_made_is_refused(small_model, other_model, tmp_path):
    photo = color_picture()
    result = small_model.colorize(photo, 1, seed=1)[0]
    assert result.settings["weights"] == small_model.fingerprint != other_model.fingerprint
    with pytest.raises(CinnHubError, match="was prepared for another model"):
        other_model.colorize(small_model.prepare(photo), 1)
    result.latent.save(tmp_path / "z.safetensors")
    for latent in (
        result.latent,
        small_model.latent_of(photo),
        Latent.load(tmp_path / "z.safetensors"),
    ):
        for use in (
            lambda z: other_model.colorize(photo, latent=z),
            lambda z: other_model.transfer(z, photo),
            lambda z: other_model.similar(photo, z),
            lambda z: other_model.interpolate(photo, z, other_model.draw(1)),
        ):
            with pytest.raises(CinnHubError, match="made with the weights"):
                use(latent)


def test_the_fingerprint_is_that_of_the_weights(small_model, tmp_path):
    small_model.save_pretrained(tmp_path)
    loaded = ColorizationCINN.from_folder(tmp_path)
    assert loaded.fingerprint == small_model.fingerprint
    assert copy.deepcopy(loaded).double().fingerprint == small_model.fingerprint
    changed = ColorizationCINN(SMALL)
    changed.load_state_dict(small_model.state_dict())
    with torch.no_grad():
        next(changed.parameters()).flatten()[0] += 1
    assert changed.fingerprint != small_model.fingerprint


def test_latents_are_equal_if_their_values_are(small_model):
    z, same, other = (
        small_model.draw(2, seed=1),
        small_model.draw(2, seed=1),
        small_model.draw(2, seed=2),
    )
    assert z == same
    assert z != other and z != z[0] and z != z.map(torch.Tensor.double).scale(0.5)
    assert z != "z" and z is not None and z in [other, same]
    fewer = Latent(dict(list(z.levels.items())[:-1]))
    assert z != fewer
    with pytest.raises(TypeError, match="unhashable"):
        hash(z)


def test_what_is_shown_is_short(small_model):
    photo = color_picture()
    photo.filename = "sky.png"
    result = small_model.colorize(photo, 1, seed=1)[0]
    for thing in (small_model.prepare(photo), result, result.latent, small_model.draw(3)):
        assert type(thing).__name__ in repr(thing) and len(repr(thing)) < 300
        assert "array(" not in repr(thing) and "tensor(" not in repr(thing)
    assert "seed 1" in repr(result) and "1 row" in repr(result.latent)


def test_notebooks_show_a_preview(small_model):
    result = small_model.colorize(color_picture(900, 600), 1, seed=1)[0]
    image = Image.open(io.BytesIO(result._repr_png_()))
    assert image.format == "PNG" and image.size == (480, 320)
    assert np.array_equal(np.asarray(image), np.asarray(result.preview(480)))


@pytest.mark.parametrize(
    "model", [ColorizationCINN(SMALL), DigitCINN(DigitConfig(hidden=(8, 8, 8), dense=8, bins=4))]
)
def test_a_draft_is_not_published(model, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("something was sent")

    monkeypatch.setattr("huggingface_hub.ModelHubMixin.push_to_hub", never)
    assert DRAFT in str(model.generate_model_card())
    with pytest.raises(CheckpointError, match="is still a draft"):
        model.push_to_hub("user/repo")
