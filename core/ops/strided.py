"""strided: views by lengths and strides, windows, and what depends on how memory is laid out."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from .. import backend as backends
from .. import modes
from ..dtypes import dtype
from ..formats import copied, lies_in, order_of
from ..inplace import check_writable
from ..layouts import channels_last, channels_last_3d, check, preserve_format
from ..op import KEEP, op
from ..refusals import refusing
from ..samples import Arr, Sample, each
from ..tensor import Tensor, wrap
from ..views import relay
from .reduce import axes_of, whole
from .scattering import added_at
from .shape import reshape, shape_of, squeeze, t, transpose, unsqueeze

_WINDOWS: Any = ({"size": (2, 2), "stride": (1, 2)}, {"size": (3,), "stride": (2,), "offset": 1})

# fmt: off
#: ``offset`` counts from the first element of ``x``; ``strides`` are those of ``x``, if they are
#: not those of a compact array. All in elements.
as_strided_op = op("as_strided", lambda xp, x, *, size, stride, offset=0, strides=None:
                       _strided(xp, x, size, stride, offset, strides),
                   x=lambda g, x_shape, size, stride, offset, strides: as_strided_backward(
                       g, shape=tuple(x_shape), size=size, stride=stride, offset=offset,
                       strides=strides),
                   dtype=KEEP, view=True, method=False, samples=each("2,3", *_WINDOWS))
as_strided_backward = op("as_strided_backward", lambda xp, g, *, shape, size, stride, offset=0,
                             strides=None:
                             _strided_back(xp, g, shape, size, stride, offset, strides),
                         g=lambda g, shape, size, stride, offset, strides: as_strided_op(
                             g, size=size, stride=stride, offset=offset,
                             strides=strides or compact(shape)),
                         dtype=KEEP, method=False,
                         samples=[Sample((Arr(kw["size"]),), {"shape": (2, 3), **kw})
                                  for kw in _WINDOWS])
unfold = op("unfold", lambda xp, x, *, dimension, size, step:
                _windows(xp, x, dimension, size, step),
            x=lambda g, x_shape, dimension, size, step: unfold_backward(
                g, shape=tuple(x_shape), dimension=dimension, size=size, step=step),
            dtype=KEEP, view=True,
            samples=each("2,5", {"dimension": 1, "size": 2, "step": 1},
                         {"dimension": -1, "size": 2, "step": 2},
                         {"dimension": 0, "size": 2, "step": 1}))
unfold_backward = op("unfold_backward", lambda xp, g, *, shape, dimension, size, step:
                         _windows_back(xp, g, shape, dimension, size, step),
                     g=lambda g, dimension, size, step: unfold(
                         g, dimension=dimension, size=size, step=step),
                     dtype=KEEP, method=False,
                     samples=each("2,4,2", {"shape": (2, 5), "dimension": 1, "size": 2, "step": 1}))
contiguous_copy = op("contiguous", lambda xp, x: _compacted(xp, x), x=lambda g: g, dtype=KEEP,
                     method=False, node="CloneBackward0", samples=each("3,4", {}) + each("-", {}))
#: A copy whose dimensions lie in memory in ``order``, the outermost first.
in_order = op("in_order", lambda xp, x, *, order: copied(xp, x, order), x=lambda g: g, dtype=KEEP,
              method=False, node="CloneBackward0", samples=each("2,3,4", {"order": (0, 2, 1)}))
# fmt: on


def compact(shape: Any) -> tuple[int, ...]:
    """The strides of an array whose rows follow each other, in elements."""
    out = []
    step = 1
    for n in reversed(tuple(shape)):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


def overlaps(size: Any, stride: Any) -> bool:
    """Whether two elements of such an array lie in the same place of memory."""
    reach = 0
    for step, n in sorted(zip(stride, size)):
        if n > 1 and step <= reach:
            break
        reach += (n - 1) * step
    else:
        return False
    count = math.prod(size)
    if count > 2**16:  # more than is worth looking at
        return True
    places = {0}
    for step, n in zip(stride, size):
        places = {p + i * step for p in places for i in range(n)}
    return len(places) < count


def _places(xp: Any, size: Any, stride: Any, offset: int) -> Any:
    """Where in memory each element of a strided array is."""
    total: Any = xp.asarray(offset, dtype=xp.int64)
    for i, (n, step) in enumerate(zip(size, stride)):
        line = xp.arange(n, dtype=xp.int64) * step
        total = total + xp.reshape(line, tuple(n if j == i else 1 for j in range(len(size))))
    return xp.reshape(xp.broadcast_to(total, tuple(size)), (-1,))


def _reach(shape: Any, strides: Any) -> int:
    """The place of the last element."""
    if 0 in shape:
        return 0
    return sum((n - 1) * step for n, step in zip(shape, strides))


def _strided(xp: Any, x: Any, size: Any, stride: Any, offset: int, strides: Any) -> Any:
    strides = strides or compact(x.shape)
    first = min(offset, 0)
    length = max(_reach(x.shape, strides), offset + _reach(size, stride)) + 1 - first
    memory = xp.zeros((length,), dtype=x.dtype)
    here = _places(xp, x.shape, strides, -first)
    memory = added_at(xp, memory, (here,), xp.reshape(x, (-1,)))
    if strides != compact(x.shape):
        memory = xp.astype(memory / _counts(xp, here, length, x.dtype), x.dtype)
    return xp.reshape(xp.take(memory, _places(xp, size, stride, offset - first), axis=0), size)


def _counts(xp: Any, places: Any, length: int, dtype: Any) -> Any:
    """How many elements share each place; at least one."""
    count = added_at(xp, xp.zeros((length,), dtype=dtype), (places,),
                     xp.ones(places.shape, dtype=dtype))  # fmt: skip
    return xp.where(count == 0, xp.ones_like(count), count)


def _strided_back(
    xp: Any, g: Any, shape: Any, size: Any, stride: Any, offset: int, strides: Any
) -> Any:
    strides = strides or compact(shape)
    first = min(offset, 0)
    length = max(_reach(shape, strides), offset + _reach(size, stride)) + 1 - first
    memory = xp.zeros((length,), dtype=g.dtype)
    memory = added_at(
        xp, memory, (_places(xp, size, stride, offset - first),), xp.reshape(g, (-1,))
    )
    here = _places(xp, shape, strides, -first)
    if strides != compact(shape):
        memory = xp.astype(memory / _counts(xp, here, length, g.dtype), g.dtype)
    return xp.reshape(xp.take(memory, here, axis=0), shape)


def _windows(xp: Any, x: Any, dimension: int, size: int, step: int) -> Any:
    axis, count = window_count(x.shape, dimension, size, step)
    if not x.ndim:
        return xp.reshape(x, (1,)) if size else xp.zeros((0,), dtype=x.dtype)
    places = _places(xp, (count, size), (step, 1), 0)
    taken = xp.reshape(
        xp.take(x, places, axis=axis), (*x.shape[:axis], count, size, *x.shape[axis + 1 :])
    )
    return xp.moveaxis(taken, axis + 1, -1)


def window_count(shape: Any, dimension: int, size: int, step: int) -> tuple[int, int]:
    """The axis that is unfolded, and how many windows there are."""
    axes = axes_of(dimension, len(shape))
    n = shape[axes[0]] if axes else 1
    if size < 0 or size > n:
        raise ValueError(
            f"maximum size for tensor at dimension {dimension} is {n} but size is {size}"
        )
    if step <= 0:
        raise ValueError(f"step is {step} but must be > 0")
    return (axes[0] if axes else 0), (n - size) // step + 1


def _windows_back(xp: Any, g: Any, shape: Any, dimension: int, size: int, step: int) -> Any:
    if not len(shape):
        return xp.reshape(xp.sum(g), ())
    axis, count = window_count(shape, dimension, size, step)
    flat = xp.reshape(
        xp.moveaxis(g, -1, axis + 1), (*shape[:axis], count * size, *shape[axis + 1 :])
    )
    places = _places(xp, (count, size), (step, 1), 0)
    out = xp.zeros(shape, dtype=g.dtype)
    return added_at(xp, out, (*(slice(None),) * axis, places), flat)


def _compacted(xp: Any, x: Any) -> Any:
    return xp.reshape(xp.asarray(xp.reshape(x, (-1,)), copy=True), x.shape)


# -- PyTorch's forms --------------------------------------------------------------------------
def strides_of(array: Any) -> tuple[int, ...] | None:
    """An array's strides in elements; None where its library does not tell."""
    steps = getattr(array, "strides", None)
    return None if steps is None else tuple(s // array.dtype.itemsize for s in steps)


def address_of(array: Any) -> int:
    """The place of the first element, in bytes; 0 where its library does not tell."""
    for name in ("__array_interface__", "__cuda_array_interface__"):
        interface = getattr(array, name, None)
        if interface is not None:
            return interface["data"][0]
    return getattr(array, "address", 0)


@refusing
def as_strided(
    input: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:  # fmt: skip
    """A view of the memory by lengths and strides in elements (PyTorch: ``torch.as_strided``).

    ``storage_offset`` counts from the beginning of the Tensor that ``input`` is a view of; by
    default it is that of ``input``.

    >>> import anadrome as ad
    >>> ad.as_strided(ad.arange(6), (2, 3), (1, 2))
    tensor([[0, 2, 4],
            [1, 3, 5]])
    """
    for name, given in (("size", size), ("stride", stride)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(f"as_strided(): {name} must be a tuple of ints, not {given!r:.40}")
    size = tuple([index(n) for n in size])
    stride = tuple([index(n) for n in stride])
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: {len(stride)} and {len(size)}"
        )
    if any(n < 0 for n in stride):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(stride)}"
        )
    if storage_offset is not None:
        storage_offset = whole(storage_offset, "storage_offset")
    modes.touch(input)
    base = input if input._base is None else input._base
    strides = strides_of(input._data)
    before = 0
    if strides is not None and base is not input:
        before = (address_of(input._data) - address_of(base._data)) // input.dtype.itemsize
    offset = 0 if storage_offset is None else int(storage_offset) - before
    last = before + offset + _reach(size, stride)
    held = _reach(base.shape, strides_of(base._data) or compact(base.shape)) + 1
    if math.prod(size) and (before + offset < 0 or last >= max(held, base.numel())):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset "
            f"{before + offset}, and itemsize {input.element_size()} requiring a storage size of "
            f"{(last + 1) * input.element_size()} are out of bounds for storage of size "
            f"{base.numel() * input.element_size()}"
        )
    own = None if strides is None or strides == compact(input.shape) else strides
    return as_strided_op(input, size=size, stride=stride, offset=offset, strides=own)


