"""shape: the same values in another arrangement; most of these are views."""

from __future__ import annotations

import builtins
from typing import Any

from ..op import KEEP, op
from ..samples import each, shapes
from ..tensor import Tensor


def _inferred(shape: tuple[int, ...], x: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in shape)
    size = 1
    for n in x.shape:
        size *= n
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    unknown = shape.count(-1)
    if unknown > 1:
        raise ValueError("only one dimension can be inferred")
    if unknown:
        if known == 0 or size % known:
            raise ValueError(f"shape '{list(shape)}' is invalid for input of size {size}")
        return tuple(size // known if n == -1 else n for n in shape)
    if known != size:
        raise ValueError(f"shape '{list(shape)}' is invalid for input of size {size}")
    return shape


def _expanded(shape: tuple[int, ...], x: Any) -> tuple[int, ...]:
    extra = len(shape) - x.ndim
    if extra < 0:
        raise ValueError(
            f"the number of sizes provided ({len(shape)}) must be greater or equal to the number "
            f"of dimensions in the tensor ({x.ndim})"
        )
    return tuple(x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(shape))


def _normal(dims: Any, ndim: int) -> tuple[int, ...]:
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    for d in dims:
        if not -ndim <= d < ndim:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[{-ndim}, {ndim - 1}], but got {d})"
            )
    return tuple(d % ndim for d in dims)


# fmt: off
reshape = op("reshape", lambda xp, x, *, shape: xp.reshape(x, _inferred(shape, x)),
             x=lambda g, x_shape: reshape(g, shape=tuple(x_shape)),
             dtype=KEEP, view=True, spread="shape", node="ViewBackward0",
             samples=each("2,3,4", {"shape": (6, 4)}, {"shape": (-1,)}, {"shape": (2, 1, -1)})
             + each("0,3", {"shape": (3, 0)}) + each("1", {"shape": ()}))
expand = op("expand", lambda xp, x, *, shape: _widened(xp, x, _expanded(shape, x)),
            x=lambda g: g,  # the engine undoes broadcasting
            dtype=KEEP, view=True, spread="shape",
            samples=each("3,1", {"shape": (3, 4)}, {"shape": (2, 3, 4)}, {"shape": (-1, 4)})
            + each("-", {"shape": (2, 3)}))
permute = op("permute", lambda xp, x, *, dims: xp.permute_dims(x, _normal(dims, x.ndim)),
             x=lambda g, dims: permute(g, dims=_inverse(dims)),
             dtype=KEEP, view=True, spread="dims",
             samples=each("2,3,4", {"dims": (2, 0, 1)}, {"dims": (0, -1, 1)}))
transpose = op("transpose", lambda xp, x, *, dim0, dim1: _swapped(xp, x, dim0, dim1),
               x=lambda g, dim0, dim1: transpose(g, dim0=dim0, dim1=dim1),
               dtype=KEEP, view=True, samples=each("2,3,4", {"dim0": 0, "dim1": -1},
                                                   {"dim0": 1, "dim1": 2}))
t = op("t", lambda xp, x: _transposed(xp, x), x=lambda g: t(g),
       dtype=KEEP, view=True, samples=shapes("2,3", "4", "-"))
squeeze = op("squeeze", lambda xp, x, *, dim=None: _squeezed(xp, x, dim),
             x=lambda g, x_shape: reshape(g, shape=tuple(x_shape)), dtype=KEEP, view=True,
             samples=each("1,3,1", {}, {"dim": 0}, {"dim": 1}, {"dim": (0, 2)}))
unsqueeze = op("unsqueeze", lambda xp, x, *, dim: xp.expand_dims(x, axis=dim),
               x=lambda g, dim: squeeze(g, dim=dim), dtype=KEEP, view=True,
               samples=each("2,3", {"dim": 0}, {"dim": -1}, {"dim": 1}))
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
pad_constant = op("pad_constant", lambda xp, x, *, padding, value=0.0:
                      _padded(xp, x, padding, value),
                  x=lambda g, padding: _unpad(g, padding), dtype=KEEP, method=False,
                  node="ConstantPadNdBackward0",
                  samples=each("2,3,4", {"padding": ((0, 0), (1, 2), (0, 1))},
                               {"padding": ((1, 0), (0, 0), (2, 2)), "value": 2.0}))
# fmt: on


def _flipped(xp: Any, x: Any, dims: Any) -> Any:
    """A copy, as PyTorch's: a library may give a view."""
    return xp.asarray(xp.flip(x, axis=_normal(dims, x.ndim)), copy=True)


