"""linalg_solve: inverses, linear systems, determinants."""

from __future__ import annotations

import math
from typing import Any

from ..op import FLOAT, FULL, op
from ..samples import Arr, Sample, call
from .arranging import tril, triu
from .complex import conj, imag, imaginary, is_complex
from .linalg_checks import attempted, is_finite, zero_pivot
from .products import matmul_batched, swap
from .reduce import sum
from .shape import expand

_SINGULAR = (
    "The diagonal element {row} is zero, the inversion could not be completed because the input "
    "matrix is singular."
)


def well(*shape: int, **keywords: Any) -> list[Sample]:
    """A square matrix that is far from singular for the numbers the samples draw."""
    return call(Arr(shape), **keywords)


# fmt: off
inv = op("linalg_inv", lambda xp, x: _inv(xp, x), x=lambda g, out: _inv_rule(g, out),
         dtype=FLOAT, amp=FULL, method=False, node="LinalgInvExBackward0",
         samples=well(3, 3) + well(2, 3, 3) + well(0, 0) + well(0, 2, 2))
solve = op("linalg_solve", lambda xp, a, b: _solve(xp, a, b),
           joint=lambda g, a, b, out, needs: _solve_rule(g, a, out, needs),
           dtype=FLOAT, amp=FULL, method=False, node="LinalgSolveExBackward0",
           samples=call(Arr((3, 3)), Arr((3, 2))) + call(Arr((2, 3, 3)), Arr((3, 1)))
           + call(Arr((3, 3)), Arr((2, 3, 2))) + call(Arr((0, 0)), Arr((0, 2))))
#: ``a`` is triangular; what lies on its other side is not looked at.
solve_triangular = op("linalg_solve_triangular",
                      lambda xp, a, b, *, upper, unitriangular=False:
                          forward_solve_triangular(xp, a, b, upper, unitriangular),
                      joint=lambda g, a, out, upper, unitriangular, needs:
                          _triangular_rule(g, a, out, upper, unitriangular, needs),
                      dtype=FLOAT, amp=FULL, method=False,
                      samples=[Sample((Arr((3, 3), 0.5, 2), Arr((2, 3, 2))),
                                      {"upper": u, "unitriangular": o})
                               for u in (True, False) for o in (True, False)])
det = op("linalg_det", lambda xp, x: xp.linalg.det(x),
         x=lambda g, x: g[..., None, None] * cofactors(x),
         dtype=FLOAT, amp=FULL, method=False,
         samples=well(3, 3) + well(2, 3, 3) + well(1, 1) + well(0, 0))
#: The gradient of the determinant; exists for singular matrices too.
cofactors = op("cofactors", lambda xp, x: _cofactors(xp, x),
               x=lambda g, x: cofactors_backward(g, x),
               dtype=FLOAT, method=False, samples=well(3, 3) + well(2, 2, 2))
#: The second derivative of the determinant along ``g``: symmetric, so it is its own rule.
cofactors_backward = op("cofactors_backward", lambda xp, g, x: _cofactors_backward(xp, g, x),
                        g=lambda h, x: cofactors_backward(h, x), x=lambda h, g, x: _third(h, g, x),
                        dtype=FLOAT, method=False, samples=call(Arr((3, 3)), Arr((3, 3))))
slogdet = op("linalg_slogdet", lambda xp, x: _slogdet(xp, x),
             x=lambda g, x, sign: _slogdet_rule(g, x, sign), outputs=("sign", "logabsdet"),
             dtype=FLOAT, amp=FULL, method=False, holomorphic=False,
             samples=well(3, 3) + well(2, 3, 3))
# fmt: on


def _inv(xp: Any, x: Any) -> Any:
    return attempted(xp.linalg.inv, x, name="linalg.inv", blame=zero_pivot, text=_SINGULAR)


def _inv_rule(g: Any, out: Any) -> Any:
    turned = swap(out)
    return -matmul_batched(matmul_batched(turned, g), turned)


def _solve(xp: Any, a: Any, b: Any) -> Any:
    return attempted(
        xp.linalg.solve,
        a,
        b,
        name="torch.linalg.solve",
        blame=zero_pivot,
        text="The solver failed because the input matrix is singular.",
    )


def _solve_rule(g: Any, a: Any, out: Any, needs: Any) -> Any:
    for_b = solve(swap(a), g)
    return (-matmul_batched(for_b, swap(out)) if needs[0] else None, for_b)


def forward_solve_triangular(
    xp: Any, a: Any, b: Any, upper: bool, unitriangular: bool = False
) -> Any:
    """The forward of ``solve_triangular``. A zero on the diagonal divides, as in LAPACK."""
    a = xp.triu(a) if upper else xp.tril(a)
    if unitriangular:
        one = xp.eye(a.shape[-1], dtype=a.dtype)
        a = xp.where(one == 1, one, a)
    try:
        return xp.linalg.solve(a, b)
    except Exception as error:
        if type(error).__name__ != "LinAlgError":
            raise
    return _substituted(xp, a, b, upper)


def _substituted(xp: Any, a: Any, b: Any, upper: bool) -> Any:
    """Row by row, for what a solver refuses."""
    rows: list[Any] = []
    for i in range(a.shape[-1])[:: -1 if upper else 1]:
        row = b[..., i : i + 1, :]
        for j, found in enumerate(reversed(rows) if upper else rows, i + 1 if upper else 0):
            row = row - a[..., i : i + 1, j : j + 1] * found
        rows.append(row / a[..., i : i + 1, i : i + 1])
    return xp.concat(rows[:: -1 if upper else 1], axis=-2)


