"""batching: how an op runs over batched arrays.

Families of ops have a rule that runs the op once, with the batch as a first dimension. An op
without one, or called in a way that its rule does not cover, is run example by example and
stacked: slower, but right for whatever is in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..align import as_array
from ..backend import by_type
from ..op import Op, table
from . import batchviews, indexed
from .batched import Batched, BatchedBackend
from .batchrules import RULES, Undecided, rule_for


def implementation(op: Op, backend: BatchedBackend) -> Callable[..., Any]:
    """What runs the op over the backend's arrays."""
    cls: Any = backend.array_type
    rule = batchviews.RULES.get(op.name) or rule_for(op)
    by_example = indexed.RULES.get(op.name)
    if op.mutates:
        return _writing(op, cls)

    def run(*arrays: Any, **keywords: Any) -> Any:
        if any(getattr(a, "level", 0) > cls.level for a in arrays):
            return _inner(op, arrays)(*arrays, **keywords)  # a rule's, whose first operand is ours
        if not any(isinstance(a, cls) and a.mapped for a in arrays) and not _mapped_in(
            keywords, cls
        ):
            lowered = [a.array if isinstance(a, cls) else a for a in arrays]
            return raised(cls, _inner(op, lowered)(*lowered, **lower(keywords, cls, None)), False)
        try:
            if _mapped_in(keywords, cls):
                if by_example is not None:
                    return by_example(op, cls, arrays, keywords)
            elif rule is not None:
                return rule(op, cls, arrays, lower(keywords, cls, None))
        except Undecided:
            pass
        return looped(cls, None, arrays, keywords, op.name, op)

    return run


def _writing(op: Op, cls: Any) -> Callable[..., Any]:
    """What runs an op that writes its inputs: example by example, into each one's memory."""
    if op.variadic:
        raise RuntimeError(f"vmap: {op.name} writes its inputs, which cannot be mapped over")

    def run(*arrays: Any, **keywords: Any) -> None:
        size = next(iter(_sizes((arrays, keywords), cls)), None)
        for name, array in zip(op.inputs, arrays):
            there = array is not None and size is not None
            if name in op.mutates and there and not (isinstance(array, cls) and array.mapped):
                raise RuntimeError(
                    f"vmap: {name} is the same for all examples, and each would write its own "
                    "values into it; map over it too (in_dims), or leave it out"
                )
        for i in [None] if size is None else range(size):
            part = [_memory_of(a, cls, i) for a in arrays]
            _inner(op, part)(*part, **lower(keywords, cls, i))

    return run


def _memory_of(value: Any, cls: Any, example: int | None) -> Any:
    """An input of one example, as a view that can be written."""
    if not isinstance(value, cls):
        return value
    whole = example is None or not value.mapped
    return value.array if whole else value.array[example, ...]


def _inner(op: Op, arrays: Any) -> Callable[..., Any]:
    from ..align import class_of

    return op.implementations[class_of(arrays)]


def raised(cls: Any, out: Any, mapped: bool) -> Any:
    """Results of the inner arrays, as batched ones."""
    if out.__class__ is tuple:
        return tuple([raised(cls, o, mapped) for o in out])
    return cls(out, mapped)


def _mapped_in(value: Any, cls: Any) -> bool:
    if isinstance(value, cls):
        return value.mapped
    if isinstance(value, dict):
        return any(_mapped_in(v, cls) for v in value.values())
    if isinstance(value, (tuple, list)):
        return any(_mapped_in(v, cls) for v in value)
    return False


def lower(value: Any, cls: Any, example: int | None) -> Any:
    """The inner arrays in a value: of one example, or as they are if nothing is mapped."""
    if isinstance(value, Batched) and isinstance(value, cls):
        if not value.mapped:
            return value.array
        return as_array(value.array[example]) if value.array.shape[0] else _nothing(value.array)
    if isinstance(value, dict):
        return {k: lower(v, cls, example) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)([lower(v, cls, example) for v in value])
    return value


