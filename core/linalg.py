"""linalg: linear algebra under PyTorch's names (``torch.linalg``); every function takes batches.

Imported when first asked for. The ops are in ``ops/linalg_*.py``, norms and what is made of them in
``ops/linalg_norms.py``, products in ``ops/linalg_products.py``, eigenvalues and singular values in
``ops/linalg_values.py``.
"""

from __future__ import annotations

from typing import Any

from .composite import one
from .errors import LinAlgError as LinAlgError
from .ops import linalg_factor, linalg_solve, linalg_spectral
from .ops.complex import adjoint
from .ops.linalg_checks import (
    blamed,
    floating,
    indefinite_minor,
    matrices,
    square,
    zero_pivot,
)
from .ops.linalg_exp import matrix_exp as matrix_exp
from .ops.linalg_ldl import ldl_factor as ldl_factor
from .ops.linalg_ldl import ldl_factor_ex as ldl_factor_ex
from .ops.linalg_ldl import ldl_solve as ldl_solve
from .ops.linalg_lu import lu as lu
from .ops.linalg_lu import lu_factor as lu_factor
from .ops.linalg_lu import lu_factor_ex as lu_factor_ex
from .ops.linalg_lu import lu_solve as lu_solve
from .ops.linalg_norms import cond as cond
from .ops.linalg_norms import matrix_norm as matrix_norm
from .ops.linalg_norms import matrix_rank as matrix_rank
from .ops.linalg_norms import norm as norm
from .ops.linalg_norms import vector_norm as vector_norm
from .ops.linalg_products import cross as cross
from .ops.linalg_products import diagonal as diagonal
from .ops.linalg_products import matmul as matmul
from .ops.linalg_products import matrix_power as matrix_power
from .ops.linalg_products import multi_dot as multi_dot
from .ops.linalg_products import tensorinv as tensorinv
from .ops.linalg_products import tensorsolve as tensorsolve
from .ops.linalg_products import vander as vander
from .ops.linalg_products import vecdot as vecdot
from .ops.linalg_reflect import householder_product as householder_product
from .ops.linalg_values import eig as eig
from .ops.linalg_values import eigh as eigh
from .ops.linalg_values import eigvals as eigvals
from .ops.linalg_values import eigvalsh as eigvalsh
from .ops.linalg_values import pinv as pinv
from .ops.linalg_values import svd as svd
from .ops.linalg_values import svdvals as svdvals
from .ops.shape import broadcast_shapes
from .out import takes_out
from .refusals import refusing
from .returned import returned
from .tensor import Tensor

