"""linalg_spectral: eigenvalues and singular values, and the pseudoinverse.

Vectors are fixed only up to a factor of length one: a loss may not depend on that factor. The rules
give PyTorch's gradient of complex values themselves.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import by_type
from ..dtypes import complex64, complex128, float64, from_native
from ..op import FLOAT, FULL, op
from ..samples import Arr, Sample, call
from .complex import imag, imaginary, is_complex, real
from .linalg_checks import converged, is_finite
from .linalg_solve import adjoint_of, diagonal_part, line_of, on_diagonal, solve
from .products import matmul_batched

# fmt: off
eigh = op("linalg_eigh", lambda xp, x, *, UPLO="L": _eigh(xp, x, UPLO),
          x=lambda g, values, vectors: _eigh_rule(g, values, vectors),
          outputs=("values", "vectors"), dtype=FLOAT, amp=FULL, method=False, holomorphic=False)
eig = op("linalg_eig", lambda xp, x: _eig(xp, x),
         x=lambda g, values, vectors: _eig_rule(g, values, vectors),
         outputs=("values", "vectors"), dtype=FLOAT, amp=FULL, method=False, holomorphic=False)
svd = op("linalg_svd", lambda xp, x, *, full_matrices=True: _svd(xp, x, full_matrices),
         x=lambda g, u, s, v: _svd_rule(g, u, s, v),
         outputs=("u", "s", "v"), dtype=FLOAT, amp=FULL, method=False, holomorphic=False)
pinv = op("linalg_pinv", lambda xp, x, *, atol=None, rtol=None, hermitian=False:
              _pinv(xp, x, atol, rtol, hermitian),
          x=lambda g, x, out: _pinv_rule(g, x, out),
          dtype=FLOAT, amp=FULL, method=False, holomorphic=False,
          samples=call(Arr((3, 3))) + call(Arr((4, 2))) + call(Arr((2, 2, 3)))
          + [Sample((Arr((0, 3)),), {})])
# fmt: on


def _eigh(xp: Any, x: Any, UPLO: str) -> Any:
    if UPLO in "uU":  # the libraries read the lower half
        x = xp.linalg.matrix_transpose(x)
        x = xp.conj(x) if is_complex(x) else x
    # The libraries may read both halves: make them agree.
    half = xp.tril(x, k=-1)
    other = xp.linalg.matrix_transpose(half)
    other = xp.conj(other) if is_complex(x) else other
    x = half + other + xp.tril(xp.triu(x))
    if is_finite(xp, x):
        out = converged(xp.linalg.eigh, xp, x, "linalg.eigh")
        return out[0], out[1]
    whole = xp.all(xp.isfinite(x), axis=(-2, -1), keepdims=True)  # of the others it is NaN
    out = converged(xp.linalg.eigh, xp, xp.where(whole, x, xp.zeros_like(x)), "linalg.eigh")
    values, vectors = out[0], out[1]
    return (
        xp.where(whole[..., 0], values, xp.full_like(values, math.nan)),
        xp.where(whole, vectors, xp.full_like(vectors, math.nan)),
    )


def _gaps(values: Any) -> Any:
    """``values[j] - values[i]``, and one where they are the same value."""
    gaps = values[..., None, :] - values[..., :, None]
    return gaps + diagonal_part(gaps * 0.0 + 1.0)


def _eigh_rule(g: Any, values: Any, vectors: Any) -> Any:
    of_values, of_vectors = g
    turned = adjoint_of(vectors)
    if of_vectors is None:
        return matmul_batched(vectors * of_values[..., None, :], turned)
    inner = matmul_batched(turned, of_vectors)
    inner = (inner - adjoint_of(inner)) * 0.5  # vectors turn, they do not stretch
    inner = (inner - diagonal_part(inner)) / _gaps(values)
    if of_values is not None:
        inner = inner + on_diagonal(of_values)
    return matmul_batched(matmul_batched(vectors, inner), turned)


def _eig(xp: Any, x: Any) -> Any:
    own = getattr(xp.linalg, "eig", None)
    if own is None:
        raise NotImplementedError("this array library has no eigenvalues of general matrices")
    out = converged(own, xp, x, "linalg.eig")
    double = from_native[x.dtype] in (float64, complex128)
    kind = by_type[x.__class__].dtype(complex128 if double else complex64)
    return xp.astype(out[0], kind), xp.astype(out[1], kind)


def _eig_rule(g: Any, values: Any, vectors: Any) -> Any:
    """Boeddeker et al. 2019, https://arxiv.org/abs/1701.00392, for vectors of length one."""
    of_values, of_vectors = g
    turned = adjoint_of(vectors)
    if of_vectors is None:
        inner = on_diagonal(of_values)
    else:
        inner = matmul_batched(turned, of_vectors)
        along = real(line_of(inner))
        inner = inner - matmul_batched(turned, vectors) * along[..., None, :]
        gaps = _gaps(values)
        inner = (inner - diagonal_part(inner)) / _conjugate(gaps)
        if of_values is not None:
            inner = inner + on_diagonal(of_values)
    return solve(turned, matmul_batched(inner, turned))


def _conjugate(x: Any) -> Any:
    from .complex import conj

    return conj(x) if is_complex(x) else x


