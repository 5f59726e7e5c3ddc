"""linalg_ldl: symmetric elimination with pivots of one or two rows, and what is solved by it.

Bunch and Kaufman, "Some Stable Methods for Calculating Inertia and Solving Symmetric Linear
Systems", 1977, https://doi.org/10.1090/S0025-5718-1977-0428694-0; in the form of LAPACK's ``sytrf``
and ``hetrf``. Done on the host, a matrix after the other.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import by_type, of_all_examples
from ..op import FLOAT, FULL, KEEP, MISSING, NONE, op
from ..out import takes_out
from ..returned import returned
from ..tensor import Tensor
from .arithmetic import where
from .complex import _conj
from .linalg_checks import matrices, square
from .linalg_solve import solve_triangular
from .shape import broadcast_shapes

LDLFactor = returned("linalg_ldl_factor", "LD", "pivots")
LDLFactorEx = returned("linalg_ldl_factor_ex", "LD", "pivots", "info")

#: It bounds the growth of the entries, whichever kind of pivot is taken.
_ALPHA = (1.0 + math.sqrt(17.0)) / 8.0

packed_ldl = op("linalg_ldl_factor", lambda xp, x, *, hermitian: _factored(x, hermitian),
                x=MISSING, outputs=("packed", "pivots", "info"), differentiable=1,
                dtype=FLOAT, amp=FULL, method=False, node="LinalgLdlFactorExBackward0")  # fmt: skip
unpacked_ldl = op("linalg_ldl_unpacked", lambda xp, pivots: _unpacked(pivots), pivots=NONE,
                  outputs=("order", "rows", "keep", "partner", "beside"), differentiable=0,
                  dtype=KEEP, method=False)  # fmt: skip


def _factored(x: Any, hermitian: bool) -> tuple[Any, Any, Any]:
    backend = by_type[x.__class__]
    *batch, n, _ = x.shape
    count = math.prod(batch)
    a = backend.to_host(x).reshape(count, n, n).copy()
    done = [_eliminated(matrix, hermitian and matrix.dtype.kind == "c") for matrix in a]
    xp, device = backend.xp, backend.device_of(x)
    packed = backend.asarray(a.reshape(x.shape), dtype=x.dtype, device=device)
    pivots = backend.asarray([p for p, _ in done], dtype=xp.int32, device=device)
    info = backend.asarray([i for _, i in done], dtype=xp.int32, device=device)
    return (
        xp.tril(packed), xp.reshape(pivots, (*batch, n)), xp.reshape(info, tuple(batch)),
    )  # fmt: skip


def _eliminated(a: Any, hermitian: bool) -> tuple[list[int], int]:
    """L and D in the place of the lower triangle; the pivots, and which is zero (from 1)."""
    n = len(a)
    turned = (lambda v: v.conj()) if hermitian else (lambda v: v)
    pivots = [0] * n
    info = k = 0
    while k < n:
        kind, p = _pivot(a, k, hermitian)
        if kind == 0:
            info = info or k + 1
            pivots[k] = k + 1
            k += 1
            continue
        _exchanged(a, k, k + kind - 1, p, turned, hermitian)
        rest = slice(k + kind, n)
        block = a[k : k + kind, k : k + kind].copy()
        columns = a[rest, k : k + kind].copy()
        if kind == 1:
            pivots[k] = p + 1
            a[rest, k] = columns[:, 0] / block[0, 0]
        else:
            pivots[k] = pivots[k + 1] = -(p + 1)
            size = abs(block[1, 0])  # divided by it, so that nothing overflows
            (d, _), (e, f) = block / size
            v = turned(e)
            scale = size * (d * f - e * v)
            a[rest, k] = (columns[:, 0] * f - columns[:, 1] * e) / scale
            a[rest, k + 1] = (columns[:, 1] * d - columns[:, 0] * v) / scale
        a[rest, rest] -= a[rest, k : k + kind] @ turned(columns).T
        k += kind
    return pivots, info


def _pivot(a: Any, k: int, hermitian: bool) -> tuple[int, int]:
    """How many rows the next pivot has (none: the column is zero), and which one joins or leads."""
    own = _size(a[k, k].real if hermitian else a[k, k])
    below = _size(a[k + 1 :, k])
    most = below.max() if below.size else 0.0
    if max(own, most) == 0:
        return 0, k
    if not own < _ALPHA * most:
        return 1, k
    i = k + 1 + int(below.argmax())
    row = max([*_size(a[i, k:i]), *_size(a[i + 1 :, i])])
    if own >= _ALPHA * most * (most / row):
        return 1, k
    if _size(a[i, i].real if hermitian else a[i, i]) >= _ALPHA * row:
        return 1, i
    return 2, i


def _size(values: Any) -> Any:
    return abs(values.real) + abs(values.imag)


def _exchanged(a: Any, k: int, q: int, p: int, turned: Any, hermitian: bool) -> None:
    """Rows and columns q and p of what is left, of which the lower triangle is kept."""
    if p != q:
        a[p + 1 :, [q, p]] = a[p + 1 :, [p, q]]
        a[q + 1 : p, q], a[p, q + 1 : p] = turned(a[p, q + 1 : p]).copy(), turned(
            a[q + 1 : p, q]).copy()  # fmt: skip
        a[p, q] = turned(a[p, q])
        a[q, q], a[p, p] = a[p, p], a[q, q]
        if q != k:
            a[q, k], a[p, k] = a[p, k], a[q, k]
    if hermitian:
        for i in {k, q, p}:
            a[i, i] = a[i, i].real


# -- PyTorch's forms --------------------------------------------------------------------------
@takes_out
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """``ldl_factor`` that reports zero pivots in ``info`` (``torch.linalg.ldl_factor_ex``)."""
    square("torch.linalg.ldl_factor_ex", A)
    packed, pivots, info = packed_ldl(A, hermitian=hermitian)
    if check_errors:
        _check("torch.linalg.ldl_factor_ex", info)
    return LDLFactorEx(packed, pivots, info)


@takes_out
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """L and D of symmetric ``A = P L D L^T P^T`` in one matrix, and the exchanges of rows.

    PyTorch: ``torch.linalg.ldl_factor``. ``A``: (..., n, n), of which the lower triangle is read;
    ``hermitian``: with conjugates. D has blocks of one or two rows. ``pivots``: int32, LAPACK's:
    counted from 1, negative where a block has two rows. Raises for a matrix that has a zero pivot.
    There is no derivative, as in PyTorch.

    >>> import anadrome as ad
    >>> ad.linalg.ldl_factor(ad.tensor([[4.0, 2.0], [2.0, 3.0]])).LD.tolist()
    [[4.0, 0.0], [0.5, 2.0]]
    """
    LD, pivots, info = ldl_factor_ex(A, hermitian=hermitian)
    _check("torch.linalg.ldl_factor", info)
    return LDLFactor(LD, pivots)


def _check(name: str, info: Tensor) -> None:
    def singular() -> RuntimeError:
        codes = of_all_examples(info._data)
        codes = by_type[codes.__class__].to_host(codes)
        i, row = next((i, row) for i, row in enumerate(codes.reshape(-1).tolist()) if row)
        place = f"(Batch element {i}): " if codes.ndim else ""
        return RuntimeError(
            f"{name}: {place}the pivot {row} is zero, so the matrix is singular; "
            "ldl_factor_ex returns the factors all the same"
        )

    info._backend.require((info == 0)._data, singular)


@takes_out
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """The X of ``A @ X = B`` of what ``ldl_factor(A)`` gave (``torch.linalg.ldl_solve``).

    ``B``: (..., n, k). Infinite where a pivot is zero.

    >>> import anadrome as ad
    >>> LD, pivots = ad.linalg.ldl_factor(ad.tensor([[0.0, 2.0], [2.0, 0.0]]))
    >>> ad.linalg.ldl_solve(LD, pivots, ad.tensor([[2.0], [4.0]])).tolist()
    [[2.0], [1.0]]
    """
    name = "torch.linalg.ldl_solve"
    square(name, LD, "LD")
    matrices(name, LD, B, label="B")
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {LD.shape[-1]} by "
            f"{LD.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    if pivots.dtype.category != 1:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {pivots.dtype.name}")
    if tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {list(pivots.shape)} instead"
        )
    turned = _conj if hermitian and LD.is_complex() else (lambda x: x)
    order, rows, keep, partner, beside = unpacked_ldl(pivots)
    L = where(keep, LD.gather(-2, rows), 0.0)
    half = solve_triangular(L, _rows(B, order), upper=False, unitriangular=True)
    # D, two rows of which belong together where it has a block.
    n = LD.shape[-1]
    two = (beside >= 0)[..., None]
    d = LD.diagonal(0, -2, -1)
    other = where(two, d.gather(-1, partner)[..., None], 1.0)
    e = LD.flatten(-2).gather(-1, beside.clamp(min=0))[..., None]
    e = where(two, e, 0.0)
    across = where((beside % n < partner)[..., None], turned(e), e)
    half = (other * half - across * _rows(half, partner)) / (d[..., None] * other - e * turned(e))
    half = solve_triangular(turned(L.mT), half, upper=True, unitriangular=True)
    return _rows(half, order.argsort(-1))


def _rows(x: Tensor, index: Tensor) -> Tensor:
    batch = broadcast_shapes(x.shape[:-2], index.shape[:-1])
    shape = (*batch, *x.shape[-2:])
    return x.expand(shape).gather(-2, index[..., None].expand(shape))


def _unpacked(pivots: Any) -> tuple[Any, ...]:
    """What the exchanges come to, for each matrix.

    ``order``: which row of B comes where. ``rows``: which row of LD an entry of L is in; ``keep``:
    whether it is one of L. ``partner``: the row that a row of D belongs to, itself if alone;
    ``beside``: the place in LD of what is between the two, -1 if alone.
    """
    backend = by_type[pivots.__class__]
    host = backend.to_host(pivots)
    n = host.shape[-1]
    found: list[list[Any]] = [[], [], [], [], []]
    for exchanges in host.reshape(math.prod(host.shape[:-1]), n).tolist():
        order, partner, beside = list(range(n)), list(range(n)), [-1] * n
        rows = [[i] * n for i in range(n)]
        keep = [[j < i for j in range(n)] for i in range(n)]
        k = 0
        while k < n:
            q = k if exchanges[k] > 0 else k + 1
            p = abs(exchanges[k]) - 1
            order[q], order[p] = order[p], order[q]
            rows[q][:k], rows[p][:k] = rows[p][:k], rows[q][:k]
            if q > k:
                partner[k], partner[q] = q, k
                beside[k] = beside[q] = q * n + k
                keep[q][k] = False
            k = q + 1
        for values, value in zip(found, (order, rows, keep, partner, beside)):
            values.append(value)
    xp, device = backend.xp, backend.device_of(pivots)
    batch = tuple(host.shape[:-1])
    return tuple(
        xp.reshape(backend.asarray(values, dtype=kind, device=device), (*batch, *shape))
        for values, kind, shape in zip(
            found,
            (xp.int64, xp.int64, xp.bool, xp.int64, xp.int64),
            ((n,), (n, n), (n, n), (n,), (n,)),
        )
    )
