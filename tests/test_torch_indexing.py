"""``x[...]`` in every form, read and written, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from expressions import refused, same, whole
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch

X = numbers(3, 4, 5)
M = numbers(4, 5, seed=3)
ROWS = np.array([True, False, True])
PLANE = X[:, :, 0] > 0

BASIC = [
    "x[0]", "x[-1]", "x[1:]", "x[::2]", "x[:, 1:4:2]", "x[..., 0]", "x[..., None]", "x[None]",
    "x[0, ..., 1]", "x[:, None, 2]", "x[0, 1, 2]", "x[...]", "x[()]", "x[1:1]", "x[5:]",
    "x[:, -3:]", "x[-2:-1, ::3, 1:]", "x[True]", "x[False]", "x[None, True]", "x[0, True]",
    "x[L.tensor(1):]", "x[:L.tensor(2), 0]", "x[L.tensor(1)]", "x[:, L.tensor(-1)]",
    "x[L.tensor(1), :, L.tensor(2)]", "x[L.tensor(True)]",
]  # fmt: skip
LISTS = [
    "x[[0, 1]]", "x[[0, 1], [1, 2]]", "x[:, :, [0, 2]]", "x[range(2)]", "x[range(2), range(2)]",
    "x[:, range(3)]", "x[[True, False, True]]", "x[(0, 1), ]", "x[[L.tensor(0), L.tensor(1)]]",
    "x[slice(0, 2), [1, 0]]", "x[:, [1, 0], 2:4]", "x[[0], :, [1]]", "x[0, [0, 1], 1]", "x[[]]",
    "x[0, :, None, [0, 1]]",
    "x[..., ...]", "x[..., 0, ...]", "x[0, ..., ...]", "x[..., ..., 0, 1, 2, ...]",
    "x[None, ..., ...]", "x[..., [0, 1], ...]", "x[..., True, ...]", "x[None, ..., None, ...]",
]  # fmt: skip
TENSORS = [
    "x[L.tensor([0, 2])]", "x[L.tensor([0, 2]), 1]", "x[1, :, L.tensor([0, 2])]",
    "x[L.tensor([0, 2]), :, 1]", "x[L.tensor([0, 2]), :, L.tensor([1, 1])]",
    "x[L.tensor([0, 2]), None, L.tensor([1, 1])]", "x[:, L.tensor([0, 2]), L.tensor([1, 1])]",
    "x[L.tensor([[0, 1], [1, 2]])]", "x[L.tensor([[0, 1], [1, 2]]), :, L.tensor([0, 1])]",
    "x[..., L.tensor([0, 4, 4])]", "x[None, L.tensor([1, 0])]", "x[L.tensor([1, 0]), ..., None]",
    "x[L.tensor([]).long()]", "x[L.tensor([0, 1]), 1:3]", "x[1:, L.tensor([0, 3])]",
    "x[1:, L.tensor([0, 3]), ::2]", "x[L.tensor([[0], [1]]), L.tensor([1, 2])]",
    "x[L.tensor([0, 0, 0])]", "x[L.tensor([0, 1], dtype=L.int32)]", "x[L.tensor([-1, -3])]",
    "x[L.arange(3), L.arange(3), L.arange(3)]",
]  # fmt: skip


@pytest.mark.parametrize("text", BASIC + LISTS + TENSORS)
def test_read(text: str) -> None:
    same(text, X)


@pytest.mark.parametrize("text", [
    "x[y]", "x[y, 1]", "x[y, 1:3]", "x[y, L.tensor([1])]", "x[y, :, None]", "x[None, y]",
])  # fmt: skip
def test_read_by_a_mask_of_two_dimensions(text: str) -> None:
    same(text, X, PLANE)


@pytest.mark.parametrize("text", [
    "x[y]", "x[y, 0]", "x[y, :, L.tensor([0, 1])]", "x[y, L.tensor([0, 2])]", "x[x > 0]",
    "x[~(x > 0)]", "x[y & False]", "x[:, [True, False, True, True]]", "x[y, 1:, ::2]",
])  # fmt: skip
def test_read_by_a_mask(text: str) -> None:
    same(text, X, ROWS)


@pytest.mark.parametrize("text", ("x[None]", "x[...]", "x[()]", "x[True]", "x[L.tensor(False)]"))
def test_read_a_single_value(text: str) -> None:
    same(text, numbers())


@pytest.mark.filterwarnings("ignore")
def test_bytes_are_masks_and_arrays_are_indices() -> None:
    same("x[y]", X, np.array([1, 0, 1], np.uint8))
    ours = ad.tensor(X)
    assert ours[np.array([0, 2])].tolist() == X[[0, 2]].tolist()
    assert ours[np.int64(1)].tolist() == X[1].tolist()


@pytest.mark.parametrize("text, said", [
    ("x[3]", "index 3 is out of bounds for dimension 0 with size 3"),
    ("x[0, -5]", "index -5 is out of bounds for dimension"),
    ("x[0, 0, 0, 0]", "too many indices for tensor of dimension 3"),
    ("x[..., ..., 0]", "stands for 2; write it once"), ("x[..., [0], ..., [1]]", "write it once"),
    ("x[L.tensor([3])]", "index 3 is out of bounds for dimension 0 with size 3"),
    ("x[:, L.tensor([5])]", "index 5 is out of bounds for dimension"),
    ("x[L.tensor(3)]", "index 3 is out of bounds"), ("x[::-1]", "step must be greater than zero"),
    ("x[::0]", "slice step cannot be zero"), ("x[1.0]", "only integers, slices (`:`), ellipsis"),
    ("x[L.tensor([1.0])]", "tensors used as indices must be long, int, byte or bool tensors"),
    ("x[L.tensor([True, False])]", "The shape of the mask [2] at index 0 does not match the shape "
     "of the indexed tensor [3, 4, 5] at index 0"),
    ("x[:, L.tensor([True, False])]", "The shape of the mask [2] at index 0"),
    ("x[L.tensor([0, 1]), L.tensor([0, 1, 2])]", "indexing tensors could not be broadcast together "
     "with shapes [2], [3]"),
    ("x[0, 0, 0][0]", "invalid index of a 0-dim tensor. Use `tensor.item()`"),
    ("out[3] = 1", "index 3 is out of bounds"), ("out[L.tensor([3])] = 1", "index 3 is out of"),
    ("out[0] = y[:3]", "shape mismatch"), ("out[::-1] = 1", "step must be greater than zero"),
    ("out[out > 0] = y[:2, :1].reshape(-1)", "shape mismatch: value tensor of shape [2]"),
    ("out[L.tensor([0, 1])] = y[:3]", "shape mismatch: value tensor of shape [3, 5]"),
    ("out[L.tensor([0, 1])] = L.tensor([1])", "Index put requires the source and destination"),
    ("out[out > 0] = y.float()", "Index put requires the source and destination dtypes match"),
    ("out[0] = 1j", "without overflow"), ("out[0, 0, 0, 0] = 1", "too many indices"),
])  # fmt: skip
def test_refusals(text: str, said: str) -> None:
    assert said in refused(text, X, M)


def test_a_leaf_is_not_written() -> None:
    def write(L: Any, x: Any) -> None:
        x[0] = 1

    from oracle import refuse

    assert "leaf" in refuse(write, X)


@pytest.mark.parametrize("text", [
    "out[0] = 1", "out[0] = y", "out[:, 1] = y[:3]", "out[:] = y", "out[..., ::2] = 2.5",
    "out[None, 0] = 3", "out[0, 1, 2] = 7", "out[0, 1, 2] = y[0, 0]", "out[L.tensor([0, 2])] = y",
    "out[L.tensor([0, 2]), 1] = y[0]", "out[L.tensor([0, 0])] = y", "out[[0, 1], [1, 2]] = y[0]",
    "out[:, L.tensor([0, 3])] = 1.0", "out[1, :, L.tensor([0, 2])] = y[:, :2]",
    "out[L.tensor([0, 2]), :, 1] = y[:, 0]", "out[range(3), range(3)] = y[:3]", "out[out > 0] = 0",
    "out[out > 0] = y[0, 0]", "out[x[:, :, 0] > 0] = y[0]", "out[x[:, :, 0] > 0, 1] = y[0, 0]",
    "out[L.tensor([True, False, True])] = y", "out[L.tensor([True, False, True]), 1:3] = y[:2]",
    "out[True] = y", "out[False] = y", "out[L.tensor(1)] = y", "out[:, L.tensor(1)] = y[0]",
    "out[1:, ::2, 1:3] = y[:1, :2]", "out[...] = 1", "out[L.tensor([]).long()] = 1",
    "out[0] += y", "out[L.tensor([0, 1])] += y", "out[out < 0] *= 2",
    "out[:, 0, :] = out[:, 1, :]", "out[0] = out[1]", "out[1:] = out[:-1].clone()",
    "out[0, 0] = y[0]; out[0] = out[0] * 2", "out[0].mul_(2)", "out[0][1] = y[1]",
    "out[:, 1:3][0] = y[:2]", "out[[[0, 1]]] = 1", "out[0] = y[None, None]",
    "out[L.tensor([0])] = y[None, None]", "out[L.tensor([[0, 1], [1, 2]]), 1] = y[0]",
    "out[1:, L.tensor([0, 3]), ::2] = y[0, 0]", "out.select(1, 0).copy_(y[0])",
    "out.transpose(0, 1)[1] = y[0]", "out.view(-1)[3] = 5.0", "out.diagonal().zero_()",
    "out.view(12, 5)[L.tensor([0, 3])] = y[:2]", "out.unfold(0, 1, 1)[0] = 1.0",
    "out[-1] = y * 2",
])  # fmt: skip
def test_write(text: str) -> None:
    same(text, X, M)


@pytest.mark.parametrize("text", [
    "out[0] = y", "out[0] = 1.7", "out[out > 2] = 1.7", "out[0, 0] = True", "out[0] = y.double()",
])  # fmt: skip
def test_what_is_written_is_cast(text: str) -> None:
    same(text, np.arange(6).reshape(2, 3), whole(1, 2, 3))


def test_one_value_of_another_type_goes_through_a_mask() -> None:
    same("out[out > 0] = L.tensor(2)", X, gradients=False)
    same("out[out > 0] = L.tensor([2])", X, gradients=False)


@pytest.mark.parametrize("text", [
    "L.index_select(x, 0, y)", "x.index_select(1, y)", "L.index_select(x, dim=-1, index=y.int())",
    "x.index_select(0, y[0])", "x.index_select(0, y[:0])", "x[0, 0, 0].index_select(0, y[:1])",
])  # fmt: skip
def test_index_select(text: str) -> None:
    same(text, X, whole(0, 2, 0))


@pytest.mark.parametrize("text", [
    "x.index_put((y,), z)", "L.index_put(x, [y], z, True)", "x.index_put((y, y), z[:, 0], True)",
    "(x * 1).index_put_((y,), z)", "(x * 1).index_put_((y,), z, accumulate=True)",
    "x.index_put((x > 0,), z[0, 0], accumulate=True)", "x.index_put((y[0],), z[0])",
    "x.index_put((y[0],), z[0], accumulate=True)",
])  # fmt: skip
def test_index_put(text: str) -> None:
    y = whole(2, 2, 0) if "rue" in text else whole(2, 1, 0)
    same(text, M, y, numbers(3, 5, seed=8))


MASK = X > 0.3


@pytest.mark.parametrize("text", [
    "L.masked_fill(x, y, 2.0)", "x.masked_fill(y, -float('inf'))", "x.masked_fill(y, z)",
    "(x * 1).masked_fill_(y, 3)", "(x * 1).masked_fill_(y, z)", "x.masked_fill(y[0], True)",
    "L.masked_fill(x, mask=y, value=1)", "x[:, :1, :1].masked_fill(y, 0.0)",
    "x.long().masked_fill(y, 1)", "L.masked_select(x, y)", "x.masked_select(y[0])",
    "x[:, :1].masked_select(y)", "L.nonzero(y)", "L.nonzero(y, as_tuple=True)", "L.argwhere(y)",
    "L.where(y)", "L.where(y, x, 0.0)", "L.where(y, 1.0, x)", "x.where(y, x[0])",
    "L.where(y, x.float(), 1)", "L.where(y, x.long(), 1.5)", "L.where(y, x, z)",
    "L.where(y, x.float(), z)", "L.where(y, 1.0, 2)", "L.where(y, 1, 0)",
    "L.where(condition=y, input=x, other=z)", "L.where(y, x, L.arange(5))", "z.nonzero().shape[0]",
])  # fmt: skip
def test_masks(text: str) -> None:
    same(text, X, MASK, np.array(1.5), gradients="float()" not in text)


@pytest.mark.parametrize("text", [
    "L.masked_scatter(x, y, z)", "x.masked_scatter(y[0], z)", "(x * 1).masked_scatter_(y, z)",
    "x.masked_scatter(y & False, z[:0])",
])  # fmt: skip
def test_masked_scatter(text: str) -> None:
    same(text, X, MASK, numbers(80, seed=6))


@pytest.mark.parametrize("text, said", [
    ("x.index_select(0, L.tensor([3]))", "index out of range in self"),
    ("x.index_select(0, L.tensor([-1]))", "index out of range in self"),
    ("x.index_select(0, L.tensor([[0]]))", "Index is supposed to be a vector"),
    ("x.index_select(0, L.tensor([0.0]))", "Expected dtype int32 or int64 for index"),
    ("x.index_put((L.tensor([9]),), x[0])", "index 9 is out of bounds"),
    ("x.index_put((L.tensor([0]),), x.float())", "Index put requires the source and destination"),
    ("x.masked_fill(x, 1.0)", "masked_fill only supports boolean masks"),
    ("x.masked_fill(y, x)", "only supports a 0-dimensional value tensor, but got tensor with 3"),
    ("x.masked_select(x)", "masked_select: expected BoolTensor for mask"),
    ("x.masked_scatter(y, x[0, 0, :1])", "Number of elements of source"),
    ("x.masked_scatter(x, x)", "only supports boolean masks"),
    ("L.where(x, x, x)", "where expected condition to be a boolean tensor, but got a tensor with"),
])  # fmt: skip
def test_refusals_of_functions(text: str, said: str) -> None:
    assert said in refused(text, X, MASK)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("other", [(), (1,), (0,), (4,), (1, 3), (0, 3)])
def test_to_nowhere_anything_can_be_written(shape, other):
    agree(lambda L, x, v: _written_nowhere(L, x, v), np.ones(shape), np.ones(other))


def _written_nowhere(L, x, v):
    out = x * 1
    out[False] = v.detach()
    return out
