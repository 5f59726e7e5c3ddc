"""indexing: reading and writing parts of an array, and the gradients of both."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from .. import modes
from ..engine import Patch
from ..errors import DtypeError, RangeError
from ..inplace import assign, check_writable, write
from ..op import KEEP, NONE, SAME, WIDEST, op
from ..samples import Arr, Sample, call
from ..tensor import Tensor, wrap
from ..views import follow
from .arithmetic import alike, where

_INDICES = (
    (0, Ellipsis),
    (slice(1, 3), Ellipsis),
    (slice(None), slice(None, None, 2)),
    (Ellipsis, None, -1),
    (1, 2, Ellipsis),
)


def is_basic(index: tuple[Any, ...]) -> bool:
    """Only slices, integers, None and Ellipsis: the result is a view."""
    return all(i is None or i is Ellipsis or isinstance(i, (slice, int)) for i in index)


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

    else:

        def fill(out: Any, value: Any) -> None:
            backends.by_type[out.__class__].scatter_add(out, index, value)

    return fill


def _index_rule(g: Any, shape: Any, index: tuple[Any, ...]) -> Any:
    if isinstance(g, Tensor):
        return index_backward(g, shape=tuple(shape), index=index)
    return Patch(tuple(shape), g, _fill(index))


# fmt: off
getitem = op("getitem", lambda xp, x, *, index: x[index],
             x=lambda g, x_shape, index: _index_rule(g, x_shape, index),
             dtype=KEEP, view=True, method=False, node="SliceBackward0",
             samples=[Sample((Arr((3, 4)),), {"index": i}) for i in _INDICES])
index_backward = op("index_backward", lambda xp, g, *, shape, index: _scatter(xp, g, shape, index),
                    g=lambda g, index: getitem(g, index=index), dtype=KEEP, method=False,
                    samples=call(Arr((4,)), shape=(3, 4), index=(1, Ellipsis))
                    + call(Arr((3, 2)), shape=(3, 4), index=(slice(None), slice(1, 3))))
index_put_values = op("index_put", lambda xp, x, value, *, index: _put(xp, x, value, index),
                      x=lambda g, index: _put_zero(g, index),
                      value=lambda g, index: getitem(g, index=index), dtype=SAME, amp=WIDEST,
                      method=False, samples=call(Arr((3, 4)), Arr((4,)), index=(1, Ellipsis)))
#: The node of a write through a view: ``base`` with the region that ``path`` leads to replaced.
#: The memory holds the result already, so the forward has nothing to do.
write_region = op("write_region", lambda xp, base, value, *, path: base,
                  base=lambda g, path: zero_region(g, path=path),
                  value=lambda g, path: follow(path, g), dtype=KEEP, method=False,
                  node="CopySlices")
zero_region = op("zero_region", lambda xp, x, *, path: _zeroed(xp, x, path),
                 x=lambda g, path: zero_region(g, path=path), dtype=KEEP, method=False,
                 samples=call(Arr((3, 4)), path=((getitem, {"index": (1, Ellipsis)}),)))

masked_fill = op("masked_fill", lambda xp, x, mask, *, value: xp.where(mask, *alike(xp, value, x)),
                 x=lambda g, mask: where(mask, 0.0, g), mask=NONE, dtype=KEEP, inplace=True,
                 samples=call(Arr((3, 4)), Arr((4,), kind="bool"), value=2.0))
gather = op("gather", lambda xp, x, index, *, dim: xp.take_along_axis(x, index, axis=dim),
            x=lambda g, index, x_shape, dim: _gather_rule(g, index, dim, x_shape), index=NONE,
            dtype=KEEP, method=False,
            samples=call(Arr((3, 4)), Arr((3, 2), 0, 4, "int"), dim=1)
            + call(Arr((3, 4)), Arr((2, 4), 0, 3, "int"), dim=0))
scatter_into = op("scatter_into", lambda xp, g, index, *, dim, shape:
                      _scatter_along(xp, g, index, dim, shape),
                  g=lambda g, index, dim: gather(g, index, dim=dim), index=NONE,
                  dtype=KEEP, method=False,
                  samples=call(Arr((3, 2)), Arr((3, 2), 0, 4, "int"), dim=1, shape=(3, 4)))
index_select_op = op("index_select", lambda xp, x, index, *, dim: xp.take(x, index, axis=dim),
                     x=lambda g, index, x_shape, dim: _select_rule(g, index, x_shape, dim),
                     index=NONE, dtype=KEEP, method=False,
                     samples=call(Arr((3, 4)), Arr((5,), 0, 4, "int"), dim=1))
select_backward = op("select_backward", lambda xp, g, index, *, dim, shape:
                         _scatter(xp, g, shape, (*(slice(None),) * (dim % len(shape)), index)),
                     g=lambda g, index, dim: index_select_op(g, index, dim=dim), index=NONE,
                     dtype=KEEP, method=False,
                     samples=call(Arr((3, 5)), Arr((5,), 0, 4, "int"), dim=1,
                                  shape=(3, 4)))
embedding = op("embedding", lambda xp, weight, indices, *, padding_idx=None:
                   _embed(xp, weight, indices),
               weight=lambda g, indices, weight_shape, padding_idx: embedding_backward(
                   g, indices, shape=tuple(weight_shape), padding_idx=padding_idx),
               indices=NONE, dtype=KEEP, method=False,
               samples=call(Arr((5, 3)), Arr((2, 4), 0, 5, "int"))
               + call(Arr((5, 3)), Arr((2,), 0, 4, "int"), padding_idx=4))
embedding_backward = op("embedding_backward", lambda xp, g, indices, *, shape, padding_idx=None:
                            _embed_back(xp, g, indices, shape, padding_idx),
                        g=lambda g, indices, padding_idx: _embed_masked(g, indices, padding_idx),
                        indices=NONE, dtype=KEEP, method=False,
                        samples=call(Arr((2, 3)), Arr((2,), 0, 5, "int"), shape=(5, 3)))
# fmt: on


def _put(xp: Any, x: Any, value: Any, index: Any) -> Any:
    out = xp.asarray(x, copy=True)
    out[index] = value
    return out


def _put_zero(g: Any, index: Any) -> Any:
    return index_put_values(g, 0.0, index=index)


def _zeroed(xp: Any, x: Any, path: Any) -> Any:
    out = xp.asarray(x, copy=True)
    follow(path, out)[...] = 0
    return out


def _along(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """The index tuple that ``take_along_axis`` stands for."""
    ndim = index.ndim
    axis = dim % ndim
    out = []
    for i, n in enumerate(index.shape):
        if i == axis:
            out.append(index)
        else:
            line = xp.arange(n, dtype=xp.int64)
            out.append(xp.reshape(line, tuple(n if j == i else 1 for j in range(ndim))))
    return tuple(out)


def _scatter_along(xp: Any, g: Any, index: Any, dim: int, shape: Any) -> Any:
    out = xp.zeros(shape, dtype=g.dtype)
    backends.by_type[out.__class__].scatter_add(out, _along(xp, index, dim), g)
    return out


def _gather_rule(g: Any, index: Any, dim: int, shape: Any) -> Any:
    return scatter_into(g, index, dim=dim, shape=tuple(shape))


def _select_rule(g: Any, index: Any, shape: Any, dim: int) -> Any:
    if isinstance(g, Tensor):
        return select_backward(g, index, dim=dim, shape=tuple(shape))
    return _index_rule(g, shape, (*(slice(None),) * (dim % len(shape)), index))


def _checked(indices: Any, n: int) -> Any:
    backends.by_type[indices.__class__].require(
        (indices >= 0) & (indices < n),
        lambda: RangeError(
            "index out of range in self: the embedding has rows 0 to "
            f"{n - 1}, and an index is {int(indices[(indices < 0) | (indices >= n)][0])}"
        ),
    )
    return indices


def _embed(xp: Any, weight: Any, indices: Any) -> Any:
    flat = xp.reshape(_checked(indices, weight.shape[0]), (-1,))
    return xp.reshape(xp.take(weight, flat, axis=0), (*indices.shape, *weight.shape[1:]))


def _embed_back(xp: Any, g: Any, indices: Any, shape: Any, padding_idx: int | None) -> Any:
    out = xp.zeros(shape, dtype=g.dtype)
    backends.by_type[out.__class__].scatter_add(out, (indices,), g)
    if padding_idx is not None:
        out[padding_idx, ...] = 0
    return out


def _embed_masked(g: Any, indices: Any, padding_idx: int | None) -> Any:
    out = embedding(g, indices)
    if padding_idx is None:
        return out
    mask = indices == padding_idx
    return where(mask[..., None], 0.0, out)


# -- Python's and PyTorch's forms ---------------------------------------------------------------
def normalized(index: Any) -> tuple[Any, ...]:
    """An index as a tuple of slices, integers, None, Ellipsis and arrays."""
    if not isinstance(index, tuple):
        index = (index,)
    out = []
    for i in index:
        if isinstance(i, Tensor):
            modes.touch(i)
            data = i._data
            kind = i.dtype
            if kind.is_floating_point or kind.is_complex:
                raise IndexError(
                    "tensors used as indices must be long, int, byte or bool tensors, not "
                    f"{kind.name}; use `.long()`"
                )
            out.append(data)
        elif isinstance(i, list):
            from ..creation import tensor

            out.append(tensor(i)._data)
        elif isinstance(i, (slice, int)) or i is None or i is Ellipsis or hasattr(i, "dtype"):
            out.append(i)
        elif hasattr(i, "__index__"):
            out.append(i.__index__())
        else:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or bool Tensors are "
                f"valid indices (got {type(i).__name__})"
            )
    if Ellipsis not in [i for i in out if i is Ellipsis] and is_basic(tuple(out)):
        out.append(Ellipsis)  # so that a single element too is an array, and a view
    return tuple(out)


def _getitem(self: Tensor, index: Any) -> Tensor:
    return getitem(self, index=normalized(index))


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    index = normalized(index)
    region = getitem(self, index=index) if is_basic(index) else None
    check_writable(self if region is None else region)
    if not isinstance(value, Tensor):
        backend = backends.by_type[self._data.__class__]
        value = wrap(backend.asarray(value, dtype=self._data.dtype))
    if value.dtype.category > self.dtype.category:
        value = value.to(self.dtype)
    if region is not None:
        if value.shape != region.shape:
            value = _fitted(value, region)
        assign(region, value.to(self.dtype), "setitem")
        return
    value = value.to(self.dtype)
    if modes.is_grad_enabled() and (self.requires_grad or value.requires_grad):
        source = wrap(self._data)
        source._edge = self._gradient_edge()
        assign(self, index_put_values(source, value, index=index), "setitem")
    else:
        modes.touch(self, value)
        write(self, index, value._data)


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


def _gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """``out[i][j] = x[index[i][j]][j]`` for dim 0, and so on (PyTorch: ``torch.gather``)."""
    if index.dtype.is_floating_point:
        raise DtypeError("gather(): Expected dtype int64 for index; use `index.long()`")
    if index.ndim != x.ndim:
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor, got "
            f"{index.ndim} and {x.ndim}"
        )
    slices = tuple(
        slice(None) if d == dim % x.ndim else slice(n) for d, n in enumerate(index.shape)
    )
    return gather(x[slices], index, dim=dim)


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices named by ``index`` along ``dim`` (PyTorch: ``torch.index_select``)."""
    return index_select_op(x, index, dim=dim)


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """One slice along ``dim``, which is removed; a view (PyTorch: ``torch.select``)."""
    return x[(*(slice(None),) * (dim % x.ndim), index)]


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` slices from ``start`` along ``dim``; a view (PyTorch: ``torch.narrow``)."""
    size = x.shape[dim]
    if start < 0:
        start += size
    if not 0 <= start <= size or start + length > size:
        raise RangeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return x[(*(slice(None),) * (dim % x.ndim), slice(start, start + length))]


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The values where ``mask`` is true, in one dimension (PyTorch: ``torch.masked_select``)."""
    shape = tuple((x * 0 + mask.to(x.dtype) * 0).shape)
    return x.expand(shape)[mask.expand(shape)]


def _where(condition: Tensor, a: Any = None, b: Any = None) -> Any:
    """``a`` where the condition holds, else ``b``; alone, the indices where it holds."""
    if a is None:
        return nonzero(condition, as_tuple=True)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        from ..creation import tensor

        a = tensor(a, device=condition.device)
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype is not b.dtype:
        from ..dtypes import promote_types

        common = promote_types(a.dtype, b.dtype)
        a, b = a.to(common), b.to(common)
    if condition.dtype.name != "bool":
        condition = condition != 0
    return where(condition, a, b)


def nonzero(x: Tensor, as_tuple: bool = False) -> Any:
    """Indices of the values that are not zero, one row each (PyTorch: ``torch.nonzero``)."""
    modes.touch(x)
    backend = backends.by_type[x._data.__class__]
    found = tuple(wrap(i) for i in backend.xp.nonzero(x._data))
    if as_tuple:
        return found
    from .joining import stack

    return stack(list(found), 1)


def _install() -> None:
    Tensor.__getitem__ = _getitem
    Tensor.__setitem__ = _setitem
    Tensor.gather = _gather
    for function in (index_select, select, narrow, masked_select, nonzero):
        setattr(Tensor, function.__name__, function)
    Tensor.where = lambda self, condition, other: _where(condition, self, other)  # type: ignore


_install()
