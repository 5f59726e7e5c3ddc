"""indexing: reading and writing parts of an array, and the gradients of both."""

from __future__ import annotations

import math
from typing import Any

from .. import backend as backends
from .. import modes
from ..align import NUMBERS
from ..border import translated
from ..dtypes import int64
from ..errors import DtypeError, RangeError
from ..inplace import assign, check_writable, write
from ..looking import answered
from ..making import converted
from ..op import KEEP, NONE, SAME, WIDEST, op
from ..out import takes_out
from ..patch import Patch
from ..placement import at
from ..refusals import refusing
from ..samples import Arr, Sample, call
from ..subscripts import explained, is_basic, normalized
from ..tangents import transposing
from ..tensor import Tensor, wrap
from ..views import follow
from .arithmetic import where
from .reduce import axes_of, axis_of, whole
from .scattering import check_index

_INDICES = (
    (0, Ellipsis),
    (slice(1, 3), Ellipsis),
    (slice(None), slice(None, None, 2)),
    (Ellipsis, None, -1),
    (1, 2, Ellipsis),
)


def _scatter(xp: Any, g: Any, shape: Any, index: tuple[Any, ...]) -> Any:
    out = xp.zeros(shape, dtype=g.dtype)
    _fill(index)(out, g)
    return out


def _fill(index: tuple[Any, ...]) -> Any:
    """How a gradient of ``x[index]`` is added into one of ``x``."""
    if is_basic(index):
        # None makes a dimension when reading; the array API does not write through it.
        region = tuple(i for i in index if i is not None)

        def fill(out: Any, value: Any) -> None:
            if len(region) != len(index):
                value = backends.by_type[out.__class__].xp.reshape(value, out[region].shape)
            out[region] += value

    elif _is_mask(index):  # names no place twice

        def fill(out: Any, value: Any) -> None:
            out[index] += value

    else:

        def fill(out: Any, value: Any) -> None:
            backends.by_type[out.__class__].scatter_add(out, index, value)

    return fill


def _is_mask(index: tuple[Any, ...]) -> bool:
    """One boolean array, and nothing besides."""
    return len(index) == 1 and str(getattr(index[0], "dtype", "")).endswith("bool")


def _name_of(index: tuple[Any, ...]) -> str:
    """PyTorch's name of what it does last of an index, which it reads from left to right."""
    if not is_basic(index):
        return "IndexBackward0"
    parts = [i for i in index if i is not Ellipsis]
    name = "AliasBackward0"
    for i in parts:
        if i is None:
            name = "UnsqueezeBackward0"
        elif not isinstance(i, slice):
            name = "SelectBackward0"
        elif len(parts) == 1 or i != slice(None):
            name = "SliceBackward0"
    return name


def _index_rule(g: Any, shape: Any, index: tuple[Any, ...]) -> Any:
    if isinstance(g, Tensor):
        return index_backward(g, shape=tuple(shape), index=index)
    region = index if is_basic(index) and None not in index else None
    return Patch(tuple(shape), g, _fill(index), region)


# fmt: off
getitem = op("getitem", lambda xp, x, *, index: x[index],
             x=lambda g, x_shape, index: _index_rule(g, x_shape, index),
             dtype=KEEP, view=True, method=False, node="SliceBackward0",
             named=lambda index: _name_of(index),
             samples=[Sample((Arr((3, 4)),), {"index": i}) for i in _INDICES])
index_backward = op("index_backward", lambda xp, g, *, shape, index: _scatter(xp, g, shape, index),
                    g=lambda g, index: getitem(g, index=index), dtype=KEEP, method=False,
                    samples=call(Arr((4,)), shape=(3, 4), index=(1, Ellipsis))
                    + call(Arr((3, 2)), shape=(3, 4), index=(slice(None), slice(1, 3))))
index_put_values = op("index_put", lambda xp, x, value, *, index: _put(xp, x, value, index),
                      x=lambda g, index: index_put_values(g, 0.0, index=index),
                      value=lambda g, index: _of_put(g, index), dtype=SAME, amp=WIDEST,
                      method=False, samples=call(Arr((3, 4)), Arr((4,)), index=(1, Ellipsis)))
#: Which of the values that ``index_put`` writes are there when it is done.
last_put = op("last_put", lambda xp, x, *, index: _last_put(xp, x, index), x=NONE, dtype=KEEP,
              method=False, samples=call(Arr((3, 4)), index=(1, Ellipsis)))
