"""mapping: ``vmap``, a function of one example as a function of a batch."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

from .. import modes
from ..autograd.function import Function
from ..backend import by_type
from ..border import bordered, told
from ..tensor import Tensor, wrap
from . import tree
from .batched import Batched, batching
from .batchrules import EachKey, Undecided
from .indexed import places

#: The sizes of the batches that are mapped over here, outermost first, and how each draws.
_levels: contextvars.ContextVar[tuple[tuple[int, str], ...]] = contextvars.ContextVar(
    "vmap", default=()
)


#: How many maps there have been: whoever sees it unchanged knows that a graph holds no map.
_count = 0


def count() -> int:
    """How many maps there have been so far."""
    return _count


def sizes() -> tuple[int, ...]:
    """The sizes of the batches that are mapped over here, outermost first."""
    return tuple(size for size, _ in _levels.get())


class _Enter(Function):
    """A Tensor to one whose dimension is hidden, or (dim None) that is the same for each."""

    @staticmethod
    def forward(ctx: Any, x: Any, cls: Any, dim: Any) -> Any:
        ctx.cls, ctx.dim = cls, dim
        ctx.size = sizes()[cls.level - 1] if len(sizes()) >= cls.level else None
        data = x._data
        if dim is not None and dim:
            data = _moved(data, dim, 0)
        return wrap(cls(data, dim is not None))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Leave.apply(g, ctx.cls, ctx.dim, ctx.size), None, None


class _Leave(Function):
    """The way back: the dimension is shown, or (dim None) summed over."""

    @staticmethod
    def forward(ctx: Any, x: Any, cls: Any, dim: Any, size: Any) -> Any:
        ctx.cls, ctx.dim, ctx.size = cls, dim, size
        data = x._data
        if data.__class__ is not cls:
            data = cls.backend.lift(data)
        inner = by_type[data.array.__class__]
        if dim is None:
            if data.mapped:
                return wrap(_op("sum", data.array, dim=(0,), keepdim=False))
            return wrap(_op("mul", data.array, inner.number(size, data.dtype)))
        out = data.array
        if not data.mapped:
            out = inner.asarray(inner.xp.broadcast_to(out, (size, *out.shape)))
        return wrap(_moved(out, 0, dim) if dim else out)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Reenter.apply(g, ctx.cls, ctx.dim, ctx.size), None, None, None


class _Reenter(Function):
    """As ``_Enter``, outside of the ``vmap``: a gradient of what left it goes back in."""

    @staticmethod
    def forward(ctx: Any, x: Any, cls: Any, dim: Any, size: Any) -> Any:
        ctx.cls, ctx.dim, ctx.size = cls, dim, size
        data = x._data
        if dim is not None and dim:
            data = _moved(data, dim, 0)
        return wrap(cls(data, dim is not None))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Leave.apply(g, ctx.cls, ctx.dim, ctx.size), None, None, None


def _op(name: str, *arrays: Any, **keywords: Any) -> Any:
    from ..op import table

    return table[name].implementations[arrays[0].__class__](*arrays, **keywords)


def _moved(array: Any, source: int, to: int) -> Any:
    order = list(range(array.ndim))
    order.insert(to, order.pop(source))
    return _op("permute", array, dims=tuple(order))


def lifted(given: Tensor, cls: Any) -> Tensor:
    """A Tensor of a lower level beside batched ones: the same for each example."""
    data = given._data
    while getattr(data.__class__, "level", 0) < cls.level:
        step = by_type[data.__class__]
        level = getattr(data.__class__, "level", 0) + 1
        given = _Enter.apply(given, batching(step, level).array_type, None)
        data = given._data
    return given


def inside(value: Tensor) -> Tensor:
    """The Tensor as one of the innermost map that is running here, if one is."""
    return _at_level(value, len(_levels.get()))


def _level(value: Tensor) -> int:
    return getattr(value._data.__class__, "level", 0)


def _holds(index: Any, cls: Any, mapped: bool = False) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, cls) and (p.mapped or not mapped) for p in parts)


class _Mapping(modes.Mode):
    """Answers for random numbers, and makes new arrays batched ones where each example draws."""

    def __init__(self, cls: Any, randomness: str) -> None:
        self.cls = cls
        self.randomness = randomness

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        index = kwargs.get("index")
        if index is not None and _holds(index, self.cls):  # metadata that differs by example
            if op.op.name == "getitem" and _level(args[0]) < self.cls.level:
                try:
                    return self.picked(op, args[0], index)
                except Undecided:
                    pass
            args = tuple([lifted(a, self.cls) if isinstance(a, Tensor) else a for a in args])
        if self.randomness == "different" and type(kwargs.get("key")) is tuple:
            kwargs = {**kwargs, "key": EachKey(kwargs["key"])}
        return op(*args, **kwargs)

    def picked(self, op: Any, x: Tensor, index: Any) -> Tensor:
        """Parts of what is the same for each example: one op of the level below, as its backward.

        So what is picked from has one gradient, not one for each example.
        """
        found = places(index, self.cls)
        out = op(x, index=found.parts)
        if not _holds(index, self.cls, mapped=True):
            return out
        return _Enter.apply(_at_level(out, self.cls.level - 1), self.cls, found.lead)

    def serve(self, backend: Any) -> Any:
        if self.randomness != "different" or backend is not self.cls.backend.inner:
            return backend
        return self.cls.backend

    def live(self, fresh: Any) -> Any:
        if self.randomness == "error" and getattr(fresh, "__name__", "") == "_next":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use "
                "the 'same' or 'different' randomness flags on vmap or perform the randomness "
                "operation out of vmap"
            )
        return fresh()


@bordered
def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """A function of one example, run on a whole batch (``torch.func.vmap``).

    ``in_dims``: the dimension to map over of each argument, None where an argument is the same for
    each example; one for all, or a tuple. ``out_dims``: where it is in each output.
    ``randomness``: ``"error"``, ``"same"`` or ``"different"`` draws for the examples.
    ``chunk_size``: so many examples at once. Maps can be nested, and combined with ``grad``.

    Elementwise functions, products, reductions and most views run once for the batch; others run
    example by example.

    >>> import anadrome as ad
    >>> dot = ad.func.vmap(lambda a, b: (a * b).sum())
    >>> dot(ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.ones(2, 2))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        dims = _input_dims(args, in_dims)
        size = _batch_size(args, dims)
        dims += [None] * len(tree.leaves(kwargs))  # as in PyTorch, the same for each example
        if not all(d is None or isinstance(d, int) for d in tree.leaves(out_dims)):
            raise ValueError(
                "vmap: `out_dims` must be an int, None or a python collection of ints representing "
                "where in the outputs the vmapped dimension should appear, not "
                f"{told([out_dims], {})}"
            )
        if not (chunk_size is None or isinstance(chunk_size, int)):
            raise ValueError(f"vmap: chunk_size is an integer, not {told([chunk_size], {})}")
        if chunk_size is None or chunk_size >= size:
            return _at_once(func, args, kwargs, dims, out_dims, randomness, size)
        parts = []
        for begin in range(0, size, chunk_size):
            count = min(chunk_size, size - begin)
            pieces = [
                leaf if d is None else leaf.narrow(d, begin, count)
                for leaf, d in zip(tree.leaves((args, kwargs)), dims)
            ]
            a, k = tree.rebuilt((args, kwargs), pieces)
            parts.append(_at_once(func, a, k, dims, out_dims, randomness, count))
        return _concatenated(parts, out_dims)

    return mapped


