"""creation: Tensors from numbers, lists and other libraries' arrays."""

from __future__ import annotations

import math
from typing import Any

from . import backend as backends
from . import dtypes
from .device import device as Device
from .tensor import Tensor, wrap


def _finish(out: Tensor, requires_grad: bool) -> Tensor:
    return out.requires_grad_() if requires_grad else out


def _plain(data: Any) -> Any:
    """Lists with Tensors among them, as lists of numbers."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, (list, tuple)):
        return [_plain(x) for x in data]
    return data


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor from a number, nested lists or an array; always copies (``torch.tensor``).

    Floats become the default dtype (float32), ints int64; an array keeps its own.

    >>> import anadrome as ad
    >>> ad.tensor([[1, 2], [3, 4]]).shape
    anadrome.Size([2, 2])
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(data, Tensor):
        out = wrap(data._backend.asarray(data._data))
        if wanted is not None or device is not None:
            out = out.to(device=device, dtype=wanted)
        return _finish(out, requires_grad)
    backend = backends.for_device(device)
    on = None if device is None else Device(device)
    from_array = hasattr(data, "dtype") and hasattr(data, "shape")
    if isinstance(data, (list, tuple)):
        data = _plain(data)
    try:
        if wanted is not None:
            array = backend.asarray(data, dtype=backend.dtype(wanted), device=on)
        elif from_array:
            array = backend.asarray(data, device=on)
        else:
            array = _inferred(backend, data, on)
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, OverflowError):
            raise RuntimeError(f"value cannot be converted without overflow: {error}") from error
        raise type(error)(
            f"tensor() cannot make a Tensor of {type(data).__name__}: {error}. It takes numbers, "
            "nested lists of equal lengths, and arrays"
        ) from error
    dtypes.from_native[array.dtype]  # raises for strings and objects
    return _finish(wrap(array), requires_grad)


def _inferred(backend: backends.Backend, data: Any, device: Device | None) -> Any:
    if isinstance(data, (bool, int, float, complex)):
        return backend.asarray(data, dtype=backend.dtype(dtypes.of_python(data)), device=device)
    array = backend.asarray(data, device=device)
    kind = dtypes.from_native[array.dtype]
    if kind is dtypes.float64:
        array = backend.xp.astype(array, backend.dtype(dtypes.get_default_dtype()))
    elif kind is dtypes.complex128:
        array = backend.xp.astype(array, backend.dtype(dtypes.of_python(1j)))
    return array


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """As ``tensor``, but without a copy where there is nothing to change (``torch.as_tensor``)."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if type(data) in backends.by_type and device is None and dtype is None:
        return wrap(data)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """A Tensor that shares the memory of a NumPy array (``torch.from_numpy``)."""
    backend = backends.get("numpy")
    if type(array) is not backend.array_type:
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    checked: Any = array
    dtypes.from_native[checked.dtype]
    return wrap(checked)


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not isinstance(size[0], int) and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    out = tuple(int(n) for n in size)
    if any(n < 0 for n in out):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(out)}")
    return out


def _made(
    size: tuple[Any, ...], value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    backend = backends.for_device(device)
    native = backend.dtype(dtypes.as_dtype(dtype or dtypes.get_default_dtype()))
    shape = _shape(size)
    with backend.placed(None if device is None else Device(device)):
        if value is None:
            array = backend.xp.empty(shape, dtype=native)
        elif value == 0:
            array = backend.xp.zeros(shape, dtype=native)
        else:
            array = backend.xp.full(shape, value, dtype=native)
    return _finish(wrap(array), requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All zeros (``torch.zeros``)."""
    return _made(size, 0, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All ones (``torch.ones``)."""
    return _made(size, 1, dtype, device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uninitialised (``torch.empty``)."""
    return _made(size, None, dtype, device, requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """All ``fill_value``; its type decides the dtype (``torch.full``)."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    dtype = dtype or dtypes.of_python(fill_value)
    return _made((size,), fill_value, dtype, device, requires_grad)


def _like(x: Tensor, dtype: Any, device: Any) -> dict[str, Any]:
    return {"dtype": dtype or x.dtype, "device": device or x.device}


def zeros_like(
    x: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of the shape, dtype and device of ``x``."""
    return zeros(tuple(x.shape), **_like(x, dtype, device), requires_grad=requires_grad)


def ones_like(
    x: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of the shape, dtype and device of ``x``."""
    return ones(tuple(x.shape), **_like(x, dtype, device), requires_grad=requires_grad)


def empty_like(
    x: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uninitialised, of the shape, dtype and device of ``x``."""
    return empty(tuple(x.shape), **_like(x, dtype, device), requires_grad=requires_grad)


def full_like(
    x: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``fill_value`` in the shape, dtype and device of ``x``."""
    return full(tuple(x.shape), fill_value, **_like(x, dtype, device), requires_grad=requires_grad)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``start``, ``start + step``, … below ``end`` (``torch.arange``)."""
    if end is None:
        start, end = 0, start
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.get_default_dtype()
    if step == 0 or (end - start) / step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start}, {end}, {step}"
        )
    backend = backends.for_device(device)
    with backend.placed(None if device is None else Device(device)):
        n = max(math.ceil((end - start) / step), 0)
        kind = dtypes.as_dtype(dtype)
        if kind.is_floating_point:
            line = backend.xp.arange(n, dtype=backend.dtype(dtypes.float64)) * step + start
            array = backend.xp.astype(line, backend.dtype(kind))
        else:
            array = backend.xp.arange(start, start + n * step, step, dtype=backend.dtype(kind))
    return _finish(wrap(array), requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` values from ``start`` to ``end``, both included (``torch.linspace``)."""
    backend = backends.for_device(device)
    native = backend.dtype(dtypes.as_dtype(dtype or dtypes.get_default_dtype()))
    with backend.placed(None if device is None else Device(device)):
        wide = backend.xp.linspace(
            float(start), float(end), int(steps), dtype=backend.dtype(dtypes.float64)
        )
        array = backend.xp.astype(wide, native)
    return _finish(wrap(array), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal (``torch.eye``)."""
    backend = backends.for_device(device)
    native = backend.dtype(dtypes.as_dtype(dtype or dtypes.get_default_dtype()))
    with backend.placed(None if device is None else Device(device)):
        array = backend.xp.eye(n, m, dtype=native)
    return _finish(wrap(array), requires_grad)


def _install() -> None:
    def new(function: Any) -> Any:
        def method(
            self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **kw: Any
        ) -> Tensor:
            return function(*args, **_like(self, dtype, device), **kw)

        return method

    for name, function in {"zeros": zeros, "ones": ones, "empty": empty, "full": full,
                           "tensor": tensor}.items():  # fmt: skip
        setattr(Tensor, f"new_{name}", new(function))


_install()
