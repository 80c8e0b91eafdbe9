"""`lsun-minimal` from FrEIA's layers, with the weights of one of our models.

Needs FrEIA 0.2: pip install FrEIA==0.2 scipy. Only `benchmarks.speed` imports it.
The subnets and the condition network are those of the authors' published code, written anew; what
was `s1` and `s2` in 2019 is `subnet1` and `subnet2` in FrEIA 0.2.
"""

from __future__ import annotations

import torch
from FrEIA import framework as ff
from FrEIA import modules as fm
from torch import Tensor, nn

from cinn_hub.flow import AffineCoupling, Permutation
from cinn_hub.originals.models import OriginalBedroomCINN


class FreiaBedroom(nn.Module):
    """ab (B, 2, 64, 64), normalised, <-> z (B, 8192), given L (B, 1, 64, 64), normalised."""

    def __init__(self, model: OriginalBedroomCINN) -> None:
        super().__init__()
        self.config = model.config
        self.condition_network = model.condition_network
        self.flow = self.build()
        copy_weights(self.flow, model)

    def build(self) -> ff.GraphINN:
        sizes = [(64, 64), (32, 32), (16, 16), ()]
        conditions = [
            ff.ConditionNode(width, *size)
            for width, size in zip(self.config.condition, sizes, strict=True)
        ]
        nodes: list[ff.Node] = [ff.InputNode(2, 64, 64)]
        add = nodes.append
        for _ in range(2):
            add(self.coupling(nodes[-1], 0, 3, conditions[0]))
        rests = []
        for index, keep in ((1, [2, 6]), (2, [4, 4])):
            add(ff.Node(nodes[-1], fm.HaarDownsampling, {"rebalance": 0.5}))
            for k, kernel in enumerate((1, 3, 1, 3)):
                add(self.coupling(nodes[-1], index, kernel, conditions[index]))
                add(ff.Node(nodes[-1], fm.PermuteRandom, {"seed": k}))
            split = ff.Node(nodes[-1], fm.Split, {"section_sizes": keep, "dim": 0})
            add(split)
            rests.append(ff.Node(split.out1, fm.Flatten, {}))
            if index == 1:
                nodes.append(split.out0)  # type: ignore[arg-type]
        add(ff.Node(split.out0, fm.Flatten, {}))
        for k in range(4):
            add(self.coupling(nodes[-1], 3, 0, conditions[3]))
            add(ff.Node(nodes[-1], fm.PermuteRandom, {"seed": k}))
        together = ff.Node([*(rest.out0 for rest in rests), nodes[-1].out0], fm.Concat, {"dim": 0})
        found = [node for node in nodes if isinstance(node, ff.Node)]
        return ff.GraphINN([*found, *rests, together, *conditions, ff.OutputNode(together)])

    def coupling(self, x: ff.Node, index: int, kernel: int, condition: ff.ConditionNode) -> ff.Node:
        hidden, limit = self.config.hidden[index], self.config.clamps[index]

        def subnet(inputs: int, outputs: int) -> nn.Sequential:
            if not kernel:
                return nn.Sequential(
                    nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
                )
            return nn.Sequential(
                nn.Conv2d(inputs, hidden, kernel, padding=kernel // 2),
                nn.ReLU(),
                nn.Conv2d(hidden, outputs, kernel, padding=kernel // 2),
            )

        options = {
            "subnet_constructor": subnet,
            "clamp": limit,
            "clamp_activation": lambda raw: 0.636 * torch.atan(raw / limit),
        }
        return ff.Node(x, fm.GLOWCouplingBlock, options, conditions=condition)

    def encode(self, ab: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow(ab, c=self.condition_network(lightness))

    def decode(self, z: Tensor, lightness: Tensor) -> Tensor:
        return self.flow(z, c=self.condition_network(lightness), rev=True)[0]


def copy_weights(graph: ff.GraphINN, model: OriginalBedroomCINN) -> None:
    """Gives FrEIA's couplings our weights."""
    theirs = [m for m in graph.module_list if isinstance(m, fm.GLOWCouplingBlock)]
    ours = [m for m in model.flow.modules() if isinstance(m, AffineCoupling)]
    for block, layer in zip(theirs, ours, strict=True):
        for subnet, source in ((block.subnet2, layer.subnet1), (block.subnet1, layer.subnet2)):
            subnet[0].load_state_dict(source.layers[0].state_dict())
            subnet[2].load_state_dict(source.layers[1].state_dict())
    permutations = [m for m in graph.module_list if isinstance(m, fm.PermuteRandom)]
    orders = [m.order for m in model.flow.modules() if isinstance(m, Permutation)]
    for block, order in zip(permutations, orders, strict=True):
        assert torch.equal(block.perm, order)
