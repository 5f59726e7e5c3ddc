"""5. Gradients that explode, and gradients that vanish: measured, clipped, and kept alive.

A gradient passes through each layer as a product. Thirty factors somewhat above one explode,
thirty below one vanish. Clipping bounds the first; for the second the model itself has to change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import nn, optim

DEPTH = 30
WIDTH = 32


def train_with(clip: float | None) -> list[float]:
    """Losses of a deep network with weights too large, with or without clipping."""
    ad.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(8):
        layer = nn.Linear(WIDTH, WIDTH)
        # Half as much again as keeps a signal's size through a ReLU.
        nn.init.kaiming_normal_(layer.weight)
        with ad.no_grad():
            layer.weight *= 1.5
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    x = ad.randn(64, WIDTH)
    y = x[:, :1].clone()
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def with_gradient(values: list[float]) -> ad.Tensor:
    """A parameter that has the given gradient."""
    parameter = ad.zeros(len(values), requires_grad=True)
    parameter.grad = ad.tensor(values)
    return parameter


def clipping() -> dict[str, Any]:
    """What the two functions do, on gradients small enough to check by eye."""
    print("clip_grad_norm_ on the gradients [3, 0] and [0, 4]; it returns the norm from before")
    norms = {}
    for norm_type in (2.0, 1.0, 3.0, math.inf):
        pair = [with_gradient([3.0, 0.0]), with_gradient([0.0, 4.0])]
        before = nn.utils.clip_grad_norm_(pair, max_norm=1.0, norm_type=norm_type).item()
        after = nn.utils.clip_grad_norm_(pair, max_norm=math.inf, norm_type=norm_type).item()
        gradients = [[round(value, 4) for value in p.grad.tolist()] for p in pair]
        print(f"   norm type {norm_type:3}: {before:.4f} before, {after:.4f} after: {gradients}")
        norms[norm_type] = (before, after)

    small = with_gradient([0.3, 0.4])
    nn.utils.clip_grad_norm_(small, max_norm=1.0)
    print(f"   a gradient within the bound is left as it is: {small.grad.tolist()}")

    broken = with_gradient([1.0, math.inf])
    try:
        nn.utils.clip_grad_norm_(broken, max_norm=1.0, error_if_nonfinite=True)
        error = ""
    except RuntimeError as caught:
        error = str(caught)
    untouched = broken.grad.tolist()
    print(f"   error_if_nonfinite=True: RuntimeError: {error}")
    nonfinite = nn.utils.clip_grad_norm_(broken, max_norm=1.0).item()
    print(f"   without it: the norm is {nonfinite}, the gradients become {broken.grad.tolist()}")

    valued = with_gradient([-5.0, 0.1, 2.0])
    nn.utils.clip_grad_value_([valued], clip_value=0.5)
    print(f"clip_grad_value_ cuts off each number by itself: {valued.grad.tolist()}")
    return {
        "norms": norms,
        "small": small.grad.tolist(),
        "error": error,
        "untouched": untouched,
        "nonfinite_norm": nonfinite,
        "valued": valued.grad.tolist(),
    }


class Layer(nn.Module):
    """A linear layer and a nonlinearity, with what keeps the gradient alive if so wished.

    The residual sum hands the gradient on whole, next to what the nonlinearity makes of it.
    LayerNorm gives the linear layer an input of the same size whatever came before.
    """

    def __init__(
        self,
        nonlinearity: nn.Module,
        gain: float = 1.0,
        norm: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH) if norm else nn.Identity()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.nonlinearity = nonlinearity
        self.residual = residual
        nn.init.normal_(self.linear.weight, std=gain / math.sqrt(WIDTH))
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        y = self.nonlinearity(self.linear(self.norm(x)))
        return x + y if self.residual else y


def norms_per_layer(make: Callable[[], nn.Module]) -> list[float]:
    """The norm of the gradient at each layer's output in a stack of `DEPTH`, first layer first."""
    ad.manual_seed(0)
    layers = nn.ModuleList([make() for _ in range(DEPTH)])
    head = nn.Linear(WIDTH, 1)
    x = ad.randn(64, WIDTH)
    y = ad.randn(64, 1)
    outputs = []
    for layer in layers:
        x = layer(x)
        x.retain_grad()
        outputs.append(x)
    ((head(x) - y) ** 2).mean().backward()
    return [output.grad.norm().item() for output in outputs]


def vanishing() -> dict[str, list[float]]:
    """Gradient norms per layer in stacks that differ in one thing each."""
    stacks: dict[str, Callable[[], nn.Module]] = {
        "ReLU, weights too large": lambda: Layer(nn.ReLU(), 2.5),
        "sigmoid": lambda: Layer(nn.Sigmoid()),
        "tanh, weights too small": lambda: Layer(nn.Tanh(), 0.7),
        "ReLU, weights too small": lambda: Layer(nn.ReLU(), 0.7),
        "ReLU, weights to suit": lambda: Layer(nn.ReLU(), math.sqrt(2)),
        "GELU, weights to suit": lambda: Layer(nn.GELU(), 1.5),
        "tanh, too small, LayerNorm": lambda: Layer(nn.Tanh(), 0.7, norm=True),
        "GELU, too small, LayerNorm": lambda: Layer(nn.GELU(), 0.7, norm=True),
        "sigmoid, residual": lambda: Layer(nn.Sigmoid(), residual=True),
        "tanh, too small, residual": lambda: Layer(nn.Tanh(), 0.7, residual=True),
        "GELU, LayerNorm, residual": lambda: Layer(nn.GELU(), norm=True, residual=True),
    }
    shown = (0, 9, 19, 29)
    print(f"the gradient that reaches each of {DEPTH} layers (norm), before any training")
    titles = "".join(f"layer {index + 1:<6}" for index in shown)
    print(f"   {'':28}{titles}first / last")
    measured = {}
    for name, make in stacks.items():
        norms = norms_per_layer(make)
        measured[name] = norms
        columns = "".join(f"{norms[index]:<12.1e}" for index in shown)
        print(f"   {name:28}{columns}{norms[0] / norms[-1]:.1e}")
    return measured


def main() -> dict[str, Any]:
    """Explode, clip, vanish, mend; return all numbers."""
    free = train_with(None)
    clipped = train_with(1.0)
    print("8 layers whose weights are too large, 60 steps of SGD")
    print(f"   without clipping: loss {free[0]:.1f}, {free[1]:.3g}, … {free[-1]:.3g}")
    print(f"   clipped to norm 1: loss {clipped[0]:.1f}, {clipped[1]:.3g}, … {clipped[-1]:.3g}")
    return {
        "free": free,
        "clipped": clipped,
        "clipping": clipping(),
        "vanishing": vanishing(),
    }


if __name__ == "__main__":
    main()