def _widened(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    # A view that repeats nothing can be written; a broadcast one need not be.
    return x[...] if shape == tuple(x.shape) else xp.broadcast_to(x, shape)


def _swapped(xp: Any, x: Any, dim0: int, dim1: int) -> Any:
    if x.ndim == 0:
        return x[...]
    a, b = _normal((dim0, dim1), x.ndim)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return xp.permute_dims(x, tuple(order))


def _transposed(xp: Any, x: Any) -> Any:
    if x.ndim > 2:
        raise ValueError(
            f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D; use "
            "transpose(dim0, dim1) or mT"
        )
    return x.T if x.ndim == 2 else x[...]


def _inverse(dims: Any) -> tuple[int, ...]:
    dims = _normal(dims, len(dims))
    return tuple(dims.index(i) for i in range(len(dims)))


def _squeezed(xp: Any, x: Any, dim: Any) -> Any:
    if dim is None:
        return xp.reshape(x, tuple(n for n in x.shape if n != 1))
    if x.ndim == 0:
        return x[...]
    axes = _normal(dim, x.ndim)
    return xp.reshape(x, tuple(n for i, n in enumerate(x.shape) if not (n == 1 and i in axes)))


def _rolled(xp: Any, x: Any, shifts: Any, dims: Any) -> Any:
    counts = [1 if isinstance(v, int) else len(v) for v in (shifts, dims) if v is not None]
    if counts[0] != counts[-1]:
        raise ValueError(
            f"shifts and dimensions must align. shifts: {counts[0]}, dims: {counts[-1]}"
        )
    return xp.roll(x, shifts, axis=dims)


def _triangle(name: str, function: Any, x: Any, diagonal: int) -> Any:
    if x.ndim < 2:
        raise ValueError(f"{name}: input tensor must have at least 2 dimensions, not {x.ndim}")
    return function(x, k=diagonal)


def _tiled(xp: Any, x: Any, repeats: Any) -> Any:
    if len(repeats) < x.ndim:
        raise ValueError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: {len(repeats)} and {x.ndim}"
        )
    return xp.tile(x, repeats)


def _negated(shifts: Any) -> Any:
    return -shifts if isinstance(shifts, int) else tuple(-s for s in shifts)


def _repeat_rule(g: Any, shape: Any, repeats: Any) -> Any:
    from .reduce import sum

    shape = (1,) * (len(repeats) - len(shape)) + tuple(shape)
    split: list[int] = []
    for r, n in zip(repeats, shape):
        split += [r, n]
    out = sum(reshape(g, shape=tuple(split)), dim=tuple(range(0, len(split), 2)))
    return out  # leading ones are undone by the engine


def _padded(xp: Any, x: Any, padding: Any, value: float) -> Any:
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, padding))
    if builtins.min(shape, default=0) < 0:
        raise ValueError(f"the padding {padding} leaves a negative size of shape {x.shape}")
    out = xp.full(shape, value, dtype=x.dtype)
    inner = _crop(x, tuple((min(a, 0), min(b, 0)) for a, b in padding))
    out[tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, padding))] = inner
    return out


def _crop(x: Any, padding: Any) -> Any:
    """Negative padding cuts off."""
    return x[tuple(slice(-a, n + b) for n, (a, b) in zip(x.shape, padding))]


def _unpad(g: Any, padding: Any) -> Any:
    if builtins.any(a < 0 or b < 0 for a, b in padding):
        return pad_constant(g, padding=tuple((-a, -b) for a, b in padding))
    return g[tuple(slice(a, n - b) for n, (a, b) in zip(g.shape, padding))]


# -- PyTorch's forms --------------------------------------------------------------------------
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the dimensions from ``start_dim`` to ``end_dim`` (PyTorch: ``torch.flatten``)."""
    if x.ndim == 0:
        return reshape(x, shape=(1,))
    first, last = _normal((start_dim, end_dim), x.ndim)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = tuple(x.shape)
    return reshape(
        x,
        shape=(*shape[:first], -1, *shape[last + 1 :])
        if 0 not in shape
        else (*shape[:first], _product(shape[first : last + 1]), *shape[last + 1 :]),
    )


def _product(numbers: Any) -> int:
    n = 1
    for k in numbers:
        n *= k
    return n


def unflatten(x: Any, dim: int, sizes: tuple[int, ...]) -> Any:
    """Split one dimension into several (PyTorch: ``torch.unflatten``)."""
    d = _normal(dim, x.ndim)[0]
    sizes = tuple(sizes)
    if -1 in sizes:
        known = _product(n for n in sizes if n != -1)
        sizes = tuple(x.shape[d] // known if n == -1 else n for n in sizes)
    return reshape(x, shape=(*x.shape[:d], *sizes, *x.shape[d + 1 :]))


def movedim(x: Any, source: Any, destination: Any) -> Any:
    """Move dimensions to new places (PyTorch: ``torch.movedim``)."""
    sources, targets = _normal(source, x.ndim), _normal(destination, x.ndim)
    order = [d for d in range(x.ndim) if d not in sources]
    for to, d in sorted(zip(targets, sources)):
        order.insert(to, d)
    return permute(x, dims=tuple(order))


def broadcast_to(x: Any, size: Any) -> Any:
    """``expand`` as a function (PyTorch: ``torch.broadcast_to``)."""
    return expand(x, shape=tuple(size))


def _install() -> None:
    methods: dict[str, Any] = {
        "flatten": flatten,
        "unflatten": unflatten,
        "movedim": movedim,
        "broadcast_to": broadcast_to,
        "view_as": lambda self, other: reshape(self, shape=tuple(other.shape)),
        "reshape_as": lambda self, other: reshape(self, shape=tuple(other.shape)),
        "expand_as": lambda self, other: expand(self, shape=tuple(other.shape)),
        "swapaxes": transpose,
        "contiguous": lambda self: self,
        "T": property(lambda self: permute(self, dims=tuple(range(self.ndim))[::-1])),
        "mT": property(lambda self: transpose(self, dim0=-2, dim1=-1)),
    }
    for name, function in methods.items():
        setattr(Tensor, name, function)


_install()


def _view(self: Any, *shape: Any) -> Any:
    """Another shape of the same memory, or (given a dtype) a cast as ``to``."""
    from ..dtypes import dtype

    if len(shape) == 1 and isinstance(shape[0], dtype):
        return self.to(shape[0])
    return reshape(self, *shape)


Tensor.view = _view
