"""linalg_lu: elimination with row exchanges, and what is solved by it.

Array libraries keep their LU factorisation to themselves, so it is done here on the host, a column
at a time for the whole batch.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import by_type
from ..composite import one
from ..dtypes import int32
from ..op import FLOAT, FULL, KEEP, NONE, op
from ..out import takes_out
from ..returned import returned
from ..samples import Arr, call
from ..tensor import Tensor
from .arranging import tril, triu
from .complex import _conj
from .joining import cat_arrays
from .linalg_checks import matrices, square
from .linalg_solve import adjoint_of, diagonal_part, solve_triangular
from .products import matmul_batched, swap
from .scattering import gather_op
from .shape import expand

LUFactor = returned("linalg_lu_factor", "LU", "pivots")
LUFactorEx = returned("linalg_lu_factor_ex", "LU", "pivots", "info")
PLU = returned("linalg_lu", "P", "L", "U")

# fmt: off
#: ``packed`` holds L below the diagonal and U above; ``pivots`` are LAPACK's, ``places`` says where
#: each row of the input went, ``info`` where a pivot was zero.
packed_lu = op("linalg_lu_factor", lambda xp, x: _factored(x),
               x=lambda g, packed, places: _lu_rule(g, packed, places),
               outputs=("packed", "pivots", "places", "info"), differentiable=1,
               dtype=FLOAT, amp=FULL, method=False, holomorphic=False,
               node="LinalgLuFactorExBackward0",
               samples=call(Arr((3, 3))) + call(Arr((4, 2))) + call(Arr((2, 2, 3))))
places_of = op("linalg_lu_places", lambda xp, pivots, *, rows: _placed(pivots, rows), pivots=NONE,
               dtype=KEEP, method=False)
# fmt: on


def _factored(x: Any) -> tuple[Any, Any, Any, Any]:
    backend = by_type[x.__class__]
    *batch, m, n = x.shape
    count = math.prod(batch)
    a = backend.to_host(x).reshape(count, m, n).copy()
    each = list(range(count))
    order = (a != a).any(-1).astype("int64") * 0  # integers, a row for each matrix
    if m:
        order += list(range(m))
    info = order[:, :1].sum(-1) * 0
    pivots = order[:, : min(m, n)].copy()
    for k in range(min(m, n)):
        column = a[:, k:, k]
        p = (abs(column.real) + abs(column.imag)).argmax(-1) + k
        pivots[:, k] = p + 1
        for table in (a, order):
            table[each, k], table[each, p] = table[each, p], table[each, k].copy()
        pivot = a[:, k, k]
        zero = pivot == 0
        info[zero & (info == 0)] = k + 1
        a[:, k + 1 :, k] /= (pivot + zero)[:, None]
        a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, None, k, k + 1 :]
    places = order.argsort(-1)
    xp, device = backend.xp, backend.device_of(x)

    def given(host: Any, *shape: int, kind: Any = xp.int32) -> Any:
        return backend.asarray(host.reshape((*batch, *shape)), dtype=kind, device=device)

    return (
        given(a, m, n, kind=x.dtype),
        given(pivots, min(m, n)),
        given(places, m, kind=xp.int64),
        given(info),
    )


def _split(packed: Any) -> tuple[Any, Any]:
    """L (with ones on its diagonal) and U."""
    k = min(packed.shape[-2:])
    below, above = packed[..., :, :k], packed[..., :k, :]
    lower = tril(below, diagonal=-1)
    corner = diagonal_part(lower[..., :k, :] * 0.0 + 1.0)
    if below.shape[-2] > k:
        lower = cat_arrays(lower[..., :k, :] + corner, lower[..., k:, :], dim=-2)
    else:
        lower = lower + corner
    return lower, triu(above)


def _lu_rule(g: Any, packed: Any, places: Any) -> Any:
    """Of square parts: ``inv(L).H (tril(L.H gL, -1) + triu(gU U.H)) inv(U).H``; of the rest, what
    solving with those parts gives."""
    grad = g[0] if isinstance(g, list) else g
    m, n = packed.shape[-2:]
    k = min(m, n)
    mm = matmul_batched
    lower, upper = _split(packed)
    of_lower, of_upper = tril(grad[..., :, :k], diagonal=-1), triu(grad[..., :k, :])
    one, two = lower[..., :k, :], upper[..., :, :k]
    first = mm(adjoint_of(one), of_lower[..., :k, :])
    second = mm(of_upper[..., :, :k], adjoint_of(two))
    if n > k:
        first = first - mm(of_upper[..., :, k:], adjoint_of(upper[..., :, k:]))
    if m > k:
        second = second - mm(adjoint_of(lower[..., k:, :]), of_lower[..., k:, :])
    inner = tril(first, diagonal=-1) + triu(second)
    left = solve_triangular(adjoint_of(one), inner, upper=True, unitriangular=True)
    out = _over(left, two)
    if m > k:
        out = cat_arrays(out, _over(of_lower[..., k:, :], two), dim=-2)
    if n > k:
        beside = solve_triangular(
            adjoint_of(one), of_upper[..., :, k:], upper=True, unitriangular=True
        )
        out = cat_arrays(out, beside, dim=-1)
    return gather_op(out, expand(places[..., None], shape=tuple(out.shape)), dim=len(out.shape) - 2)


def _over(x: Any, upper: Any) -> Any:
    """``x @ inv(upper).H``."""
    conjugate = swap(adjoint_of(upper))
    return swap(solve_triangular(conjugate, swap(x), upper=True))


# -- PyTorch's forms --------------------------------------------------------------------------
@takes_out
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """``lu_factor`` that reports zero pivots in ``info`` (``torch.linalg.lu_factor_ex``)."""
    matrices("linalg.lu_factor_ex", A)
    if not pivot:
        raise NotImplementedError(
            "linalg.lu_factor: LU without pivoting is not implemented on the CPU"
        )
    packed, pivots, _, info = packed_lu(A)
    if check_errors and bool((info != 0).any()):
        raise RuntimeError(
            "linalg.lu_factor_ex: a diagonal element of U is zero; using it to solve would divide "
            "by zero"
        )
    return LUFactorEx(packed, pivots, info)


@takes_out
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """L and U of ``A = P @ L @ U`` in one matrix, and the row exchanges.

    PyTorch: ``torch.linalg.lu_factor``. ``pivots``: int32, counted from 1, as LAPACK's.
    """
    return LUFactor(*lu_factor_ex(A, pivot=pivot)[:2])


@takes_out
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """``A = P @ L @ U``, L with ones on its diagonal (PyTorch: ``torch.linalg.lu``).

    >>> import anadrome as ad
    >>> ad.linalg.lu(ad.tensor([[0.0, 1.0], [2.0, 4.0]])).U.tolist()
    [[2.0, 4.0], [0.0, 1.0]]
    """
    matrices("linalg.lu", A)
    if not pivot:
        raise NotImplementedError("linalg.lu: LU without pivoting is not implemented on the CPU")
    packed, _, places, _ = packed_lu(A)
    return PLU(_permutation(places, A), *_split(packed))


def _permutation(places: Tensor, like: Tensor) -> Tensor:
    from ..creation import eye

    return eye(places.shape[-1], dtype=like.dtype, device=like.device)[places]


def _placed(pivots: Any, rows: int) -> Any:
    """Where each row went, of the exchanges."""
    backend = by_type[pivots.__class__]
    host = backend.to_host(pivots)
    *batch, count = host.shape
    places = []
    for exchanges in host.reshape(math.prod(batch), count).tolist():
        order = list(range(rows))
        for k, p in enumerate(exchanges):
            order[k], order[p - 1] = order[p - 1], order[k]
        places.append(sorted(range(rows), key=order.__getitem__))
    xp, device = backend.xp, backend.device_of(pivots)
    return xp.reshape(backend.asarray(places, dtype=xp.int64, device=device), (*batch, rows))


@takes_out
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L and U of what ``lu_factor`` gave (PyTorch: ``torch.lu_unpack``)."""
    if unpack_pivots and LU_pivots.dtype is not int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            f"dtype, not {LU_pivots.dtype.name}"
        )
    nothing = LU_data.detach().reshape((-1,))[:0]
    P, L, U = nothing, nothing, nothing
    if unpack_pivots:
        P = _permutation(places_of(LU_pivots, rows=LU_data.shape[-2]), LU_data)
    if unpack_data:
        L, U = _split(LU_data)
    return PLU(P, L, U)


@takes_out
@one("linalg_lu_solve")
def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """The X of ``A @ X = B`` of what ``lu_factor(A)`` gave (``torch.linalg.lu_solve``).

    ``left=False``: of ``X @ A = B``. ``adjoint``: with A transposed and conjugated.
    """
    square("linalg.lu_solve", LU, "LU")
    if not left:
        turned = _conj(B.mT)
        return _conj(lu_solve(LU, pivots, turned, adjoint=not adjoint).mT)
    P = _permutation(places_of(pivots, rows=LU.shape[-1]), LU)
    if not adjoint:
        half = solve_triangular(LU, P.mT @ B, upper=False, unitriangular=True)
        return solve_triangular(LU, half, upper=True)
    turned = adjoint_of(LU)
    half = solve_triangular(turned, B, upper=False)
    return P @ solve_triangular(turned, half, upper=True, unitriangular=True)
