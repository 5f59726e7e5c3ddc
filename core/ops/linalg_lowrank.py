"""linalg_lowrank: the largest singular values, by random projections (arXiv:0909.4061)."""

from __future__ import annotations

from .. import linalg, sampling
from ..refusals import refusing
from ..tensor import Tensor

#: Power iterations; so many that the call ends.
MOST_ROUNDS = 10_000


@refusing
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and V of about the ``q`` largest singular values (PyTorch: ``torch.svd_lowrank``).

    ``A``: (*, m, n); ``niter``: power iterations, each of which makes it more exact. ``M``: is
    subtracted from ``A``. U is (*, m, q), S (*, q), V (*, n, q); A is about ``U diag(S) V^H``.

    >>> import anadrome as ad
    >>> a = ad.ones(4, 3)
    >>> u, s, v = ad.svd_lowrank(a, q=1)
    >>> ad.allclose(u * s @ v.mT, a, atol=1e-5)
    True
    """
    return _lowrank(A if M is None else A - M, 6 if q is None else q, 2 if niter is None else niter)


@refusing
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components: ``svd_lowrank`` of ``A`` less the mean of its columns.

    ``A``: (*, m, n), a sample a row; ``q``: how many, 6 or as many as there are. ``center=False``:
    the mean stays. PyTorch: ``torch.pca_lowrank``.
    """
    q = min(6, *A.shape[-2:]) if q is None else q
    if not 0 <= q <= min(A.shape[-2:]):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)="
            f"{min(A.shape[-2:])}"
        )
    return _lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


def _lowrank(x: Tensor, q: int, niter: int) -> tuple[Tensor, Tensor, Tensor]:
    if niter < 0:
        raise ValueError(f"niter must be a non-negative integer, not {niter}")
    if niter > MOST_ROUNDS:
        raise ValueError(f"niter is at most {MOST_ROUNDS:,}, and a few are enough; got {niter:,}")
    m, n = x.shape[-2:]
    if m < n:
        v, s, u = _lowrank(x.mH, q, niter)
        return u, s, v
    start = sampling.randn((n, q), dtype=x.dtype, device=x.device)
    basis = linalg.qr(x @ start)[0]
    for _ in range(niter):
        basis = linalg.qr(x.mH @ basis)[0]
        basis = linalg.qr(x @ basis)[0]
    u, s, vh = linalg.svd(basis.mH @ x, full_matrices=False)
    return basis @ u, s, vh.mH
