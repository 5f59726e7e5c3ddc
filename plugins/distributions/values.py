"""values: parameters as Tensors of one shape, and the two ways to give a probability."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Size, Tensor
from anadrome.nn import functional as F


class lazy_property:
    """A property that is computed when first asked for, and then kept."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__
        self.name = wrapped.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with ad.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.name, value)
        return value


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and Tensors as Tensors of one shape; numbers take the dtype of the first Tensor."""
    for value in values:
        if not isinstance(value, (Tensor, int, float)):
            raise ValueError(
                "Input arguments must all be instances of Number, torch.Tensor or objects "
                f"implementing __torch_function__, but one is {type(value).__name__}"
            )
    first = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = ad.get_default_dtype() if first is None else first.dtype
    device = None if first is None else first.device
    tensors = [
        v if isinstance(v, Tensor) else ad.tensor(v, dtype=dtype, device=device) for v in values
    ]
    shape = ad.broadcast_shapes(*[t.shape for t in tensors])
    return tuple(t if tuple(t.shape) == tuple(shape) else t.expand(shape) for t in tensors)


def either(probs: Any, logits: Any) -> str:
    """Which of the two was given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return "logits" if probs is None else "probs"


def to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities: by the sigmoid, or by the softmax along the last dimension."""
    return ad.sigmoid(logits) if is_binary else F.softmax(logits, dim=-1)


def to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The reverse, with probabilities kept off 0 and 1."""
    clamped = clamp_probs(probs)
    return ad.log(clamped) - ad.log1p(-clamped) if is_binary else ad.log(clamped)


def binary_entropy(logits: Tensor, probs: Tensor) -> Tensor:
    """Of a coin that shows its first side with ``probs``."""
    return F.binary_cross_entropy_with_logits(logits, probs, reduction="none")


def sum_rightmost(value: Tensor, dims: int) -> Tensor:
    """Sum over the last ``dims`` dimensions."""
    if dims == 0:
        return value
    return value.reshape((*value.shape[: value.ndim - dims], -1)).sum(-1)


def standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    """Normal draws with mean 0 and standard deviation 1."""
    return ad.randn(plain(shape), dtype=dtype, device=device)


def size_of(shape: Any) -> Size:
    """A sample shape, as PyTorch takes it."""
    return Size((shape,)) if isinstance(shape, int) else Size(shape)


def plain(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in shape)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1."""
    eps = ad.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The entries of (..., n, n) on and below a diagonal, row by row."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = ad.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The reverse: (..., n, n), zero above the diagonal."""
    n = 0
    while _entries(n, diag) < vec.shape[-1]:
        n += 1
    if _entries(n, diag) != vec.shape[-1]:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower "
            "triangular part of a square D x D matrix."
        )
    rows, columns = ad.tril_indices(n, n, diag)
    flat = ad.zeros((*vec.shape[:-1], n * n), dtype=vec.dtype, device=vec.device)
    place = (rows * n + columns).expand(vec.shape)
    return flat.scatter(-1, place, vec).reshape((*vec.shape[:-1], n, n))


def _entries(n: int, diag: int) -> int:
    return sum(min(max(row + diag + 1, 0), n) for row in range(n))
