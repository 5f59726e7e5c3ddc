"""nn.functional against PyTorch: values, gradients, names of nodes; and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nn_twin import arrays, both, host

import anadrome as ad
from anadrome.nn import functional as F

ACTIVATIONS: dict[str, Any] = {
    "relu": {}, "leaky_relu": {"negative_slope": 0.2}, "elu": {"alpha": 0.7}, "gelu": {},
    "silu": {}, "tanh": {}, "sigmoid": {}, "logsigmoid": {}, "softplus": {"beta": 2.0},
    "softmax": {"dim": -1}, "log_softmax": {"dim": 0},
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    pytest.importorskip("torch")
    (x,) = arrays((3, 5), seed=1)
    mine, theirs = both(lambda fw, x: getattr(fw.nn.functional, name)(x, **ACTIVATIONS[name]), x)
    assert mine.grad_fn.name() == theirs.grad_fn.name()


@pytest.mark.torch
def test_activations_far_out() -> None:
    pytest.importorskip("torch")
    x = np.array([-800.0, -90.0, -30.0, 0.0, 21.0, 90.0, 800.0])
    for name in ("logsigmoid", "softplus", "sigmoid", "silu", "gelu", "elu"):
        with np.errstate(over="ignore"):
            both(lambda fw, x, n=name: getattr(fw.nn.functional, n)(x), x)
    both(lambda fw, x: fw.nn.functional.gelu(x, approximate="tanh"), x)
    both(lambda fw, x: fw.nn.functional.log_softmax(x, 0), x)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "silu"])
def test_activations_in_place(name: str) -> None:
    pytest.importorskip("torch")
    (x,) = arrays((3, 4), seed=2)

    def run(fw: Any, x: Any) -> Any:
        y = x * 1.0
        out = getattr(fw.nn.functional, name)(y, inplace=True)
        assert out is y
        return y

    both(run, x)


@pytest.mark.torch
def test_softmax_of_a_dtype_and_without_a_dimension() -> None:
    pytest.importorskip("torch")
    (x,) = arrays((2, 3, 4))
    both(
        lambda fw, x: fw.nn.functional.softmax(x, 1, dtype=fw.float64),
        x, dtype="float32", rtol=1e-6, atol=1e-7,
    )  # fmt: skip
    both(lambda fw, x: x.softmax(1) + x.log_softmax(-1), x)
    for shape in ((4,), (3, 4), (2, 3, 4), (2, 2, 2, 2)):
        with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
            both(lambda fw, x: fw.nn.functional.softmax(x), *arrays(shape))


# -- products -----------------------------------------------------------------------------------
@pytest.mark.torch
@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (2, 1, 3), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(lead: tuple[int, ...], bias: bool) -> None:
    pytest.importorskip("torch")
    x, w, b = arrays((*lead, 5), (3, 5), (3,))
    both(lambda fw, x, w, b: fw.nn.functional.linear(x, w, b), x, w, b if bias else None)
    both(lambda fw, x, w: fw.nn.functional.linear(x, w), x, w[0])


def test_linear_is_one_node_whose_weight_gradient_has_the_weights_layout() -> None:
    x = ad.randn(4, 3)
    layer = ad.nn.Linear(3, 2)
    out = layer(x)
    assert out.grad_fn.name() == "AddmmBackward0"
    assert [n[0] and n[0].name() for n in out.grad_fn.next_functions] == [
        "AccumulateGrad", None, "AccumulateGrad",  # the bias first, as in PyTorch
    ]  # fmt: skip
    out.sum().backward()
    assert layer.weight.grad._data.flags.c_contiguous


def test_linear_by_hand() -> None:
    out = F.linear(
        ad.tensor([[1.0, 2.0]]), ad.tensor([[3.0, 4.0], [5.0, 6.0]]), ad.tensor([0.5, -0.5])
    )
    assert out.tolist() == [[11.5, 16.5]]


@pytest.mark.torch
@pytest.mark.parametrize("padding_idx", [None, 0, -1])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_embedding(padding_idx: int | None, by_frequency: bool) -> None:
    pytest.importorskip("torch")
    (table,) = arrays((5, 3))
    index = np.array([[0, 4, 4], [1, 4, 2]])
    both(
        lambda fw, w, i: fw.nn.functional.embedding(
            i, w, padding_idx, scale_grad_by_freq=by_frequency
        ),
        table, index,
    )  # fmt: skip


@pytest.mark.torch
def test_embedding_shortens_the_rows_it_uses() -> None:
    pytest.importorskip("torch")
    (table,) = arrays((5, 3), high=9.0)
    index = np.array([1, 1, 3])

    def run(fw: Any, w: Any, i: Any) -> Any:
        out = fw.nn.functional.embedding(i, w, max_norm=2.0, norm_type=3.0)
        return out, w

    both(run, table, index, grad=False)


# -- normalisation ------------------------------------------------------------------------------
@pytest.mark.torch
@pytest.mark.parametrize("affine", ["both", "weight", "none"])
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_layer_norm(shape: tuple[int, ...], affine: str) -> None:
    pytest.importorskip("torch")
    x, w, b = arrays((2, 3, 4), shape, shape)
    w, b = (None if affine == "none" else w), (b if affine == "both" else None)
    mine, theirs = both(
        lambda fw, x, w, b: fw.nn.functional.layer_norm(x, shape, w, b, eps=1e-3), x, w, b
    )
    assert mine.grad_fn.name() == theirs.grad_fn.name()


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 4)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape: tuple[int, ...], training: bool, affine: bool) -> None:
    pytest.importorskip("torch")
    x, w, b, mean = arrays(shape, (3,), (3,), (3,))
    (var,) = arrays((3,), low=0.5)
    if not affine:
        w = b = None

    def run(fw: Any, x: Any, w: Any, b: Any) -> Any:
        m, v = fw.tensor(mean, dtype=fw.float64), fw.tensor(var, dtype=fw.float64)
        out = fw.nn.functional.batch_norm(x, m, v, w, b, training, momentum=0.3, eps=1e-3)
        return out, m, v

    (mine, *_), (theirs, *_) = both(run, x, w, b)
    assert mine.grad_fn.name() == theirs.grad_fn.name()


@pytest.mark.torch
def test_normalisation_twice_differentiated() -> None:
    pytest.importorskip("torch")
    x, w = arrays((4, 3), (3,))

    def run(fw: Any, x: Any, w: Any) -> Any:
        functional = fw.nn.functional
        y = functional.layer_norm(x, (3,), w) ** 3
        y = y + functional.batch_norm(x, None, None, w, None, True) ** 2
        (g,) = fw.autograd.grad(y.sum(), x, create_graph=True)
        return g * g

    both(run, x, w, rtol=1e-7, atol=1e-8)


@pytest.mark.torch
@pytest.mark.parametrize("p", [1.0, 2.0, float("inf")])
def test_normalize(p: float) -> None:
    pytest.importorskip("torch")
    both(lambda fw, x: fw.nn.functional.normalize(x, p=p, dim=1), *arrays((3, 4)))
    both(lambda fw, x: fw.nn.functional.normalize(x * 0.0, p=p, dim=0), *arrays((3, 4)), grad=False)


# -- convolution and pooling --------------------------------------------------------------------
CONVOLUTIONS: list[Any] = [
    ((2, 4, 7, 6), (6, 4, 3, 2), {}),
    ((2, 4, 7, 6), (6, 4, 3, 2), {"stride": 2, "padding": (1, 0)}),
    ((2, 4, 7, 6), (6, 2, 3, 3), {"groups": 2, "dilation": (2, 1)}),
    ((2, 4, 7, 6), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
    ((2, 4, 7, 6), (6, 4, 3, 3), {"padding": "same", "dilation": 2}),
    ((2, 4, 7, 6), (6, 4, 2, 4), {"padding": "same"}),
    ((2, 4, 7, 6), (6, 4, 3, 3), {"padding": "valid", "stride": (1, 2)}),
    ((4, 7, 6), (6, 4, 3, 3), {"padding": 1}),
    ((2, 4, 9), (6, 4, 3), {"stride": 2, "padding": 1, "dilation": 2}),
    ((2, 4, 9), (6, 2, 4), {"groups": 2, "padding": "same"}),
    ((4, 9), (6, 4, 3), {}),
    ((0, 4, 9), (6, 4, 3), {}),
]


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("x_shape, w_shape, keywords", CONVOLUTIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_convolution(x_shape: Any, w_shape: Any, keywords: Any, bias: bool) -> None:
    pytest.importorskip("torch")
    name = f"conv{len(w_shape) - 2}d"
    x, w, b = arrays(x_shape, w_shape, w_shape[:1])
    mine, theirs = both(
        lambda fw, x, w, b: getattr(fw.nn.functional, name)(x, w, b, **keywords),
        x, w, b if bias else None,
    )  # fmt: skip
    if len(x_shape) == len(w_shape):
        assert mine.grad_fn.name() == theirs.grad_fn.name()


@pytest.mark.torch
def test_convolution_twice_differentiated() -> None:
    pytest.importorskip("torch")

    def run(fw: Any, x: Any, w: Any) -> Any:
        y = fw.nn.functional.conv2d(x, w, stride=2, padding=1) ** 2
        gx, gw = fw.autograd.grad(y.sum(), (x, w), create_graph=True)
        return (gx * gx).sum() + (gw * gw).sum()

    both(run, *arrays((2, 2, 5, 4), (3, 2, 3, 3)))


POOLS: list[Any] = [
    ((2, 3, 6, 6), {"kernel_size": 2}),
    ((2, 3, 7, 6), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1)}),
    ((2, 3, 7, 7), {"kernel_size": 2, "ceil_mode": True}),
    ((2, 3, 8, 7), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((3, 7, 7), {"kernel_size": 3, "stride": 2}),
    ((2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((3, 8), {"kernel_size": (2,)}),
]


@pytest.mark.torch
@pytest.mark.parametrize("shape, keywords", POOLS)
def test_pooling(shape: Any, keywords: Any) -> None:
    pytest.importorskip("torch")
    dims = 1 if len(shape) == 2 or shape == (2, 3, 9) or shape == (2, 3, 8) else 2
    (x,) = arrays(shape)

    def pool(kind: str, **more: Any) -> Any:
        return lambda fw, x: getattr(fw.nn.functional, f"{kind}_pool{dims}d")(x, **keywords, **more)

    both(pool("max"), x)
    both(pool("max", return_indices=True), x)
    both(pool("avg"), x)
    both(pool("avg", count_include_pad=False), x)
    if dims == 2:
        both(pool("avg", divisor_override=5), x)


@pytest.mark.torch
def test_max_pool_dilated_and_of_infinities() -> None:
    pytest.importorskip("torch")
    (x,) = arrays((2, 3, 9, 8))
    both(lambda fw, x: fw.nn.functional.max_pool2d(x, 3, 2, 1, dilation=2), x)
    both(lambda fw, x: fw.nn.functional.max_pool1d(x[0], 3, 2, 1, dilation=3), x)
    low = np.full((1, 1, 4, 4), -np.inf)
    low[0, 0, 3, 3] = 1.0
    values, indices = F.max_pool2d(ad.tensor(low), 3, 2, 1, return_indices=True)
    assert host(values).tolist() == [[[[-np.inf, -np.inf], [-np.inf, 1.0]]]]
    assert ((host(indices) >= 0) & (host(indices) < 16)).all()
    x[0, 0, 4, 4] = np.nan
    with np.errstate(invalid="ignore"):
        both(lambda fw, x: fw.nn.functional.max_pool2d(x, 2), x, grad=False)


# -- the rest -----------------------------------------------------------------------------------
@pytest.mark.torch
def test_pad() -> None:
    pytest.importorskip("torch")
    (x,) = arrays((2, 3, 5, 4))
    for sides in ((1, 2), (1, 0, 0, 2), (-1, 2, 1, -2), (0, 0, 1, 1, 2, 0), (0, 0)):
        both(lambda fw, x, s=sides: fw.nn.functional.pad(x, s, value=1.5), x)
    for mode in ("reflect", "replicate", "circular"):
        both(lambda fw, x, m=mode: fw.nn.functional.pad(x, (2, 1, 3, 0), mode=m), x)
        both(lambda fw, x, m=mode: fw.nn.functional.pad(x, (2, 3), mode=m), x[0])


@pytest.mark.torch
def test_one_hot() -> None:
    pytest.importorskip("torch")
    index = np.array([[0, 2], [1, 2]])
    both(lambda fw, i: fw.nn.functional.one_hot(i), index)
    both(lambda fw, i: fw.nn.functional.one_hot(i, 5), index)
    both(lambda fw, i: fw.nn.functional.one_hot(i, 5), np.array(3))


@pytest.mark.torch
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "float", "empty rows", "scaled"])
def test_attention(mask: str) -> None:
    pytest.importorskip("torch")
    q, k, v = arrays((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7))
    allowed = np.random.default_rng(5).uniform(size=(4, 6)) < 0.6
    allowed[:, 0] = True
    if mask == "empty rows":
        allowed[1] = False
    how: dict[str, Any] = {}
    if mask == "causal":
        how["is_causal"] = True
    if mask == "scaled":
        how["scale"] = 0.2

    def run(fw: Any, q: Any, k: Any, v: Any) -> Any:
        if mask in ("bool", "empty rows"):
            how["attn_mask"] = fw.tensor(allowed)
        elif mask == "float":
            how["attn_mask"] = fw.tensor(np.where(allowed, 0.3, -np.inf), dtype=fw.float64)
        return fw.nn.functional.scaled_dot_product_attention(q, k, v, **how)

    both(run, q, k, v)


@pytest.mark.torch
def test_attention_with_grouped_heads() -> None:
    pytest.importorskip("torch")
    both(
        lambda fw, q, k, v: fw.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        *arrays((2, 4, 3, 5), (2, 2, 3, 5), (2, 2, 3, 5)),
    )


# -- dropout ------------------------------------------------------------------------------------
@given(p=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_dropout_statistics(p: float, seed: int) -> None:
    ad.manual_seed(seed)
    out = F.dropout(ad.ones(20_000), p)
    kept = host(out)
    share = (kept != 0).mean()
    assert abs(share - (1 - p)) < 5 * np.sqrt(p * (1 - p) / 20_000) + 1e-4
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - p), rtol=1e-5)


def test_dropout_repeats_from_its_seed_and_masks_the_gradient_alike() -> None:
    x = ad.ones(1000, requires_grad=True)
    ad.manual_seed(3)
    first = F.dropout(x, 0.4)
    ad.manual_seed(3)
    again = F.dropout(x, 0.4)
    other = F.dropout(x, 0.4)
    assert (first == again).all()
    assert (first != other).any()
    first.sum().backward()
    np.testing.assert_array_equal(host(x.grad), host(first))


def test_dropout_edges() -> None:
    x = ad.ones(5, requires_grad=True)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    gone = F.dropout(x, 1.0)
    assert gone.tolist() == [0.0] * 5
    gone.sum().backward()
    assert x.grad.tolist() == [0.0] * 5
    y = ad.ones(1000) * 1.0
    assert F.dropout(y, 0.5, inplace=True) is y
    assert set(y.tolist()) == {0.0, 2.0}
