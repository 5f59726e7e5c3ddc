"""norms: the p-norm of values, over all or some dimensions."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dtypes import as_dtype, from_native
from ..errors import DtypeError
from ..making import number
from ..op import FULL, op
from ..out import takes_out
from ..samples import Arr, Sample, call, each
from ..tensor import Tensor
from .arithmetic import pow_number, where
from .complex import sgn
from .elementwise import abs
from .reduce import _sum, as_dim, spread

_DIMS: Any = ({}, {"dim": 0}, {"dim": -1, "keepdim": True})

# fmt: off
#: The derivative at zero is zero, not NaN, and so it has a rule of its own.
norm2 = op("norm2", lambda xp, x, *, dim=None, keepdim=False: _norm2(xp, x, dim, keepdim),
           x=lambda g, x, out, dim, keepdim: _norm2_rule(g, x, out, dim, keepdim),
           amp=FULL, method=False, node="LinalgVectorNormBackward0", holomorphic=False,
           samples=each("3,4", *_DIMS) + call(Arr((2, 3), 0.5, 1)))
norm_p = op("norm_p", lambda xp, x, *, p, dim=None, keepdim=False: _norm_p(xp, x, p, dim, keepdim),
            x=lambda g, x, out, p, dim, keepdim: _norm_p_rule(g, x, out, p, dim, keepdim),
            amp=FULL, method=False, node="LinalgVectorNormBackward0", holomorphic=False,
            samples=[Sample((Arr((3, 4), 0.3, 2),), {"p": p, **kw})
                     for p in (1, 3, 1.5, 0.5) for kw in _DIMS])
# fmt: on


def _refuse_whole(x: Any) -> None:
    kind = from_native[x.dtype]
    if kind.category < dtypes.float32.category:
        raise TypeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{kind.name}; write e.g. `x.float().norm()`"
        )


def _norm2(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    _refuse_whole(x)
    if math.prod(x.shape) == 1:  # whose square may be more than the type holds
        return _sum(xp, xp.abs(x), dim, keepdim)
    squares = xp.real(x * xp.conj(x)) if from_native[x.dtype].is_complex else x * x
    return xp.sqrt(_sum(xp, squares, dim, keepdim))


def _norm2_rule(g: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    scale = where(out == 0.0, 0.0, g / where(out == 0.0, 1.0, out))
    return x * spread(scale, x.shape, dim, keepdim)


def _norm_p(xp: Any, x: Any, p: float, dim: Any, keepdim: bool) -> Any:
    _refuse_whole(x)
    size = xp.abs(x)
    if p == 0:
        return _sum(xp, xp.astype(size != 0, size.dtype), dim, keepdim)
    total = _sum(xp, size**p, dim, keepdim)
    if p == 1:
        return total
    if math.prod(total.shape) == math.prod(size.shape):  # of one value each: its size, in any order
        return _sum(xp, size, dim, keepdim)
    return total ** (1.0 / p)


def _norm_p_rule(g: Any, x: Any, out: Any, p: float, dim: Any, keepdim: bool) -> Any:
    if p == 0:
        return x * 0.0 * spread(g, x.shape, dim, keepdim)
    if p == 1:
        return sgn(x) * spread(g, x.shape, dim, keepdim)
    size = abs(x)
    direction = x / where(size == 0.0, 1.0, size)
    total = spread(out, x.shape, dim, keepdim)
    zero = (total == 0.0) | (size == 0.0)
    ratio = where(zero, 0.0, where(zero, 1.0, size) / where(zero, 1.0, total))
    ratio = pow_number(where(zero, 1.0, ratio), exponent=p - 1)  # as one op in each reading
    return direction * where(zero, 0.0, ratio) * spread(g, x.shape, dim, keepdim)


@takes_out
def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The p-norm of the values, for any p including inf (PyTorch: ``torch.norm``).

    ``"fro"`` is the 2-norm, ``"nuc"`` the sum of a matrix's singular values.

    >>> import anadrome as ad
    >>> ad.norm(ad.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        kind = as_dtype(dtype)
        if kind.is_complex and not input.dtype.is_complex:
            raise DtypeError(f"norm: dtype should be real for real inputs, but got {kind.name}")
        input = input.to(kind)
    dim = as_dim(dim)
    if p == "nuc":
        from .. import linalg  # type: ignore[attr-defined]

        return linalg.matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f'only valid string values are "fro" and "nuc", found {p}')
    if p in ("fro", None) or p == 2:
        return norm2(input, dim=dim, keepdim=keepdim)
    if math.isinf(p) or p < 0:
        from .linalg_norms import vector_norm

        return vector_norm(input, p, dim, keepdim)
    return norm_p(input, p=number(p, "p"), dim=dim, keepdim=keepdim)


Tensor.norm = norm
