"""Digits: writing digits, one's own hand in all ten, and a window into the latents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import cv2
import gradio as gr
import numpy as np
from torch import Tensor

from cinn_hub.digit_model import SIDE, DigitModel, from_sketch
from cinn_hub.latent import fresh_seed
from cinn_hub.ui.events import FOR_CLIENTS, connect, seed_field
from cinn_hub.ui.models import Lazy
from cinn_hub.ui.queueing import DIGITS
from cinn_hub.ui.table import code_block, with_seed

CODE = """import cinn_hub

digits = cinn_hub.load("mnist")
written = digits.sample(range(10), n=10, temperature=0.8, seed=0)  # (10, 10, 1, 28, 28)
hand, other = written[7, 0], written[3, 1]  # or pictures of your own, light on dark
same_hand = digits.transfer(hand, label=range(10))  # all ten digits
print(digits.classify(hand))  # which digit it is: ten probabilities
between = digits.interpolate(hand, other, label=7, steps=9)
slanted = digits.write(digits.moved(digits.draw(1, 0.4, seed=0), [2.0]), range(10))
"""

ALL = "all ten"
SAME = "the digit of hand A"
PAD = 280  # pixels of the drawing pad
ZOOM = 4  # of the digits on the page
RANGE = 4.0  # standard deviations that a slider reaches
STEPS = 9
ABOUT_DIRECTIONS = (
    "Each slider changes the hand in one way, the same for all digits. 1 is as far "
    "as hands usually differ (a standard deviation)."
)


def build(model: DigitModel, tab: gr.Tab) -> None:
    """Adds the components and handlers to the tab that is open; what it shows first is written when
    it is first looked at."""
    loaded = Lazy(model)
    gr.Markdown(
        "The same idea, small: here the condition is *which digit*, and the latent is *the hand "
        "that writes it*. You can change one and keep the other."
    )
    with gr.Tab("Write"):
        build_writing(loaded, tab)
    with gr.Tab("Your hand"):
        build_transfer(loaded)
    with gr.Tab("Two hands"):
        build_interpolation(loaded)
    with gr.Tab("Style") as style:
        build_sliders(loaded, model.config.directions, style)
    with gr.Accordion("Show me the code", open=False, elem_id="digits-recipe"):
        code_block("digits-code", CODE)


def build_writing(model: Lazy[DigitModel], tab: gr.Tab) -> None:
    def run(digit: str, n: int, temperature: float, *, seed: int | None) -> np.ndarray:
        """Digits that the model writes: one row a label, one column a hand."""
        labels = range(10) if digit == ALL else [int(digit)]
        return sheet(model().sample(labels, n, temperature, seed or 0))

    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            digit = gr.Radio([ALL, *map(str, range(10))], value=ALL, label="Digit")
            n = gr.Slider(1, 16, 10, step=1, precision=0, label="How many hands")
            info = "0 gives the neatest hand, 1.2 the wildest."
            temperature = gr.Slider(0, 1.2, 0.8, step=0.05, label="Boldness", info=info)
            seed = seed_field()
            write = gr.Button("Write", variant="primary", elem_id="write")
        with gr.Column(scale=5, min_width=300):
            page = picture("Each column is one hand", "written")

    writing = [digit, n, temperature], page, DIGITS, {"seed": seed}
    connect(FOR_CLIENTS, run, *writing, api_name="digits_sample")
    connect(tab.select, run, *writing)
    connect(write.click, with_seed(run, fresh_seed), *writing)


def build_transfer(model: Lazy[DigitModel]) -> None:
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            pad = drawing_pad("Draw one digit", "pad")
            sample = gr.Button("Use a sample")
            go = gr.Button("Write all ten in this hand", variant="primary", elem_id="transfer")
        with gr.Column(scale=5, min_width=300):
            page = picture("The same hand, all ten digits", "transferred")
            note = gr.Label(label="What the model reads", num_top_classes=3, elem_id="reads")

    def run(drawing: dict | None) -> tuple[np.ndarray, dict[str, float]]:
        """All ten digits in the hand of a drawn one, and what the model reads in it."""
        digit = from_sketch(ink(drawing))
        probabilities = model().classify(digit)
        written = model().transfer(digit, range(10), int(probabilities.argmax()))
        named = {str(k): float(p) for k, p in enumerate(probabilities)}
        return sheet(written.unflatten(0, (2, 5))), named

    fill(pad, sample, model)
    connect(go.click, run, pad, [page, note], kind=DIGITS, api_name="digits_transfer")


def build_interpolation(model: Lazy[DigitModel]) -> None:
    with gr.Row():
        pads = [drawing_pad(f"Hand {name}", f"pad-{name}") for name in "AB"]
    with gr.Row():
        samples = [gr.Button(f"Hand {name}: use a sample") for name in "AB"]
    digit = gr.Radio([SAME, *map(str, range(10))], value=SAME, label="Digit written on the way")
    go = gr.Button("Walk from A to B", variant="primary", elem_id="walk")
    page = picture("From hand A to hand B", "walked")

    def run(drawing_a: dict | None, drawing_b: dict | None, digit: str) -> np.ndarray:
        """One digit, written by the hands between those of two drawn digits."""
        ends = [from_sketch(ink(drawing)) for drawing in (drawing_a, drawing_b)]
        label = int(digit) if digit.isdigit() else None
        return sheet(model().interpolate(*ends, label, STEPS)[None])

    for pad, sample in zip(pads, samples, strict=True):
        fill(pad, sample, model)
    connect(go.click, run, [*pads, digit], page, kind=DIGITS, api_name="digits_interpolate")


def build_sliders(model: Lazy[DigitModel], directions: Sequence[str], tab: gr.Tab) -> None:
    def run(temperature: float, seed: int | None, **amounts: float) -> np.ndarray:
        """All ten digits in a hand that is moved along named directions, in deviations."""
        z = model().draw(1, temperature, seed or 0)
        moved = model().moved(z, [amounts[key] for key in sliders])
        return sheet(model().write(moved, range(10)).unflatten(0, (2, 5)))

    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            sliders = direction_sliders(directions)
            info = "How unusual the hand is before the sliders change it."
            temperature = gr.Slider(0, 1.2, 0.4, step=0.05, label="Boldness", info=info)
            seed = seed_field("Another hand for each.")
        with gr.Column(scale=5, min_width=300):
            page = picture("All ten digits", "styled")
            gr.Markdown(ABOUT_DIRECTIONS)

    changes = [component.change for component in (temperature, seed, *sliders.values())]
    changes.append(tab.select)
    options = {"trigger_mode": "always_last", "show_progress": "hidden"}
    styling = run, [temperature, seed], page, DIGITS, sliders
    connect(partial(gr.on, changes), *styling, api_name="digits_style", **options)


def direction_sliders(directions: Sequence[str]) -> dict[str, gr.Slider]:
    """A slider for each direction, by the name of the handler's argument."""
    reach = {"minimum": -RANGE, "maximum": RANGE, "value": 0, "step": 0.1}
    return {
        name.replace(" ", "_"): gr.Slider(**reach, label=name.capitalize(), elem_id=f"style-{i}")
        for i, name in enumerate(directions)
    }


