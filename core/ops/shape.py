"""shape: the same values in another arrangement; most of these are views."""

from __future__ import annotations

import builtins
from operator import index
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..op import KEEP, op
from ..refusals import refusing
from ..samples import each, shapes
from ..size import is_index
from ..tensor import Size, Tensor


def _inferred(shape: tuple[int, ...], x: Any) -> tuple[int, ...]:
    if isinstance(shape, (str, bytes, dict, set)):
        raise TypeError(f"a shape is made of integers, not of {type(shape).__name__}")
    shape = tuple(index(n) for n in shape)
    size = 1
    for n in x.shape:
        size *= n
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    if shape and min(shape) < -1:
        place = next(i for i, n in enumerate(shape) if n < -1)
        raise ValueError(
            f"invalid shape dimension {shape[place]} at index {place} of shape {list(shape)}"
        )
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
    out: list[Any] = []
    for i, n in enumerate(shape):
        here = x.shape[i - extra] if i >= extra else None
        if n < -1 or (n == -1 and here is None):
            raise ValueError(
                f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing "
                f"dimension {i}"
            )
        if here is not None and n not in (-1, here) and here != 1:
            raise ValueError(
                f"The expanded size of the tensor ({n}) must match the existing size ({here}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: "
                f"{list(x.shape)}"
            )
        out.append(here if n == -1 else n)
    return tuple(out)


def _normal(dims: Any, ndim: int) -> tuple[int, ...]:
    if isinstance(dims, int):
        dims = (dims,)
    elif isinstance(dims, (str, bytes, dict, set)):
        raise TypeError(f"argument 'dim' must be tuple of ints, not {type(dims).__name__}")
    else:
        dims = (index(dims),) if getattr(dims, "ndim", 1) == 0 else tuple(dims)
    span = builtins.max(ndim, 1)
    for d in dims:
        if d.__class__ is not int and (d.__class__ is bool or not hasattr(d, "__index__")):
            raise ArgumentError(f"argument 'dim' must be int, not {type(d).__name__}")
        if not -span <= d < span:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[{-span}, {span - 1}], but got {d})"
            )
    return tuple(d % span for d in dims)


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
permute = op("permute", lambda xp, x, *, dims: xp.permute_dims(x, _order(dims, x.ndim)),
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
             x=lambda g, x_shape, dim: reshape(g, shape=tuple(x_shape)), dtype=KEEP, view=True,
             named=lambda dim: f"SqueezeBackward{0 if dim is None else 1 + isinstance(dim, tuple)}",
             samples=each("1,3,1", {}, {"dim": 0}, {"dim": 1}, {"dim": (0, 2)}))
unsqueeze = op("unsqueeze", lambda xp, x, *, dim: xp.expand_dims(x, axis=_new_axis(dim, x.ndim)),
               x=lambda g, dim: squeeze(g, dim=dim), dtype=KEEP, view=True,
               samples=each("2,3", {"dim": 0}, {"dim": -1}, {"dim": 1}))
pad_constant = op("pad_constant", lambda xp, x, *, padding, value=0.0:
                      _padded(xp, x, padding, value),
                  x=lambda g, padding: _unpad(g, padding), dtype=KEEP, method=False,
                  node="ConstantPadNdBackward0",
                  samples=each("2,3,4", {"padding": ((0, 0), (1, 2), (0, 1))},
                               {"padding": ((1, 0), (0, 0), (2, 2)), "value": 2.0}))
# fmt: on


def _order(dims: Any, ndim: int) -> tuple[int, ...]:
    """Each dimension once."""
    if dims is None:
        raise TypeError("permute(): argument 'dims' must be tuple of ints, not NoneType")
    out = _normal(dims, ndim) if ndim else tuple(dims)
    if len(out) != ndim:
        raise ValueError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal "
            f"to len(dims) = {len(out)}"
        )
    if len(set(out)) != ndim:
        raise ValueError(f"permute(): duplicate dims are not allowed: {tuple(dims)}")
    return out


def _new_axis(dim: int, ndim: int) -> int:
    if dim.__class__ is bool:
        raise ArgumentError("argument 'dim' must be int, not bool")
    if not -ndim - 1 <= dim <= ndim:
        raise IndexError(
            "Dimension out of range (expected to be in range of "
            f"[{-ndim - 1}, {ndim}], but got {dim})"
        )
    return dim % (ndim + 1)


