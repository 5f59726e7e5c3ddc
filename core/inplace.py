"""inplace: writing into a Tensor's memory without lying about its history.

Every in-place form is: compute out of place, write the result into the memory, count the write, and
give the Tensor the result's history. A write through a view is a write to a region of its base.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import modes
from .backend import by_type
from .errors import ArgumentError, DtypeError, GraphError, ShapeError
from .looking import answered
from .placement import at, several
from .tensor import LEAF, Tensor, wrap
from .views import refresh, regraft


def check_writable(target: Tensor) -> None:
    """Refuse to write into a leaf that is being differentiated."""
    state = modes.current()
    try:
        inference = target._inference
    except AttributeError:
        raise ArgumentError(
            "argument 'input' (position 1) must be Tensor, not "
            f"{type(target).__name__}: a function in place writes into a Tensor"
        ) from None
    if inference and not state.inference:
        raise GraphError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. You can make "
            "a clone to get a normal tensor before doing inplace update."
        )
    if not state.grad:
        return
    if target._edge is LEAF:
        raise GraphError(
            "a leaf Variable that requires grad is being used in an in-place operation. Update it "
            "under `with anadrome.no_grad():`, or use the out-of-place form."
        )
    base = target._base
    if base is not None and base._edge is LEAF:
        raise GraphError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation. "
            "Write under `with anadrome.no_grad():`, or clone the leaf first."
        )


def assign(target: Tensor, value: Tensor, name: str) -> Tensor:
    """Write ``value`` into ``target``'s memory: the one place where a graph's memory is written."""
    modes.touch(target, value)
    data = target._data
    result = value._data
    if result.shape != data.shape:
        raise ShapeError(
            f"{name}: output with shape {list(data.shape)} doesn't match the broadcast shape "
            f"{list(result.shape)}; use the out-of-place form"
        )
    if value.dtype.category > target.dtype.category:
        raise DtypeError(
            f"{name}: result type {value.dtype.name} can't be cast to the desired output type "
            f"{target.dtype.name}; use the out-of-place form"
        )
    if result.dtype != data.dtype:
        from .out import EXACT

        if name[:-1] in EXACT:
            raise DtypeError(
                f"{name} is not supported for {target.dtype.name}, since its result is "
                f"{value.dtype.name}; use the out-of-place form"
            )
        result = by_type[data.__class__].xp.astype(result, data.dtype)
        if value._edge is not None and value._edge is not LEAF and not value._edge[0].multi:
            value._edge[0].dtype = result.dtype  # of what is there, and so of its gradient
    if value._edge is None and target._edge is not None and target._base is None:
        if modes.current().grad:  # no gradient leads to what is written, nor past it (``x.eq_(y)``)
            from .ops.convert import copy

            value = copy(target, wrap(result))
    write(target, Ellipsis, result)
    rebase(target, value)
    return target


def write(target: Tensor, index: Any, array: Any) -> None:
    """``target[index] = array`` in memory, and count the write; the graph is not told."""
    for hooks in modes.current().saved_hooks:
        hooks.writing(target)
    data = target._data
    try:
        if several:
            with at(data):
                by_type[data.__class__].assign(data, index, array)
        elif index is Ellipsis:
            data[...] = array
        else:
            by_type[data.__class__].assign(data, index, array)
    except (TypeError, ValueError) as error:
        raise _unwritable(error) from error
    target._shared_writes().bump()


def announce(target: Tensor) -> None:
    """Tell the hooks that hold saved values of a write that is about to happen."""
    for hooks in modes.current().saved_hooks:
        hooks.writing(target)


def _unwritable(error: Exception) -> Exception:
    if "read-only" not in str(error):
        kind = DtypeError if isinstance(error, TypeError) else ShapeError
        return kind(f"writing in place: {error}")
    return GraphError(
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location (or the memory is read-only). Please clone() the tensor before performing "
        "the operation."
    )


def rebase(target: Tensor, value: Tensor) -> None:
    """Give ``target``, whose memory now holds ``value``, the history of ``value``."""
    base = target._base
    if not modes.current().grad:
        return
    if base is None:
        if value._edge is not None:
            # The node's own saved output is `value`'s array, not this memory: later writes here
            # cannot make it stale.
            regraft(target, value._gradient_edge())
            refresh(target)
        return
    if value._edge is None and base._edge is None:
        return
    from .ops.indexing import write_region

    region = write_region(_before(base), value, path=target._view_path)
    regraft(base, region._edge)
    refresh(base)


def _before(base: Tensor) -> Tensor:
    """The base with the history it had until now."""
    out = wrap(base._data)
    out._edge = base._gradient_edge()
    return out


def inplace_form(op: Any) -> Callable[..., Tensor]:
    """``x.name_(...)`` from the declaration of ``name``."""
    name = op.name + "_"

    def inplace(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        if "out" in keywords:
            raise ArgumentError(
                f"{name}() got an unexpected keyword argument 'out': it writes self"
            )
        try:
            check_writable(self)
            source = self
            recorded = modes.current().grad and (
                self._edge is not None
                or any(isinstance(a, Tensor) and a._edge is not None for a in args)
            )
            if recorded and op.saves_values:
                # A rule may save this input: keep its present values before they are overwritten.
                source = wrap(by_type[self._data.__class__].asarray(self._data))
                source._edge = self._gradient_edge()
            elif not recorded and _written_directly(op, self, args, keywords):
                return self
            if modes.current().modes:
                value = modes.as_given(op.call, (source, *args), keywords)
            else:
                value = op.call(source, *args, **keywords)
            return assign(self, value, name)
        except Exception as error:
            return answered(error)

    inplace.op = op  # type: ignore[attr-defined]
    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"In-place form of ``{op.name}``; returns self."
    return inplace


def _written_directly(op: Any, target: Tensor, args: Any, keywords: Any) -> bool:
    """Without a graph, let a kernel write into the operand: no temporary, no copy."""
    data = target._data
    state = modes.current()
    if keywords or state.modes or state.saved_hooks or len(args) != len(op.inputs) - 1:
        return False
    if target._base is not None and target._base._edge is not None:
        return False  # the history of the base is to change
    backend = by_type[data.__class__]
    kernel = backend.out_kernels.get(op.name)
    if kernel is None:
        return False
    others = []
    for name, a in zip(op.inputs[1:], args):
        if isinstance(a, Tensor):
            if a._data.__class__ is not data.__class__ or a._data.dtype != data.dtype:
                return False
            a = a._data
        else:
            kind = target.dtype
            if not isinstance(a, (int, float)) or not kind.is_floating_point:
                return False
            if kind.itemsize == 2:
                made = backend.factor if name in op.factors else backend.number
                a = made(a, data.dtype)
        others.append(a)
    try:
        kernel(data, *others, out=data)
    except (TypeError, ValueError):
        return False  # the long way says what is wrong
    target._shared_writes().bump()
    return True
