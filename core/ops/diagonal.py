"""diagonal: the diagonals of matrices, and matrices made of them."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..dtypes import as_dtype, int64
from ..errors import ShapeError
from ..layouts import check
from ..op import KEEP, op
from ..out import takes_out
from ..refusals import refusing
from ..samples import Arr, Sample, each
from ..tensor import Tensor, wrap
from .reduce import axes_of

_DIAGONALS: Any = ({}, {"offset": 1}, {"offset": -1})

# fmt: off
diagonal_op = op("diagonal", lambda xp, x, *, offset=0, dim1=0, dim2=1:
                     _diagonal(xp, x, offset, dim1, dim2),
                 x=lambda g, x_shape, offset, dim1, dim2: diagonal_backward(
                     g, shape=tuple(x_shape), offset=offset, dim1=dim1, dim2=dim2),
                 dtype=KEEP, view=True, method=False,
                 samples=each("3,4", *_DIAGONALS) + each("2,3,4", {"dim1": -1, "dim2": 0}))
diagonal_backward = op("diagonal_backward", lambda xp, g, *, shape, offset=0, dim1=0, dim2=1:
                           _on_diagonal(xp, g, shape, offset, dim1, dim2),
                       g=lambda g, offset, dim1, dim2: diagonal_op(
                           g, offset=offset, dim1=dim1, dim2=dim2),
                       dtype=KEEP, method=False, node="DiagEmbedBackward0",
                       samples=[Sample((Arr((3,)),), {"shape": (3, 4), "offset": o})
                                for o in (0, 1)])
# fmt: on


def planes(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    """The two dimensions of the matrices, which must differ."""
    a, b = axes_of(dim1, ndim), axes_of(dim2, ndim)
    if not a or not b or a == b:
        raise ShapeError(f"{name} dimensions cannot be identical {dim1}, {dim2}")
    return a[0], b[0]


def span(rows: int, columns: int, offset: int) -> tuple[int, int]:
    """Where in the flattened matrix a diagonal begins, and its length."""
    if offset >= 0:
        return offset, max(min(rows, columns - offset), 0)
    return -offset * columns, max(min(rows + offset, columns), 0)


def _diagonal(xp: Any, x: Any, offset: int, dim1: int, dim2: int) -> Any:
    a, b = planes("diagonal", x.ndim, dim1, dim2)
    rest = tuple(i for i in range(x.ndim) if i not in (a, b))
    rows, columns = x.shape[a], x.shape[b]
    start, length = span(rows, columns, offset)
    flat = xp.permute_dims(x, (*rest, a, b))
    flat = xp.reshape(flat, (*flat.shape[:-2], rows * columns))
    if not length:
        return flat[..., :0]
    return flat[..., start : start + (length - 1) * (columns + 1) + 1 : columns + 1]


def _on_diagonal(xp: Any, g: Any, shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    ndim = len(shape)
    a, b = planes("diagonal", ndim, dim1, dim2)
    rest = tuple(i for i in range(ndim) if i not in (a, b))
    rows, columns = shape[a], shape[b]
    start, length = span(rows, columns, offset)
    flat = xp.zeros((*(shape[i] for i in rest), rows * columns), dtype=g.dtype)
    if length:
        flat[..., start : start + (length - 1) * (columns + 1) + 1 : columns + 1] = g
    out = xp.reshape(flat, (*(shape[i] for i in rest), rows, columns))
    order = (*rest, a, b)
    return xp.permute_dims(out, tuple(order.index(i) for i in range(ndim)))


# -- PyTorch's forms --------------------------------------------------------------------------
@refusing
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A diagonal of each matrix in two dimensions, as the last dimension; a view.

    PyTorch: ``torch.diagonal``.

    >>> import anadrome as ad
    >>> ad.diagonal(ad.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return diagonal_op(input, offset=offset, dim1=dim1, dim2=dim2)


@refusing
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension on a diagonal (PyTorch: ``torch.diag_embed``).

    >>> import anadrome as ad
    >>> ad.diag_embed(ad.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = input.ndim + 1
    if not input.ndim:
        raise IndexError("diag_embed() needs at least one dimension")
    a, b = planes("diagonal", ndim, dim1, dim2)
    if a > b:
        offset = -offset
        a, b = b, a
    n = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    shape.insert(a, n)
    shape.insert(b, n)
    return diagonal_backward(input, shape=tuple(shape), offset=offset, dim1=a, dim2=b)


@takes_out
def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix of a diagonal (PyTorch: ``torch.diag``)."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return diagonal_op(input, offset=diagonal, dim1=0, dim2=1).clone()


@refusing
def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with all values on its diagonal (PyTorch: ``torch.diagflat``)."""
    return diag_embed(input.reshape(-1), offset)


def _indices(name: str, row: int, col: int, offset: int, dtype: Any, device: Any) -> Any:
    if row < 0 or col < 0:
        raise RuntimeError(f"{'row' if row < 0 else 'col'} must be non-negative, got "
                           f"{row if row < 0 else col}")  # fmt: skip
    if str(device).startswith("meta"):  # how many there are, values say
        return _indices(name, row, col, offset, dtype, "cpu").to(device)
    xp = backends.for_device(device).xp
    ones = xp.ones((row, col), dtype=xp.uint8)
    found = getattr(xp, name)(ones, k=offset)
    out = wrap(xp.astype(xp.stack(xp.nonzero(found)), xp.int64))
    wanted = int64 if dtype is None else as_dtype(dtype)
    return out if wanted is int64 else out.to(wanted)


@refusing
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    layout: Any = None, pin_memory: Any = False,
) -> Any:  # fmt: skip
    """Indices of the lower triangle, (2, N) (PyTorch: ``torch.tril_indices``).

    >>> import anadrome as ad
    >>> ad.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    check("tril_indices", "layout", layout)
    return _indices("tril", row, col, offset, dtype, device)


@refusing
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    layout: Any = None, pin_memory: Any = False,
) -> Any:  # fmt: skip
    """Indices of the upper triangle, (2, N) (PyTorch: ``torch.triu_indices``)."""
    check("triu_indices", "layout", layout)
    return _indices("triu", row, col, offset, dtype, device)


@refusing
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one value on the main diagonal, in place (PyTorch: ``Tensor.fill_diagonal_``)."""
    from .shape import unflatten

    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    rest = self
    if wrap and self.ndim == 2 and self.shape[0] > self.shape[1]:
        rows = self.shape[1] + 1  # from one diagonal to the next
        blocks = self.shape[0] // rows
        whole = unflatten(self[: blocks * rows], 0, (blocks, rows))
        diagonal(whole, dim1=1, dim2=2).fill_(fill_value)
        rest = self[blocks * rows :]
    for _ in range(self.ndim - 1):
        rest = diagonal(rest, dim1=0, dim2=-1)
    rest.fill_(fill_value)
    return self


def _install() -> None:
    for function in (diagonal, diag_embed, diag, diagflat, fill_diagonal_):
        setattr(Tensor, function.__name__, function)


_install()
