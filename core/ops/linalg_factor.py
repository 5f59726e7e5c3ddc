"""linalg_factor: Cholesky and QR factorisations.

The input of Cholesky is symmetric (Hermitian), the factor of QR has an orthogonal (unitary) part:
none is holomorphic, so the rules give PyTorch's gradient themselves.
"""

from __future__ import annotations

from typing import Any

from ..errors import GraphError, LinAlgError
from ..op import FLOAT, FULL, op
from ..samples import Arr, call, each
from .arranging import tril, triu
from .complex import is_complex, real
from .joining import cat_arrays
from .linalg_checks import attempted, indefinite_minor
from .linalg_solve import (
    adjoint_of,
    diagonal_part,
    forward_solve_triangular,
    solve_triangular,
)
from .products import matmul_batched, swap

_NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the "
    "leading minor of order {row} is not positive-definite)."
)

# fmt: off
#: Of ``x @ x.mH + x.shape[-1]``-like samples there are none: the rule is tried on a product.
cholesky = op("linalg_cholesky", lambda xp, x, *, upper=False: _cholesky(xp, x, upper),
              x=lambda g, out, upper: _cholesky_rule(g, out, upper),
              dtype=FLOAT, amp=FULL, method=False, holomorphic=False,
              node="LinalgCholeskyExBackward0")
qr = op("linalg_qr", lambda xp, x, *, mode="reduced": _qr(xp, x, mode),
        x=lambda g, x, q, r, mode: _qr_rule(g, x, q, r, mode), outputs=("q", "r"),
        dtype=FLOAT, amp=FULL, method=False, holomorphic=False,
        samples=each("3,3") + each("4,3") + each("2,3,4") + call(Arr((0, 3))))
#: With ``lower @ lower.mH``. PyTorch's gradient of the factor is that of this product, above the
#: diagonal too.
cholesky_solve = op("cholesky_solve", lambda xp, b, lower: _cholesky_solve(xp, b, lower),
                    joint=lambda g, lower, out: _cholesky_solve_rule(g, lower, out),
                    dtype=FLOAT, amp=FULL, method=False, holomorphic=False)
# fmt: on


def _cholesky_solve(xp: Any, b: Any, lower: Any) -> Any:
    inner = forward_solve_triangular(xp, lower, b, False)
    return forward_solve_triangular(xp, _turned(xp, xp.tril(lower)), inner, True)


def _cholesky_solve_rule(g: Any, lower: Any, out: Any) -> Any:
    for_b = cholesky_solve(g, lower)
    common = matmul_batched(for_b, adjoint_of(out))
    return for_b, -matmul_batched(common + adjoint_of(common), lower)


def _cholesky(xp: Any, x: Any, upper: bool) -> Any:
    if upper:
        return _turned(xp, _cholesky(xp, _turned(xp, x), False))

    def factor(x: Any) -> Any:
        out = xp.linalg.cholesky(x)
        if bool(xp.any(xp.isnan(out))):  # LAPACK says so; NumPy asks the processor's flag only
            raise LinAlgError
        return out

    return attempted(factor, x, name="linalg.cholesky", blame=indefinite_minor, text=_NOT_POSITIVE)


def _turned(xp: Any, x: Any) -> Any:
    x = xp.linalg.matrix_transpose(x)
    return xp.conj(x) if is_complex(x) else x


def _cholesky_rule(g: Any, out: Any, upper: bool) -> Any:
    """Murray 2016, https://arxiv.org/abs/1602.07527."""
    if upper:
        g, out = adjoint_of(g), adjoint_of(out)
    turned = adjoint_of(out)
    inner = tril(matmul_batched(turned, g))
    inner = inner + adjoint_of(inner - diagonal_part(inner))
    left = solve_triangular(turned, inner, upper=True)
    return swap(solve_triangular(swap(out), swap(left), upper=True)) * 0.5


def _qr(xp: Any, x: Any, mode: str) -> Any:
    out = xp.linalg.qr(x, mode="complete" if mode == "complete" else "reduced")
    return out[0], out[1]


def _qr_rule(g: Any, x: Any, q: Any, r: Any, mode: str) -> Any:
    """PyTorch's ``linalg_qr_backward``; a wide matrix is a square one and what ``q`` makes of it.

    Walter and Lehmann 2012, https://arxiv.org/abs/1009.6112.
    """
    of_q, of_r = g
    m, n = x.shape[-2:]
    if mode == "complete" and m > n:
        raise GraphError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols; "
            "use mode='reduced'"
        )
    if m >= n:
        return _square_rule(of_q, of_r, q, r)
    beyond = None
    if of_r is not None:
        of_rest = of_r[..., m:]
        beyond = matmul_batched(q, of_rest)
        more = matmul_batched(x[..., m:], adjoint_of(of_rest))
        of_q = more if of_q is None else of_q + more
        of_r = of_r[..., :m]
    square = _square_rule(of_q, of_r, q, r[..., :m])
    return cat_arrays(square, x[..., m:] * 0.0 if beyond is None else beyond, dim=-1)


def _square_rule(of_q: Any, of_r: Any, q: Any, r: Any) -> Any:
    inner = None if of_r is None else matmul_batched(of_r, adjoint_of(r))
    if of_q is not None:
        other = matmul_batched(adjoint_of(q), of_q)
        inner = -other if inner is None else inner - other
    half = triu(inner)
    whole = half + adjoint_of(half)
    line = diagonal_part(whole)
    whole = whole - line * 0.5 if not is_complex(line) else whole - line + diagonal_part(
        real(half)
    )  # fmt: skip
    out = matmul_batched(q, whole)
    if of_q is not None:
        out = out + of_q
    # out @ inverse(r.mH), by a system with the triangular matrix r.mH
    turned = solve_triangular(conjugate(r), swap(out), upper=True)
    return swap(turned)


def conjugate(x: Any) -> Any:
    """The conjugate of complex values, real ones as they are."""
    return swap(adjoint_of(x)) if is_complex(x) else x
