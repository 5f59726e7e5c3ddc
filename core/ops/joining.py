"""joining: several arrays into one, and one into several."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, RangeError, ShapeError
from ..op import WIDEST, op
from ..out import takes_out
from ..samples import Arr, Sample
from ..tensor import Tensor
from .reduce import axes_of
from .shape import _new_axis, reshape

# fmt: off
cat_arrays = op("cat", lambda xp, *tensors, dim=0: _concat(xp, tensors, dim),
                tensors=lambda g, tensors_shape, dim: _cat_rule(g, tensors_shape, dim),
                amp=WIDEST, method=False, float8=True,
                samples=[Sample((Arr((2, 3)), Arr((2, 3)), Arr((1, 3))), {"dim": 0}),
                         Sample((Arr((2, 3)), Arr((2, 1))), {"dim": -1})])
stack_arrays = op("stack", lambda xp, *tensors, dim=0: _stacked(xp, tensors, dim),
                  tensors=lambda g, tensors_shape, dim: _stack_rule(g, tensors_shape, dim),
                  amp=WIDEST, method=False, float8=True,
                  samples=[Sample((Arr((2, 3)), Arr((2, 3))), {"dim": d}) for d in (0, 1, -1)])
# fmt: on


def _concat(xp: Any, tensors: Any, dim: int) -> Any:
    rank = len(tensors[0].shape)
    if not -rank <= dim < rank:  # NumPy takes its lowest integer for "flatten them"
        raise RangeError(
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got "
            f"{dim})"
        )
    try:
        return xp.concat(tensors, axis=dim)
    except (ValueError, IndexError):
        _check_cat(tensors, dim)
        raise


def _check_cat(tensors: Any, dim: int) -> None:
    """Say in PyTorch's words what does not fit."""
    for i, t in enumerate(tensors):
        if t.ndim == 0:
            raise ValueError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    wanted = tensors[0].shape
    (axis,) = axes_of(dim, len(wanted))
    for i, t in enumerate(tensors):
        if t.ndim != len(wanted):
            raise ValueError(
                f"Tensors must have same number of dimensions: got {len(wanted)} and {t.ndim}"
            )
        for d, (n, m) in enumerate(zip(wanted, t.shape)):
            if d != axis and n != m:
                raise ValueError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {n} "
                    f"but got size {m} for tensor number {i} in the list."
                )


def _stacked(xp: Any, tensors: Any, dim: int) -> Any:
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ValueError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(t.shape)} at entry {i}"
            )
    return xp.stack(list(tensors), axis=_new_axis(dim, tensors[0].ndim))


def _cat_rule(g: Any, shapes: Any, dim: int) -> list[Any]:
    axis = dim % len(g.shape)
    out = []
    start = 0
    for shape in shapes:
        stop = start + shape[axis]
        out.append(g[(*(slice(None),) * axis, slice(start, stop), Ellipsis)])
        start = stop
    return out


def _stack_rule(g: Any, shapes: Any, dim: int) -> list[Any]:
    axis = dim % len(g.shape)
    return [g[(*(slice(None),) * axis, i, Ellipsis)] for i in range(len(shapes))]


@takes_out
def cat(tensors: Any, dim: int = 0) -> Any:
    """Join along an existing dimension (PyTorch: ``torch.cat``).

    An empty Tensor of one dimension fits any other, as in PyTorch.

    >>> import anadrome as ad
    >>> ad.cat([ad.zeros(2), ad.ones(1)])
    tensor([0., 0., 1.])
    """
    parts = _several("cat", tensors)
    ranks = [t.ndim for t in parts]
    if 0 in ranks:
        place = ranks.index(0)
        raise ShapeError(
            f"zero-dimensional tensor (at position {place}) cannot be concatenated; use stack"
        )
    if len(set(ranks)) > 1 and any(tuple(t.shape) == (0,) for t in parts):
        kept = [t for t in parts if tuple(t.shape) != (0,)]
        out = cat_arrays(*kept, dim=dim)
        return out.to(_common(parts))
    return cat_arrays(*parts, dim=dim)