def fill(pad: gr.Sketchpad, button: gr.Button, model: Lazy[DigitModel]) -> None:
    """The button puts a digit that the model wrote on the pad."""
    connect(button.click, lambda: model_drawing(model()), [], pad, kind=DIGITS)


def picture(label: str, elem_id: str, value: np.ndarray | None = None) -> gr.Image:
    look = {"show_label": False, "format": "png", "interactive": False, "buttons": []}
    names = {"label": label, "alt_text": label, "elem_id": elem_id, "elem_classes": "digits"}
    return gr.Image(value, **names, **look)


def drawing_pad(label: str, elem_id: str) -> gr.Sketchpad:
    return gr.Sketchpad(
        on_pad(np.full((PAD, PAD), 255, np.uint8)),
        label=label,
        format="png",
        canvas_size=(PAD, PAD),
        fixed_canvas=True,
        height=PAD + 90,
        min_width=280,
        transforms=(),
        layers=False,
        brush=gr.Brush(default_size=14, colors=["#000000"], color_mode="fixed"),
        eraser=gr.Eraser(default_size=24),
        buttons=[],
        elem_id=elem_id,
    )


def ink(drawing: dict | None) -> np.ndarray:
    """What the pad holds, in RGBA, as (H, W) uint8, light on dark, 0 where nothing is drawn."""
    parts = [] if drawing is None else [drawing.get("composite"), drawing.get("background")]
    picture = next((part for part in parts if part is not None), None)
    if picture is None:
        return np.zeros((PAD, PAD), np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY)
    return ((255 - grey.astype(np.uint16)) * picture[..., 3] // 255).astype(np.uint8)


def model_drawing(model: DigitModel) -> dict:
    """A digit from the model, on the pad: dark on white."""
    seed = fresh_seed()
    digit = model.sample(seed % 10, 1, 0.9, seed)[0, 0].cpu().numpy()
    return on_pad(on_paper(digit, PAD // SIDE))


def on_pad(paper: np.ndarray) -> dict:
    """A grey picture (PAD, PAD) uint8 as what a drawing pad shows."""
    return {"background": np.dstack([paper] * 3), "layers": [], "composite": None}


def sheet(digits: Tensor) -> np.ndarray:
    """Rows of digits (R, N, 1, 28, 28) in [0, 1] as one picture, dark on white, (H, W) uint8."""
    rows, columns = digits.shape[:2]
    joined = digits[:, :, 0].permute(0, 2, 1, 3).reshape(rows * SIDE, columns * SIDE).cpu().numpy()
    return on_paper(joined, ZOOM)


def on_paper(light: np.ndarray, zoom: int) -> np.ndarray:
    """Light on dark (H, W) in [0, 1] -> dark on white (zoom * H, zoom * W) uint8."""
    large = cv2.resize(light, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    return np.round(255 * (1 - large.clip(0, 1))).astype(np.uint8)
