"""linalg_values: eigenvalues and singular values, and what is made of them.

PyTorch: ``torch.linalg``.
"""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..dtypes import is_number
from ..out import takes_out
from ..returned import returned
from ..tensor import Tensor
from . import linalg_spectral
from .linalg_checks import matrices, square

Eigh = returned("linalg_eigh", "eigenvalues", "eigenvectors")
SVD = returned("linalg_svd", "U", "S", "Vh")


@takes_out
@one("linalg_eigh")
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues, in rising order, and eigenvectors of symmetric (Hermitian) matrices.

    PyTorch: ``torch.linalg.eigh``. Only the lower (``UPLO="U"``: upper) half is looked at.
    """
    square("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return Eigh(*linalg_spectral.eigh(A, UPLO=UPLO))


@takes_out
@one("linalg_eigvalsh")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric (Hermitian) matrices (``torch.linalg.eigvalsh``)."""
    return eigh(A, UPLO)[0]


@takes_out
@one("linalg_eig")
def eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors, complex, of square matrices (``torch.linalg.eig``)."""
    square("linalg.eig", A)
    return Eigh(*linalg_spectral.eig(A))


@takes_out
@one("linalg_eigvals")
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues, complex, of square matrices (PyTorch: ``torch.linalg.eigvals``)."""
    return eig(A)[0]


def _check_driver(name: str, driver: Any) -> None:
    if driver is not None and not isinstance(driver, str):
        raise TypeError(f"{name}(): argument 'driver' must be str, not {type(driver).__name__}")


@takes_out
@one("linalg_svd")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """``A = U @ diag(S) @ Vh`` (PyTorch: ``torch.linalg.svd``); ``driver`` is accepted.

    >>> import anadrome as ad
    >>> ad.linalg.svd(ad.tensor([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
    [4.0, 3.0]
    """
    _check_driver("linalg_svd", driver)
    matrices("linalg.svd", A)
    return SVD(*linalg_spectral.svd(A, full_matrices=full_matrices))


@takes_out
@one("linalg_svdvals")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, in falling order (PyTorch: ``torch.linalg.svdvals``)."""
    _check_driver("linalg_svdvals", driver)
    matrices("linalg.svdvals", A)
    return linalg_spectral.svd(A, full_matrices=False)[1]


@takes_out
def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """The pseudoinverse (PyTorch: ``torch.linalg.pinv``).

    Singular values up to ``max(atol, rtol * largest)`` count as zero; ``rcond`` is the old name of
    ``rtol``. ``hermitian``: by eigenvalues, of a symmetric (Hermitian) matrix.
    """
    matrices("linalg.pinv", A)
    if rcond is not None and (atol is not None or rtol is not None):
        raise TypeError("linalg.pinv takes rcond alone, or atol and rtol")
    rtol = rcond if rtol is None else rtol
    for name, least in (("atol", atol), ("rtol", rtol)):
        if least is not None and (isinstance(least, complex) or not is_number(least)):
            raise TypeError(
                f"linalg_pinv(): argument '{name}' must be float, not {type(least).__name__}"
            )
    atol, rtol = (t._data if isinstance(t, Tensor) else t for t in (atol, rtol))
    if hermitian:
        square("linalg.pinv", A)
    return linalg_spectral.pinv(A, atol=atol, rtol=rtol, hermitian=hermitian)
