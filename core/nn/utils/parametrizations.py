"""parametrizations: weights of given norm, and orthogonal ones (``nn.utils.parametrizations``)."""

from __future__ import annotations

from typing import Any

from ... import creation, dtypes, linalg, modes
from ...border import enclose_functions
from ...ops.joining import cat
from ...tensor import Tensor
from .. import functional as F
from ..modules.module import Module
from .norms import as_matrix, channel_dim, norm_except, unit
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """A weight as magnitude and direction; returns the module (arXiv:1602.07868).

    ``dim``: the dimension that has magnitudes of its own; None for one magnitude.
    They are ``parametrizations.<name>.original0`` and ``original1``.
    PyTorch: ``torch.nn.utils.parametrizations.weight_norm``.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def older_names(state_dict: Any, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(older_names)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got "
                f"{dim})"
            )
        if n_power_iterations > 10_000:  # so many that the call ends
            raise ValueError(
                "n_power_iterations is at most 10,000, and one is enough while training; got "
                f"{n_power_iterations}"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with modes.no_grad():
                matrix = as_matrix(weight.detach(), self.dim)
                for key, length in zip(("_u", "_v"), matrix.shape):
                    drawn = matrix.new_empty((length,)).normal_()
                    self.register_buffer(key, unit(drawn, eps))
                self._power_method(matrix, 15)

    def _power_method(self, matrix: Tensor, count: int) -> None:
        with modes.no_grad():
            for _ in range(count):
                self._u.copy_(unit(matrix.mv(self._v), self.eps))
                self._v.copy_(unit(matrix.T.mv(self._u), self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix.detach(), self.n_power_iterations)
        # Copies: the next forward writes into the buffers before this one's backward.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """A weight divided by its largest singular value; returns the module (arXiv:1802.05957).

    That value is tracked by ``n_power_iterations`` steps in each training forward. ``dim``: the
    outputs' dimension; by default 1 for transposed convolutions and else 0.
    PyTorch: ``torch.nn.utils.parametrizations.spectral_norm``.
    """
    weight = _weight(module, name)
    dim = channel_dim(module) if dim is None else dim
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, made)


def _weight(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool) -> None:
        super().__init__()
        if weight.dtype.is_complex and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = tuple(weight.shape)
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        n, k = X.shape[-2:]
        wide = n < k
        if wide:
            X, n, k = X.mT, k, n
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            Q = _householder_product(A, 2.0 / (1.0 + (A * A).sum(-2)))
            Q = Q * X.diagonal(dim1=-2, dim2=-1).detach().to(dtypes.int32).unsqueeze(-2)
        else:
            X = X.tril()
            if n != k:
                X = cat([X, X.new_zeros((*X.shape[:-1], n - k))], -1)
            A = X - (X.mT.conj() if X.dtype.is_complex else X.mT)
            if self.orthogonal_map == "matrix_exp":
                Q = linalg.matrix_exp(A)
            else:
                one = creation.eye(n, dtype=A.dtype, device=A.device)
                Q = linalg.solve(one - A * 0.5, one + A * 0.5)
            Q = Q[..., :k]
        if "base" in self._buffers:
            Q = self.base @ Q  # type: ignore[operator]
        return Q.mT if wide else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        if tuple(Q.shape) != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {tuple(Q.shape)}."
            )
        given = Q
        n, k = Q.shape[-2:]
        wide = n < k
        if wide:
            Q, n, k = Q.mT, k, n
        if "base" not in self._buffers:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            A = _reflections(Q)
            return A.mT if wide else A
        if n != k:
            rest = Q.new_empty((*Q.shape[:-1], n - k)).normal_()
            Q = _orthogonalised(cat([Q, rest], -1))
        else:
            Q = Q.clone() if _is_orthogonal(Q) else _orthogonalised(Q)
        self.base = Q
        minus = -creation.eye(*given.shape[-2:], dtype=given.dtype, device=given.device)
        return minus.expand(tuple(given.shape)).clone()


def _householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of ``I - tau_i v_i v_i^T``; v_i is below A's diagonal."""
    n, k = A.shape[-2:]
    vectors = A + creation.eye(n, k, dtype=A.dtype, device=A.device)
    Q = creation.eye(n, k, dtype=A.dtype, device=A.device)
    for i in reversed(range(k)):
        v = vectors[..., i : i + 1]
        Q = Q - tau[..., i : i + 1].unsqueeze(-1) * v @ (v.mT @ Q)
    return Q


def _reflections(Q: Tensor) -> Tensor:
    """Householder vectors of orthonormal columns, with the signs of R on the diagonal.

    Above it is R, as in LAPACK's ``geqrf``.
    """
    k = Q.shape[-1]
    R = Q.clone()
    out = creation.zeros(tuple(Q.shape), dtype=Q.dtype, device=Q.device)
    for i in range(k):
        x = R[..., i:, i : i + 1]
        first = x[..., :1, :]
        size = (x * x).sum(-2, keepdim=True).sqrt()
        rest = (x[..., 1:, :] ** 2).sum(-2, keepdim=True)
        flat = rest == 0  # LAPACK then reflects nothing: its tau is zero
        beta = (first > 0).to(Q.dtype) * -2.0 * size + size
        beta = first.where(flat, beta)
        scale = (first - beta).where(~flat, size * 0.0 + 1.0)
        v = x / scale
        tau = ((beta - first) / beta).where(~flat, size * 0.0)
        v = cat([v[..., :1, :] * 0.0 + 1.0, v[..., 1:, :].where(~flat, v[..., 1:, :] * 0.0)], -2)
        R[..., i:, i:] = R[..., i:, i:] - tau * v @ (v.mT @ R[..., i:, i:])
        out[..., i:, i : i + 1] = v
        sign = beta.sign()
        out[..., i : i + 1, i : i + 1] = sign.where(~flat, -sign)
    return out + R.triu(1)


def _orthogonalised(A: Tensor) -> Tensor:
    q, r = linalg.qr(A)
    return q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def _is_orthogonal(Q: Tensor) -> bool:
    n, k = Q.shape[-2:]
    one = creation.eye(k, dtype=Q.dtype, device=Q.device)
    product = (Q.mT.conj() if Q.dtype.is_complex else Q.mT) @ Q
    return bool(((product - one).abs() <= 10.0 * n * dtypes.finfo(Q.dtype).eps + 1e-5 * one).all())


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """A weight with orthonormal columns, or rows if they are fewer; returns the module.

    ``orthogonal_map``: "matrix_exp", "cayley" or "householder"; by default the first for square
    matrices and the last for others. PyTorch: ``torch.nn.utils.parametrizations.orthogonal``.
    """
    weight = _weight(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.dtype.is_complex else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


enclose_functions(globals())
