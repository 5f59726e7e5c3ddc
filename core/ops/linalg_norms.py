"""linalg_norms: norms of vectors and matrices, condition and rank."""

from __future__ import annotations

import math
import numbers
from typing import Any

from ..composite import one
from ..dtypes import as_dtype, float32, is_number
from ..out import takes_out
from ..size import is_index
from ..tensor import Tensor, wrap
from . import linalg_spectral
from .complex import is_complex
from .linalg_checks import floating, matrices, square
from .norms import norm2, norm_p
from .reduce import as_dim


def _cast(name: str, x: Tensor, dtype: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}(): argument 'x' must be Tensor, not {type(x).__name__}")
    if x.dtype.category < float32.category:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {x.dtype.name}; "
            "write e.g. `x.float()`"
        )
    if dtype is None:
        return x
    kind = as_dtype(dtype)
    if kind.category < float32.category:
        raise RuntimeError(f"{name}: dtype should be floating point or complex. Got {kind.name}")
    if kind.is_complex is not is_complex(x):
        raise RuntimeError(
            f"{name}: dtype should be {'complex' if is_complex(x) else 'real'} for "
            f"{'complex' if is_complex(x) else 'real'} inputs. Got {kind.name}"
        )
    if kind.itemsize < x.dtype.itemsize:
        raise RuntimeError(
            f"{name}: the dtype of the input ({x.dtype.name}) should be convertible without "
            f"narrowing to the specified dtype ({kind.name})"
        )
    return x.to(kind)


def _dims(dim: Any, ndim: int) -> Any:
    if dim is None:
        return None
    dims = (dim,) if is_index(dim) else tuple(dim)
    if not dims:
        return None
    for d in dims:
        if not -max(ndim, 1) <= d < max(ndim, 1):
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got {d})"
            )
    return tuple(d % max(ndim, 1) for d in dims)


