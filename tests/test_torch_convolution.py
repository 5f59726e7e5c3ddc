"""Convolutions, transposed ones, unfold and fold: PyTorch's numbers for each kind of argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
]

CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 4, 9), (6, 4, 3), {}),
    ((2, 4, 9), (6, 2, 4), {"groups": 2, "stride": 2, "padding": 1, "dilation": 2}),
    ((4, 9), (6, 4, 3), {"padding": (1,)}),
    ((2, 4, 9), (6, 4, 4), {"padding": "same", "dilation": 2}),
    ((2, 4, 7, 6), (6, 4, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    ((2, 4, 7, 6), (4, 1, 3, 3), {"groups": 4, "padding": 1, "dilation": (1, 2)}),
    ((2, 4, 7, 6), (8, 1, 3, 3), {"groups": 4}),
    ((2, 4, 7, 6), (6, 4, 2, 3), {"padding": "same"}),
    ((2, 4, 7, 6), (6, 4, 3, 3), {"padding": "valid", "stride": 3}),
    ((4, 7, 6), (6, 4, 1, 1), {}),
    ((1, 1, 5, 5), (1, 1, 5, 5), {}),
    ((0, 4, 7, 6), (6, 4, 3, 3), {}),
    ((2, 2, 4, 5, 6), (4, 2, 2, 3, 3), {"padding": (0, 1, 2), "stride": (1, 2, 1)}),
    ((2, 4, 5, 5), (2, 2, 2, 2), {"groups": 2}),
    ((2, 4, 4, 5, 3), (4, 2, 3, 3, 3), {"padding": "same", "groups": 2}),
    ((2, 4, 5, 3), (4, 2, 2, 2, 3), {"dilation": (2, 1, 1)}),
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("x", "w", "keywords"), CONVOLUTIONS)
def test_convolution(x: Any, w: Any, keywords: Any, bias: bool) -> None:
    name = f"conv{len(w) - 2}d"
    arrays = [numbers(*x), numbers(*w, seed=1)] + ([numbers(w[0], seed=2)] if bias else [])
    agree(lambda L, *a: getattr(L.nn.functional, name)(*a, **keywords), *arrays)


TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 4, 5), (4, 3, 3), {}),
    ((4, 5), (4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((2, 4, 5), (4, 3, 3), {"groups": 2, "dilation": 3, "output_padding": 2, "padding": 1}),
    ((2, 4, 4, 3), (4, 3, 3, 2), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}),
    ((2, 4, 4, 3), (4, 1, 4, 4), {"groups": 4, "stride": 2, "padding": 1}),
    ((4, 4, 3), (4, 3, 3, 3), {"dilation": 2}),
    ((2, 4, 2, 3, 2), (4, 3, 2, 3, 2), {"stride": 2, "padding": 1, "output_padding": (0, 1, 0)}),
    ((0, 4, 4, 3), (4, 3, 3, 2), {"stride": 2}),
]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("x", "w", "keywords"), TRANSPOSED)
def test_transposed(x: Any, w: Any, keywords: Any, bias: bool) -> None:
    name = f"conv_transpose{len(w) - 2}d"
    out = w[1] * keywords.get("groups", 1)
    arrays = [numbers(*x), numbers(*w, seed=1)] + ([numbers(out, seed=2)] if bias else [])
    agree(lambda L, *a: getattr(L.nn.functional, name)(*a, **keywords), *arrays)


UNFOLDED: list[tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = [
    ((2, 3, 6, 5), (3,), {}),
    ((2, 3, 6, 5), ((2, 3),), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
    ((3, 6, 5), (2,), {"stride": 2}),
    ((2, 3, 6, 5), (2, 2, 1, 3), {}),
]


@pytest.mark.parametrize(("shape", "arguments", "keywords"), UNFOLDED)
def test_unfold(shape: Any, arguments: Any, keywords: Any) -> None:
    agree(lambda L, x: L.nn.functional.unfold(x, *arguments, **keywords) ** 2, numbers(*shape))


@pytest.mark.parametrize(("shape", "arguments", "keywords"), UNFOLDED)
def test_fold_undoes_the_geometry_of_unfold(shape: Any, arguments: Any, keywords: Any) -> None:
    columns = ad.nn.functional.unfold(ad.zeros(*shape), *arguments, **keywords).shape
    agree(
        lambda L, x: L.nn.functional.fold(x, shape[-2:], *arguments, **keywords) ** 2,
        numbers(*columns),
    )


def test_single_precision_keeps_its_type() -> None:
    x, w = numbers(2, 4, 6, 6).astype(np.float32), numbers(5, 4, 3, 3, seed=1).astype(np.float32)
    agree(lambda L, x, w: L.nn.functional.conv2d(x, w, padding=1), x, w, rtol=1e-4, atol=1e-4)
    agree(
        lambda L, x, w: L.nn.functional.conv_transpose2d(x, w.transpose(0, 1), stride=2),
        x, w, rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_residual_block_with_batch_norm_and_adaptive_pool() -> None:
    def block(L: Any, x: Any, w1: Any, w2: Any, w3: Any) -> Any:
        F = L.nn.functional
        y = F.relu(F.batch_norm(F.conv2d(x, w1, stride=2, padding=1), None, None, training=True))
        y = F.batch_norm(F.conv2d(y, w2, padding=1), None, None, training=True)
        y = F.relu(y + F.conv2d(x, w3, stride=2))
        return F.adaptive_avg_pool2d(y, 1).flatten(1)

    agree(
        block, numbers(3, 2, 8, 8), numbers(4, 2, 3, 3, seed=1), numbers(4, 4, 3, 3, seed=2),
        numbers(4, 2, 1, 1, seed=3), rtol=1e-6,
    )  # fmt: skip


X, W = numbers(2, 4, 6, 6), numbers(6, 4, 3, 3)
REFUSED: list[tuple[Any, tuple[Any, ...], str]] = [
    (lambda F, x, w: F.conv2d(x, w), (numbers(2, 4, 6, 6, 6), W), "Expected 3D (unbatched) or 4D"),
    (lambda F, x, w: F.conv2d(x, w, groups=3), (X, W), "Given groups=3"),
    (lambda F, x, w: F.conv2d(x, w, groups=0), (X, W), "non-positive groups"),
    (lambda F, x, w: F.conv2d(x, w, stride=0), (X, W), "non-positive stride"),
    (lambda F, x, w: F.conv2d(x, w, padding=-1), (X, W), "negative padding"),
    (lambda F, x, w: F.conv2d(x, w, dilation=0), (X, W), "dilation should be greater than zero"),
    (lambda F, x, w: F.conv2d(x, w, padding="full"), (X, W), "Invalid padding string"),
    (lambda F, x, w: F.conv2d(x, w, padding="same", stride=2), (X, W), "padding='same' is not"),
    (lambda F, x, w: F.conv2d(x, w), (X, numbers(6, 4, 9, 9)), "Calculated padded input size"),
    (lambda F, x, w: F.conv2d(x, w), (X, numbers(6, 3, 3, 3)), "Given groups=1, weight of size"),
    (lambda F, x, w: F.conv2d(x, w, stride=(1, 2, 3)), (X, W), "expected stride to be a single"),
    (lambda F, x, w: F.conv2d(x, w), (X.astype("float32"), W), "Input type (anadrome.float32)"),
    (lambda F, x, w: F.conv2d(x, w, w[0, 0, 0]), (X, W), "Given weight of size"),
    (lambda F, x, w: F.conv1d(x, w), (X, W), "Expected 2D (unbatched) or 3D"),
    (lambda F, x, w: F.conv_transpose2d(x, w), (X, W), "Given transposed=1, weight of size"),
    (lambda F, x, w: F.conv_transpose2d(x, w, output_padding=1), (X, numbers(4, 3, 2, 2)),
     "output padding must be smaller than either stride or dilation"),
    (lambda F, x, w: F.conv_transpose2d(x, w, padding=9), (X, numbers(4, 3, 2, 2)),
     "Given input size per channel"),
    (lambda F, x, w: F.conv_transpose2d(x, w, w[0, 0, 0]), (X, numbers(4, 3, 2, 2)),
     "Given transposed=1"),
    (lambda F, x, w: F.unfold(x, 9), (X, W), "Given input with spatial size"),
    (lambda F, x, w: F.unfold(x[0, 0], 2), (X, W), "Expected 3D or 4D (batch mode)"),
    (lambda F, x, w: F.unfold(x, 2, stride=0), (X, W), "stride should be greater than zero"),
    (lambda F, x, w: F.fold(x[0], (5, 5), 2), (X, W), "Expected size of input's dimension 1"),
    (lambda F, x, w: F.fold(x.reshape(2, 4, 36), (5, 5), 2), (X, W), "Given output_size=(5, 5)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "arrays", "start"), REFUSED, ids=[s for *_, s in REFUSED])
def test_refusals(call: Any, arrays: Any, start: str) -> None:
    message = refuse(lambda L, *a: call(L.nn.functional, *a), *arrays)
    assert message.startswith(start), message
