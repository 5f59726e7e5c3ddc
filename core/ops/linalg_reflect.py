"""linalg_reflect: products of Householder reflections, and QR in that form (LAPACK's ``geqrf``).

A reflection is ``1 - tau v v^H``; ``v`` is below the diagonal of a column, with an implied one on
it. Composed of ops, a reflection at a time, so the gradients are those of the products.
"""

from __future__ import annotations

from typing import Any

from .. import creation, modes
from ..composite import one
from ..out import takes_out
from ..returned import returned
from ..tensor import Tensor
from .arithmetic import where
from .complex import is_complex
from .joining import cat, stack
from .linalg_checks import floating, matrices
from .linalg_norms import vector_norm

Geqrf = returned("geqrf", "a", "tau")


def _reflectors(
    name: str, A: Tensor, tau: Tensor, tall: bool = True
) -> list[tuple[Tensor, Tensor]]:
    """The columns v, with their ones and zeros, and the factors, shaped to multiply."""
    matrices(name, A, label="input")
    floating(name, A, tau)
    m, n = A.shape[-2:]
    k = tau.shape[-1] if tau.ndim else 0
    if tall and m < n:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1], "
            f"not {m} and {n}"
        )
    if k > min(m, n):
        raise RuntimeError(
            f"{name}: input.shape[{-1 if k > n else -2}] must be greater than or equal to "
            f"tau.shape[-1], not {min(m, n)} and {k}"
        )
    if tuple(tau.shape[:-1]) != tuple(A.shape[:-2]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{tuple(tau.shape[:-1])} and {tuple(A.shape[:-2])}"
        )
    out = []
    for i in range(k):
        below = A[..., i + 1 :, i]
        one = creation.ones_like(below[..., :1] if m > i + 1 else A[..., :1, 0])
        zeros = creation.zeros_like(A[..., :i, i])
        v = cat([zeros, one.detach(), below], -1)
        out.append((v.unsqueeze(-1), tau[..., i, None, None]))
    return out


def _reflected(x: Tensor, v: Tensor, factor: Tensor) -> Tensor:
    """``(1 - factor v v^H) x``."""
    return x - (factor * v) @ (v.mH @ x)


@takes_out
@one("linalg_householder_product")
def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of reflections (``torch.linalg.householder_product``).

    ``input``: (*, m, n) with m >= n, of whose columns the reflections are; ``tau``: (*, k) with
    k <= n, their factors. The result is (*, m, n). PyTorch's older name is ``torch.orgqr``.

    >>> import anadrome as ad
    >>> a, tau = ad.geqrf(ad.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> q = ad.linalg.householder_product(a, tau)
    >>> ad.allclose(q @ a.triu(), ad.tensor([[3.0, 1.0], [4.0, 2.0]]))
    True
    """
    steps = _reflectors("torch.linalg.householder_product", input, tau)
    m, n = input.shape[-2:]
    out = creation.eye(m, n, dtype=input.dtype, device=input.device).expand(input.shape)
    for v, factor in reversed(steps):
        out = _reflected(out, v, factor)
    return out if steps else input.clone().zero_() + out


@takes_out
@one()
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """``other`` times the whole product of reflections (PyTorch: ``torch.ormqr``).

    ``left``: Q @ other, else other @ Q; ``transpose``: of the conjugate transpose of Q.
    """
    steps = _reflectors("torch.ormqr", input, tau, tall=False)
    matrices("torch.ormqr", other, label="other")
    m = input.shape[-2]
    if other.shape[-2 if left else -1] != m:
        raise RuntimeError(
            f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], "
            f"which is {m}, but it is {other.shape[-2 if left else -1]}"
        )
    if not left:  # other @ Q is the adjoint of Q^H @ other^H
        return ormqr(input, tau, other.mH, True, not transpose).mH
    for v, factor in steps if transpose else reversed(steps):
        if transpose and is_complex(factor):
            factor = factor.conj()
        other = _reflected(other, v, factor)
    return other


@takes_out
@one()
def geqrf(input: Tensor) -> Any:
    """QR as reflections: R and, below its diagonal, their columns; and ``tau`` (``torch.geqrf``).

    ``input``: (*, m, n). As in PyTorch there is no gradient; use ``linalg.qr``.
    """
    matrices("torch.geqrf", input, label="input")
    m, n = input.shape[-2:]
    if modes.current().grad and input.requires_grad:
        raise NotImplementedError(
            "the derivative for 'geqrf' is not implemented; use linalg.qr, or detach the input"
        )
    a = input.detach().clone()
    factors = []
    for i in range(min(m, n)):
        column = a[..., i:, i]
        v, factor, size = _reflection(column)
        if i + 1 < n:
            rest = a[..., i:, i + 1 :]
            turned = factor.conj() if is_complex(factor) else factor
            a[..., i:, i + 1 :] = _reflected(rest, v.unsqueeze(-1), turned[..., None, None])
        a[..., i, i] = size
        a[..., i + 1 :, i] = v[..., 1:]
        factors.append(factor)
    tau = stack(factors, -1) if factors else input.new_zeros((*input.shape[:-2], 0))  # type: ignore[attr-defined]
    return Geqrf(a, tau)


def _reflection(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """v and tau of the reflection that makes ``x`` a multiple of the first axis, and which one."""
    first = x[..., 0]
    tail = vector_norm(x[..., 1:], 2, (-1,)) if x.shape[-1] > 1 else (first * 0).abs()
    part = first.real if is_complex(first) else first
    flat = tail == 0
    if is_complex(first):
        flat = flat & (first.imag == 0)
    length = (first.abs() ** 2 + tail**2).sqrt()
    beta = where(part < 0, length, -length)
    safe = where(flat, 1.0, beta)
    tau = where(flat, 0.0, (safe - first) / safe)
    below = x[..., 1:] / where(flat, 1.0, first - safe).unsqueeze(-1)
    v = cat([creation.ones_like(x[..., :1]), below], -1)
    return v, tau, where(flat, first, beta.to(first.dtype))
