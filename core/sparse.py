"""sparse: PyTorch's names for sparse matrices; what they make is a dense Tensor.

Graph networks keep their adjacency sparse. Here it takes the memory of a dense one, and every
function takes it: the numbers and gradients are the same. ``indices()`` and ``values()`` read back
what is not zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import dtypes
from .border import enclose_functions
from .creation import as_tensor, zeros
from .layouts import layout
from .legacy import made
from .making import finished
from .namespace import addmm as _addmm
from .namespace import cat, repeat_interleave, stack, where
from .namespace import mm as _mm
from .namespace import sum as _sum
from .switches import truth
from .tensor import Tensor

sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A Tensor with these values at these places, and zero elsewhere
    (``torch.sparse_coo_tensor``); dense.

    ``indices``: (sparse dimensions, count) of integers. ``values``: (count, ...); those of one
    place are added. ``size``: by default what holds all indices. Gradients lead to ``values``.

    >>> import anadrome as ad
    >>> ad.sparse_coo_tensor([[0, 1, 1], [2, 0, 0]], [3.0, 4.0, 5.0], (2, 3))
    tensor([[0., 0., 3.],
            [9., 0., 0.]])
    """
    asked = truth(requires_grad, "sparse_coo_tensor", "requires_grad")
    if values is None:  # a size alone: all zeros
        if (indices is None) == (size is None):
            raise TypeError("sparse_coo_tensor() takes indices and values, or a size alone")
        indices = size if indices is None else indices
        if isinstance(indices, Tensor) and indices.dtype.category != 1:
            raise TypeError(f"a size is made of integers, not of {indices.dtype.name}")
        return zeros(indices, dtype=dtype, device=device, requires_grad=asked)
    held = as_tensor(values, dtype=dtype, device=device)
    places = as_tensor(indices, dtype=dtypes.int64, device=held.device)
    if places.ndim != 2:
        raise RuntimeError(
            f"indices must be sparse_dim x nnz, but got: indices of size {list(places.shape)}"
        )
    if held.ndim < 1 or len(held) != places.shape[1]:
        raise RuntimeError(
            f"number of indices ({places.shape[1]}) and of values ({len(held) if held.ndim else 1})"
            " must be the same"
        )
    if size is None:
        lengths = (places.amax(1) + 1).tolist() if places.shape[1] else [0] * len(places)
        size = (*lengths, *held.shape[1:])
    if len(tuple(size)) != len(places) + held.ndim - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({len(places)}) + dense_dim "
            f"({held.ndim - 1}), but got {len(tuple(size))}"
        )
    places._backend.require(
        (places >= 0)._data, lambda: RuntimeError("sparse_coo_tensor: found a negative index")
    )
    empty = zeros(tuple(size), dtype=held.dtype, device=held.device)
    out = empty.index_put(tuple(places.unbind(0)), held, accumulate=True)
    return finished(out.detach() if asked else out, asked)


def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A matrix of compressed rows (``torch.sparse_csr_tensor``); dense.

    ``crow_indices``: where each row begins among the values, and the end. ``col_indices``: the
    column of each value.

    >>> import anadrome as ad
    >>> ad.sparse_csr_tensor([0, 1, 2], [1, 0], [5.0, 6.0])
    tensor([[0., 5.],
            [6., 0.]])
    """
    ends = as_tensor(crow_indices, dtype=dtypes.int64, device=device)
    columns = as_tensor(col_indices, dtype=dtypes.int64, device=device)
    rows = repeat_interleave(ends.diff())
    if size is None:
        size = (len(ends) - 1, int(columns.max()) + 1 if columns.numel() else 0)
    return sparse_coo_tensor(stack([rows, columns]), values, size, dtype=dtype, device=device,
                             requires_grad=requires_grad)  # fmt: skip


def mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """``mat1 @ mat2`` (``torch.sparse.mm``, ``torch.spmm``)."""
    if reduce != "sum":
        raise NotImplementedError(f"sparse.mm reduces by 'sum', not {reduce!r}; use index_reduce")
    return _mm(mat1, mat2)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * mat + alpha * mat1 @ mat2`` (``torch.sparse.addmm``)."""
    return _addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum over all elements, or over ``dim`` (``torch.sparse.sum``)."""
    return _sum(input, dtype=dtype) if dim is None else _sum(input, dim, dtype=dtype)


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Softmax of what is not zero, and zero elsewhere (``torch.sparse.softmax``).

    >>> import anadrome as ad
    >>> ad.sparse.softmax(ad.tensor([[1.0, 0.0, 1.0]]), 1)
    tensor([[0.5000, 0.0000, 0.5000]])
    """
    x = input if dtype is None else input.to(dtype)
    there = x != 0
    some = there.any(dim, keepdim=True)
    masked = x.masked_fill(~there & some, -math.inf)  # a slice of nothing stays, for its gradient
    return where(there, masked.softmax(dim), 0.0)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax`` at what is not zero (``torch.sparse.log_softmax``)."""
    x = input if dtype is None else input.to(dtype)
    there = x != 0
    return where(there, softmax(x, dim).masked_fill(~there, 1.0).log(), 0.0)


def _of_kind(kind: Any) -> Callable[..., Tensor]:
    def typed(indices: Any = None, values: Any = None, size: Any = None) -> Tensor:
        """PyTorch's older constructor; dense."""
        if indices is None:
            return made((), kind)
        return sparse_coo_tensor(indices, values, size, dtype=kind)

    return typed


