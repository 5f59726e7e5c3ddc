"""Activations and dropout against PyTorch: values, two gradients, corners, dtypes, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

SHAPES = [(3, 4), (), (0, 3), (2, 1, 3)]

#: Of one tensor; keywords to try.
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}), ("relu6", {}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.3}),
    ("elu", {}), ("elu", {"alpha": 0.6}), ("celu", {}), ("celu", {"alpha": 0.6}), ("selu", {}),
    ("celu", {"alpha": -2.0}), ("gelu", {}), ("gelu", {"approximate": "tanh"}), ("silu", {}),
    ("mish", {}), ("softplus", {}), ("softplus", {"beta": 2.5, "threshold": 3.0}),
    ("softsign", {}), ("hardtanh", {}), ("hardtanh", {"min_val": -0.5, "max_val": 1.5}),
    ("hardswish", {}), ("hardshrink", {}), ("hardshrink", {"lambd": 1.0}), ("softshrink", {}),
    ("softshrink", {"lambd": 0.0}), ("tanhshrink", {}), ("logsigmoid", {}), ("sigmoid", {}),
    ("tanh", {}), ("threshold", {"threshold": 0.2, "value": 7.0}),
    ("rrelu", {"lower": 0.1, "upper": 0.5}), ("dropout", {"training": False}),
    ("dropout", {"p": 0.0}), ("dropout", {"p": 1.0}), ("alpha_dropout", {"p": 0.3}),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name, keywords", CALLS)
def test_of_one_tensor(name: str, keywords: dict[str, Any], shape: tuple[int, ...]) -> None:
    agree(
        lambda L, x: getattr(L.nn.functional, name)(x, **keywords), numbers(*shape, low=-4, high=4)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_hardsigmoid(shape: tuple[int, ...]) -> None:
    """PyTorch has no second derivative of it; ours is zero."""
    agree(
        lambda L, x: L.nn.functional.hardsigmoid(x), numbers(*shape, low=-4, high=4), second=False
    )


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "hardsigmoid", "leaky_relu", "hardshrink", "softshrink", "hardtanh"]
)
def test_a_second_derivative_of_straight_pieces_is_zero(name: str) -> None:
    x = ad.tensor(1.0, requires_grad=True)
    (g,) = ad.autograd.grad(getattr(ad.nn.functional, name)(x), x, create_graph=True)
    assert ad.autograd.grad(g, x)[0] == 0


@pytest.mark.parametrize("size", [1, 300])
@pytest.mark.parametrize("name", ["elu", "selu", "celu", "softplus", "hardswish"])
def test_second_derivatives_at_corners_and_beyond_them(name: str, size: int) -> None:
    """Of few values, and of as many as the backends have kernels for."""
    x = np.tile(np.array([-30.0, -0.0, 0.0, 20.0, 25.0, math.inf, -math.inf]), size)

    def first(L: Any, x: Any) -> Any:
        y = getattr(L.nn.functional, name)(x).sum()
        return L.autograd.grad(y, x, create_graph=True)[0]

    agree(first, x, second=False)


CORNERS = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0, 40.0, -40.0])


@pytest.mark.parametrize("name, keywords", CALLS)
def test_at_corners(name: str, keywords: dict[str, Any]) -> None:
    agree(lambda L, x: getattr(L.nn.functional, name)(x, **keywords), CORNERS)


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "hardtanh", "hardshrink", "softshrink", "leaky_relu", "hardsigmoid",
             "hardswish", "mish", "softsign", "softplus", "tanhshrink", "celu", "selu"]
)  # fmt: skip
def test_nan_and_infinity(name: str) -> None:
    x = np.array([math.nan, math.inf, -math.inf])
    agree(lambda L, t: getattr(L.nn.functional, name)(t), x, gradients=False)


@pytest.mark.parametrize("dim", [0, 1, -1, None])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.filterwarnings("ignore")
def test_softmax(name: str, dim: int | None) -> None:
    for shape in ((3, 4), (2, 3, 4), (0, 3), (5, 0)):
        agree(lambda L, x: getattr(L.nn.functional, name)(x, dim), numbers(*shape))
    agree(lambda L, x: getattr(L.nn.functional, name)(x, dim, dtype=L.float64),
          np.arange(6).reshape(2, 3))  # fmt: skip


def test_softmax_of_one_number() -> None:
    for name in ("softmax", "log_softmax", "softmin"):
        agree(lambda L, x: getattr(L.nn.functional, name)(x, 0), numbers())
        agree(lambda L, x: getattr(x, name)(-1) if name != "softmin" else x, numbers(4))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_glu(dim: int) -> None:
    agree(lambda L, x: L.nn.functional.glu(x, dim), numbers(4, 6))
    agree(lambda L, x: L.nn.functional.glu(x), numbers(2, 3, 4))


@pytest.mark.parametrize(
    "x_shape, w_shape",
    [((3, 4), (4,)), ((3, 4), (1,)), ((3, 4), ()), ((2, 3, 4), (3,)), ((2, 3, 2, 2), (3,)),
     ((5,), (1,)), ((), (1,)), ((), ()), ((0, 3), (3,)), ((5,), ())],
)  # fmt: skip
def test_prelu(x_shape: Any, w_shape: Any) -> None:
    agree(lambda L, x, w: L.nn.functional.prelu(x, w), numbers(*x_shape), numbers(*w_shape, seed=1))


IN_PLACE = ["relu", "relu6", "leaky_relu", "elu", "celu", "selu", "silu", "mish", "hardtanh",
            "hardswish", "hardsigmoid", "rrelu"]  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str) -> None:
    def call(L: Any, x: Any) -> Any:
        y = x * 1.0
        out = getattr(L.nn.functional, name)(y, inplace=True)
        assert out is y
        return y

    agree(call, numbers(3, 4), second=name not in ("hardsigmoid",))

    x = ad.tensor(numbers(3, 4))
    kept = x.clone()
    getattr(ad.nn.functional, name)(x, inplace=True)
    assert ad.equal(x, getattr(ad.nn.functional, name)(kept))


@pytest.mark.parametrize(
    "name, args",
    [("relu_", ()), ("elu_", (0.5,)), ("celu_", (0.5,)), ("selu_", ()), ("leaky_relu_", (0.3,)),
     ("hardtanh_", (-0.5, 0.5)), ("threshold_", (0.1, 2.0)), ("rrelu_", ())],
)  # fmt: skip
def test_functions_with_an_underscore(name: str, args: Any) -> None:
    agree(lambda L, x: getattr(L.nn.functional, name)(x * 1.0, *args), numbers(3, 4))


def test_threshold_in_place() -> None:
    agree(lambda L, x: L.nn.functional.threshold(x * 1.0, 0.1, 2.0, inplace=True), numbers(3, 4))


def test_threshold_in_place_and_into_another_writes_nothing() -> None:
    x, out = ad.tensor([-1.0, 3.0]), ad.zeros(2)
    with pytest.raises(TypeError, match="not both"):
        ad.threshold(x, 0.0, 5.0, True, out=out)
    assert (x.tolist(), out.tolist()) == ([-1.0, 3.0], [0.0, 0.0])


@pytest.mark.parametrize("name, keywords", CALLS)
def test_float32_stays_so(name: str, keywords: dict[str, Any]) -> None:
    agree(
        lambda L, x: getattr(L.nn.functional, name)(x, **keywords),
        numbers(3, 4).astype(np.float32), second=False, rtol=2e-5, atol=1e-6,
    )  # fmt: skip


INTEGERS = np.array([1, -2, 3])


@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "softsign", "tanhshrink", "sigmoid"])
def test_integers(name: str) -> None:
    agree(lambda L, x: getattr(L.nn.functional, name)(x), INTEGERS, rtol=1e-5)
    agree(lambda L, x: L.nn.functional.threshold(x, 1, 5), INTEGERS)


@pytest.mark.parametrize(
    "name", ["leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "softplus", "hardsigmoid",
             "hardswish", "hardshrink", "softshrink", "logsigmoid", "rrelu", "glu", "dropout"]
)  # fmt: skip
def test_integers_are_refused(name: str) -> None:
    text = refuse(lambda L, x: getattr(L.nn.functional, name)(x), np.array([1, -2, 3, 4]))
    assert "float()" in text and ("not implemented for" in text or "can't be cast" in text)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin", "gumbel_softmax"])
def test_softmax_refuses_integers(name: str) -> None:
    text = refuse(lambda L, x: getattr(L.nn.functional, name)(x, dim=0), INTEGERS)
    assert "float()" in text


REFUSED: list[tuple[Any, str]] = [
    (lambda L, x: L.nn.functional.hardtanh(x, 1, -1), "min_val cannot be greater than max_val"),
    (lambda L, x: L.nn.functional.celu(x, 0.0), "ZeroDivisionError: alpha cannot be 0 for CELU"),
    (lambda L, x: L.nn.functional.softshrink(x, -1.0), "lambda must be in range"),
    (lambda L, x: L.nn.functional.rrelu(x, 0.5, 0.1, True), "Lower bound should be less than or"),
    (lambda L, x: L.nn.functional.glu(x[:, :3]), "Halving dimension must be even, but dimension 1"),
    (lambda L, x: L.nn.functional.glu(x[0, 0]), "glu does not support"),
    (lambda L, x: L.nn.functional.glu(x, 3), "Dimension out of range (expected to be in range of "),
    (lambda L, x: L.nn.functional.softmax(x, 2), "Dimension out of range"),
    (lambda L, x: L.nn.functional.prelu(x, x[0, :3]), "Mismatch of parameter numbers and"),
    (lambda L, x: L.nn.functional.prelu(x[0, 0], x[0]), "Not allow zero-dim input tensor."),
    (lambda L, x: L.nn.functional.prelu(x, x[0].float()), "prelu: Type promoting not supported."),
    (lambda L, x: L.nn.functional.relu(x > 0), "Boolean inputs not supported for relu"),
    (lambda L, x: L.nn.functional.hardtanh(x > 0), "Bool inputs not supported for hardtanh"),
    (lambda L, x: L.nn.functional.hardtanh(x.abs().to(L.uint8)), "cannot do hardtanh on an unsign"),
    (lambda L, x: L.nn.functional.gelu(x, approximate="erf"), "approximate argument must be"),
    (lambda L, x: L.nn.functional.dropout(x, 1.5), "dropout probability has to be between 0 and 1"),
    (lambda L, x: L.nn.functional.alpha_dropout(x, -1.0, True), "dropout probability has to be"),
    (lambda L, x: L.nn.functional.dropout1d(x[0], 0.5), "dropout1d: Expected 2D or 3D input, but"),
    (lambda L, x: L.nn.functional.feature_alpha_dropout(x[0], 0.5, True), "Feature dropout"),
]  # fmt: skip


@pytest.mark.parametrize("call, text", REFUSED)
def test_refusals(call: Any, text: str) -> None:
    assert refuse(call, numbers(3, 4)).startswith(text)


# -- random ones: no numbers of PyTorch's, but their properties --------------------------------
def test_rrelu_draws_a_slope_for_each_value() -> None:
    ad.manual_seed(0)
    x = ad.full((400,), -2.0, dtype=ad.float64).requires_grad_()
    y = ad.nn.functional.rrelu(x, 0.1, 0.3, training=True)
    (slopes,) = ad.autograd.grad(y.sum(), x)
    assert ad.allclose(slopes * x, y)
    assert 0.1 <= slopes.min() < 0.12 and 0.28 < slopes.max() < 0.3
    assert ad.equal(ad.nn.functional.rrelu(-x.detach(), training=True), -x.detach())


def test_gumbel_softmax() -> None:
    ad.manual_seed(0)
    x = ad.tensor([0.0, math.log(3.0)], dtype=ad.float64).expand(4000, 2)
    drawn = ad.nn.functional.gumbel_softmax(x, tau=0.5, hard=True)
    assert set(drawn.unique().tolist() if hasattr(drawn, "unique") else [0.0, 1.0]) == {0.0, 1.0}
    assert abs(drawn[:, 1].mean().item() - 0.75) < 0.03
    soft = ad.nn.functional.gumbel_softmax(x, tau=2.0)
    assert ad.allclose(soft.sum(-1), ad.ones(4000, dtype=ad.float64))
    leaf = ad.zeros(5, 3, requires_grad=True)
    out = ad.nn.functional.gumbel_softmax(leaf, hard=True, dim=0)
    assert ad.equal(out.sum(0), ad.ones(3))
    assert ad.autograd.grad(out[0].sum(), leaf)[0].abs().sum() > 0
    assert ad.nn.functional.gumbel_softmax(ad.tensor(1.0), hard=True) == 1


@pytest.mark.parametrize(
    "name, shape, single",
    [("dropout1d", (40, 30, 5), (30, 5)), ("dropout2d", (40, 30, 2, 3), None),
     ("dropout3d", (40, 30, 2, 2, 2), (30, 2, 2, 2))]
)  # fmt: skip
def test_dropout_of_channels(name: str, shape: Any, single: Any) -> None:
    ad.manual_seed(1)
    function = getattr(ad.nn.functional, name)
    out = function(ad.ones(shape), 0.25).reshape(shape[0] * shape[1], -1)
    assert ad.equal(out, out[:, :1].expand_as(out))
    assert set(np.unique(out.numpy())) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((out[:, 0] > 0).float().mean().item() - 0.75) < 0.05
    if single:
        out = function(ad.ones(single), 0.5)
        assert ad.equal(out, out.reshape(30, -1)[:, :1].reshape(30, *[1] * (len(single) - 1))
                        .expand(single))  # fmt: skip
    x = ad.ones(shape)
    assert function(x, 0.5, inplace=True) is x and x.min() == 0
    assert function(x, 0.5, training=False) is x


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    ad.manual_seed(2)
    x = ad.randn(300, 400, dtype=ad.float64)
    for name in ("alpha_dropout", "feature_alpha_dropout"):
        out = getattr(ad.nn.functional, name)(x, 0.3, True)
        assert abs(out.mean().item()) < 0.02 and abs(out.var().item() - 1) < 0.03
    channels = ad.nn.functional.feature_alpha_dropout(ad.ones(20, 10, 6), 0.5, True)
    assert ad.equal(channels, channels[..., :1].expand_as(channels))
    assert len(np.unique(channels.numpy())) == 2
    y = x.clone()
    assert ad.nn.functional.alpha_dropout(y, 0.5, True, inplace=True) is y
    assert not ad.equal(y, x)


def test_alpha_dropout_values_are_pytorchs() -> None:
    """What is kept, and what is left out, becomes the same number."""
    import torch

    values = []
    for L in (ad, torch):
        L.manual_seed(0)
        out = L.nn.functional.alpha_dropout(L.ones(200, dtype=L.float64), 0.3, True)
        values.append(sorted(set(np.round(out.numpy(), 12).tolist())))
    assert values[0] == values[1]
