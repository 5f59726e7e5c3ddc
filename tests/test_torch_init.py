"""nn.init next to PyTorch: the exact is equal; what is drawn has the same bounds and moments."""

from __future__ import annotations

import math
from typing import Any

import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

DRAWN = [
    ("uniform_", {"a": -1.0, "b": 3.0}, False),
    ("normal_", {"mean": 1.0, "std": 0.5}, True),
    ("trunc_normal_", {"std": 0.02, "a": -0.03, "b": 0.03}, False),
    ("xavier_uniform_", {}, False),
    ("xavier_uniform_", {"gain": 2.0}, False),
    ("xavier_normal_", {}, True),
    ("kaiming_uniform_", {}, False),
    ("kaiming_uniform_", {"a": math.sqrt(5)}, False),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}, False),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}, True),
    ("kaiming_normal_", {"nonlinearity": "selu"}, True),
]


@pytest.mark.parametrize(("name", "kwargs", "normal"), DRAWN, ids=str)
@pytest.mark.parametrize("shape", [(60, 90), (40, 16, 3, 3)])
def test_drawn(name: str, kwargs: dict[str, Any], normal: bool, shape: tuple[int, ...]) -> None:
    ad.manual_seed(1)
    torch.manual_seed(1)
    ours, theirs = (getattr(L.nn.init, name)(L.empty(*shape), **kwargs) for L in (ad, torch))
    count = ours.numel()
    mean, std = float(theirs.mean()), float(theirs.std())
    assert float(ours.mean()) == pytest.approx(mean, abs=6 * std / math.sqrt(count))
    assert float(ours.std()) == pytest.approx(std, rel=6 / math.sqrt(count))
    if not normal:  # the bounds are sharp
        for end in ("min", "max"):
            found, wanted = (float(getattr(t, end)()) for t in (ours, theirs))
            assert found == pytest.approx(wanted, rel=0.01, abs=0.01 * std)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    for L in (ad, torch):
        w = L.nn.init.orthogonal_(L.empty(*shape).double(), gain=2.0).reshape(shape[0], -1)
        rows, columns = w.shape
        product = w @ w.T if rows <= columns else w.T @ w
        wanted = L.eye(min(rows, columns)).double() * 4
        assert float((product - wanted).abs().max()) < 1e-12


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.91])
def test_sparse(sparsity: float) -> None:
    ours, theirs = (L.nn.init.sparse_(L.ones(20, 30), sparsity, 0.5) for L in (ad, torch))
    assert (ours == 0).sum(0).tolist() == (theirs == 0).sum(0).tolist()
    if sparsity == 0.5:
        rows = (ours == 0).sum(1).tolist()
        assert len(set(rows)) > 3 and 0.4 < float(ours[ours != 0].std()) < 0.6


def test_exact() -> None:
    for shape in ((4, 3, 3), (4, 2, 3, 2), (6, 2, 1, 2, 3)):
        for groups in (1, 2):
            agree(lambda L, s=shape, g=groups: L.nn.init.dirac_(L.empty(*s).double(), g))
    agree(lambda L: [L.nn.init.eye_(L.empty(3, 4)), L.nn.init.constant_(L.empty(2), 0.3),
                     L.nn.init.ones_(L.empty(2)), L.nn.init.zeros_(L.empty(2))])  # fmt: skip


def test_gains_and_fans() -> None:
    for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu",
                 "leaky_relu"):  # fmt: skip
        agree(lambda L, n=name: float(L.nn.init.calculate_gain(n)))
    for slope in (0, 0.2, None):
        agree(lambda L, s=slope: float(L.nn.init.calculate_gain("leaky_relu", s)))
    for shape in ((2, 3), (2, 3, 4), (2, 3, 4, 5)):
        agree(lambda L, s=shape: L.nn.init._calculate_fan_in_and_fan_out(L.empty(*s)))


def test_parameters_stay_leaves() -> None:
    for name, *_ in DRAWN:
        p = ad.nn.Parameter(ad.empty(3, 4))
        out = getattr(ad.nn.init, name)(p)
        assert out is p and p.is_leaf and p.requires_grad and p.grad_fn is None


def test_older_names() -> None:
    for L in (ad, torch):
        with pytest.warns(FutureWarning, match="now deprecated in favor of"):
            L.nn.init.xavier_uniform(L.empty(2, 2))
    with pytest.raises(AttributeError):
        ad.nn.init.other  # noqa: B018


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda i, x: i.xavier_uniform_(x), "Fan in and fan out can not be computed for tensor with"
         " fewer than 2 dimensions"),
        (lambda i, x: i.kaiming_normal_(x), "Fan in and fan out can not be computed"),
        (lambda i, x: i.kaiming_normal_(x[None], mode="fan"), "Mode fan not supported, please use "
         "one of ['fan_in', 'fan_out']"),
        (lambda i, x: i.kaiming_normal_(x[None], nonlinearity="x"), "Unsupported nonlinearity x"),
        (lambda i, x: i.calculate_gain("leaky_relu", "a"), "negative_slope a not a valid number"),
        (lambda i, x: i.orthogonal_(x), "Only tensors with 2 or more dimensions are supported"),
        (lambda i, x: i.eye_(x), "Only tensors with 2 dimensions are supported"),
        (lambda i, x: i.sparse_(x, 0.5), "Only tensors with 2 dimensions are supported"),
        (lambda i, x: i.dirac_(x), "Only tensors with 3, 4, or 5 dimensions are supported"),
        (lambda i, x: i.dirac_(x.reshape(3, 1, 1), 2), "dim 0 must be divisible by groups"),
    ],
)  # fmt: skip
def test_refusals(call: Any, words: str) -> None:
    assert refuse(lambda L, x: call(L.nn.init, x.detach()), numbers(3)).startswith(words)


def test_nothing_to_fill() -> None:
    for L in (ad, torch):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
            L.nn.init.kaiming_uniform_(L.empty(0, 3))
        L.nn.init.orthogonal_(L.empty(0, 3))
