"""linalg_lobpcg: some eigenvalues of symmetric matrices, the largest or the smallest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import linalg
from ..refusals import refusing
from ..tensor import Tensor


@refusing
def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Any = None,
    ortho_iparams: Any = None,
    ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Tensor, Tensor]:
    """The ``k`` largest eigenvalues, and their vectors, of ``A x = e B x`` (``torch.lobpcg``).

    ``A``, ``B``: (*, m, m), symmetric, ``B`` positive definite; without it the identity. ``X``:
    (*, m, n), whose columns are as many as asked if ``k`` is not given. ``largest``: False for the
    smallest. Returns (*, k) and (*, m, k). All eigenvalues are computed and those picked, so what
    steers PyTorch's iterations (``iK``, ``niter``, ``tol``, ``method``) changes nothing. Raises
    ValueError for less than 3k rows, as PyTorch does, and for a ``tracker``.

    >>> import anadrome as ad
    >>> values, vectors = ad.lobpcg(ad.diag(ad.arange(1.0, 7.0)), k=2)
    >>> values, tuple(vectors.shape)
    (tensor([6., 5.]), (6, 2))
    """
    if tracker is not None:
        raise ValueError("lobpcg(): there are no iterations here; leave tracker out")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg(): method is 'basic' or 'ortho', not {method!r}")
    for given in (ortho_iparams, ortho_fparams, ortho_bparams):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"lobpcg(): the parameters are a dict, not a {type(given).__name__}")
    rows = A.shape[-2]
    count = (1 if X is None else X.shape[-1]) if k is None else k
    asked = (count if X is None else X.shape[-1]) if n is None else n
    if rows < 3 * asked:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={rows})"
            f" is smaller than 3 x the number of requested eigenpairs (={asked})"
        )
    if B is None:
        values, vectors = linalg.eigh(A)
    else:  # of L^-1 A L^-H, where B is L L^H
        lower = linalg.cholesky(B)
        half = linalg.solve_triangular(lower, A, upper=False)
        values, turned = linalg.eigh(linalg.solve_triangular(lower, half.mH, upper=False))
        vectors = linalg.solve_triangular(lower.mH, turned, upper=True)
    if largest is not False:
        values, vectors = values.flip(-1), vectors.flip(-1)
    return values[..., :count], vectors[..., :count]