def _triangular_rule(g: Any, a: Any, out: Any, upper: bool, unitriangular: bool, needs: Any) -> Any:
    for_b = solve_triangular(swap(a), g, upper=not upper, unitriangular=unitriangular)
    if not needs[0]:
        return None, for_b
    whole = -matmul_batched(for_b, swap(out))
    offset = int(unitriangular)
    half = triu(whole, diagonal=offset) if upper else tril(whole, diagonal=-offset)
    return half, for_b


def _spectrum(xp: Any, x: Any) -> Any:
    """``x`` as ``u diag(s) v`` with real ``s``, and ``det(u) det(v)``."""
    u, s, v = xp.linalg.svd(x)
    return u, s, v, xp.linalg.det(u) * xp.linalg.det(v)


def _others(xp: Any, s: Any, *kept: Any) -> Any:
    """For each place (each pair of places) the product of the other singular values."""
    n = s.shape[-1]
    places = xp.eye(n, dtype=xp.bool)
    if len(kept) == 1:
        return xp.prod(xp.where(places, xp.ones_like(s)[..., None, :], s[..., None, :]), axis=-1)
    left_out = places[:, None, :] | places[None, :, :]
    wide = s[..., None, None, :]
    return xp.prod(xp.where(left_out, xp.ones_like(wide), wide), axis=-1)


def _cofactors(xp: Any, x: Any) -> Any:
    """By singular values: ``u diag(products of the others) v``, which divides by nothing."""
    if 0 in x.shape:
        return xp.zeros_like(x)
    if not is_finite(xp, x):
        return xp.full_like(x, math.nan)
    u, s, v, turn = _spectrum(xp, x)
    products = xp.astype(_others(xp, s, 0), x.dtype)
    # The rule is of det, not of its conjugate: conj(u diag v) where complex.
    out = xp.matmul(u * products[..., None, :], v)
    if is_complex(x):
        out = xp.conj(out)
    return out * turn[..., None, None]


def _cofactors_backward(xp: Any, g: Any, x: Any) -> Any:
    """Seen from the singular vectors ``x`` is diagonal, and the derivative simple.

    On the diagonal it is what the others' products give; off it, minus the opposite element.
    """
    if 0 in x.shape or not is_finite(xp, x):
        return xp.full_like(x, math.nan)
    u, s, v, turn = _spectrum(xp, x)
    pairs = xp.astype(_others(xp, s, 0, 0), x.dtype)
    if is_complex(x):
        u, v = xp.conj(u), xp.conj(v)
    turned = xp.linalg.matrix_transpose
    inner = xp.matmul(xp.matmul(turned(u), g), turned(v))
    n = x.shape[-1]
    one = xp.eye(n, dtype=x.dtype)
    line = xp.sum(inner * one, axis=-1)
    diagonal = xp.sum(pairs * (1 - one) * line[..., None, :], axis=-1)
    moved = -pairs * turned(inner) * (1 - one) + one * diagonal[..., None]
    return xp.matmul(xp.matmul(u, moved), v) * turn[..., None, None]


def _third(h: Any, g: Any, x: Any) -> Any:
    """The third derivative of the determinant along ``g`` and ``h``, of invertible matrices.

    Of ``(<c, g> <c, h> - tr(c g.T c h.T)) / det``, with ``c`` the cofactors.
    """
    mm = matmul_batched
    c = cofactors(x)
    size = det(x)[..., None, None]

    def along(m: Any) -> Any:
        return sum(c * m, dim=(-2, -1), keepdim=True)

    crossed = mm(mm(c, swap(g)), c)
    of_c = g * along(h) + h * along(g) - mm(mm(h, swap(c)), g) - mm(mm(g, swap(c)), h)
    second = (along(g) * along(h) - sum(crossed * h, dim=(-2, -1), keepdim=True)) / size
    return cofactors_backward(of_c / size, x) - second / size * c


def _slogdet(xp: Any, x: Any) -> Any:
    out = xp.linalg.slogdet(x)
    return out[0], out[1]


def _slogdet_rule(g: Any, x: Any, sign: Any) -> Any:
    """The sign of a real matrix does not change; that of a complex one turns."""
    of_sign, of_log = g
    total = of_log
    if is_complex(x):
        if of_sign is not None:
            turn = imaginary(imag(conj(of_sign) * sign))
            total = -turn if total is None else total - turn
    elif total is None:
        return of_sign[..., None, None] * 0.0 * x
    return total[..., None, None] * adjoint_of(inv(x))


def adjoint_of(x: Any) -> Any:
    """Transposed and, where complex, conjugated; of arrays, Tensors and traced arrays."""
    return conj(swap(x)) if is_complex(x) else swap(x)


def diagonal_part(x: Any) -> Any:
    """Square matrices without what is off their diagonals."""
    return tril(triu(x))


def line_of(x: Any) -> Any:
    """The diagonals of square matrices."""
    return sum(diagonal_part(x), dim=-1)


def on_diagonal(line: Any) -> Any:
    """Square matrices that have ``line`` for their diagonals."""
    n = line.shape[-1]
    return diagonal_part(expand(line[..., None], shape=(*line.shape, n)))
