"""What the tests of modules share: a nested net, and programs that must give the same in both."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")


def same_text(make: Any) -> None:
    ours, theirs = (repr(make(L)) for L in (ad, torch))
    assert ours.replace("anadrome", "torch") == theirs


def both(program: Any) -> None:
    """What the program returns (no tensors in it) is the same."""
    ours, theirs = program(ad), program(torch)
    assert ours == theirs


# -- printing ------------------------------------------------------------------------------------
def net(L: Any) -> Any:
    nn = L.nn

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(width)
            self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
            self.extra = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Identity()})
            self.scale = nn.Parameter(L.ones(width))
            self.none = None

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = x + self.extra["a"](layer(self.norm(x)))
            return x * self.scale

    return nn.Sequential(
        OrderedDict(first=Block(4), second=nn.Sequential(Block(4), nn.Dropout(0.1)))
    )
