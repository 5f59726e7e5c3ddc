"""making: what all functions that make Tensors share: shapes, places, and PyTorch's keywords."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from operator import index
from typing import Any

from . import backend as backends
from . import dtypes
from .border import on_purpose, refuse
from .device import device as Device
from .dtypes import as_dtype
from .errors import DtypeError, GraphError
from .formats import as_asked
from .layouts import accept
from .looking import met
from .modes import current
from .out import into
from .switches import truth
from .tensor import Tensor, wrap


def creates(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that makes a Tensor ``out=``, ``memory_format=``, and what says nothing here.

    ``layout`` (there is one), ``pin_memory`` (accepted). What is made like a Tensor lies in memory
    as that does.
    """

    gathers = bool(function.__code__.co_flags & 0x04)  # f(2, 3), and f(size=(2, 3))
    alike = function.__name__.endswith("_like")

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            if not keywords:
                made = function(*args)
                return _formed(made, None, args, keywords) if alike else made
            out = keywords.pop("out", None)
            form = accept(function.__name__, keywords)
            keywords.pop("pin_memory", None)
            if gathers and "size" in keywords and not args:
                args = (keywords.pop("size"),)
            if out is None:
                made = function(*args, **keywords)
                return _formed(made, form, args if alike else (), keywords)
            if keywords.get("dtype") is None:
                keywords["dtype"] = out.dtype
            elif as_dtype(keywords["dtype"]) is not out.dtype:
                raise DtypeError(
                    f"dtype {as_dtype(keywords['dtype']).name} does not match dtype of out "
                    f"parameter ({out.dtype.name}): leave dtype= away"
                )
            return into(out, function(*args, **keywords), function.__name__)
        except Exception as error:
            again = met(function, args, keywords, 1)
            if again is not None:
                return again()
            if on_purpose(error):
                raise
            refuse(function.__name__, error, args, keywords)

    return call


def _formed(out: Tensor, form: Any, like: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
    """A new Tensor in a memory format; in that of the one it is made like, if there is one."""
    template = like[0] if like else keywords.get("input")
    if isinstance(template, Tensor):
        flags = getattr(template._data, "flags", None)
        if form is None and (flags is None or flags.c_contiguous):
            return out
        out._data = as_asked(out._data, form, template._data)
    elif form is not None:
        out._data = as_asked(out._data, form, None)
    return out


def finished(out: Tensor, requires_grad: bool) -> Tensor:
    """A new Tensor, asked for a gradient or not."""
    if requires_grad is False or not truth(requires_grad, "requires_grad_", "requires_grad"):
        return out
    return out.requires_grad_()


def shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that ``f(2, 3)``, ``f((2, 3))`` or ``f(other.shape)`` means."""
    if len(size) == 1 and isinstance(size[0], (str, bytes, dict, set)):
        raise TypeError(f"a shape is made of integers, not of {type(size[0]).__name__}")
    if len(size) == 1 and hasattr(size[0], "__iter__") and getattr(size[0], "ndim", 1) != 0:
        size = tuple(size[0])
    try:
        out = tuple([index(n) for n in size])
    except TypeError:
        from .border import told as told_of

        told = told_of([n for n in size if not isinstance(n, int)], {})
        raise TypeError(f"a shape is made of integers, not of {told[:100]}") from None
    if any(n < 0 for n in out):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(out)}")
    return out


def uniform_array(
    size: tuple[Any, ...], value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A Tensor whose elements are all ``value``; None leaves them as they happen to be."""
    backend = backends.for_device(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    native = backend.dtype(kind)
    shape = shape_of(size)
    with backend.placed(None if device is None else Device(device)):
        if value is None:
            array = backend.xp.empty(shape, dtype=native)
        elif value == 0:
            array = backend.xp.zeros(shape, dtype=native)
        elif value == 1:
            array = backend.xp.ones(shape, dtype=native)
        else:
            array = backend.xp.full(shape, converted(value, kind), dtype=native)
    return finished(wrap(array), requires_grad)


def like(x: Any, dtype: Any, device: Any) -> dict[str, Any]:
    """``dtype=`` and ``device=``, those of a Tensor where they are None."""
    if not isinstance(x, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(x).__name__}")
    return {
        "dtype": x.dtype if dtype is None else dtypes.as_dtype(dtype),
        "device": x.device if device is None else device,
    }


def uniform_like(x: Any, value: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """As ``uniform_array``, in the shape of a Tensor and, unless told otherwise, of its kind."""
    given = like(x, dtype, device)
    backend = x._backend
    if device is None and backend.device_types == ("cpu",) and not current().modes:
        native = x._data.dtype if dtype is None else backend.dtype(dtypes.as_dtype(dtype))
        make = backend.xp.empty if value is None else backend.xp.ones if value else backend.xp.zeros
        return finished(wrap(make(x._data.shape, dtype=native)), requires_grad)
    return uniform_array((tuple(x.shape),), value, **given, requires_grad=requires_grad)


def number(value: Any, name: str) -> Any:
    """A Python number, out of one of Python's, NumPy's, or a Tensor without dimensions.

    A Tensor that requires a gradient is refused: what is made of the number would not have it.
    """
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"{name} must be a number or a 0-dimensional Tensor")
        if value.requires_grad and current().grad:
            raise GraphError(
                f"{name} is a number, whose gradient would be lost; write `.item()`, or "
                "multiply by the Tensor instead"
            )
        return value.item()
    if hasattr(value, "item") and not isinstance(value, type):  # a number of NumPy's
        found = value.item()
        return float(found) if found.__class__ is bool else found  # as in an op's operands
    return value


def converted(value: Any, kind: dtypes.dtype) -> Any:
    """A number that a dtype can hold, or PyTorch's error."""
    category = kind.category
    if category == dtypes.int64.category and not isinstance(value, complex):
        limits = dtypes.iinfo(kind)
        lowest = limits.min or -limits.max  # a negative number wraps round, in an unsigned type
        if value != value or not lowest <= value <= limits.max:
            raise RuntimeError(
                f"value cannot be converted to type {kind.name} without overflow: {value}"
            )
        return int(value) % 2**limits.bits if not limits.min else int(value)
    beyond = category < dtypes.complex64.category and isinstance(value, complex) and value.imag
    if category == dtypes.float32.category and value.__class__ is float:
        beyond = _largest(kind) < abs(value) < math.inf
    if beyond:
        raise RuntimeError(
            f"value cannot be converted to type {kind.name} without overflow: {value}"
        )
    return within_64_bits(value, kind)


@functools.cache
def _largest(kind: dtypes.dtype) -> float:
    return dtypes.finfo(kind).max


def within_64_bits(value: Any, kind: dtypes.dtype) -> Any:
    """A number for an array of ``kind``; bfloat16 takes no integers of more than 64 bits."""
    beyond = value.__class__ is int and not -(2**63) <= value < 2**63
    return float(value) if beyond and kind.category >= dtypes.float32.category else value
