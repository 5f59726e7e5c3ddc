"""What the tests of capture share: steps, data, and the comparison of a step with its capture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import anadrome as ad
from anadrome.tensor import Tensor

Built = tuple[Callable[..., Any], list[Tensor]]


def batches(*shapes: tuple[int, ...], count: int = 3) -> list[list[Tensor]]:
    rng = np.random.default_rng(0)
    return [[ad.tensor(rng.normal(size=s).astype("float32")) for s in shapes] for _ in range(count)]


def images(count: int = 3) -> list[list[Tensor]]:
    rng = np.random.default_rng(0)
    return [
        [ad.tensor(rng.normal(size=(4, 1, 8, 8)).astype("float32")),
         ad.tensor(rng.integers(0, 10, size=4))]
        for _ in range(count)
    ]  # fmt: skip


def bits(value: Any) -> Any:
    """Everything in a nested result, as bytes."""
    if isinstance(value, Tensor):
        host = value._backend.to_host(value._data)
        return str(host.dtype), host.shape, host.tobytes()
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [bits(v) for v in value]
    return value


def state_of(tensors: list[Tensor]) -> Any:
    return bits(tensors), bits([t.grad for t in tensors])


def check_same(
    build: Callable[[], Any], data: list[list[Tensor]], *, calls: int = 6, then: Any = None
) -> ad.capture:
    """Eager and captured, side by side: results, parameters and gradients after each call."""
    ad.manual_seed(3)
    plain, own, *rest = build()
    ad.manual_seed(3)
    recorded, others, *other_rest = build()
    captured = ad.capture(recorded)
    ad.manual_seed(4)
    wanted = []
    for i in range(calls):
        out = bits(plain(*data[i % len(data)]))
        if then:
            then(*rest)
        wanted.append((out, state_of(own)))
    ad.manual_seed(4)
    for i in range(calls):
        out = bits(captured(*data[i % len(data)]))
        if then:
            then(*other_rest)
        assert (out, state_of(others)) == wanted[i], f"call {i}"
        if i == 2:
            program = captured.program
    assert captured.replays and captured.program is program
    return captured


def by_hand() -> Built:
    w = ad.randn(8, 1, requires_grad=True)
    b = ad.zeros(1, requires_grad=True)

    def step(x: Tensor, y: Tensor) -> Tensor:
        w.grad = b.grad = None
        loss = ((x.mm(w) + b - y) ** 2).mean()
        loss.backward()
        with ad.no_grad():
            w.sub_(w.grad * 0.1)
            b.sub_(b.grad * 0.1)
        return loss

    return step, [w, b]


def replayed(step: Callable[..., Any], *inputs: Any) -> ad.capture:
    captured = ad.capture(step)
    for _ in range(3):
        captured(*inputs)
    assert captured.replays
    return captured