InvEx = returned("linalg_inv_ex", "inverse", "info")
SolveEx = returned("linalg_solve_ex", "result", "info")
CholeskyEx = returned("linalg_cholesky_ex", "L", "info")
SLogDet = returned("linalg_slogdet", "sign", "logabsdet")
QR = returned("linalg_qr", "Q", "R")
Lstsq = returned("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


@takes_out
@one("linalg_inv")
def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices (PyTorch: ``torch.linalg.inv``).

    ``A``: (..., n, n), floating or complex. Raises ``LinAlgError`` for a singular matrix.

    >>> import anadrome as ad
    >>> ad.linalg.inv(ad.tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    square("linalg.inv", A)
    return linalg_solve.inv(A)


@takes_out
@one("linalg_inv_ex")
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """``inv`` that reports singular matrices in ``info`` (``torch.linalg.inv_ex``).

    ``info``: int32 (...), 0, or the number of the row at which elimination failed. What is returned
    for such a matrix is infinite.
    """
    square("linalg.inv_ex", A)
    if check_errors:
        out = linalg_solve.inv(A)
        return InvEx(out, _info(A, [0]))
    info = _failures(linalg_solve.inv, A, zero_pivot)
    if not any(info):
        return InvEx(linalg_solve.inv(A), _info(A, [0]))
    failed = _info(A, info)
    return InvEx(_instead(linalg_solve.inv, A, failed), failed)


@takes_out
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """``solve`` that reports singular matrices in ``info`` (``torch.linalg.solve_ex``)."""
    square("linalg.solve", A)
    info = [0] if check_errors else _failures(linalg_solve.inv, A, zero_pivot)
    failed = _info(A, info)
    if not any(info):
        return SolveEx(solve(A, B, left=left), failed)
    return SolveEx(_instead(lambda a: solve(a, B, left=left), A, failed, is_vector(A, B)), failed)


def _failures(function: Any, A: Tensor, blame: Any) -> list[int]:
    """Where ``function`` fails; asked in detail only if it does."""
    try:
        function(A.detach())
    except LinAlgError:
        return blamed(A._data, blame)
    return [0]


def _info(A: Tensor, info: list[int]) -> Tensor:
    from .creation import tensor, zeros
    from .dtypes import int32

    batch = tuple(A.shape[:-2])
    if not any(info):
        return zeros(batch, dtype=int32, device=A.device)
    return tensor(info, dtype=int32, device=A.device).reshape(batch)


def _instead(function: Any, A: Tensor, failed: Tensor, vector: bool = False) -> Tensor:
    """``function`` of the matrices that it takes, infinities for those that it does not."""
    from .creation import eye

    bad = (failed != 0)[..., None, None]
    out = function(eye(A.shape[-1], dtype=A.dtype, device=A.device).where(bad, A))
    return out.masked_fill(bad.squeeze(-1) if vector else bad, float("inf"))


@refusing
def is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether ``solve`` takes B for a vector, or a batch of them."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


@takes_out
@one("linalg_solve")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X of ``A @ X = B``, or of ``X @ A = B`` (PyTorch: ``torch.linalg.solve``).

    ``A``: (..., n, n). ``B``: (..., n, k), or a vector (n,), or a batch of vectors of A's own batch
    shape; ``left=False``: (..., k, n). Raises ``LinAlgError`` for a singular matrix.

    >>> import anadrome as ad
    >>> ad.linalg.solve(ad.tensor([[2.0, 0.0], [0.0, 4.0]]), ad.tensor([2.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    square("linalg.solve", A)
    floating("linalg.solve", A, B)
    if is_vector(A, B):
        if not left:
            raise RuntimeError(
                "linalg.solve: Vector broadcasting of the left hand side is not supported for "
                "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1); B has "
                f"the shape {tuple(B.shape)}"
            )
        _fitting("linalg.solve", A, B.unsqueeze(-1), left)
        return linalg_solve.solve(A, B.unsqueeze(-1)).squeeze(-1)
    _fitting("linalg.solve", A, B, left)
    if left:
        return linalg_solve.solve(A, B)
    return linalg_solve.solve(A.mT, B.mT).mT


def _fitting(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    if B.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor B must have at least 2 dimensions, not {tuple(B.shape)}"
        )
    if A.shape[-1] != B.shape[-2 if left else -1]:
        form = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {form} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )


@takes_out
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """``solve`` for a triangular ``A`` (PyTorch: ``torch.linalg.solve_triangular``).

    What lies on the other side of A's diagonal (with ``unitriangular``: on the diagonal too) is not
    looked at. The result is of A's type.

    >>> import anadrome as ad
    >>> A = ad.tensor([[2.0, 9.0], [1.0, 1.0]])
    >>> ad.linalg.solve_triangular(A, ad.tensor([[2.0], [3.0]]), upper=False).tolist()
    [[1.0], [2.0]]
    """
    square("linalg.solve_triangular", A)
    matrices("linalg.solve_triangular", A)
    _fitting("linalg.solve_triangular", A, B, left)
    if B.dtype is not A.dtype and not (B.is_complex() and not A.is_complex()):
        B = B.to(A.dtype)
    op = linalg_solve.solve_triangular
    ones = bool(unitriangular)
    if left:
        return op(A, B, upper=upper, unitriangular=ones)
    return op(A.mT, B.mT, upper=not upper, unitriangular=ones).mT


@takes_out
@one("linalg_lstsq")
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """The X for which ``A @ X - B`` is smallest (PyTorch: ``torch.linalg.lstsq``).

    Returns (solution, residuals, rank, singular_values). The solution is the one of least norm, by
    the pseudoinverse, whatever the ``driver``; singular values are given for "gelsd" and "gelss",
    residuals for all but "gelsy" (the default), where A is tall and of full rank.

    >>> import anadrome as ad
    >>> A, B = ad.tensor([[1.0], [1.0]]), ad.tensor([[1.0], [3.0]])
    >>> round(ad.linalg.lstsq(A, B).solution.item(), 4)
    2.0
    """
    from .creation import empty
    from .dtypes import int64

    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    floating(name, A, B)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - "
            f"other.dim()) <= 1: {tuple(A.shape)} and {tuple(B.shape)}"
        )
    vector = A.ndim - 1 == B.ndim and tuple(A.shape[:-1]) == tuple(B.shape)
    if B.ndim < 1 or A.shape[-2] != (B if vector or B.ndim < 2 else B.mT).shape[-1]:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size(-2): {tuple(A.shape)} and "
            f"{tuple(B.shape)}"
        )
    # Of the batches PyTorch takes a B of fewer dimensions for vectors, whatever its shape.
    batch = broadcast_shapes(A.shape[:-2], B.shape[:-1] if A.ndim > B.ndim else B.shape[:-2])
    right = B.unsqueeze(-1) if vector else B
    right = right.expand((*batch, *right.shape[-2:]))
    m, n = A.shape[-2:]
    solution = linalg_spectral.pinv(A, rtol=rcond) @ right
    kind = A.detach().abs().dtype
    rank, values = empty(0, dtype=int64), empty(0, dtype=kind)
    if driver != "gels":
        values = svdvals(A.detach())
        rank = matrix_rank(A.detach(), rtol=rcond)
    residuals = solution.abs().reshape((-1,))[:0]  # none, but in the graph, as PyTorch's
    if m > n and driver not in (None, "gelsy") and (driver == "gels" or bool((rank == n).all())):
        residuals = (A @ solution - right).abs().square().sum(-2)
    if driver not in ("gelsd", "gelss"):
        values = empty(0, dtype=kind)
    return Lstsq(solution.squeeze(-1) if vector else solution, residuals, rank, values)


@takes_out
def det(A: Tensor) -> Tensor:
    """The determinant of square matrices (PyTorch: ``torch.linalg.det``)."""
    square("linalg.det", A)
    return linalg_solve.det(A)


@takes_out
def slogdet(A: Tensor) -> Any:
    """The sign of the determinant and the logarithm of its size (``torch.linalg.slogdet``)."""
    square("linalg.slogdet", A)
    return SLogDet(*linalg_solve.slogdet(A))


@takes_out
@one("linalg_cholesky")
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The factor L of ``A = L @ L.mH`` (PyTorch: ``torch.linalg.cholesky``).

    Raises ``LinAlgError`` if a matrix is not positive-definite.

    >>> import anadrome as ad
    >>> ad.linalg.cholesky(ad.tensor([[4.0, 0.0], [0.0, 9.0]])).tolist()
    [[2.0, 0.0], [0.0, 3.0]]
    """
    square("linalg.cholesky", A)
    return linalg_factor.cholesky(A, upper=upper)


@takes_out
@one("linalg_cholesky_ex")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """``cholesky`` that reports failures in ``info`` (``torch.linalg.cholesky_ex``)."""
    square("linalg.cholesky_ex", A)
    given = adjoint(A) if upper else A
    info = [0] if check_errors else _failures(linalg_factor.cholesky, given, indefinite_minor)
    failed = _info(A, info)
    if any(info):
        return CholeskyEx(_instead(lambda a: cholesky(a, upper=upper), A, failed), failed)
    return CholeskyEx(cholesky(A, upper=upper), failed)


@takes_out
@one("linalg_qr")
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """``A = Q @ R`` (PyTorch: ``torch.linalg.qr``); ``mode``: "reduced", "complete" or "r"."""
    matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    q, r = linalg_factor.qr(A, mode=mode)
    if mode == "r":
        q = A.detach().new_empty((0,)) if hasattr(A, "new_empty") else q[:0].detach()
    return QR(q, r)