#: As ``index_put``, but what meets at one place is added to what was there.
index_add_values = op("index_put_accumulate", lambda xp, x, value, *, index:
                          _put_added(xp, x, value, index),
                      x=lambda g: g, value=lambda g, index: getitem(g, index=index),
                      dtype=SAME, amp=WIDEST, method=False, node="IndexPutBackward0",
                      samples=call(Arr((3, 4)), Arr((4,)), index=(1, Ellipsis)))
#: The node of a write through a view: ``base`` with the region that ``path`` leads to replaced.
#: The memory holds the result already, so the forward has nothing to do.
write_region = op("write_region", lambda xp, base, value, *, path: base,
                  base=lambda g, path: zero_region(g, path=path),
                  value=lambda g, path: follow(path, g), dtype=KEEP, method=False,
                  node="CopySlices")
zero_region = op("zero_region", lambda xp, x, *, path: _zeroed(xp, x, path),
                 x=lambda g, path: zero_region(g, path=path), dtype=KEEP, method=False,
                 samples=call(Arr((3, 4)), path=((getitem, {"index": (1, Ellipsis)}),)))
index_select_op = op("index_select", lambda xp, x, index, *, dim: _selected(xp, x, index, dim),
                     x=lambda g, index, x_shape, dim: _select_rule(g, index, x_shape, dim),
                     index=NONE, dtype=KEEP, method=False,
                     samples=call(Arr((3, 4)), Arr((5,), 0, 4, "int"), dim=1))
select_backward = op("select_backward", lambda xp, g, index, *, dim, shape:
                         _scatter(xp, g, shape, (*(slice(None),) * (dim % len(shape)), index)),
                     g=lambda g, index, dim: index_select_op(g, index, dim=dim), index=NONE,
                     dtype=KEEP, method=False,
                     samples=call(Arr((3, 5)), Arr((5,), 0, 4, "int"), dim=1,
                                  shape=(3, 4)))
# fmt: on


def _put(xp: Any, x: Any, value: Any, index: Any) -> Any:
    out = xp.asarray(x, copy=True)
    backends.by_type[out.__class__].assign(out, index, value)
    return out


def _of_put(g: Any, index: Any) -> Any:
    out = getitem(g, index=index)
    if transposing() and not is_basic(index):
        out = where(last_put(g, index=index), out, 0.0)
    return out


def _last_put(xp: Any, x: Any, index: Any) -> Any:
    shape = x[index].shape
    numbers = xp.reshape(xp.arange(1, math.prod(shape) + 1, dtype=xp.int64), shape)
    return _put(xp, xp.zeros(x.shape, dtype=xp.int64), numbers, index)[index] == numbers


def _put_added(xp: Any, x: Any, value: Any, index: Any) -> Any:
    out = xp.asarray(x, copy=True)
    _fill(index)(out, value)
    return out


def _zeroed(xp: Any, x: Any, path: Any) -> Any:
    out = xp.asarray(x, copy=True)
    region = follow(path, out)
    if backends.by_type[out.__class__].shares(region, out):
        region[...] = 0
        return out
    # A gradient may lie in memory otherwise than what was written; a view by strides copies then.
    if region.dtype != out.dtype:
        raise NotImplementedError(
            "a part of complex numbers was written through as_strided(), into memory that is not "
            "contiguous: its gradient is not known here; write into `x.contiguous()`"
        )
    places = follow(path, xp.reshape(xp.arange(math.prod(out.shape), dtype=xp.int64), out.shape))
    flat = _put(xp, xp.reshape(out, (-1,)), 0, (xp.reshape(places, (-1,)),))
    return xp.reshape(flat, out.shape)


def _selected(xp: Any, x: Any, index: Any, dim: int) -> Any:
    axis = axis_of(dim, x.ndim)
    check_index(index, x.shape[axis], axis, "index out of range in self")
    return xp.take(x, index, axis=axis)


def _select_rule(g: Any, index: Any, shape: Any, dim: int) -> Any:
    if isinstance(g, Tensor):
        return select_backward(g, index, dim=dim, shape=tuple(shape))
    return _index_rule(g, shape, (*(slice(None),) * (dim % len(shape)), index))