def _concatenated(parts: list[Any], out_dims: Any) -> Any:
    from ..ops.joining import cat

    first = parts[0]
    dims = tree.spread(out_dims, first, "out_dims")
    columns = zip(*[tree.leaves(p) for p in parts])
    return tree.rebuilt(
        first, [c[0] if d is None else cat(list(c), dim=d) for c, d in zip(columns, dims)]
    )


def _input_dims(args: tuple[Any, ...], in_dims: Any) -> list[Any]:
    if not isinstance(in_dims, (int, tuple, list, dict)) and in_dims is not None:
        raise ValueError(
            f"vmap: expected `in_dims` to be int or a (potentially nested) tuple, got {in_dims!r}"
        )
    if not args:
        return []
    if isinstance(in_dims, (tuple, list)) and len(in_dims) != len(args):
        raise ValueError(
            f"vmap: in_dims is not compatible with the structure of inputs: it has {len(in_dims)} "
            f"entries for {len(args)} arguments"
        )
    if isinstance(in_dims, (tuple, list)):
        return tree.spread(tuple(in_dims), args, "vmap: in_dims")
    return [
        in_dims if isinstance(leaf, Tensor) or in_dims is None else _refused(leaf, in_dims)
        for leaf in tree.leaves(args)
    ]  # fmt: skip


