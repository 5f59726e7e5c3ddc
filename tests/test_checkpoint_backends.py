"""Checkpointing on each backend: NumPy, array-api-strict, and CuPy's code on its stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fake_cupy
import pytest
import strict_backend
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome import nn
from anadrome.plugins.checkpoint import comparing
from anadrome.utils.checkpoint import CheckpointError, checkpoint

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"early_stop": False},
    {"policy": "cheap_ops"},
    {"policy": lambda op, args: op.name in ("gelu", "layer_norm")},
    {"memory_budget": 2000},
    {"determinism_check": "values"},
)


@pytest.fixture(params=["cpu", "strict", "cuda"])
def device(request: Any) -> str:
    if request.param == "cuda":
        request.getfixturevalue("fake")
    if request.param == "strict":
        strict_backend.load()
    return request.param


class Block(nn.Module):
    """Dropout, running statistics, views, a product, and a write in place."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.norm = nn.LayerNorm(6), nn.BatchNorm1d(6, momentum=None)
        self.wide, self.narrow = nn.Linear(6, 12), nn.Linear(12, 6)
        self.drop = nn.Dropout(0.4)

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        h = self.drop(nn.functional.gelu(self.wide(self.before(x))))
        h = h.view(-1, 2, 6).transpose(1, 2).reshape(-1, 12)
        h = self.narrow(h) * 1.0
        h[:, 0] = x[:, 1]
        return x + self.norm(h)


def weights(model: nn.Module) -> None:
    generator = ad.Generator().manual_seed(5)
    with ad.no_grad():
        for p in model.parameters():
            p.copy_(ad.randn(*p.shape, generator=generator).to(p.device))


def run(device: str, around: Callable[..., Any], half: Any = None) -> list[Any]:
    """Two steps of two nested blocks: outputs, gradients, statistics, and what is drawn next."""
    model = nn.ModuleList([Block(), Block()]).to(device)
    weights(model)
    ad.manual_seed(11)
    out: list[Any] = []

    def both(x: ad.Tensor) -> ad.Tensor:
        return model[1](around(model[0], x).tanh())

    for i in range(2):
        x = ad.randn(8, 6, generator=ad.Generator().manual_seed(i)).to(device).requires_grad_()
        with ad.autocast(device, dtype=half, enabled=half is not None):
            y = around(both, x * 1.0)
        y.float().square().sum().backward()
        out += [y.tolist(), x.grad.tolist()]
    out += [p.grad.tolist() for p in model.parameters()]
    out += [b.tolist() for b in model.buffers()]
    return [*out, ad.rand(2, device=device).tolist()]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: next(iter(o), "whole"))
def test_bit_for_bit_on_each_backend(device: str, options: Any) -> None:
    assert run(device, lambda f, x: checkpoint(f, x, **options)) == run(device, lambda f, x: f(x))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: next(iter(o), "whole"))
@pytest.mark.parametrize("device", ["cpu", "cuda"], indirect=True)  # strict has no half precision
def test_bit_for_bit_under_autocast(device: str, options: Any) -> None:
    kind = ad.bfloat16 if device == "cpu" else ad.float16
    mine = run(device, lambda f, x: checkpoint(f, x, **options), kind)
    assert mine == run(device, lambda f, x: f(x), kind)


def test_values_are_compared_on_each_backend(device: str) -> None:
    scale = [2.0]
    x = ad.ones(3, device=device, requires_grad=True)
    loss = checkpoint(lambda x: (x * scale[0]).exp().sin(), x, determinism_check="values").sum()
    scale[0] = 3.0
    with pytest.raises(CheckpointError, match=r"(?s)the result of `mul`.*\[2, 2, 2\].*\[3, 3, 3\]"):
        loss.backward()


def test_the_default_check_never_waits_for_a_gpu(
    fake: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparing, "_turn", lambda: 0)  # each call's turn
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.GELU(), nn.Dropout(0.3)).to("cuda")
    x = ad.randn(8, 4).to("cuda")

    def waits(**options: Any) -> int:
        for _ in range(2):
            fake_cupy.Waiting.reset()
            checkpoint(model, x, **options).sum().backward()
        return len(fake_cupy.Waiting.seen)

    for options in OPTIONS[:-1]:
        assert waits(**options) == 0, options
    assert waits(determinism_check="values") > 0
