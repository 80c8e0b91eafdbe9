"""The original networks' checkpoints and golden values, as tests/originals/README.md tells."""

import json
from collections import OrderedDict

import numpy as np
import torch
from helpers import ROOT
from safetensors.torch import load_file

from cinn_hub.latent import Latent
from cinn_hub.originals.models import AB_CENTER, AB_SPREAD, L_CENTER, L_SPREAD

FOLDER = ROOT / "tests" / "originals"
NAMES = ["mnist-minimal", "mnist-research", "lsun-minimal", "imagenet-research"]


def rebuilt(name):
    """What the original training gave to `torch.save`."""
    tensors = load_file(FOLDER / f"{name}.safetensors")
    plan = json.loads((FOLDER / f"{name}.rebuild.json").read_text("utf-8"))
    zeros = plan["zero_filled"]
    net = OrderedDict(
        (key, tensors[key] if key in tensors else torch.zeros(zeros[key])) for key in plan["order"]
    )
    if plan["top_level"] is None:
        return net
    adam = {key: adam_state(tensors, entry) for key, entry in plan["adam"].items()}
    return {key: net if key == "net" else adam[key] for key in plan["top_level"]}


def adam_state(tensors, plan):
    state = {
        i: {
            "step": 100,
            "exp_avg": torch.zeros_like(tensors[key]),
            "exp_avg_sq": torch.zeros_like(tensors[key]),
        }
        for i, key in enumerate(plan["params"])
        if key not in plan.get("no_state", [])
    }
    group = {**plan["group"], "betas": tuple(plan["group"]["betas"])}
    return {
        "state": state,
        "param_groups": [{**group, "params": list(range(len(plan["params"])))}],
    }


def conditioned(model, condition):
    """The golden condition as the model sees it; golden L is noise, and leaves [0, 100]."""
    return getattr(model, "conditioned_on", model.condition)(condition)


class Golden:
    """One network's golden arrays, in our shapes and in units of the data.

    Attributes:
        x, condition: what is encoded, and what `model.condition` is given.
        z, log_det: of the original's forward pass; drawn, decoded: of its inverse pass.
        spread: one unit of the original's x, in units of ours.
    """

    def __init__(self, name, model):
        self.arrays = dict(np.load(FOLDER / f"{name}.golden.npz"))
        self.shapes = model.latent_shapes
        if name.startswith("mnist"):
            mean, std = model.config.mean, model.config.spread
            self.spread = torch.tensor(255 / 256 * std)
            self.center = (255 * mean + 0.5) / 256
            self.shape, self.condition = (-1, 1, 28, 28), self("in/label")
            self.x = self.from_original(self("in/x"))
            self.decoded = self.from_original(self("f32/x_from_z_sample"))
        else:
            self.spread = torch.tensor(AB_SPREAD).view(2, 1, 1)
            self.center, self.shape = torch.tensor(AB_CENTER).view(2, 1, 1), (-1, 2, 64, 64)
            lightness = self("in/L" if name == "lsun-minimal" else "in/lab")[:, :1]
            self.condition = lightness * L_SPREAD + L_CENTER
            self.x = self.from_original(self("in/ab"))
            self.decoded = self.from_original(self("f32/ab_from_z_sample"))
        logs = self.spread.log().expand(self.x.shape).flatten(1).sum(1)
        self.log_det = self("f32/log_det") - logs
        self.log_det_reverse = self("f32/log_det_reverse_of_z_sample") + logs
        self.z, self.drawn = self.latent("f32/z"), self.latent("in/z_sample")

    def __call__(self, key):
        return torch.from_numpy(self.arrays[key])

    def from_original(self, x):
        return x.view(self.shape) * self.spread + self.center

    def latent(self, key):
        """The original's order is fine first, in one vector or in several."""
        if key in self.arrays:
            values = self(key)
        else:
            values = torch.cat([self(f"{key}_{i}") for i in range(4)], 1)
        names = list(self.shapes)[::-1]
        sizes = [int(np.prod(self.shapes[name])) for name in names]
        parts = dict(zip(names, values.split(sizes, 1), strict=True))
        return Latent({name: parts[name].unflatten(1, self.shapes[name]) for name in self.shapes})
