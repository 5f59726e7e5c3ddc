"""Shapes, views, joining, splitting and arranging against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from expressions import refused, same, whole
from oracle import numbers

import anadrome as ad

pytestmark = pytest.mark.torch

X = numbers(3, 4)
ARRAYS = {
    "matrix": X,
    "cube": numbers(2, 3, 4, seed=1),
    "vector": numbers(6, seed=3),
    "single": numbers(),
    "empty": np.zeros((0, 3)),
    "int64": np.arange(12).reshape(3, 4),
    "ones": numbers(1, 3, 1),
}


@pytest.mark.parametrize("text", [
    "x.reshape(-1)", "x.view(x.shape)", "L.ravel(x)", "x.flatten()", "x.squeeze()",
    "x.unsqueeze(0)", "x.unsqueeze(-1)", "x.contiguous()", "x.clone()", "L.squeeze(x, 0)",
    "x.squeeze(-1)", "L.atleast_1d(x)", "L.atleast_2d(x)", "L.atleast_3d(x)",
    "L.atleast_2d(x, x)", "L.atleast_3d([x, x])", "L.roll(x, 1)", "x.flip([])", "x.tile((2,))",
    "x.tile(2, 3)", "L.tile(x, (2, 1, 2))", "x.repeat_interleave(2)", "x.movedim(0, -1)",
    "L.stack([x, x])", "L.hstack([x, x])", "L.vstack((x, x * 2))", "L.dstack([x, x])",
    "L.column_stack([x, x])", "L.row_stack([x, x])", "L.stack((x, x), -1)", "L.diagflat(x)",
])  # fmt: skip
@pytest.mark.parametrize("array", ARRAYS)
def test_any_shape(text: str, array: str) -> None:
    same(text, ARRAYS[array])


@pytest.mark.parametrize("text", [
    "x.mT", "x.mH", "x.adjoint()", "L.transpose(x, 0, 1)", "x.swapaxes(0, -1)",
    "L.swapdims(x, dim0=0, dim1=1)", "x.flip(0)", "L.flip(x, (0, 1))", "x.flip(0, 1)",
    "x.flatten(0, 1)", "L.flatten(x, start_dim=1)", "x.permute(*range(x.dim())[::-1])",
    "L.movedim(x, (0, 1), (1, 0))", "L.moveaxis(x, 0, 1)", "x.rot90()", "L.rot90(x, 2)",
    "x.rot90(-1, (1, 0))", "L.rot90(x, k=3, dims=[0, 1])", "L.fliplr(x)", "L.flipud(x)",
    "x.roll((1, -1), (0, 1))", "L.roll(x, shifts=2, dims=-1)", "x.roll([1, 2], dims=[1, 1])",
    "x.tril()", "L.triu(x, 1)", "x.tril(-1)", "L.triu(x, diagonal=-1)", "x.diagonal()",
    "L.diagonal(x, 1)", "L.diagonal(x, offset=-1, dim1=1, dim2=0)", "x.diagonal(9)",
    "x.expand(2, *x.shape)", "x.broadcast_to((2,) + tuple(x.shape))", "x.unfold(1, 2, 1)",
    "L.hsplit(x, [1])", "L.vsplit(x, [1])", "L.tensor_split(x, 3)",
    "L.tensor_split(x, [1, 2], dim=1)", "x.tensor_split((0, 5), -1)",
    "L.tensor_split(x, L.tensor([1, 2]), 1)", "L.tensor_split(x, L.tensor(2), 1)",
    "L.chunk(x, 2)", "x.chunk(3, dim=1)", "x.split(2)", "L.split(x, 2, dim=-1)", "x.unbind(-1)",
    "L.cat([x, x])", "L.cat((x, x * 2), dim=-1)", "L.concat([x, x], 1)", "L.cat([x, x], axis=1)",
    "L.cat([x, L.zeros(0, dtype=x.dtype)], 0)", "L.stack([x, x], 1)", "x.repeat_interleave(3, 0)",
])  # fmt: skip
@pytest.mark.parametrize("array", ("matrix", "cube", "empty", "int64"))
def test_two_dimensions_and_more(text: str, array: str) -> None:
    same(text, ARRAYS[array])


@pytest.mark.parametrize("text", [
    "x.T", "x.H", "x.t()", "x.unflatten(1, (2, -1))", "L.unflatten(x, -1, (2, 2))",
    "x.unflatten(0, [3, 1])", "x.t().reshape(-1)", "x.t().contiguous().view(-1)",
    "x.transpose(0, 1).flatten()", "x[:, None, :].view(3, 4)", "x.view(2, 6)", "x.view((-1, 2))",
    "x.view(3, 2, 2).transpose(1, 2).reshape(3, 4)", "x[1:].view(-1)", "x.t()[1:].t()",
    "x.unsqueeze(1).expand(3, 2, 4).reshape(6, 4)", "x.repeat(2, 1)", "x.repeat((1, 2, 2))",
    "x.repeat(0, 1)", "x.repeat(2, 1, 1, 3)", "x.unfold(1, 2, 1).unfold(0, 2, 1)",
    "L.diag(x)", "L.diag(x, diagonal=1)", "x.diag(-1)", "L.diag(x, 5)", "x.narrow(0, 1, 2)",
    "L.narrow(x, 1, -2, 2)", "x.select(1, -1)", "L.select(x, 0, 1)", "x.narrow(1, 4, 0)",
    "(x * 1).t_()", "(x * 1).transpose_(0, 1) * 2", "(x * 1).unsqueeze_(0)", "(x * 1).tril_()",
    "(x * 1).swapaxes_(0, 1)", "(x * 1).fill_diagonal_(3.0)",
    "L.ones(7, 2).fill_diagonal_(3.0, wrap=True)", "L.block_diag(x, x[0])",
    "x.split([1, 2], 0)", "L.split_with_sizes(x, [1, 3], 1)", "x.hsplit(2)", "x.tile(2)",
    "list(L.broadcast_shapes((2, 1), (1, 3), (3,)))",
])  # fmt: skip
def test_of_a_matrix(text: str) -> None:
    same(text, X)


@pytest.mark.parametrize("text", [
    "x.as_strided((2, 2), (1, 2))", "x.as_strided((3, 3), (1, 1))",
    "x.as_strided((2, 2), (1, 2), 1)", "L.as_strided(x, (4,), (2,), storage_offset=3)",
    "x.t().as_strided((2, 2), (1, 2))", "x[1:].as_strided((2, 2), (1, 2))",
    "x[1:].as_strided((2, 2), (1, 2), 0)", "x[:, 1:].as_strided((2, 2), (4, 1))",
    "x.as_strided((), (), 3)", "x.as_strided((2, 0), (1, 1))", "x.as_strided((5, 3), (1, 2))",
    "x[:1].expand(3, 4).as_strided((2, 2), (0, 1))", "(x * 2).t().as_strided((4, 3), (1, 4))",
])  # fmt: skip
def test_as_strided(text: str) -> None:
    same(text, X)


@pytest.mark.parametrize("text", (
    "x.unfold(0, 2, 2)", "x.unfold(0, 3, 1)", "x.unfold(0, 0, 1)", "x.unfold(0, 6, 1)",
    "x.unfold(dimension=0, size=2, step=5)", "L.diag(x)", "L.diag(x, 1)", "x.diag(-2)",
    "L.diag_embed(x)", "x.diag_embed(offset=1)", "x.chunk(4)", "L.split(x, 4)", "x.hsplit(2)",
    "L.combinations(x)", "L.combinations(x, 3)", "L.combinations(x, r=1)",
    "L.combinations(x, 2, True)", "L.combinations(x, r=0)", "L.combinations(x, 9)",
))  # fmt: skip
def test_of_a_vector(text: str) -> None:
    same(text, ARRAYS["vector"])


@pytest.mark.parametrize("offset, dim1, dim2", [
    (0, -2, -1), (1, -2, -1), (-1, 0, 1), (2, 1, 0), (0, 0, 2), (1, 2, 0), (-2, -1, -3),
])  # fmt: skip
def test_diag_embed(offset: int, dim1: int, dim2: int) -> None:
    same(f"L.diag_embed(x, {offset}, {dim1}, {dim2})", X)


@pytest.mark.parametrize("text", [
    "L.meshgrid(x, y)", "L.meshgrid([x, y, x], indexing='ij')", "L.meshgrid(x, y, indexing='xy')",
    "L.meshgrid([x, y, x], indexing='xy')", "L.meshgrid(x, x[0])", "L.cartesian_prod(x, y)",
    "L.cartesian_prod(x)", "L.cartesian_prod(x, y, x)", "L.hstack([x, y])", "L.block_diag(x, y)",
    "L.broadcast_tensors(x[:, None], y)", "L.column_stack((x[:2], L.stack([y, y], 1)))",
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_of_two_vectors(text: str) -> None:
    same(text, numbers(3), numbers(2, seed=2))


@pytest.mark.parametrize("text", [
    "x.repeat_interleave(y, 0)", "L.repeat_interleave(x, y, dim=0, output_size=3)",
    "L.repeat_interleave(y)", "L.repeat_interleave(x, L.tensor([2]), 0)",
    "L.repeat_interleave(x, L.tensor(2), 1)", "x.repeat_interleave(0, 0)",
    "x.repeat_interleave(2, output_size=24)",
])  # fmt: skip
def test_repeat_interleave(text: str) -> None:
    same(text, X, whole(1, 0, 2))


@pytest.mark.parametrize("text", [
    "L.cat([x, y], 0)", "L.stack([x, y])", "L.cat([x, y.bool()])", "L.cat([x.float(), y])",
])  # fmt: skip
def test_joining_finds_the_common_type(text: str) -> None:
    same(text, X, ARRAYS["int64"])


@pytest.mark.parametrize("text", [
    "L.squeeze(x, (0, 2))", "x.squeeze((0, 1))", "(x * 1).squeeze_()", "x.expand(-1, 3, 4)",
    "(x * 1).squeeze_(0).unsqueeze_(-1)", "x.expand(2, 3, 1)", "x.expand_as(L.ones(5, 3, 2))",
])  # fmt: skip
def test_lengths_of_one(text: str) -> None:
    same(text, ARRAYS["ones"])


@pytest.mark.parametrize("text", [
    "L.select_scatter(x, y[0], 0, 1)", "x.select_scatter(y[:, 0], 1, -1)",
    "L.slice_scatter(x, y[:, :2], 1, 1, 3)", "L.slice_scatter(x, y[:2], 0, 0, 3, 2)",
    "x.slice_scatter(y[1:], start=1)", "L.diagonal_scatter(x, y[:, 0])",
    "x.diagonal_scatter(y[:, 0], 1)", "L.diagonal_scatter(x, y[:2, 0], -1)",
])  # fmt: skip
def test_regions_replaced(text: str) -> None:
    same(text, X, numbers(3, 4, seed=4))


@pytest.mark.parametrize("text", (
    "L.tril_indices(3, 4)", "L.tril_indices(3, 4, 1)", "L.triu_indices(3, 4, -1)",
    "L.triu_indices(4, 3, offset=2, dtype=L.int32)", "L.tril_indices(0, 3)",
))  # fmt: skip
def test_indices_of_triangles(text: str) -> None:
    same(text)


def test_bytes_read_as_another_type() -> None:
    same("x.view(L.int64)", X, gradients=False)
    same("x.view(L.int32)", X, gradients=False)
    same("x.view(L.uint8).shape[-1]", X, gradients=False)


def test_view_refuses_what_would_be_a_copy() -> None:
    for text in ("x.t().view(-1)", "x[:, :2].view(-1)", "x.expand(2, 3, 4).view(-1)"):
        assert refused(text, X).startswith("view size is not compatible")


def test_views_share_memory() -> None:
    x = ad.arange(12.0).reshape(3, 4)
    for view in (x.view(-1), x.T, x.unfold(1, 2, 1), x.as_strided((2, 2), (1, 4)), x.diagonal(1)):
        version = x._version
        view.zero_()
        assert x._version > version
    assert float(x.sum()) == 0


def test_contiguous_is_itself_or_a_copy_row_by_row() -> None:
    x = ad.arange(6.0).reshape(2, 3)
    assert x.contiguous() is x
    copied = x.t().contiguous()
    assert copied.tolist() == x.t().tolist()
    copied.view(-1)[0] = 9.0
    assert float(x[0, 0]) == 0


@pytest.mark.parametrize("text, said", [
    ("x.expand(4, 4)", "The expanded size of the tensor (4) must match the existing size (3)"),
    ("x.expand(2)", "the number of sizes provided (1) must be greater"),
    ("x.view(5, 3)", "shape '[5, 3]' is invalid for input of size 12"),
    ("x.view(-1, -1)", "only one dimension can be inferred"),
    ("x.permute(0)", "number of dimensions in the tensor input does not match"),
    ("x.permute(0, 0)", "duplicate dims"), ("x.transpose(0, 2)", "Dimension out of range"),
    ("x.unsqueeze(4)", "Dimension out of range (expected to be in range of [-3, 2], but got 4)"),
    ("x.flip(0, 0)", "dim 0 appears multiple times"), ("x.roll((1, 2), 0)", "must align"),
    ("x.movedim((0, 0), (0, 1))", "movedim: repeated dim in `source`"),
    ("x.flatten(1, 0)", "start_dim cannot come after end_dim"),
    ("x.unflatten(1, (3, -1))", "unflatten: Provided sizes [3, -1] don't multiply up"),
    ("x.repeat(2)", "Number of dimensions of repeat dims can not be smaller"),
    ("x.diagonal(0, 0, 0)", "diagonal dimensions cannot be identical 0, 0"),
    ("L.cat([])", "expected a non-empty list of Tensors"), ("L.cat(x)", "sequence of Tensors"),
    ("L.cat([x, x[:, :2]])", "Sizes of tensors must match except in dimension 0. Expected size 4"),
    ("L.cat([x, x[0]])", "Tensors must have same number of dimensions: got 2 and 1"),
    ("L.cat([x, 1])", "expected Tensor as element 1 in argument 0, but got int"),
    ("L.cat([x[0, 0]])", "zero-dimensional tensor (at position 0) cannot be concatenated"),
    ("L.stack([x, x[0]])", "stack expects each tensor to be equal size, but got [3, 4] at entry 0"),
    ("x.chunk(0)", "chunk expects `chunks` to be greater than 0"),
    ("x.split(-1)", "split expects split_size be non-negative"), ("x.split(0)", "can only be 0 if"),
    ("x.split([1, 1])", "split_sizes to sum exactly to 3"),
    ("x.tensor_split(0)", "number of sections must be larger than 0"),
    ("L.hsplit(x, 3)", "is not divisible by the split_size 3"),
    ("L.vsplit(x[0], 2)", "requires a tensor with at least 2 dimensions"),
    ("x.unfold(1, 5, 1)", "maximum size for tensor at dimension 1 is 4 but size is 5"),
    ("x.unfold(1, 2, 0)", "step is 0 but must be > 0"), ("x[0].tril()", "at least 2 dimensions"),
    ("x.rot90(1, (0, 0))", "expected rotation dims to be different"),
    ("x[0].mT", "only supported on matrices"), ("x.repeat_interleave(-1)", "non-negative"),
    ("x.repeat_interleave(L.tensor([1, 2]), 0)", "repeats must have the same size as input"),
    ("L.broadcast_shapes((2,), (3,))", "Shape mismatch"), ("x.unbind(5)", "Dimension out of range"),
    ("x.as_strided((9, 9), (4, 1))", "setStorage: sizes [9, 9], strides [4, 1], storage offset 0"),
    ("x.as_strided((2,), (1, 1))", "mismatch in length of strides and shape"),
    ("x.narrow(0, 2, 5)", "start (2) + length (5) exceeds dimension size (3)."),
    ("x.select(0, 5)", "select(): index 5 out of range for tensor of size [3, 4] at dimension 0"),
    ("L.meshgrid(x)", "Expected 0D or 1D tensor"), ("L.combinations(x)", "Expect a 1D vector"),
    ("L.meshgrid(x[0], indexing='a')", "indexing must be one of"),
    ("x[0, 0].unbind()", "Dimension"),
    ("L.diag(L.ones(2, 2, 2))", "diag(): Supports 1D or 2D tensors. Got 3D"),
    ("L.tril_indices(-1, 3)", "row must be non-negative"), ("x[0, 0].split(1)", "1-dimensional"),
    ("L.select_scatter(x, x[0, :3], 0, 1)", "expected src to have a size equal to the slice of"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_refusals(text: str, said: str) -> None:
    assert said in refused(text, X)


def test_out_of_a_stack() -> None:
    def call(L: Any, x: Any) -> Any:
        return L.stack([x, x], out=L.empty(0, dtype=L.float64))

    from oracle import agree

    agree(call, X, gradients=False)