def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """The same values in memory row by row, or in the order of a memory format: self, or a copy.

    PyTorch: ``Tensor.contiguous``. RuntimeError for ``channels_last`` of another rank than 4.

    >>> import anadrome as ad
    >>> ad.ones(1, 3, 2, 2).contiguous(memory_format=ad.channels_last).stride()
    (12, 1, 6, 3)
    """
    if memory_format is not None:
        check("contiguous", "memory_format", memory_format)
        if memory_format in (channels_last, channels_last_3d):
            order = order_of(memory_format, input.ndim)
            return input if lies_in(input._data, order) else in_order(input, order=order)
    flags = getattr(input._data, "flags", None)
    if flags is None or flags.c_contiguous:
        return input
    if memory_format is preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    return contiguous_copy(input)


def view(self: Tensor, *shape: Any, **named: Any) -> Tensor:
    """Another shape of the same memory; or, given a dtype, its bytes read as that type.

    PyTorch: ``Tensor.view``. Raises for a view that is laid out so that a copy would be needed:
    ``reshape`` makes it. A result that an array library laid out otherwise than row by row is laid
    out so first; if another Tensor, array or graph has its memory too, what returns is a copy.

    >>> import anadrome as ad
    >>> ad.ones(2, 3).view(-1).shape
    anadrome.Size([6])
    """
    if named:  # `size=` or `dtype=`
        if shape or len(named) > 1 or not named.keys() <= {"size", "dtype"}:
            raise TypeError(f"view() takes a size or a dtype; {', '.join(named)} came besides")
        shape = tuple(named.values())
    if len(shape) == 1 and isinstance(shape[0], dtype):
        return _reread(self, shape[0])
    out = reshape(self, *shape)
    if out._base is None and self._data.size and strides_of(self._data) is not None:
        if self._base is None:
            if not modes.current().modes:
                relay(self, out, reshape, {"shape": tuple(out.shape)})
            return out
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return out


