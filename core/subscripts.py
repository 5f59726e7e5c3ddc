"""subscripts: PyTorch's reading of what stands in ``x[...]``.

An index is read as two: what gives a view (integers, slices, None, Ellipsis), and then, on that
view, the index arrays, with full slices where they leave a dimension alone. So an integer beside an
index array removes its dimension first, as in PyTorch, where NumPy would let the two broadcast.
"""

from __future__ import annotations

from typing import Any

from . import backend as backends
from . import modes, sites
from .dtypes import BARE, from_native
from .tensor import Tensor

_ALL = slice(None)


class _Truth:
    """A single True or False as an index: a new dimension of length one or none."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.dtype = array.dtype


def is_basic(index: tuple[Any, ...]) -> bool:
    """Only slices, integers, None and Ellipsis: the result is a view."""
    return all(i is None or i is Ellipsis or isinstance(i, (slice, int)) for i in index)


def normalized(x: Tensor, index: Any) -> tuple[Any, Any]:
    """``(basic, advanced)``: the two indices to apply, one after the other; either may be None."""
    if index.__class__ is not tuple:
        index = tuple(index) if _is_tuple_in_disguise(index) else (index,)
    arrays = False
    out = []
    for i in index:
        cls = i.__class__
        if cls is int or i is None or i is Ellipsis:
            out.append(i)
        elif cls is slice:
            out.append(_slice(i))
        else:
            i = _read(x, i)
            only = len(index) == 1 and hasattr(i, "shape") and _is_bool(i)
            if only and tuple(i.shape) != tuple(x.shape)[: i.ndim]:
                raise IndexError(  # NumPy lets an empty mask pass
                    f"The shape of the mask {list(i.shape)} at index 0 does not match the shape of "
                    f"the indexed tensor {list(x.shape)} at index 0"
                )
            arrays = arrays or hasattr(i, "dtype")
            out.append(i)
    if arrays:
        return _parted(x, _one_ellipsis(x, out))
    count = out.count(Ellipsis)
    if count > 1:
        out = _one_ellipsis(x, out)
    elif not count:
        out.append(Ellipsis)  # so that a single element too is an array, and a view
    return tuple(out), None


def _one_ellipsis(x: Tensor, index: list[Any]) -> list[Any]:
    """Each ellipsis leaves alone as many dimensions as the first; beyond the last there are none.

    So a further one may stand at the end, or anywhere if it stands for nothing.
    """
    places = [k for k, i in enumerate(index) if i is Ellipsis]
    if len(places) < 2:
        return index
    used = sum(
        _dims_of(i) if hasattr(i, "dtype") else 1
        for i in index
        if i is not Ellipsis and i is not None
    )
    if x.ndim > used and any(i is not Ellipsis for i in index[places[1] :]):
        raise IndexError(
            f"too many indices for tensor of dimension {x.ndim}: each '...' of {len(places)} "
            f"stands for {x.ndim - used}; write it once"
        )
    return [i for k, i in enumerate(index) if i is not Ellipsis or k == places[0]]


def _is_tuple_in_disguise(index: Any) -> bool:
    """A short list that holds more than numbers is read as a tuple, as PyTorch does."""
    return (
        isinstance(index, list)
        and len(index) < 32
        and any(
            i is None or i is Ellipsis or isinstance(i, (slice, list, tuple, Tensor))
            or getattr(i, "ndim", 0)
            for i in index
        )
    )  # fmt: skip


def _slice(s: slice) -> slice:
    start, stop, step = s.start, s.stop, s.step
    if step is not None and int(step) <= 0:
        raise ValueError(
            "slice step cannot be zero"
            if int(step) == 0
            else "step must be greater than zero; x.flip(dim) reverses a dimension"
        )
    if isinstance(start, Tensor) or isinstance(stop, Tensor) or isinstance(step, Tensor):
        return slice(*(None if n is None else int(n) for n in (start, stop, step)))
    return s


def _read(x: Tensor, i: Any) -> Any:
    """Anything else than the plain kinds, as an integer or an array."""
    from .creation import tensor

    if i is True or i is False:
        return _Truth(_array(x, [i]))
    if isinstance(i, Tensor):
        modes.touch(i)
        kind = i.dtype
        data = i._data
        if kind.is_floating_point or kind.is_complex or kind in BARE:
            raise IndexError(
                "tensors used as indices must be long, int, byte or bool tensors, not "
                f"{kind.name}; use `.long()`"
            )
        if kind.name == "uint8":
            sites.warn(
                "indexing with dtype uint8 is now deprecated, please use a dtype bool instead.",
            )
            data = backends.by_type[data.__class__].xp.astype(data, _native(x, "bool"))
            if i.ndim:
                return data
            return _Truth(backends.by_type[data.__class__].xp.reshape(data, (1,)))
        if i.ndim == 0:
            if kind.name == "bool":
                return _Truth(backends.by_type[data.__class__].xp.reshape(data, (1,)))
            # On the host a number costs nothing, and gives a view.
            if i.device.type == "cpu" and not modes.current().modes:
                return int(data)
        if data.__class__ is not x._data.__class__ and i.device.type == "cpu":
            return i.to(x.device)._data
        return data
    if isinstance(i, (list, tuple, range)):
        return _array(x, list(i))
    if hasattr(i, "dtype") and (getattr(i, "ndim", False) or hasattr(i, "__setitem__")):
        made = tensor(i, device=x.device)  # of an array; NumPy's scalars are none
        if made.ndim == 0 and made.dtype.name in ("bool", "uint8"):
            raise IndexError(
                "an array of one boolean, which PyTorch counts as a dimension, is no index: write "
                "`bool(i)`"
            )
        return _read(x, made)
    if hasattr(i, "__index__") and not isinstance(i, type):
        return i.__index__()
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(i).__name__})"
    )


def _array(x: Tensor, values: list[Any]) -> Any:
    from .creation import tensor
    from .dtypes import int64

    made = tensor(values, device=x.device, dtype=None if values else int64)
    return _read(x, made) if made.ndim else made._data


def _native(x: Tensor, name: str) -> Any:
    backend = backends.by_type[x._data.__class__]
    return next(native for d, native in backend.dtypes.items() if d.name == name)


def _is_bool(array: Any) -> bool:
    return from_native[array.dtype].name == "bool"


def _check_empty_mask(x: Tensor, i: Any, axis: int) -> None:
    """NumPy lets a mask of nothing pass, whatever it is laid over."""
    if i.__class__ is _Truth or 0 not in i.shape or not _is_bool(i):
        return
    if tuple(i.shape) != tuple(x.shape[axis : axis + i.ndim]):
        raise IndexError(
            f"The shape of the mask {list(i.shape)} at index 0 does not match the shape of the "
            f"indexed tensor {list(x.shape)} at index {axis}"
        )


def _parted(x: Tensor, index: list[Any]) -> tuple[Any, Any]:
    """The two indices, where there are arrays."""
    ndim = x.ndim
    taken = 0
    for i in index:
        if hasattr(i, "dtype"):
            taken += _dims_of(i)
        elif i is not None and i is not Ellipsis:
            taken += 1
    if taken > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}")
    basic: list[Any] = []
    advanced: list[Any] = []
    left = ndim - taken
    for i in index:
        if i is Ellipsis:
            basic += [_ALL] * left
            advanced += [_ALL] * left
            left = 0
        elif hasattr(i, "dtype"):
            dims = _dims_of(i)
            _check_empty_mask(x, i, sum(b is not None for b in basic))
            basic += [_ALL] * dims if dims else [None]
            advanced.append(i.array if i.__class__ is _Truth else i)
        else:
            basic.append(i)
            if not isinstance(i, int):
                advanced.append(_ALL)
    while advanced[-1].__class__ is slice:
        advanced.pop()
    if all(i.__class__ is slice and i == _ALL for i in basic):
        return None, tuple(advanced)
    return (*basic, Ellipsis), tuple(advanced)


def _dims_of(array: Any) -> int:
    """How many dimensions an index array stands for: a mask has its own, a single truth none."""
    if array.__class__ is _Truth:
        return 0
    return array.ndim if _is_bool(array) else 1


def explained(
    error: Exception, shape: Any, basic: Any, advanced: Any, value: Any = None
) -> Exception:
    """An array library's complaint about an index, in PyTorch's words."""
    from .errors import RangeError, ShapeError

    ndim = len(shape)
    lengths = list(shape)
    if basic is not None:
        used = sum(1 for i in basic if i is not None and i is not Ellipsis)
        if used > ndim:
            if ndim == 0:
                return IndexError(
                    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                    "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
                )
            return IndexError(f"too many indices for tensor of dimension {ndim}")
        lengths = []
        d = 0
        for i in basic:
            if i is None:
                lengths.append(1)
            elif i is Ellipsis:
                lengths.extend(shape[d : d + ndim - used])
                d += ndim - used
            elif isinstance(i, slice):
                lengths.append(len(range(*i.indices(shape[d]))))
                d += 1
            else:
                if not -shape[d] <= i < shape[d]:
                    return RangeError(
                        f"index {i} is out of bounds for dimension {d} with size {shape[d]}"
                    )
                d += 1
        lengths.extend(shape[d:])
    d = 0
    arrays = []
    for place, i in enumerate(advanced or ()):
        if i.__class__ is slice:
            d += 1
            continue
        if _is_bool(i):
            for k, n in enumerate(i.shape):
                if d + k >= len(lengths) or lengths[d + k] != n:
                    return IndexError(
                        f"The shape of the mask {list(i.shape)} at index {k} does not match the "
                        f"shape of the indexed tensor {lengths} at index {place + k}"
                    )
            d += i.ndim
            continue
        n = lengths[d] if d < len(lengths) else 0
        numbers = backends.of_all_examples(i)
        wrong = (numbers < -n) | (numbers >= n)
        if bool(wrong.any()):
            return RangeError(
                f"index {int(numbers[wrong].reshape(-1)[0])} is out of bounds for dimension {d} "
                f"with size {n}"
            )
        arrays.append(list(i.shape))
        d += 1
    if len(arrays) > 1 and not _broadcast(arrays):
        return IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(map(str, arrays))
        )
    if value is not None:
        return ShapeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
            f"indexing result: {error}"
        )
    return error


def _broadcast(shapes: list[list[int]]) -> bool:
    """Whether arrays of these shapes fit together."""
    width = max(map(len, shapes))
    rows = [[1] * (width - len(s)) + s for s in shapes]
    return all(len(set(column) - {1}) < 2 for column in zip(*rows))
