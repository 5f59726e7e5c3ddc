"""measures: covariance, distances, integrals by the trapezoidal rule, and lengths that are cut."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..forms import inplace_composite
from ..out import takes_out
from ..refusals import refusing
from ..tensor import Tensor
from .linalg_norms import vector_norm
from .norms import norm
from .reduce import axis_of, whole
from .scan import cumsum


@refusing
def cov(
    input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None
) -> Tensor:
    """The covariances of variables, one a row (PyTorch: ``torch.cov``).

    ``fweights``: how often each column counts; ``aweights``: how much.

    >>> import anadrome as ad
    >>> ad.cov(ad.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype.category == 0:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    correction = whole(correction, "correction")
    x = input.reshape((1, -1)) if input.ndim < 2 else input
    count = x.shape[1]
    weights = _weights(fweights, aweights, count)
    if weights is None:
        total: Any = count
        mean = x.sum(1, keepdim=True) / count
    else:
        total = weights.sum()
        mean = (x * weights).sum(1, keepdim=True) / total
    left = total
    if correction and aweights is not None:
        share = aweights if fweights is None else fweights * aweights * aweights
        share = (aweights * aweights if fweights is None else share).sum() / total
        left = total - correction * share
    elif correction:
        left = total - correction
    left = left.clamp(min=0) if isinstance(left, Tensor) else max(left, 0)
    centred = x - mean
    other = centred if weights is None else centred * weights
    out = centred @ other.mT.conj() / left if count else (centred @ other.mT) * float("nan")
    return out.squeeze()


def _weights(fweights: Any, aweights: Any, count: int) -> Any:
    for label, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {label} to have one or fewer dimensions but got {label} with "
                f"{w.ndim} dimensions"
            )
        if w.numel() != count:
            raise RuntimeError(
                f"cov(): expected {label} to have the same numel as there are observations in the "
                f"input but got {w.numel()} != {count}"
            )
        whole = label == "fweights"
        if whole and (w.dtype.is_floating_point or w.dtype.is_complex):
            raise RuntimeError(
                f"cov(): expected fweights to have integral dtype but got fweights with "
                f"{w.dtype.name} dtype"
            )
        if bool((w < 0).any()):
            raise RuntimeError(f"cov(): {label} cannot be negative")
    if fweights is None:
        return aweights
    return fweights if aweights is None else fweights * aweights


@refusing
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables, one a row (PyTorch: ``torch.corrcoef``)."""
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    spread = c.diagonal().real.sqrt()
    out = c / spread.unsqueeze(1) / spread.unsqueeze(0)
    return out if out.dtype.is_complex else out.clamp(-1, 1)


@refusing
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference (PyTorch: ``torch.dist``)."""
    return norm(input - other, p)


@refusing
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule (PyTorch: ``torch.trapezoid``, ``torch.trapz``).

    ``x``: where the values lie; ``dx``: how far apart they are (1).

    >>> import anadrome as ad
    >>> ad.trapezoid(ad.tensor([1.0, 3.0, 5.0])).item()
    6.0
    """
    return _pieces("trapezoid", y, x, dx, dim).sum(dim)


@refusing
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals up to each value but the first (PyTorch: ``torch.cumulative_trapezoid``)."""
    return cumsum(_pieces("cumulative_trapezoid", y, x, dx, dim), dim)


def _pieces(name: str, y: Tensor, x: Any, dx: Any, dim: int) -> Tensor:
    n = max(y.ndim, 1)
    if not -n <= dim < n or y.ndim == 0:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    dim %= n
    length = max(y.shape[dim] - 1, 0)
    if y.dtype.category == 0:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    if isinstance(dx, Tensor) and dx.ndim:
        raise TypeError(f"{name}(): argument 'dx' must be float, not Tensor; write x=")
    if isinstance(x, Tensor) and x.ndim == 0:
        raise ShapeError(f"{name}: x has no dimensions; a distance is dx=, a number")
    if not isinstance(x, Tensor):  # the second argument may be the distance
        dx = 1 if dx is None and x is None else (x if dx is None else dx)
        return (_last(y, dim) + y.narrow(dim, 0, length)) * dx / 2.0
    if dx is not None:
        raise RuntimeError(f"{name}(): give x or dx, not both")
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"{name}(): There must be one `x` value for each sample point, not {x.shape[0]} "
                f"for {y.shape[dim]}"
            )
        x = x.reshape(tuple(-1 if d == dim else 1 for d in range(y.ndim)))
    back = x.ndim - (y.ndim - dim)
    count = max(x.shape[back] - 1, 0)
    apart = _last(x, back) - x.narrow(back, 0, count)
    return (_last(y, dim) + y.narrow(dim, 0, length)) * apart / 2.0


def _last(x: Tensor, dim: int) -> Tensor:
    """All but the first along ``dim``, of which there may be none."""
    n = x.shape[dim]
    return x.narrow(dim, min(1, n), max(n - 1, 0))


@takes_out
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along ``dim`` whose p-norm is above ``maxnorm``, shortened (``torch.renorm``)."""
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    axis = axis_of(dim, input.ndim)
    if not p > 0:
        raise RuntimeError("renorm: non-positive norm not supported")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    others = tuple(d for d in range(input.ndim) if d != axis)
    size = vector_norm(input, p, others, True)
    return input * (maxnorm / (size + 1e-7)).where(size > maxnorm, 1.0)


Tensor.renorm_ = inplace_composite(renorm)  # type: ignore[attr-defined]
