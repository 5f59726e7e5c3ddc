"""arranging: values turned, moved around and repeated; these are copies."""

from __future__ import annotations

from operator import index
from typing import Any

from .. import backend as backends
from .. import modes
from ..errors import ArgumentError, RangeError
from ..forms import inplace_composite
from ..op import KEEP, op
from ..placement import at
from ..refusals import refusing
from ..samples import each
from ..tensor import Tensor, wrap
from .convert import clone
from .reduce import whole
from .shape import _distinct, _normal, expand, flatten, reshape, transpose
from .strided import contiguous

# fmt: off
flip = op("flip", lambda xp, x, *, dims: _flipped(xp, x, dims),
          x=lambda g, dims: flip(g, dims=dims), dtype=KEEP, spread="dims",
          samples=each("2,3", {"dims": (0,)}, {"dims": (0, 1)}))
roll = op("roll", lambda xp, x, *, shifts, dims=None: _rolled(xp, x, shifts, dims),
          x=lambda g, shifts, dims: roll(g, shifts=_negated(shifts), dims=dims), dtype=KEEP,
          samples=each("3,4", {"shifts": 1}, {"shifts": (1, -2), "dims": (0, 1)}))
tril = op("tril", lambda xp, x, *, diagonal=0: _triangle("tril", xp.tril, x, diagonal),
          x=lambda g, diagonal: tril(g, diagonal=diagonal), dtype=KEEP,
          samples=each("3,4", {}, {"diagonal": 1}))
triu = op("triu", lambda xp, x, *, diagonal=0: _triangle("triu", xp.triu, x, diagonal),
          x=lambda g, diagonal: triu(g, diagonal=diagonal), dtype=KEEP,
          samples=each("3,4", {}, {"diagonal": -1}))
repeat = op("repeat", lambda xp, x, *, repeats: _tiled(xp, x, repeats),
            x=lambda g, x_shape, repeats: _repeat_rule(g, x_shape, repeats),
            dtype=KEEP, spread="repeats",
            samples=each("2,3", {"repeats": (2, 1)}, {"repeats": (2, 1, 3)}))
# fmt: on


def _flipped(xp: Any, x: Any, dims: Any) -> Any:
    """A copy, as PyTorch's: a library may give a view."""
    axes = _distinct(dims, x.ndim)
    return xp.asarray(xp.flip(x, axis=axes) if x.ndim and axes else x, copy=True)


def _rolled(xp: Any, x: Any, shifts: Any, dims: Any) -> Any:
    counts = [len(_tuple(v)) for v in (shifts, dims) if v is not None]
    if not counts[0]:
        raise ValueError("`shifts` required")
    if counts[0] != counts[-1] or (dims is None and counts[0] != 1):
        raise ValueError(
            f"shifts and dimensions must align. shifts: {counts[0]}, dims:"
            f"{0 if dims is None else counts[-1]}"
        )
    if dims is not None and not x.ndim:
        raise RangeError(f"Dimension specified as {_tuple(dims)[0]} but tensor has no dimensions")
    if dims is None:
        flat = xp.roll(xp.reshape(x, (-1,)), sum(_tuple(shifts)), axis=0)
        return xp.reshape(flat, x.shape)
    return xp.roll(x, _tuple(shifts), axis=_normal(dims, x.ndim))


def _tuple(values: Any) -> tuple[int, ...]:
    if isinstance(values, int):
        return (values,)
    return (index(values),) if getattr(values, "ndim", 1) == 0 else tuple(values)


def _triangle(name: str, function: Any, x: Any, diagonal: int) -> Any:
    if x.ndim < 2:
        raise ValueError(f"{name}: input tensor must have at least 2 dimensions, not {x.ndim}")
    return function(x, k=whole(diagonal, "diagonal"))


def _tiled(xp: Any, x: Any, repeats: Any) -> Any:
    if isinstance(repeats, (str, bytes)):
        raise TypeError(f"repeat(): argument 'repeats' must be tuple of ints, not {repeats!r:.40}")
    if len(repeats) < x.ndim:
        raise ValueError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: {len(repeats)} and {x.ndim}"
        )
    return xp.tile(x, repeats)


def _negated(shifts: Any) -> Any:
    return tuple(-s for s in _tuple(shifts))


def _repeat_rule(g: Any, shape: Any, repeats: Any) -> Any:
    from .reduce import sum

    shape = (1,) * (len(repeats) - len(shape)) + tuple(shape)
    split: list[int] = []
    for r, n in zip(repeats, shape):
        split += [r, n]
    out = sum(reshape(g, shape=tuple(split)), dim=tuple(range(0, len(split), 2)))
    return out  # leading ones are undone by the engine


# -- PyTorch's forms --------------------------------------------------------------------------
@refusing
def fliplr(input: Any) -> Any:
    """The second dimension reversed (PyTorch: ``torch.fliplr``)."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, dims=(1,))


@refusing
def flipud(input: Any) -> Any:
    """The first dimension reversed (PyTorch: ``torch.flipud``)."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, dims=(0,))