def _reread(self: Tensor, kind: dtype) -> Tensor:
    if kind is self.dtype:
        return reshape(self, shape=tuple(self.shape))
    modes.touch(self)
    backend = backends.by_type[self._data.__class__]
    small, large = sorted((kind.itemsize, self.dtype.itemsize))
    if small != large and not self.ndim:
        raise RuntimeError("self.dim() cannot be 0 to view a tensor as a different element size")
    if self.dtype.itemsize < kind.itemsize and self.shape[-1] % (large // small):
        raise RuntimeError(
            f"self.size(-1) must be divisible by {large // small} to view {self.dtype.name} as "
            f"{kind.name} (different element sizes), but got {self.shape[-1]}"
        )
    try:
        out = wrap(self._data.view(backend.dtype(kind)))
    except AttributeError:
        raise RuntimeError(f"the backend {backend.name!r} has no view of another dtype") from None
    out._writes = self._shared_writes()
    return out


# -- views in place: the Tensor itself gets another shape --------------------------------------
def _becoming(function: Any, name: str) -> Any:
    def inplace(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        check_writable(self)
        modes.touch(self)
        source = wrap(self._data)
        source.__dict__.update(self.__dict__)
        source._edge = self._gradient_edge()
        out = function(source, *args, **keywords)
        self._data = out._data
        if self._base is not None:
            self._view_path = out._view_path
        if modes.is_grad_enabled():
            self._edge = out._edge
        self._shared_writes().bump()
        return self

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"Give this Tensor the shape of its ``{name[:-1]}``, in place; returns self."
    return inplace


def _install() -> None:
    for function in (as_strided, contiguous, view):
        setattr(Tensor, function.__name__, function)
    Tensor.view_as = lambda self, other: view(self, shape_of("view_as", other))
    for name, function in {
        "squeeze_": squeeze,
        "unsqueeze_": unsqueeze,
        "t_": t,
        "transpose_": transpose,
        "swapdims_": transpose,
        "swapaxes_": lambda x, axis0, axis1: transpose(x, dim0=axis0, dim1=axis1),
        "as_strided_": as_strided,
    }.items():
        setattr(Tensor, name, _becoming(function, name))


_install()
