"""arguments: a sample of an op declaration as Tensors of any backend and dtype.

The numbers come from Python's generator, so every backend is given the same ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from .. import backend as backends
from .. import dtypes
from ..samples import Arr, Sample
from ..tensor import Tensor, wrap

#: Marks a place in ``change=`` that is left as it is.
Change = Callable[[int, Arr, list[Any]], list[Any]]


def make_args(
    sample: Sample,
    *,
    backend: str = "numpy",
    dtype: Any = dtypes.float64,
    seed: int = 0,
    requires_grad: bool = False,
) -> tuple[list[Any], dict[str, Any]]:
    """``(args, keywords)`` for a call of the sample's op.

    Each ``Arr`` of kind "float" becomes a Tensor of ``dtype`` (which may be an integer type), of
    kind "int" one of int64, of kind "bool" one of bool, of kind "complex" one of complex128 (or
    complex64 beside a narrower dtype). ``requires_grad`` goes to those that can have a gradient.

    >>> import anadrome as ad
    >>> from anadrome import testing
    >>> from anadrome.op import table
    >>> args, keywords = testing.make_args(table["mm"].samples[0], dtype="float32")
    >>> [tuple(a.shape) for a in args]
    [(2, 3), (3, 4)]
    """
    adapter = backends.get(backend)
    kind = named(dtype)
    stream = random.Random(f"{seed} {sample.args!r}")
    args = []
    for a in sample.args:
        if isinstance(a, Arr):
            t = wrap(array_of(adapter, a, draw(stream, a, kind), kind))
            if requires_grad and t.dtype.category >= dtypes.float32.category:
                t.requires_grad_()
            args.append(t)
        else:
            args.append(a)
    return args, dict(sample.keywords)


def named(dtype: Any) -> dtypes.dtype:
    """A dtype from itself or from its name."""
    return dtypes.BY_NAME[dtype] if isinstance(dtype, str) else dtypes.as_dtype(dtype)


def kind_of(a: Arr, dtype: dtypes.dtype) -> dtypes.dtype:
    """The dtype that an ``Arr`` takes when ``dtype`` is under test."""
    if a.kind == "int":
        return dtypes.int64
    if a.kind == "bool":
        return dtypes.bool_
    if a.kind == "complex":
        return dtypes.complex128 if dtype.itemsize == 8 else dtypes.complex64
    return dtype


def array_of(adapter: backends.Backend, a: Arr, values: list[Any], dtype: dtypes.dtype) -> Any:
    """A backend's array of the flat ``values``."""
    native = adapter.dtype(kind_of(a, dtype))
    if not a.shape:
        return adapter.asarray(values[0], dtype=native)
    return adapter.xp.reshape(adapter.asarray(values, dtype=native), a.shape)


def draw(stream: random.Random, a: Arr, dtype: dtypes.dtype) -> list[Any]:
    """Flat values for one ``Arr``."""
    n = math.prod(a.shape)
    if a.kind == "bool":
        return [stream.random() < 0.5 for _ in range(n)]
    if a.kind == "int":
        return [stream.randrange(math.ceil(a.low), math.ceil(a.high)) for _ in range(n)]
    if a.kind == "complex":
        return [complex(stream.uniform(a.low, a.high), stream.uniform(a.low, a.high))
                for _ in range(n)]  # fmt: skip
    whole = dtype.category < dtypes.float32.category
    if a.distinct:
        values = [a.low + (a.high - a.low) * (i + 0.5) / n for i in range(n)]
        if whole:
            values = [float(i if not dtype.is_signed else i - n // 2) for i in range(n)]
        stream.shuffle(values)
    elif whole:
        low, high = math.ceil(a.low), math.floor(a.high)
        low = max(low, 0) if not dtype.is_signed else low
        values = [float(stream.randint(low, max(low, high))) for _ in range(n)]
    else:
        values = [stream.uniform(a.low, a.high) for _ in range(n)]
    if a.ordered:
        values.sort()
    return [int(v) for v in values] if whole else values


def floats(args: list[Any]) -> list[Tensor]:
    """The Tensors among the arguments that can have a gradient."""
    return [a for a in args if isinstance(a, Tensor) and a.dtype.category >= 2]


def cotangents(outputs: list[Tensor], seed: int = 0) -> list[Tensor]:
    """A gradient for each output, the same numbers for every backend and dtype."""
    stream = random.Random(f"cotangent {seed}")
    out = []
    for o in outputs:
        like = Arr(tuple(o.shape), -1.0, 1.0, "complex" if o.dtype.is_complex else "float")
        out.append(wrap(array_of(o._backend, like, draw(stream, like, o.dtype), o.dtype)))
    return out