def _svd(xp: Any, x: Any, full_matrices: bool) -> Any:
    if 0 in x.shape[-2:]:
        return _empty_svd(xp, x, full_matrices)
    out = converged(xp.linalg.svd, xp, x, "linalg.svd", full_matrices=full_matrices)
    return out[0], out[1], out[2]


def _empty_svd(xp: Any, x: Any, full_matrices: bool) -> Any:
    """Of matrices without rows or columns, which not every library takes."""
    m, n = x.shape[-2:]
    batch = x.shape[:-2]
    if full_matrices:
        u = xp.broadcast_to(xp.eye(m, dtype=x.dtype), (*batch, m, m))
        v = xp.broadcast_to(xp.eye(n, dtype=x.dtype), (*batch, n, n))
    else:
        u, v = xp.zeros((*batch, m, 0), dtype=x.dtype), xp.zeros((*batch, 0, n), dtype=x.dtype)
    lengths = xp.zeros((*batch, 0), dtype=x.dtype)
    return xp.asarray(u, copy=True), xp.abs(lengths), xp.asarray(v, copy=True)


def _svd_rule(g: Any, u: Any, s: Any, v: Any) -> Any:
    """Of PyTorch's ``svd_backward``: Townsend 2016, and Wan and Zhang 2019 for complex values."""
    of_u, of_s, of_v = g
    k = s.shape[-1]
    m, n = u.shape[-2], v.shape[-1]
    u, v = u[..., :k], v[..., :k, :]
    if of_u is None and of_v is None:
        return matmul_batched(u * of_s[..., None, :], v)
    inner = None if of_s is None else on_diagonal(of_s)
    gaps = _gaps(s * s)
    row, column = s[..., None, :], s[..., :, None]
    if of_u is not None:
        of_u = of_u[..., :k]
        skewed = matmul_batched(adjoint_of(u), of_u)
        along = line_of(skewed)
        skewed = skewed - adjoint_of(skewed)
        part = (skewed / gaps) * row
        part = part - diagonal_part(part)
        if is_complex(part):
            part = part + on_diagonal(imaginary(imag(along)) / s)
        inner = part if inner is None else inner + part
    if of_v is not None:
        of_v = of_v[..., :k, :]
        skewed = matmul_batched(v, adjoint_of(of_v))
        skewed = skewed - adjoint_of(skewed)
        part = column * (skewed / gaps)
        part = part - diagonal_part(part)
        inner = part if inner is None else inner + part
    left = matmul_batched(u, inner)
    if of_u is not None and m > k:
        rest = of_u / row
        left = left + rest - matmul_batched(u, matmul_batched(adjoint_of(u), rest))
    out = matmul_batched(left, v)
    if of_v is not None and n > k:
        rest = of_v / column
        beside = rest - matmul_batched(matmul_batched(rest, adjoint_of(v)), v)
        out = out + matmul_batched(u, beside)
    return out


def threshold(xp: Any, s: Any, shape: Any, atol: Any, rtol: Any) -> Any:
    """Singular values up to this count as zero; PyTorch's defaults."""
    if rtol is None:
        eps = 2.0**-52 if from_native[s.dtype] is float64 else 2.0**-23
        rtol = 0.0 if atol is not None else max(shape[-2:]) * eps
    largest = xp.max(s, axis=-1, keepdims=True)
    relative = largest * (rtol[..., None] if hasattr(rtol, "ndim") else rtol)
    if atol is None:
        return relative
    least = atol[..., None] if hasattr(atol, "ndim") else atol
    return xp.maximum(relative, xp.zeros_like(relative) + least)


def _pinv(xp: Any, x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    if 0 in x.shape:
        return xp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
    if hermitian:
        s, u = _eigh(xp, x, "L")
        v = xp.linalg.matrix_transpose(u)
        v = xp.conj(v) if is_complex(x) else v
    else:
        u, s, v = converged(xp.linalg.svd, xp, x, "linalg.pinv", full_matrices=False)
    kept = xp.abs(s) > threshold(xp, xp.abs(s), x.shape, atol, rtol)
    inverse = xp.where(kept, 1.0 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    left, right = xp.linalg.matrix_transpose(v), xp.linalg.matrix_transpose(u)
    if is_complex(x):
        left, right = xp.conj(left), xp.conj(right)
    return xp.matmul(left * xp.astype(inverse, x.dtype)[..., None, :], right)


def _pinv_rule(g: Any, x: Any, out: Any) -> Any:
    """Golub and Pereyra 1973, for constant rank."""
    m, n = x.shape[-2:]
    turned, of_turned = adjoint_of(out), adjoint_of(g)
    mm = matmul_batched
    if m <= n:
        k = mm(of_turned, out)
        k_turned = mm(k, turned)
        return (
            -adjoint_of(mm(out, k))
            + k_turned
            - mm(mm(x, out), k_turned)
            + mm(mm(turned, out), of_turned - mm(k, x))
        )
    k = mm(out, of_turned)
    turned_k = mm(turned, k)
    return (
        -adjoint_of(mm(k, out))
        + mm(mm(of_turned - mm(x, k), out), turned)
        + turned_k
        - mm(mm(turned_k, out), x)
    )