def _refused(leaf: Any, dim: Any) -> Any:
    raise ValueError(
        f"vmap: Got in_dim={dim} for an input but the input is of type {type(leaf).__name__}. We "
        "cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
    )


def _batch_size(args: Any, dims: list[Any]) -> int:
    found = []
    for i, (leaf, d) in enumerate(zip(tree.leaves(args), dims)):
        if d is None:
            continue
        if not isinstance(leaf, Tensor):
            _refused(leaf, d)
        if not -leaf.dim() <= d < leaf.dim():
            raise ValueError(
                f"vmap: Got in_dim={d} for some input, but that input is a Tensor of "
                f"dimensionality {leaf.dim()} so expected in_dim to satisfy {-leaf.dim()} <= "
                f"in_dim < {leaf.dim()}."
            )
        dims[i] = d % leaf.dim()
        found.append(int(leaf.shape[d]))
    if not found:
        raise ValueError(
            "vmap: at least one input being vmapped over must be a Tensor with an in_dim that is "
            "not None"
        )
    if len(set(found)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{found} for the mapped dimension"
        )
    return found[0]


def _at_once(
    func: Any, args: Any, kwargs: Any, dims: list[Any], out_dims: Any, randomness: str, size: int
) -> Any:
    global _count
    _count += 1
    token = _levels.set((*_levels.get(), (size, randomness)))
    try:
        level = len(_levels.get())
        leaves = tree.leaves((args, kwargs))
        cls = _class_for(leaves, dims, level)
        entered = [
            leaf if d is None else _Enter.apply(_at_level(leaf, level - 1), cls, d)
            for leaf, d in zip(leaves, dims)
        ]
        a, k = tree.rebuilt((args, kwargs), entered)
        with _Mapping(cls, randomness):
            out = func(*a, **k)
        places = tree.spread(out_dims, out, "vmap: out_dims")
        left = [_left(o, d, cls, size) for o, d in zip(tree.leaves(out), places)]
        return tree.rebuilt(out, left)
    finally:
        _levels.reset(token)


def _at_level(leaf: Tensor, level: int) -> Tensor:
    """A Tensor with a batched array for each level so far."""
    have = getattr(leaf._data.__class__, "level", 0)
    while have < level:
        cls = batching(by_type[leaf._data.__class__], have + 1).array_type
        leaf = _Enter.apply(leaf, cls, None)
        have += 1
    return leaf


def _class_for(leaves: list[Any], dims: list[Any], level: int) -> Any:
    first = next(leaf for leaf, d in zip(leaves, dims) if d is not None)
    inner = by_type[_at_level(first, level - 1)._data.__class__]
    return batching(inner, level).array_type


def _left(out: Any, dim: Any, cls: Any, size: int) -> Any:
    if not isinstance(out, Tensor):
        raise ValueError(
            f"vmap: `f` must only return Tensors, got type {type(out).__name__} as a return."
        )
    data = out._data
    mapped = isinstance(data, Batched) and data.__class__ is cls and data.mapped
    if dim is None:
        if mapped:
            raise ValueError("vmap: `f` can not return a BatchedTensor when out_dim is None")
        return _Leave.apply(out / size, cls, None, size) if data.__class__ is cls else out
    if data.__class__ is not cls:
        out = lifted(out, cls)
    ndim = out.dim() + 1
    if not -ndim <= dim < ndim:
        raise IndexError(
            "Dimension out of range (expected to be in range of "
            f"[{-ndim}, {ndim - 1}], but got {dim})"
        )
    return _Leave.apply(out, cls, dim % ndim, size)