@takes_out
def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The ``ord``-norm of all values, or along ``dim`` (PyTorch: ``torch.linalg.vector_norm``).

    ``ord``: a number; 0 counts the values that are not zero, ``inf`` is the largest size.

    >>> import anadrome as ad
    >>> ad.linalg.vector_norm(ad.tensor([[3.0, 4.0]]), dim=1).tolist()
    [5.0]
    """
    name = "linalg.vector_norm"
    x = _cast(name, x, dtype)
    if not isinstance(ord, numbers.Real):  # NumPy's are as well
        raise TypeError(f"{name}(): argument 'ord' must be Number, not {type(ord).__name__}")
    dims = _dims(as_dim(dim), x.ndim)
    lengths = [x.shape[d] for d in (range(x.ndim) if dims is None else dims) if x.ndim]
    if 0 in lengths and (ord == math.inf or ord < 0):
        raise RuntimeError(
            f"{name} cannot compute the {ord} norm on an empty tensor because the operation does "
            "not have an identity"
        )
    if ord == 2:
        return norm2(x, dim=dims, keepdim=keepdim)
    if ord == math.inf:
        return _extreme(x.abs().amax, dims, keepdim)
    if ord == -math.inf:
        return _extreme(x.abs().amin, dims, keepdim)
    if ord == 0:
        return norm_p(x, p=0.0, dim=dims, keepdim=keepdim)
    return norm_p(x, p=float(ord), dim=dims, keepdim=keepdim)


def _along(x: Tensor, dim: int, ord: Any, keepdim: bool) -> Tensor:
    """The largest of sizes along ``dim`` (for a negative order the smallest); of none, zero."""
    if ord > 0 and x.shape[dim] == 0:
        return x.sum(dim, keepdim=keepdim)
    return (x.amax if ord > 0 else x.amin)(dim, keepdim=keepdim)


def _extreme(function: Any, dims: Any, keepdim: bool) -> Tensor:
    return function(() if dims is None else dims, keepdim=keepdim)


@takes_out
def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The norm of matrices (PyTorch: ``torch.linalg.matrix_norm``).

    ``ord``: "fro", "nuc" (the sum of the singular values), 2 and -2 (the largest and the smallest
    of them), 1 and -1 (the largest and smallest sum of a column), inf and -inf (of a row).
    """
    name = "linalg.matrix_norm"
    A = _cast(name, A, dtype)
    if A.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions, not {tuple(A.shape)}"
        )
    if is_index(dim) or len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    dims = _dims(dim, A.ndim)
    if dims[0] == dims[1]:
        raise RuntimeError(f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    if ord == "fro":
        return norm2(A, dim=dims, keepdim=keepdim)
    if ord in ("nuc", 2, -2):
        floating(name, A)
        rest = tuple(d for d in range(A.ndim) if d not in dims)
        values = linalg_spectral.svd(A.permute((*rest, *dims)), full_matrices=False)[1]
        if ord == "nuc":
            out = values.sum(-1)
        else:
            out = _along(values, -1, ord, False)
        if keepdim:
            out = out.reshape(tuple(1 if d in dims else n for d, n in enumerate(A.shape)))
        return out
    if isinstance(ord, str):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    summed, left = dims if abs(ord) == 1 else dims[::-1]
    sums = A.abs().sum(summed, keepdim=True)
    out = _along(sums, left, ord, True)
    if keepdim:
        return out
    return out.reshape(tuple(n for d, n in enumerate(A.shape) if d not in dims))


@takes_out
def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A vector's or a matrix's norm (PyTorch: ``torch.linalg.norm``).

    Without ``ord`` the 2-norm of all values (along ``dim``, if given). With one, that of a matrix
    if ``dim`` is a pair or ``A`` has two dimensions and no ``dim`` is given, of vectors otherwise.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    pair = dim is not None and not is_index(dim)
    if pair and len(dim) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {tuple(dim)}"
        )
    if dim is None and A.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.ndim}D."
        )
    if isinstance(ord, str) or (pair and len(dim) == 2) or (dim is None and A.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


@takes_out
@one("linalg_cond")
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number of matrices in a norm (PyTorch: ``torch.linalg.cond``)."""
    matrices("linalg.cond", A)
    if p in (None, 2, -2):
        values = linalg_spectral.svd(A, full_matrices=False)[1]
        if not values.shape[-1]:  # of nothing: zero, as in PyTorch
            return values.detach().sum(-1)
        large, small = values[..., 0], values[..., -1]
        return small / large if p == -2 else large / small
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond with norm type {p} requires square matrices, not {tuple(A.shape)}"
        )
    from ..linalg import inv_ex

    return matrix_norm(A, p) * matrix_norm(inv_ex(A).inverse, p)


@takes_out
@one("linalg_matrix_rank")
def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """How many singular values count (PyTorch: ``torch.linalg.matrix_rank``), as int64.

    Those above ``max(atol, rtol * largest)``; ``tol`` is the old name of ``atol``.
    """
    if tol is not None and (atol is not None or rtol is not None):
        raise TypeError("linalg.matrix_rank takes tol alone, or atol and rtol")
    matrices("linalg.matrix_rank", A, label="input")
    A = A.detach()
    atol = tol if atol is None else atol
    for given in (atol, rtol):
        if not (given is None or is_number(given)):
            raise TypeError(
                "linalg.matrix_rank(): arguments 'atol' and 'rtol' must be Tensor or float, not "
                f"{type(given).__name__}"
            )
    if hermitian:
        square("linalg.matrix_rank", A)
        values = linalg_spectral.eigh(A)[0].abs()
    else:
        values = linalg_spectral.svd(A, full_matrices=False)[1]
    if values.shape[-1] == 0:
        return values.sum(-1).long()
    atol, rtol = (t._data if isinstance(t, Tensor) else t for t in (atol, rtol))
    limit = linalg_spectral.threshold(A._backend.xp, values._data, A.shape, atol, rtol)
    return (values > wrap(limit)).sum(-1)
