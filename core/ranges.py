"""ranges: numbers in a row."""

from __future__ import annotations

import ctypes
import math
from typing import Any

from . import backend as backends
from . import dtypes
from .device import device as Device
from .errors import DomainError, UnsupportedError
from .making import creates, finished, number
from .refusals import refusing
from .tensor import Tensor, wrap


@creates
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``start``, ``start + step``, … below ``end`` (``torch.arange``).

    int64 if all three are integers, else the default dtype. Raises for a step of zero, or one
    that leads away from ``end``.

    >>> import anadrome as ad
    >>> ad.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end, step = (number(v, "arange's argument") for v in (start, end, step))
    if end is None:
        start, end = 0, start
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.get_default_dtype()
    kind = dtypes.as_dtype(dtype)
    if not all(math.isfinite(v) for v in (start, end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    # PyTorch counts in the given numbers, but for int64, and steps in whole ones.
    if kind is dtypes.int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise DomainError("step must be nonzero")
    if (end - start) / step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start}, {end}, {step}"
        )
    backend = backends.for_device(device)
    if kind.is_complex:
        place = "cpu" if device is None else Device(device).type
        raise UnsupportedError(
            f"\"arange_{place}\" not implemented for '{dtypes.LEGACY[kind.name]}'; write a real "
            "dtype, and `.to(...)` behind it"
        )
    native = backend.dtype(kind)
    with backend.placed(None if device is None else Device(device)):
        if kind.is_floating_point:
            n = math.ceil((end - start) / step)
            line = backend.xp.arange(n, dtype=backend.dtype(dtypes.float64)) * step + start
        else:
            n = int(-((end - start) // -step))
            line = backend.xp.arange(n, dtype=backend.dtype(dtypes.int64)) * int(step) + int(start)
        array = backend.xp.astype(line, native)
    return finished(wrap(array), requires_grad)


@refusing
def range(
    start: float, end: float, step: float = 1, *, dtype: Any = None, **keywords: Any
) -> Tensor:
    """As ``arange``, with ``end`` among the values (``torch.range``, which PyTorch deprecates)."""
    n = math.floor((end - start) / step) + 1
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    return arange(start, start + step * (n - 0.5), step, dtype=kind, **keywords)


def _line(start: Any, end: Any, steps: Any, kind: dtypes.dtype, device: Any) -> Any:
    """``steps`` values from start to end in float64, and what is needed to go on with them."""
    start, end = number(start, "start"), number(end, "end")
    steps = number(steps, "steps")
    if not isinstance(steps, int) or isinstance(steps, bool):
        raise TypeError(f"the number of steps must be an int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, but got {steps}")
    backend = backends.for_device(device)
    xp = backend.xp
    wide = dtypes.complex128 if kind.is_complex else dtypes.float64
    if kind.category <= dtypes.int64.category:
        start, end = int(start), int(end)
    if kind is dtypes.float32:  # as PyTorch, which multiplies and adds with one rounding
        start, end = _single(start), _single(end)
        step = _single(_single(end - start) / (steps - 1)) if steps > 1 else 0.0
    else:
        step = (end - start) / (steps - 1) if steps > 1 else 0.0
    index = xp.astype(xp.arange(steps, dtype=backend.dtype(dtypes.int64)), backend.dtype(wide))
    # From both ends, so that both are met exactly.
    first = xp.arange(steps) < max(steps // 2, 1)
    return backend, xp.where(first, index * step + start, end - (steps - 1 - index) * step)


def _single(value: float) -> float:
    """The number rounded to single precision."""
    return ctypes.c_float(value).value


@creates
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` values from ``start`` to ``end``, both included (``torch.linspace``).

    >>> import anadrome as ad
    >>> ad.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    kind = _kind(dtype, start, end)
    with _placed(device):
        backend, line = _line(start, end, steps, kind, device)
        array = backend.xp.astype(line, backend.dtype(kind))
    return finished(wrap(array), requires_grad)


@creates
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers from ``start`` to ``end`` (``torch.logspace``).

    >>> import anadrome as ad
    >>> ad.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    kind = _kind(dtype, start, end)
    with _placed(device):
        backend, line = _line(start, end, steps, kind, device)
        xp = backend.xp
        powers = xp.pow(xp.asarray(base, dtype=line.dtype), line)
        array = xp.astype(powers, backend.dtype(kind))
    return finished(wrap(array), requires_grad)


def _kind(dtype: Any, start: Any, end: Any) -> dtypes.dtype:
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if isinstance(start, complex) or isinstance(end, complex):
        return dtypes.of_python(1j)
    return dtypes.get_default_dtype()


def _placed(device: Any) -> Any:
    return backends.for_device(device).placed(None if device is None else Device(device))