@refusing
def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Turned by ``k`` quarters in a plane, from the first of ``dims`` to the second.

    PyTorch: ``torch.rot90``.

    >>> import anadrome as ad
    >>> ad.rot90(ad.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    k, dims = whole(k, "k"), tuple(whole(d) for d in dims)
    a, b = _normal(dims, input.ndim)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return flip(input, dims=(a, b))
    return flip(transpose(input, dim0=a, dim1=b), dims=(a if k == 1 else b,))


@refusing
def tile(input: Any, *repeats: Any, dims: Any = None) -> Any:
    """Repeated along each dimension; missing ones are added in front (PyTorch: ``torch.tile``)."""
    if dims is not None and repeats:
        raise ArgumentError("tile() got multiple values for argument 'dims'")
    dims = repeats if dims is None else tuple(dims)
    if len(dims) == 1 and hasattr(dims[0], "__iter__"):
        dims = tuple(dims[0])
    dims = tuple(whole(n, "dims") for n in dims)
    return repeat(input, repeats=(*(1,) * (input.ndim - len(dims)), *dims))


@refusing
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each slice along ``dim`` repeated in place (PyTorch: ``torch.repeat_interleave``).

    ``repeats``: a number, or a Tensor of one for each slice. Without ``dim`` the input is
    flattened. A Tensor of repeats alone gives the indices to repeat by.

    >>> import anadrome as ad
    >>> ad.repeat_interleave(ad.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        if not isinstance(input, Tensor) or input.dtype.is_floating_point:
            raise ArgumentError("repeat_interleave(): argument 'repeats' must be int, not NoneType")
        return _repeated_indices(input, output_size)
    if dim is None:
        input, dim = reshape(input, shape=(-1,)), 0
    axis = _normal(dim, input.ndim)[0]
    if input.ndim == 0:
        input = reshape(input, shape=(1,))
    if not isinstance(repeats, Tensor):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        if output_size is not None and output_size != input.shape[axis] * repeats:
            raise RuntimeError(
                "repeat_interleave: Invalid output_size, expected "
                f"{input.shape[axis] * repeats} but got {output_size}"
            )
        shape = tuple(input.shape)
        wide = (*shape[: axis + 1], repeats, *shape[axis + 1 :])
        one = reshape(input, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
        merged = (*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :])
        out = reshape(expand(one, shape=wide), shape=merged)
        return out if out._base is None else contiguous(clone(out))  # not a view
    if repeats.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.numel() == 1 and repeats.is_meta:
        repeats = expand(reshape(repeats, shape=(1,)), shape=(input.shape[axis],))
    elif repeats.numel() == 1:
        return repeat_interleave(input, int(repeats.item()), axis, output_size=output_size)
    if repeats.numel() != input.shape[axis]:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{repeats.numel()} and input.size({axis}) = {input.shape[axis]}"
        )
    return input.index_select(axis, _repeated_indices(repeats, output_size).to(input.device))


def _repeated_indices(repeats: Tensor, output_size: int | None) -> Tensor:
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype.name not in ("int32", "int64"):
        raise RuntimeError("repeats has to be Long or Int tensor")
    modes.touch(repeats)
    counts = repeats._data
    xp = backends.by_type[counts.__class__].xp
    if repeats.is_meta:
        if output_size is None:
            raise RuntimeError("cannot repeat_interleave a meta tensor without output_size")
        return wrap(xp.empty((output_size,), dtype=counts.dtype))
    with at(counts):
        if bool(xp.any(counts < 0)):
            raise RuntimeError("repeats can not be negative")
        out = xp.repeat(xp.arange(counts.shape[0], dtype=counts.dtype), counts)
    if output_size is not None and output_size != out.shape[0]:
        raise RuntimeError(
            f"allocated size does not match required size: {output_size} and {out.shape[0]}"
        )
    return wrap(out)


@refusing
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Coordinate grids of vectors; views (PyTorch: ``torch.meshgrid``).

    ``indexing``: "ij" (the default), or "xy", which exchanges the first two dimensions.

    >>> import anadrome as ad
    >>> [g.tolist() for g in ad.meshgrid(ad.tensor([1, 2]), ad.tensor([3, 4]), indexing="ij")]
    [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(
                f"Expected 0D or 1D tensor in the tensor list but got: {t.ndim}-D of shape "
                f"{list(t.shape)}"
            )
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple(t.numel() for t in tensors)
    grids = [
        expand(
            reshape(t, shape=tuple(-1 if j == i else 1 for j in range(len(tensors)))), shape=shape
        )
        for i, t in enumerate(tensors)
    ]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


@refusing
def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of one value from each vector, a row each (``torch.cartesian_prod``)."""
    from .joining import stack

    for t in tensors:
        if t.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([flatten(g) for g in meshgrid(*tensors, indexing="ij")], 1)


@refusing
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of ``r`` values in their order, a row each (PyTorch: ``torch.combinations``).

    >>> import anadrome as ad
    >>> ad.combinations(ad.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    from ..creation import arange
    from .joining import stack

    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty((0,))
    places = meshgrid(*[arange(input.numel(), device=input.device)] * r, indexing="ij")
    keep = places[0] == places[0]
    for i in range(r - 1):
        a, b = places[i : i + 2]
        keep = keep & ((a <= b) if with_replacement else (a < b))
    return stack([input[p[keep]] for p in places], 1)


def _install() -> None:
    for function in (fliplr, flipud, rot90, tile, repeat_interleave):
        setattr(Tensor, function.__name__, function)
    for function, name in ((tril, "tril_"), (triu, "triu_")):
        setattr(Tensor, name, inplace_composite(function, name))


_install()