def looped(
    cls: Any, function: Any, arrays: Any, keywords: Any, name: str, op: Op | None = None
) -> Any:
    """Example by example, stacked."""
    size = next(iter(_sizes((arrays, keywords), cls)), None)
    if size is None:
        return raised(cls, function(*lower(tuple(arrays), cls, None), **keywords), False)
    results = []
    for i in range(max(size, 1)):  # of no examples one of zeros tells the shape of a result
        args = lower(tuple(arrays), cls, i)
        call = function if op is None else _inner(op, args)
        results.append(call(*args, **lower(keywords, cls, i)))
    if results[0].__class__ is tuple:
        return tuple([_stacked(cls, column, name, size) for column in zip(*results)])
    return _stacked(cls, results, name, size)


def _nothing(array: Any) -> Any:
    """An example for an array that has none."""
    return by_type[array.__class__].xp.zeros(array.shape[1:], dtype=array.dtype)


def _sizes(value: Any, cls: Any) -> Any:
    if isinstance(value, Batched) and isinstance(value, cls):
        if value.mapped:
            yield value.array.shape[0]
    elif isinstance(value, dict):
        for v in value.values():
            yield from _sizes(v, cls)
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _sizes(v, cls)


def _stacked(cls: Any, results: Any, name: str, size: int) -> Any:
    rows = [as_array(r) for r in results]
    if len({tuple(r.shape) for r in rows}) > 1:
        raise RuntimeError(
            f"vmap: {name} gives results whose shapes depend on the values "
            f"({', '.join(str(tuple(r.shape)) for r in rows[:3])}), which cannot be stacked; use "
            "`where()` or `masked_fill()`, which keep the shape"
        )
    stacked = table["stack"].implementations[rows[0].__class__](*rows, dim=0)
    return cls(stacked[:size] if size < len(rows) else stacked)


def elementwise(cls: Any, function: Any, arrays: Any, keywords: Any) -> Any:
    """A function value by value, of arrays and numbers."""
    return RULES["elementwise"](function, cls, arrays, keywords)


def own(target: Any, *beside: Any) -> None:
    """Let ``target`` have memory for each example, if something mapped is to be written to it.

    At all levels at once: what a view of it got later would not be its own.
    """
    cls = type(target)
    if not target.mapped and _mapped_in(beside, cls):
        size = next(_sizes(beside, cls))
        inner = by_type[target.array.__class__]
        shape = (size, *target.array.shape)
        target.array = inner.asarray(inner.xp.broadcast_to(target.array, shape))
        target.mapped = True
    if isinstance(target.array, Batched):
        first = 0 if target.mapped else None
        own(target.array, *(lower(b, cls, first) for b in beside))


def written(target: Any, index: Any, value: Any) -> None:
    """``target[index] = value`` for batched arrays."""
    cls = type(target)
    own(target, index, value)
    inner = by_type[target.array.__class__]
    if not target.mapped:
        inner.assign(target.array, lower(index, cls, None), lower(value, cls, None))
        return
    for i in range(target.array.shape[0]):
        place, of_example = lower(index, cls, i), lower(value, cls, i)
        if target.ndim:  # an index of the batch beside index arrays would move their dimensions
            inner.assign(target.array[i], place, of_example)
        else:
            inner.assign(target.array, (i, *_as_tuple(place)), of_example)


def scattered(target: Any, index: Any, source: Any) -> None:
    """``target[index] += source``, where an index that occurs twice adds twice."""
    cls = type(target)
    own(target, index, source)
    inner = by_type[target.array.__class__]
    if not target.mapped:
        inner.scatter_add(target.array, lower(index, cls, None), lower(source, cls, None))
        return
    try:
        indexed.added(target, index, source)
    except Undecided:
        for i in range(target.array.shape[0]):
            inner.scatter_add(target.array[i], lower(index, cls, i), lower(source, cls, i))


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)
