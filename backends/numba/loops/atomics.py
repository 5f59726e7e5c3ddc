"""atomics: words of memory that several threads write, and calls by address.

Words are 64 bits at an address, unless they say otherwise. Every access is sequentially
consistent: all threads see all of them in one order.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_ORDER = "seq_cst"
_WORD = ir.IntType(64)
_X86 = platform.machine().lower() in ("x86_64", "amd64")


def _at(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """The word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_at(builder, arguments[0]), _ORDER, 8)

    return types.int64(types.int64), generate


@intrinsic
def store(typing: Any, address: Any, value: Any) -> Any:
    """Write the word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _at(builder, arguments[0]), _ORDER, 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def add(typing: Any, address: Any, value: Any) -> Any:
    """Add to the word; what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _at(builder, arguments[0]), arguments[1], _ORDER)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def exchange(typing: Any, address: Any, value: Any) -> Any:
    """Write the word; what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("xchg", _at(builder, arguments[0]), arguments[1], _ORDER)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def exchange_int(typing: Any, address: Any, value: Any) -> Any:
    """Write an ``int`` of C's; what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.IntType(32)
        place = builder.inttoptr(arguments[0], number.as_pointer())
        was = builder.atomic_rmw("xchg", place, builder.trunc(arguments[1], number), _ORDER)
        return builder.sext(was, _WORD)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def relax(typing: Any) -> Any:
    """Said in a loop that waits: the core gives way to its other thread, and draws less power."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), kind), [])
        return context.get_dummy_value()

    return types.none(), generate


@intrinsic
def closure(typing: Any, body: Any, cut: Any, whole: Any) -> Any:
    """A function of two integers, as the addresses of its code and of what it keeps.

    It calls the compiled ``body`` with those rows of the arrays in the tuple ``cut`` and all that
    is in the tuple ``whole``; without ``cut`` with ``whole`` and the integers. The addresses hold
    until the function returns in which this is written.
    """
    numbers = () if cut.types else (types.int64, types.int64)
    signature = body.get_call_type(typing, (*cut.types, *whole.types, *numbers), {})

    def generate(context: Any, builder: Any, outer: Any, arguments: Any) -> Any:
        compiled = body.dispatcher.overloads[signature.args]
        context.active_code_library.add_linking_library(compiled.library)
        module, data = builder.module, ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [data, _WORD, _WORD])
        name = module.get_unique_name(f"{compiled.fndesc.mangled_name}.closure")
        function = ir.Function(module, kind, name)
        function.linkage = "internal"
        inner = ir.IRBuilder(function.append_basic_block())
        at, first, last = function.args
        given = types.Tuple([*cut.types, *whole.types])
        kept = inner.load(inner.bitcast(at, context.get_value_type(given).as_pointer()))
        values = cgutils.unpack_tuple(inner, kept)
        for i, kind in enumerate(cut.types):
            values[i] = _rows(context, inner, kind, values[i], first, last)
        if numbers:
            values += [first, last]
        callee = context.declare_function(module, compiled.fndesc)
        context.call_conv.call_function(
            inner, callee, signature.return_type, signature.args, values
        )
        inner.ret_void()
        parts = [v for tuple_ in arguments[1:] for v in cgutils.unpack_tuple(builder, tuple_)]
        slot = cgutils.alloca_once_value(builder, context.make_tuple(builder, given, parts))
        addresses = [builder.ptrtoint(pointer, _WORD) for pointer in (function, slot)]
        return context.make_tuple(builder, outer.return_type, addresses)

    return types.UniTuple(types.int64, 2)(body, cut, whole), generate


def _rows(context: Any, builder: Any, kind: Any, value: Any, first: Any, last: Any) -> Any:
    """``array[first:last]``, without a reference of its own."""
    array = context.make_array(kind)(context, builder, value)
    strides = cgutils.unpack_tuple(builder, array.strides)
    shape = cgutils.unpack_tuple(builder, array.shape)
    shape[0] = builder.sub(last, first)
    out = context.make_array(kind)(context, builder)
    populate_array(
        out,
        data=cgutils.pointer_add(builder, array.data, builder.mul(first, strides[0])),
        shape=shape,
        strides=strides,
        itemsize=array.itemsize,
        meminfo=None,
        parent=array.parent,
    )
    return out._getvalue()


@intrinsic
def call(typing: Any, function: Any, data: Any, first: Any, last: Any) -> Any:
    """Call what ``closure`` gave."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _WORD, _WORD])
        function, data, first, last = arguments
        target = builder.inttoptr(function, kind.as_pointer())
        builder.call(target, [builder.inttoptr(data, pointer), first, last])
        return context.get_dummy_value()

    return types.none(*[types.int64] * 4), generate