FloatTensor = _of_kind(dtypes.float32)
DoubleTensor = _of_kind(dtypes.float64)
HalfTensor = _of_kind(dtypes.float16)
IntTensor = _of_kind(dtypes.int32)
LongTensor = _of_kind(dtypes.int64)


# -- methods --------------------------------------------------------------------------------------
def to_sparse(
    self: Tensor,
    sparse_dim: Any = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> Tensor:
    """The Tensor itself: it stays dense (``Tensor.to_sparse``)."""
    if isinstance(sparse_dim, int) and not min(self.ndim, 1) <= sparse_dim <= self.ndim:
        raise RuntimeError(
            f"to_sparse: sparse_dim must be in [{min(self.ndim, 1)}, {self.ndim}], not {sparse_dim}"
        )
    return self


def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """The Tensor itself: it stays dense (``Tensor.to_sparse_csr``)."""
    return self


def to_sparse_coo(self: Tensor) -> Tensor:
    """The Tensor itself: it stays dense (``Tensor.to_sparse_coo``)."""
    return self


def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The Tensor itself, of that dtype (``Tensor.to_dense``)."""
    return self if dtype is None else self.to(dtypes.as_dtype(dtype))


def coalesce(self: Tensor) -> Tensor:
    """The Tensor itself: each place has one value (``Tensor.coalesce``)."""
    return self


def is_coalesced(self: Tensor) -> bool:
    """True (``Tensor.is_coalesced``)."""
    return True


def indices(self: Tensor) -> Tensor:
    """Where it is not zero, (dimensions, count) (``Tensor.indices``)."""
    return self.detach().nonzero().t()


def values(self: Tensor) -> Tensor:
    """What is not zero, row by row (``Tensor.values``)."""
    return self[self.detach() != 0]


def _rows(self: Tensor, name: str) -> Tensor:
    if self.ndim != 2:
        raise RuntimeError(f"{name}() is there for matrices, not for {self.ndim} dimensions")
    return self.detach() != 0


def crow_indices(self: Tensor) -> Tensor:
    """Where each row begins among ``values()``, and the end (``Tensor.crow_indices``).

    >>> import anadrome as ad
    >>> x = ad.tensor([[0.0, 5.0], [6.0, 7.0]]).to_sparse_csr()
    >>> x.crow_indices(), x.col_indices()
    (tensor([0, 1, 3]), tensor([1, 0, 1]))
    """
    counts = _rows(self, "crow_indices").sum(1)
    return cat([counts.new_zeros((1,)), counts.cumsum(0)])


def col_indices(self: Tensor) -> Tensor:
    """The column of each of ``values()`` (``Tensor.col_indices``)."""
    return _rows(self, "col_indices").nonzero()[:, 1]


def nnz(self: Tensor) -> int:
    """How many are not zero (``Tensor._nnz``)."""
    return int((self.detach() != 0).sum())


def sparse_dim(self: Tensor) -> int:
    """The number of dimensions (``Tensor.sparse_dim``)."""
    return self.ndim


def dense_dim(self: Tensor) -> int:
    """0 (``Tensor.dense_dim``)."""
    return 0


def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """Zero where ``mask`` is zero (``Tensor.sparse_mask``)."""
    return where(mask != 0, self, 0)


enclose_functions(globals())