def _distinct(dims: Any, ndim: int) -> tuple[int, ...]:
    out = _normal(dims, ndim)
    if len(set(out)) < len(out):
        twice = next(d for d in out if out.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return out


def _widened(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    # A view that repeats nothing can be written; a broadcast one need not be.
    new = len(shape) - x.ndim
    if shape == (1,) * new + tuple(x.shape):
        return x[(None,) * new + (...,)]
    return xp.broadcast_to(x, shape)


def _swapped(xp: Any, x: Any, dim0: int, dim1: int) -> Any:
    a, b = _normal((dim0, dim1), x.ndim)
    if x.ndim == 0:
        return x[...]
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
    dims = (dims,) if isinstance(dims, int) else dims
    dims = _normal(dims, len(dims))
    return tuple(dims.index(i) for i in range(len(dims)))


def _squeezed(xp: Any, x: Any, dim: Any) -> Any:
    if dim is None:
        return xp.reshape(x, tuple(n for n in x.shape if n != 1))
    axes = _distinct(dim, x.ndim)
    if x.ndim == 0:
        return x[...]
    return xp.reshape(x, tuple(n for i, n in enumerate(x.shape) if not (n == 1 and i in axes)))


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
@refusing
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the dimensions from ``start_dim`` to ``end_dim`` (PyTorch: ``torch.flatten``)."""
    x = input
    first, last = _normal((start_dim, end_dim), x.ndim)
    if x.ndim == 0:
        return reshape(x, shape=(1,))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return x
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


@refusing
def unflatten(input: Any, dim: int, sizes: tuple[int, ...]) -> Any:
    """Split one dimension into several (PyTorch: ``torch.unflatten``).

    >>> import anadrome as ad
    >>> ad.ones(2, 6).unflatten(1, (2, -1)).shape
    anadrome.Size([2, 2, 3])
    """
    d = _normal(dim, input.ndim)[0]
    sizes = tuple([index(n) for n in sizes])
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    n = input.shape[d] if input.ndim else 1
    known = _product(k for k in sizes if k != -1)
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in sizes:
        if not known or n % known:
            raise RuntimeError(
                f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim "
                f"{d} ({n}) in the input tensor"
            )
        sizes = tuple(n // known if k == -1 else k for k in sizes)
    elif known != n:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} "
            f"({n}) in the input tensor"
        )
    return reshape(input, shape=(*input.shape[:d], *sizes, *input.shape[d + 1 :]))


@refusing
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Move dimensions to new places (PyTorch: ``torch.movedim``)."""
    ndim = input.ndim
    sources, targets = _normal(source, ndim), _normal(destination, ndim)
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source ("
            f"{list(sources)} dims) should contain the same number of dims as destination "
            f"({list(targets)} dims)"
        )
    for name, dims in (("source", sources), ("destination", targets)):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)})")
    order = [d for d in range(ndim) if d not in sources]
    targets = targets if ndim else ()
    for to, d in sorted(zip(targets, sources)):
        order.insert(to, d)
    return permute(input, dims=tuple(order))


@refusing
def broadcast_to(input: Any, size: Any) -> Any:
    """``expand`` as a function (PyTorch: ``torch.broadcast_to``)."""
    return expand(input, shape=tuple(size))


@refusing
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that arrays of these shapes broadcast to (PyTorch: ``torch.broadcast_shapes``).

    >>> import anadrome as ad
    >>> ad.broadcast_shapes((2, 1), (3,))
    anadrome.Size([2, 3])
    """
    sizes = [(index(s),) if is_index(s) else tuple(index(n) for n in s) for s in shapes]
    out = [1] * builtins.max((len(s) for s in sizes), default=0)
    for s in sizes:
        for i in range(-1, -len(s) - 1, -1):
            if s[i] < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({s[i]})")
            if s[i] != 1 and out[i] != s[i] and out[i] != 1:
                raise ShapeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: "
                    + " and ".join(str(list(s)) for s in sizes)
                )
            if s[i] != 1:
                out[i] = s[i]
    return Size(out)


@refusing
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """The Tensors expanded to their common shape; views (PyTorch: ``torch.broadcast_tensors``)."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    shape = tuple(broadcast_shapes(*[tuple(t.shape) for t in tensors]))
    return tuple(t if shape == tuple(t.shape) else expand(t, shape=shape) for t in tensors)


def shape_of(name: str, other: Any) -> tuple[int, ...]:
    """The shape of the Tensor that a method takes as a model."""
    if not isinstance(other, Tensor):
        raise ArgumentError(
            f"{name}(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}"
        )
    return tuple(other.shape)


def _install() -> None:
    methods: dict[str, Any] = {
        "flatten": flatten,
        "unflatten": lambda self, dim, sizes: unflatten(self, dim, sizes),
        "movedim": movedim,
        "moveaxis": movedim,
        "broadcast_to": broadcast_to,
        "reshape_as": lambda self, other: reshape(self, shape=shape_of("reshape_as", other)),
        "expand_as": lambda self, other: expand(self, shape=shape_of("expand_as", other)),
        "swapaxes": _swap_axes,
        "swapdims": transpose,
        "ravel": ravel,
        "T": property(lambda self: permute(self, dims=tuple(range(self.ndim))[::-1])),
        "mT": property(_matrix_transposed),
    }
    for name, function in methods.items():
        setattr(Tensor, name, function)


def _swap_axes(input: Any, axis0: int, axis1: int) -> Any:
    """Two dimensions exchanged, in NumPy's words (PyTorch: ``torch.swapaxes``)."""
    return transpose(input, dim0=axis0, dim1=axis1)


@refusing
def ravel(input: Any) -> Any:
    """All values in one dimension (PyTorch: ``torch.ravel``)."""
    return reshape(input, shape=(-1,))


def _matrix_transposed(self: Any) -> Any:
    if self.ndim == 1:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. Got "
            f"{self.ndim}-D tensor."
        )
    return transpose(self, dim0=-2, dim1=-1) if self.ndim else self


_install()