# -- Python's and PyTorch's forms ---------------------------------------------------------------
def _getitem(self: Tensor, index: Any) -> Tensor:
    try:
        basic, advanced = normalized(self, index)
        try:
            out = self if basic is None else getitem(self, index=basic)
            return out if advanced is None else getitem(out, index=advanced)
        except (IndexError, ValueError) as error:
            raise explained(error, self.shape, basic, advanced) from None
    except Exception as error:
        return answered(error)


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    basic, advanced = normalized(self, index)
    try:
        region = self if basic is None else getitem(self, index=basic)
    except (IndexError, ValueError) as error:
        raise explained(error, self.shape, basic, advanced) from None
    check_writable(region)
    try:
        value = _value(value, self)
    except (TypeError, ValueError) as error:
        raise translated("__setitem__", error, (self, index, value), {}) from error
    if index is False:
        return  # nowhere, so anything fits
    if advanced is None:
        if value.shape != region.shape:
            value = _fitted(value, region)
        assign(region, value.to(self.dtype), "setitem")
        return
    if value.dtype is not self.dtype:
        # The whole, or one value where a mask says, is copied, and so cast.
        places = tuple([i for i in advanced if i is not None and not isinstance(i, slice)])
        if not (index is True or index is False or (value.numel() == 1 and _is_mask(places))):
            raise DtypeError(
                "Index put requires the source and destination dtypes match, got "
                f"{self.dtype.name} for the destination and {value.dtype.name} for the source; "
                "write e.g. `value.to(x.dtype)`"
            )
        value = value.to(self.dtype)
    while value.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    try:
        if modes.is_grad_enabled() and (region.requires_grad or value.requires_grad):
            source = wrap(region._data)
            source._edge = region._gradient_edge()
            assign(region, index_put_values(source, value, index=advanced), "setitem")
        else:
            modes.touch(region, value)
            write(region, advanced, value._data)
    except (IndexError, ValueError) as error:
        raise explained(error, self.shape, basic, advanced, value) from None


def _value(value: Any, x: Tensor) -> Tensor:
    """What is assigned, as a Tensor; numbers take the type of what they are written to."""
    if isinstance(value, Tensor):
        return value if value.device == x.device or value.ndim else value.to(x.device)
    kind = x.dtype
    if value is None:
        raise TypeError("can't assign a NoneType to a Tensor; write a number or a Tensor")
    if value.__class__ in NUMBERS:
        value = converted(value, kind)
    backend = backends.by_type[x._data.__class__]
    with at(x._data):
        return wrap(backend.asarray(value, dtype=x._data.dtype))


def _fitted(value: Tensor, region: Tensor) -> Tensor:
    shape = tuple(value.shape)
    while len(shape) > region.ndim and shape[0] == 1:
        shape = shape[1:]
    try:
        return value.reshape(shape).expand(tuple(region.shape))
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
            f"indexing result of shape {list(region.shape)}"
        ) from None


@takes_out
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices named by ``index`` along ``dim`` (PyTorch: ``torch.index_select``).

    >>> import anadrome as ad
    >>> ad.index_select(ad.tensor([1, 2, 3]), 0, ad.tensor([2, 0]))
    tensor([3, 1])
    """
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype.name not in ("int32", "int64"):
        raise DtypeError(
            f"index_select(): Expected dtype int32 or int64 for index, not {index.dtype.name}"
        )
    if input.ndim == 0:
        axes_of(dim, 0)
        return input[None].index_select(0, index.reshape(-1)).reshape(())
    return index_select_op(input, index.reshape(-1) if not index.ndim else index, dim=dim)


@refusing
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One slice along ``dim``, which is removed; a view (PyTorch: ``torch.select``)."""
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = axis_of(dim, input.ndim)
    n = input.shape[axis]
    index = whole(index, "index")
    if not -n <= index < n:
        raise RangeError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at "
            f"dimension {axis}"
        )
    return getitem(input, index=(*(slice(None),) * axis, index, Ellipsis))


@refusing
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """``length`` slices from ``start`` along ``dim``; a view (PyTorch: ``torch.narrow``)."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = axis_of(dim, input.ndim)
    size = input.shape[axis]
    if isinstance(start, Tensor) and (start.ndim or start.dtype.category != int64.category):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start, length = whole(start, "start"), whole(length, "length")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise RangeError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RangeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return getitem(input, index=(*(slice(None),) * axis, slice(start, start + length), Ellipsis))


def _install() -> None:
    Tensor.__getitem__ = _getitem
    Tensor.__setitem__ = _setitem
    for function in (index_select, select, narrow):
        setattr(Tensor, function.__name__, function)


_install()
