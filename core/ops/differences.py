"""differences: the derivative of a sampled function (PyTorch: ``torch.gradient``)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from ..refusals import refusing
from ..size import is_index
from ..tensor import Tensor
from .joining import cat


@refusing
def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Estimates of the derivatives along dimensions, by central differences (``torch.gradient``).

    One Tensor of the input's shape for each of ``dim`` (an int or several; all). ``spacing``: how
    far apart the samples are (1), one number for all dimensions or one for each, or for each a
    Tensor of one dimension with their places. ``edge_order``: 1 or 2, of the estimate at the ends.
    The estimate within is of second order also for uneven places (Fornberg 1988,
    doi:10.1090/S0025-5718-1988-0935077-0).

    >>> import anadrome as ad
    >>> ad.gradient(ad.tensor([0.0, 1.0, 4.0, 9.0]), edge_order=2)
    (tensor([0., 2., 4., 6.]),)
    """
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = _dims(input, dim)
    spaces = _spaces(spacing, dims, dim)
    out = []
    for axis, space in zip(dims, spaces):
        length = input.shape[axis]
        if length < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
        if isinstance(space, Tensor) and (space.ndim != 1 or len(space) != length):
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, as long "
                f"as the input's dimension ({length}), but got one of shape {tuple(space.shape)}"
            )
        out.append(_along(input, axis, space, edge_order))
    return tuple(out)


def _dims(input: Tensor, dim: Any) -> list[int]:
    if dim is None:
        return list(range(input.ndim))
    dims = [index(dim)] if is_index(dim) else list(dim)
    for d in dims:
        if not -input.ndim <= d < input.ndim:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[{-input.ndim}, {input.ndim - 1}], but got {d})"
            )
    dims = [d % input.ndim for d in dims]
    if len(set(dims)) != len(dims):
        raise RuntimeError("dim 0 appears multiple times in the list of dims")
    return dims


def _spaces(spacing: Any, dims: list[int], dim: Any) -> list[Any]:
    if spacing is None:
        spacing = 1
    if not isinstance(spacing, Sequence) or isinstance(spacing, Tensor):
        return [spacing] * len(dims)
    if len(spacing) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or a list of one for each "
            f"dimension, of length {len(dims)}, but got {len(spacing)}"
        )
    return list(spacing)


def _along(x: Tensor, axis: int, space: Any, edge_order: int) -> Tensor:
    length = x.shape[axis]
    x = x.movedim(axis, -1)
    if isinstance(space, Tensor):
        apart: Any = space[1:] - space[:-1]
        left, right = apart[:-1], apart[1:]
    else:
        apart = left = right = space
    step = x[..., 1:] - x[..., :-1]
    slope = step / apart
    if length > 2:
        inner = (slope[..., :-1] * right + slope[..., 1:] * left) / (left + right)
    else:
        inner = slope[..., :0]
    if edge_order == 1:
        first, last = slope[..., :1], slope[..., -1:]
    else:
        first = _edge(slope[..., 0], slope[..., 1], apart, 0, 1)
        last = _edge(slope[..., -1], slope[..., -2], apart, -1, -2)
    return cat([first, inner, last], -1).movedim(-1, axis)


def _edge(near: Tensor, far: Tensor, apart: Any, one: int, two: int) -> Tensor:
    """The slope at an end, on a parabola through the last three samples."""
    if not isinstance(apart, Tensor):
        return (near * 1.5 - far * 0.5).unsqueeze(-1)
    a, b = apart[one], apart[two]
    return (near + (near - far) * (a / (a + b))).unsqueeze(-1)
