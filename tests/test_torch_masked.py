"""``masked``: its functions and its Tensors beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors"),
    pytest.mark.filterwarnings("ignore:It is not recommended to create a MaskedTensor"),
]

MASK = np.array([[True, False, True, True], [False, False, True, False], [True] * 4])
FUNCTIONS = {
    "sum": lambda M, x, m: [M.sum(x, mask=m), M.sum(x, 1, mask=m), M.sum(x, (0, 1), mask=m)],
    "sum kept": lambda M, x, m: M.sum(x, 0, keepdim=True, mask=m),
    "without mask": lambda M, x, m: [M.sum(x, 1), M.mean(x, 0), M.softmax(x, 1), M.var(x, 1)],
    "row": lambda M, x, m: M.sum(x, mask=m[0]),
    "numbers": lambda M, x, m: M.mean(x, 1, mask=2 * m.to(x.dtype)),
    "prod": lambda M, x, m: [M.prod(x, 1, mask=m), M.prod(x, mask=m), M.prod(x, (0, 1), mask=m)],
    "mean": lambda M, x, m: [M.mean(x, 1, mask=m), M.mean(x, mask=m)],
    "amax": lambda M, x, m: [M.amax(x, 1, mask=m), M.amax(x, mask=m)],
    "amin": lambda M, x, m: [M.amin(x, 0, mask=m), M.amin(x, (0, 1), keepdim=True, mask=m)],
    "argmax": lambda M, x, m: [M.argmax(x, 1, mask=m), M.argmax(x, mask=m)],
    "argmin": lambda M, x, m: M.argmin(x, 0, keepdim=True, mask=m),
    "logsumexp": lambda M, x, m: M.logsumexp(x, 1, mask=m),
    "norm": lambda M, x, m: [M.norm(x, 2, 1, mask=m), M.norm(x, 3, 0, mask=m)],
    "norm of the least": lambda M, x, m: M.norm(x, -float("inf"), 1, mask=m),
    "var": lambda M, x, m: [M.var(x, mask=m), M.var(x, 1, False, mask=m)],
    "std": lambda M, x, m: M.std(x, 0, False, mask=m | (x.detach() > 0)),
    "cumsum": lambda M, x, m: M.cumsum(x, 1, mask=m),
    "cumprod": lambda M, x, m: M.cumprod(x, 0, mask=m),
    "softmax": lambda M, x, m: M.softmax(x, 1, mask=m),
    "log_softmax": lambda M, x, m: M.log_softmax(x, 1, mask=m).exp(),
    "softmin": lambda M, x, m: M.softmin(x, 0, mask=m),
    "normalize": lambda M, x, m: [M.normalize(x, 2, 1, mask=m), M.normalize(x, 1, 0, mask=m)],
    "median": lambda M, x, m: [M.median(x.detach(), 1, mask=m), M.median(x.detach(), mask=m)],
    "logaddexp": lambda M, x, m: M.logaddexp(x, 2 * x, other_mask=m),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    agree(
        lambda L, x, m: FUNCTIONS[name](L.masked, x, m),
        numbers(3, 4),
        MASK,
        second=name != "logaddexp",
    )


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "prod", "logsumexp", "softmax", "median"])
def test_nothing_is_left(name: str) -> None:
    agree(
        lambda L, x, m: FUNCTIONS[name](L.masked, x, m & False),
        numbers(3, 4),
        MASK,
        gradients=False,
    )


@pytest.mark.parametrize("name", ["sum", "prod", "amax", "amin", "argmax", "cumsum"])
def test_integers(name: str) -> None:
    values = np.arange(12).reshape(3, 4) - 5
    agree(lambda L, x, m: FUNCTIONS[name](L.masked, x, m), values, MASK)


def rounded(value: Any) -> Any:
    return np.round(value.detach().numpy().astype(np.float64), 9).tolist()


def told(value: Any) -> Any:
    """Values where the mask leaves them, the mask, and whether there is a graph."""
    if isinstance(value, (list, tuple)):
        return [told(v) for v in value]
    if hasattr(value, "get_mask"):
        shown = value.to_tensor(0).detach()
        return ["masked", rounded(shown), value.get_mask().tolist()]
    return rounded(value) if hasattr(value, "numpy") else value


PROGRAMS = {
    "values": lambda L, x, y: [x * 2, -x, x.exp(), x + y, x / 3 - y, x > y, x.abs().sqrt(), x**2],
    "plain operand": lambda L, x, y: [x + L.ones(3, 4), x * L.ones(4)],
    "sums": lambda L, x, y: [x.sum(), x.sum(1), x.sum(0, keepdim=True), L.sum(x, dim=(0, 1))],
    "means": lambda L, x, y: [x.mean(), x.mean(1), x.amax(1), x.amin(0), x.prod(1), x.argmax(1)],
    "spread": lambda L, x, y: [x.var(0).to_tensor(0)[2:], x[2].std(0), x.var()],
    "softmax": lambda L, x, y: [x.softmax(1), L.softmax(x, 0)],
    "shapes": lambda L, x, y: [
        x.reshape(4, 3), x.t(), x.view(12), x.transpose(0, 1), x.unsqueeze(0), x.flatten(),
        x.expand(2, 3, 4),
    ],
    "parts": lambda L, x, y: [x[0], x[:, 1:], x[0, 1], x[x.get_mask()], list(x.chunk(2, 1))],
    "joined": lambda L, x, y: [L.stack([x, y]), L.cat([x, y], 1)],
    "where": lambda L, x, y: L.where(L.tensor(numbers(3, 4, seed=5)) > 0, x, y),
    "facts": lambda L, x, y: [tuple(x.shape), x.dim(), x.numel(), len(x), x.stride(), x.size(1)],
    "to": lambda L, x, y: [x.to(L.float32).to_tensor(1.5), L.ones_like(x), x.detach(), x.clone()],
    "printed": lambda L, x, y: [repr(x), repr(x[0]), repr(x[0, 1]), repr(x[0, 0]), repr(x > 0),
                                repr(x.reshape(2, 2, 3)), repr(x.sum())],
    "data": lambda L, x, y: [x.get_mask(), L.masked.is_masked_tensor(x), x.to_tensor(-1.0)],
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_tensors(name: str) -> None:
    out = []
    for L in (ad, torch):
        mask = L.tensor(MASK.tolist())
        x, y = (L.masked.masked_tensor(L.tensor(numbers(3, 4, seed=s)), mask) for s in (0, 1))
        out.append(told(PROGRAMS[name](L, x, y)))
    assert out[0] == out[1]


def test_gradients_of_a_leaf() -> None:
    for L in (ad, torch):
        mask = L.tensor(MASK.tolist())
        x = L.masked.masked_tensor(L.tensor(numbers(3, 4)), mask, requires_grad=True)
        (x * x).sum().backward()
        assert told(x.grad) == ["masked", *told([(2 * x.detach()).to_tensor(0), mask])]


def test_what_is_left_out_has_no_gradient() -> None:
    """Not even where it is infinite: what masks are for."""
    found = []
    for L in (ad, torch):
        x = L.tensor([-1.0, 0.0, 4.0], requires_grad=True)
        m = L.masked.as_masked_tensor(x, x > 0)
        (m.sqrt().log() * 3).sum().backward()
        found.append((x.grad.to_tensor(0.0) if L is torch else x.grad).tolist())
    assert found[0] == found[1] == [0.0, 0.0, 0.375]


def test_refused() -> None:
    x, mask = ad.tensor(numbers(3, 4)), ad.tensor(MASK.tolist())
    m = ad.masked.masked_tensor(x, mask)
    for words, call in {
        "must match": lambda: m + ad.masked.masked_tensor(x, ~mask),
        "must equal mask.dim": lambda: ad.masked.masked_tensor(x, mask[0]),
        "must equal mask.size": lambda: ad.masked.masked_tensor(x, mask.t()),
        "dtype bool": lambda: ad.masked.masked_tensor(x, x),
        "must be a Tensor": lambda: ad.masked.masked_tensor([1.0], mask),
        "MaskedTensor already": lambda: ad.masked.masked_tensor(m, mask),
        "of a masked tensor is not there; write it of x.to_tensor": lambda: m @ m.t(),
        "write x.to_tensor": lambda: m.numpy(),
        "left out by the mask": lambda: m[0, 1].item(),
        "Could not infer output dtype": lambda: ad.masked.mean(x.long(), mask=mask),
        "a mask is a Tensor": lambda: ad.masked.sum(x, mask=True),
        "does not broadcast": lambda: ad.masked.sum(x[0], mask=mask),
        "floating point": lambda: ad.masked.median(x.long(), mask=mask),
        "not both": lambda: ad.masked.var(x, 0, True, correction=1),
    }.items():
        with pytest.raises(
            (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError), match=words
        ):
            call()
