"""linalg_aliases: PyTorch's older names of linear algebra, at the top level."""

from __future__ import annotations

import math
from typing import Any

from .. import linalg
from ..composite import one
from ..out import takes_out
from ..refusals import refusing
from ..returned import returned
from ..tensor import Tensor
from . import linalg_factor, linalg_solve
from .complex import _conj, is_complex
from .convert import fill
from .linalg_checks import matrices, square
from .linalg_lu import lu_factor_ex
from .linalg_lu import lu_solve as solve_factored
from .linalg_lu import lu_unpack as lu_unpack
from .linalg_products import multi_dot, powers
from .reduce import whole

OldSVD = returned("svd", "U", "S", "V")

TriangularSolve = returned("triangular_solve", "solution", "cloned_coefficient")

inverse = linalg.inv


@takes_out
@one()
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """``linalg.pinv`` (PyTorch: ``torch.pinverse``)."""
    return linalg.pinv(input, rcond)


@refusing
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant (PyTorch: ``torch.logdet``); NaN where that is negative."""
    square("logdet", input)
    sign, size = linalg_solve.slogdet(input)
    if is_complex(input):
        return sign.log() + size
    return size.masked_fill(sign == -1, math.nan)


@takes_out
@one()
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """``linalg.cholesky`` (PyTorch: ``torch.cholesky``)."""
    return linalg.cholesky(input, upper=upper)


@takes_out
@one()
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The X of ``A @ X = input``, of the Cholesky factor of A (``torch.cholesky_solve``)."""
    square("cholesky_solve", L, "L")
    matrices("cholesky_solve", input, L, label="B")
    if input.shape[-2] != L.shape[-1]:
        raise RuntimeError(
            "cholesky_solve: Incompatible matrix sizes for cholesky_solve: each A matrix is "
            f"{L.shape[-1]} by {L.shape[-1]} but each b matrix is {input.shape[-2]} by "
            f"{input.shape[-1]}"
        )
    return linalg_factor.cholesky_solve(input, _conj(L.mT) if upper else L)


@takes_out
@one()
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, of its Cholesky factor (PyTorch: ``torch.cholesky_inverse``)."""
    square("cholesky_inverse", L, "L")
    from ..creation import eye

    one = eye(L.shape[-1], dtype=L.dtype, device=L.device)
    return cholesky_solve(one.expand(L.shape), L, upper)


@takes_out
@one()
def qr(input: Tensor, some: bool = True) -> Any:
    """``linalg.qr`` (PyTorch: ``torch.qr``); complete unless ``some``."""
    return linalg.qr(input, "reduced" if some else "complete")


@takes_out
@one()
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """``linalg.svd`` that gives V, not its adjoint (PyTorch: ``torch.svd``)."""
    u, s, v = linalg.svd(input, full_matrices=not some)
    v = _conj(v.mT)
    if compute_uv:
        return OldSVD(u, s, v)
    if some:
        u, v = linalg.svd(input.detach())[0], _conj(linalg.svd(input.detach())[2].mT)
    return OldSVD(u.detach() * 0, s, v.detach() * 0)


@refusing
def chain_matmul(*matrices: Tensor) -> Tensor:
    """``linalg.multi_dot`` of matrices (PyTorch: ``torch.chain_matmul``)."""
    for i, x in enumerate(matrices):
        if x.ndim != 2:
            raise RuntimeError(f"Tensor {i} passed to chain_matmul must be 2-D, not {x.ndim}-D")
    return matrices[0].clone() if len(matrices) == 1 else multi_dot(matrices)


@refusing
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of the values of a vector, falling unless ``increasing`` (``torch.vander``)."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else whole(N, "N")
    if n < 0:
        raise RuntimeError(f"N must be non-negative, not {n}")
    if n < 2:
        return powers(x, 2)[:, :n]
    out = powers(x, n)
    return out if increasing else out.flip(-1)


@takes_out
@one("_lu_with_info")
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """``linalg.lu_factor`` under its old name (PyTorch: ``torch.lu``)."""
    found = lu_factor_ex(A, pivot=pivot)
    return tuple(found) if get_infos else tuple(found[:2])


@takes_out
@one()
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """``linalg.lu_solve`` in its old order (PyTorch: ``torch.lu_solve``)."""
    return solve_factored(LU_data, LU_pivots, b)


@takes_out
@one()
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """``linalg.solve_triangular`` in its old order (PyTorch: ``torch.triangular_solve``)."""
    given = A.mT if transpose else A
    out = linalg.solve_triangular(
        given, b, upper=upper is not transpose, unitriangular=unitriangular
    )
    copied = A.expand(*out.shape[:-2], *A.shape[-2:]).clone()
    if b.requires_grad and not copied.requires_grad:  # one node of PyTorch's makes both
        copied = copied + fill(b.sum(), value=0.0)
    return TriangularSolve(out, copied)
