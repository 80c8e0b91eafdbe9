"""The rows of the comparison, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.rivals.classification import Classification
from benchmarks.rivals.colorgan import ColorGAN
from benchmarks.rivals.cvae import ConditionalVAE
from benchmarks.rivals.lsun_minimal import LsunMinimal
from benchmarks.rivals.our_flow import OurFlow
from benchmarks.rivals.pix2pix import Pix2Pix
from benchmarks.rivals.regression import Regression
from benchmarks.rivals.rival import Rival


@dataclass(frozen=True)
class Row:
    """family: of rows that are settings of one rival; the best one stands for it."""

    build: Callable[[], Rival]
    title: str
    family: str
    is_diverse: bool = True


ROWS = {
    "regression": Row(Regression, "L2 regression", "regression", False),
    "classification": Row(
        Classification, "classification (Zhang et al. 2016)", "classification", False
    ),
    "pix2pix": Row(Pix2Pix, "Pix2Pix, L1 and cGAN (Isola et al. 2017)", "pix2pix"),
    "pix2pix-cgan": Row(partial(Pix2Pix, l1=0.0, critic_turns=5), "Pix2Pix, cGAN alone", "pix2pix"),
    "cvae": Row(ConditionalVAE, "cVAE with a mixture (after Deshpande et al. 2017)", "cvae"),
    "colorgan-clip": Row(ColorGAN, "ColorGAN, clipped weights (Cao et al. 2017)", "colorgan"),
    "colorgan-penalty": Row(
        partial(ColorGAN, penalty=True), "ColorGAN, gradient penalty", "colorgan"
    ),
    "lsun-minimal": Row(LsunMinimal, "the paper's flow (Ardizzone et al. 2019)", "lsun-minimal"),
    "our-flow": Row(OurFlow, "the flow of cinn_hub", "our-flow"),
}
