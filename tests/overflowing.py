"""A small model in which a chosen factor makes the backward overflow, and its training."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import nn

INF, NAN = math.inf, math.nan


class Layers(nn.Module):
    """Three layers; the middle one's backward overflows where ``factor`` is large."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(3, 2)
        self.third = nn.Linear(2, 1)

    def forward(self, x: Any, factor: float = 1.0) -> Any:
        h = self.first(x)
        h = self.second(h)
        h = h * factor  # the line
        return self.third(h)


def layers(**options: Any) -> tuple[Any, Any, Any]:
    ad.manual_seed(1)
    model = Layers()
    optimizer = ad.optim.SGD(model.parameters(), lr=1e-3)
    options.setdefault("init_scale", 2.0)
    return model, optimizer, ad.amp.GradScaler("cpu", model=model, **options)


def iteration(model: Any, optimizer: Any, scaler: Any, factor: float = 1.0) -> Any:
    optimizer.zero_grad()
    scaler.scale(model(ad.ones(4, 2), factor).sum()).backward()
    result = scaler.step(optimizer)
    scaler.update()
    return result
