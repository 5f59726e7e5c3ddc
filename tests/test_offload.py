"""Saved values on the host or on disk: the same bits and the same errors as without."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_cupy
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome import nn
from anadrome.autograd.graph import save_on_cpu, save_on_disk
from anadrome.errors import ModifiedInPlaceError
from anadrome.utils.checkpoint import checkpoint


@pytest.fixture(params=["cpu", "cuda"])
def device(request: Any) -> str:
    if request.param == "cuda":
        request.getfixturevalue("fake")
    return request.param


@pytest.fixture(params=["host", "disk"])
def place(request: Any, tmp_path: Path) -> Callable[[], Any]:
    if request.param == "host":
        return save_on_cpu
    return lambda: save_on_disk(tmp_path, min_bytes=0)


class Net(nn.Module):
    """Products of transposed values, half precision, several outputs, a Function, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.norm, self.drop = nn.LayerNorm(8), nn.Dropout(0.3)

    def forward(self, x: Any) -> Any:
        h = self.drop(self.norm(self.first(x)).tanh())
        h = Cube.apply(h.t() @ h)
        values, _ = (h @ x.t()).max(0)
        return (self.second(x).bfloat16() * 2).exp().float().mean() + values.sin().sum()


class Cube(ad.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        out = x * x * x
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, out = ctx.saved_tensors
        return g * 3 * x * x + out * 0


def gradients(device: str, context: Any, twice: bool = False) -> list[Any]:
    ad.manual_seed(1)
    model = Net().to(device)
    x = ad.randn(6, 8).to(device).requires_grad_()
    leaves = [x, *model.parameters()]
    with context:
        loss = model(x)
    found = ad.autograd.grad(loss, leaves, create_graph=twice, retain_graph=True)
    if twice:
        again = ad.autograd.grad(sum(g.square().sum() for g in found), leaves)
        found = (*found, *again)
    else:
        found = (*found, *ad.autograd.grad(loss, leaves))
    return [g.tolist() for g in found]


class Nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *exc: object) -> None: ...


@pytest.mark.parametrize("twice", [False, True], ids=["first order", "second order"])
def test_bit_for_bit(device: str, place: Any, twice: bool) -> None:
    assert gradients(device, place(), twice) == gradients(device, Nothing(), twice)


KINDS = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128")


@pytest.mark.parametrize("kind", KINDS)
def test_every_element_type(device: str, place: Any, kind: str) -> None:
    x = ad.tensor([[1.5, -0.0, 2.0], [7.0, 0.25, 3.0]], device=device)
    x = x.to(getattr(ad, kind)).requires_grad_()
    mask = ad.tensor([True, False, True], device=device)
    seen = []
    for context in (Nothing(), place()):
        with context:
            y = (x.t()[::2] * x.t()[1:] * mask[1:, None]).sin()[:, :1]
        (g,) = ad.autograd.grad(y.sum(), x, y.sum().detach() * 0 + 1)
        seen.append(str(g.tolist()))
    assert seen[0] == seen[1]


def test_the_device_keeps_nothing_but_weights(fake: Any) -> None:  # noqa: F811
    made: list[Any] = []
    weight = ad.randn(16, 16).to("cuda").requires_grad_()

    def forward() -> Any:
        x = ad.randn(16, 16).to("cuda")
        h = (x @ weight).tanh()
        made.append(weakref.ref(h._data))
        return (h @ weight).sin().sum()

    loss = forward()
    assert made.pop()() is not None
    with save_on_cpu():
        kept = forward()
    assert made.pop()() is None
    (a, b) = (ad.autograd.grad(y, weight)[0] for y in (loss, kept))
    assert a.shape == b.shape


def test_what_is_on_the_cpu_stays() -> None:
    """PyTorch copies nothing either; but a write in place is still found."""
    x = ad.ones(4, requires_grad=True)
    h = x * 2.0
    with save_on_cpu():
        y = h.sin().sum()
    h.mul_(3.0)
    with pytest.raises(ModifiedInPlaceError, match=r"kept by save_on_cpu, was changed in place at"):
        y.backward()


@pytest.mark.parametrize("what", ["input", "output", "saved by a Function"])
def test_writes_in_place_are_found(device: str, place: Any, what: str) -> None:
    x = ad.ones(4, device=device, requires_grad=True)
    h = x * 2.0
    with place():
        y = {"input": h.sin, "output": h.exp, "saved by a Function": lambda: Cube.apply(h)}[what]()
        z = y * 1.0
    (y if what == "output" else h).mul_(3.0)
    text = "one of the variables needed for gradient computation has been modified by an inplace"
    with pytest.raises(ModifiedInPlaceError, match=text) as caught:
        z.sum().backward()
    assert "tests/test_offload.py" in str(caught.value)


# -- with checkpoints ---------------------------------------------------------------------------
def test_around_checkpoints_the_inputs_of_segments_are_elsewhere(device: str, place: Any) -> None:
    def run(around: Callable[..., Any], context: Any) -> list[Any]:
        ad.manual_seed(3)
        model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout(0.2))
                                for _ in range(3))).to(device)  # fmt: skip
        x = ad.randn(6, 8).to(device).requires_grad_()
        kept = []
        h = x
        with context:
            for block in model:
                h = around(block, h)
                kept.append(weakref.ref(h._data))
        h.square().sum().backward()
        return [x.grad.tolist(), *(p.grad.tolist() for p in model.parameters())]

    assert run(checkpoint, place()) == run(lambda f, x: f(x), Nothing())


def test_the_stand_in_moves_values(fake: Any) -> None:  # noqa: F811
    x = ad.ones(4, device="cuda", requires_grad=True)
    with save_on_cpu():
        y = (x * 2.0).sin()
    device, host = y.grad_fn.saved.rows[0][0].handle[1]
    assert (str(device), str(host.device)) == ("cuda:0", "cpu")
    assert not isinstance(host._data, fake_cupy.Array)


def test_weights_stay_and_the_order_in_memory_comes_back(tmp_path: Path) -> None:
    """Products round as they would have: of what lies the other way round, too."""
    weight = ad.randn(6, 5, requires_grad=True)
    h = (ad.randn(6, 4, requires_grad=True) * 2.0).t()
    context = save_on_disk(tmp_path, min_bytes=0)
    with context:
        y = h @ weight
    assert context.spool.end == 6 * 4 * 4  # the other factor is saved too, but is a weight
    packed = [row[0] for row in y.grad_fn.saved.rows]
    first, second = (p.unpack(p.handle) for p in packed)
    assert (first.shape, second.shape) == (weight.shape, h.shape)
    assert second.stride() == h.stride() == (1, 4)
    assert first.data_ptr() == weight.data_ptr()
