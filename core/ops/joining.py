"""joining: several arrays into one, and one into several."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..op import WIDEST, op
from ..samples import Arr, Sample
from ..tensor import Tensor

# fmt: off
cat_arrays = op("cat", lambda xp, *tensors, dim=0: xp.concat(list(tensors), axis=dim),
                tensors=lambda g, tensors_shape, dim: _cat_rule(g, tensors_shape, dim),
                amp=WIDEST, method=False,
                samples=[Sample((Arr((2, 3)), Arr((2, 3)), Arr((1, 3))), {"dim": 0}),
                         Sample((Arr((2, 3)), Arr((2, 1))), {"dim": -1})])
stack_arrays = op("stack", lambda xp, *tensors, dim=0: xp.stack(list(tensors), axis=dim),
                  tensors=lambda g, tensors_shape, dim: _stack_rule(g, tensors_shape, dim),
                  amp=WIDEST, method=False,
                  samples=[Sample((Arr((2, 3)), Arr((2, 3))), {"dim": d}) for d in (0, 1, -1)])
# fmt: on


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


def cat(tensors: Any, dim: int = 0) -> Any:
    """Join along an existing dimension (PyTorch: ``torch.cat``).

    >>> import anadrome as ad
    >>> ad.cat([ad.zeros(2), ad.ones(1)])
    tensor([0., 0., 1.])
    """
    return cat_arrays(*_several("cat", tensors), dim=dim)


def stack(tensors: Any, dim: int = 0) -> Any:
    """Join along a new dimension; all shapes must be equal (PyTorch: ``torch.stack``)."""
    return stack_arrays(*_several("stack", tensors), dim=dim)


def _several(name: str, tensors: Any) -> list[Any]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}() takes a sequence of Tensors, not one Tensor: {name}([a, b])")
    out = list(tensors)
    if not out:
        raise ShapeError(f"{name}(): expected a non-empty list of Tensors")
    return out


def split(x: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given size, or sizes; views (PyTorch: ``torch.split``)."""
    n = x.shape[dim]
    if isinstance(split_size, int):
        if split_size <= 0:
            raise RuntimeError(f"split expects split_size be positive, but got {split_size}")
        sizes = [split_size] * (n // split_size)
        if n % split_size or not sizes:
            sizes.append(n - sum(sizes))
    else:
        sizes = list(split_size)
        if sum(sizes) != n:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n}, but got {sizes}"
            )
    prefix = (slice(None),) * (dim % x.ndim)
    out = []
    start = 0
    for size in sizes:
        out.append(x[(*prefix, slice(start, start + size))])
        start += size
    return tuple(out)


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` pieces of equal size, the last may be smaller (``torch.chunk``)."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return split(x, max(-(-x.shape[dim] // chunks), 1), dim)


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension, which is removed; views (PyTorch: ``torch.unbind``)."""
    prefix = (slice(None),) * (dim % x.ndim)
    return tuple(x[(*prefix, i)] for i in range(x.shape[dim]))


Tensor.split = split
Tensor.chunk = chunk
Tensor.unbind = unbind