def _common(tensors: list[Any]) -> Any:
    from ..dtypes import result_type

    return result_type([(t.dtype, 2) for t in tensors])


@takes_out
def stack(tensors: Any, dim: int = 0) -> Any:
    """Join along a new dimension; all shapes must be equal (PyTorch: ``torch.stack``)."""
    return stack_arrays(*_several("stack", tensors), dim=dim)


def _several(name: str, tensors: Any) -> list[Any]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}() takes a sequence of Tensors, not one Tensor: {name}([a, b])")
    try:
        out = list(tensors)
    except TypeError:
        raise ArgumentError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        ) from None
    if not out:
        raise ShapeError(f"{name}(): expected a non-empty list of Tensors")
    for i, t in enumerate(out):
        if t.__class__ is not Tensor and (not hasattr(t, "shape") or isinstance(t, type)):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}"
            )
    return out


def _at_least(ndim: int, x: Any) -> Any:
    """Dimensions added as PyTorch's ``atleast_1d`` to ``atleast_3d`` do."""
    shape = tuple(x.shape)
    if len(shape) >= ndim:
        return x
    if ndim == 3 and len(shape) == 2:
        return reshape(x, shape=(*shape, 1))
    if ndim == 3 and len(shape) == 1:
        return reshape(x, shape=(1, shape[0], 1))
    return reshape(x, shape=(*(1,) * (ndim - len(shape)), *shape))


def _each_at_least(ndim: int, tensors: Any) -> Any:
    if not tensors or (len(tensors) == 1 and isinstance(tensors[0], (list, tuple))):
        if not (tensors and tensors[0]):
            return ()
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return _at_least(ndim, tensors[0])
    if len(tensors) == 1:
        tensors = tensors[0]
    tensors = _several(f"atleast_{ndim}d", tensors)
    return tuple(_at_least(ndim, t) for t in tensors)


def atleast_1d(*tensors: Any) -> Any:
    """Each Tensor with one dimension or more (PyTorch: ``torch.atleast_1d``)."""
    return _each_at_least(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Each Tensor with two dimensions or more (PyTorch: ``torch.atleast_2d``)."""
    return _each_at_least(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Each Tensor with three dimensions or more (PyTorch: ``torch.atleast_3d``)."""
    return _each_at_least(3, tensors)


@takes_out
def hstack(tensors: Any) -> Any:
    """Side by side: along the second dimension, or the only one (PyTorch: ``torch.hstack``).

    >>> import anadrome as ad
    >>> ad.hstack([ad.ones(2, 1), ad.zeros(2, 2)]).shape
    anadrome.Size([2, 3])
    """
    parts = [_at_least(1, t) for t in _several("hstack", tensors)]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


@takes_out
def vstack(tensors: Any) -> Any:
    """On top of each other: vectors become rows (PyTorch: ``torch.vstack``)."""
    return cat([_at_least(2, t) for t in _several("vstack", tensors)], 0)


@takes_out
def dstack(tensors: Any) -> Any:
    """Behind each other: along the third dimension (PyTorch: ``torch.dstack``)."""
    return cat([_at_least(3, t) for t in _several("dstack", tensors)], 2)


@takes_out
def column_stack(tensors: Any) -> Any:
    """Side by side: vectors become columns (PyTorch: ``torch.column_stack``)."""
    parts = [
        t if t.ndim > 1 else reshape(t, shape=(-1, 1)) for t in _several("column_stack", tensors)
    ]
    return hstack(parts)


def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of one, zero elsewhere (PyTorch: ``torch.block_diag``)."""
    from .shape import pad_constant

    if not tensors:
        from ..creation import empty

        return empty(1, 0)
    blocks = [_at_least(2, t) for t in _several("block_diag", tensors)]
    for t in blocks:
        if t.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input has "
                f"{t.ndim} dimensions"
            )
    width = sum(t.shape[1] for t in blocks)
    rows = []
    left = 0
    for t in blocks:
        right = width - left - t.shape[1]
        rows.append(pad_constant(t, padding=((0, 0), (left, right)), value=0.0))
        left += t.shape[1]
    return cat(rows, 0)
