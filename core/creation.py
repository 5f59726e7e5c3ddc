"""creation: Tensors from numbers, lists and other libraries' arrays."""

from __future__ import annotations

from typing import Any

from . import backend as backends
from . import dtypes, sites
from .device import device as Device
from .errors import DomainError
from .making import creates, finished, like, number, uniform_array, uniform_like
from .ranges import arange as arange
from .ranges import linspace as linspace
from .ranges import logspace as logspace
from .refusals import refusing
from .tensor import Tensor, wrap

_PLAIN = frozenset({bool, int, float, complex})


def plain_array(array: Any) -> Any:
    """A NumPy array as one of no derived class (mapped from a file, say), in the same memory."""
    backend = backends.get("numpy")
    return array if type(array) is backend.array_type else backend.xp.asarray(array)


def _plain(data: Any) -> Any:
    """Lists with Tensors and arrays among them, as lists of host arrays and numbers.

    A Tensor in a list is one number, whatever its dimensions are; an array is a list of its own.
    """
    if isinstance(data, Tensor):
        if data.ndim and data.numel() != 1:
            raise ValueError(
                "only one element tensors can be converted to Python scalars; to put Tensors of "
                f"{tuple(data.shape)} together, write stack(list) or cat(list)"
            )
        one = data.detach().reshape(()) if data.ndim else data
        return one._backend.to_host(one._data)
    if isinstance(data, (list, tuple, range)):
        return [_plain(x) for x in data]
    backend = backends.by_type.get(type(data))
    return data if backend is None else backend.to_host(data)


def _leaves(
    data: Any, types: set[type], kinds: list[dtypes.dtype], wanted: dtypes.dtype | None
) -> None:
    """The Python types among the numbers of nested lists, and the dtypes among their arrays."""
    here = set(map(type, data))
    types |= here & _PLAIN
    if here <= _PLAIN:
        return
    for x in data:
        if isinstance(x, (list, tuple, range)):
            _leaves(x, types, kinds, wanted)
        elif isinstance(x, Tensor):
            kinds.append(x.dtype)
            if wanted and x.dtype.category > dtypes.int64.category >= wanted.category:
                raise TypeError(
                    "only integer tensors of a single element can be converted to an index; write "
                    "`.item()`, and round it"
                )
        elif hasattr(x, "dtype"):
            kinds.append(dtypes.from_native[x.dtype])
        elif type(x) not in _PLAIN:
            if isinstance(x, str):
                raise TypeError(f"new(): invalid data type {type(x).__name__!r}: {x!r}")
            if not hasattr(x, "__array__") and not isinstance(x, (int, float, complex)):
                raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")


def _listed(data: Any, wanted: dtypes.dtype | None) -> tuple[Any, dtypes.dtype | None]:
    """Nested lists as numbers, and the dtype that PyTorch infers (None: as from numbers)."""
    types: set[type] = set()
    kinds: list[dtypes.dtype] = []
    if isinstance(data, range):
        return list(data), dtypes.int64
    try:
        _leaves(data, types, kinds, wanted)
    except RecursionError:
        raise DomainError("nested too deeply for a Tensor, or it holds itself") from None
    if not kinds:
        return data, None
    kinds += [dtypes.of_python(t()) for t in types]
    found = kinds[0]
    for kind in kinds[1:]:
        found = dtypes.promote_types(found, kind)
    return _plain(data), found


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A Tensor from a number, nested lists or an array; always copies (``torch.tensor``).

    Floats become the default dtype (float32), ints int64; an array keeps its own. ``pin_memory``
    is accepted.

    >>> import anadrome as ad
    >>> ad.tensor([[1, 2], [3, 4]]).shape
    anadrome.Size([2, 2])
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(data, Tensor):
        sites.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach()"
            ".clone() or sourceTensor.detach().clone().requires_grad_(True), rather than "
            "anadrome.tensor(sourceTensor).",
        )
        return finished(_copied(data, wanted, device), requires_grad)
    return finished(_from_data(data, wanted, device), requires_grad)


def _copied(data: Tensor, wanted: dtypes.dtype | None, device: Any) -> Tensor:
    out = wrap(data._backend.asarray(data._data))
    if wanted is not None or device is not None:
        out = out.to(device=device, dtype=wanted)
    return out


def _from_data(data: Any, wanted: dtypes.dtype | None, device: Any) -> Tensor:
    backend = backends.for_device(device)
    on = None if device is None else Device(device)
    if isinstance(data, type):
        raise TypeError(f"tensor() takes numbers, nested lists and arrays, not a class: {data}")
    from_array = hasattr(data, "dtype") and hasattr(data, "shape")
    if isinstance(data, (list, tuple, range)):
        data, found = _listed(data, wanted)
        wanted = wanted or found
    elif data is None:
        raise RuntimeError("Could not infer dtype of NoneType")
    elif from_array and getattr(data.dtype, "kind", "") == "O":
        raise TypeError("can't convert an array of Python objects; write e.g. array.astype(float)")
    elif isinstance(data, str):
        raise TypeError(f"new(): invalid data type 'str': {data!r}")
    elif isinstance(data, (set, dict)):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}; write list(...) of it")
    try:
        if wanted is not None:
            array = _of_kind(backend, data, wanted, on)
        elif from_array:
            array = backend.asarray(data, device=on)
        else:
            array = _inferred(backend, data, on)
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, OverflowError):
            raise DomainError(f"value cannot be converted without overflow: {error}") from error
        raise type(error)(
            f"tensor() cannot make a Tensor of {type(data).__name__}: {error}. It takes numbers, "
            "nested lists of equal lengths, and arrays"
        ) from error
    dtypes.from_native[array.dtype]  # raises for strings and objects
    return wrap(array)


def _of_kind(backend: backends.Backend, data: Any, wanted: dtypes.dtype, device: Any) -> Any:
    try:
        return backend.asarray(data, dtype=backend.dtype(wanted), device=device)
    except OverflowError:
        if wanted.is_signed or wanted is dtypes.uint64:
            raise
        wide = backend.asarray(data, dtype=backend.dtype(dtypes.int64), device=device)
        if bool((abs(wide) > dtypes.iinfo(wanted).max).any()):
            raise
        return backend.xp.astype(wide, backend.dtype(wanted))  # negative numbers wrap round


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


@refusing
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """As ``tensor``, but without a copy where there is nothing to change (``torch.as_tensor``).

    >>> import anadrome as ad
    >>> x = ad.zeros(2)
    >>> ad.as_tensor(x) is x
    True
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, backends.get("numpy").array_type):
        data = plain_array(data)
    if type(data) in backends.by_type:
        out = wrap(data)
        dtypes.from_native[out._data.dtype]  # raises for strings and objects
        if data.ndim == 0 and type(data) is not out._backend.array_type:  # a library's scalar
            out = wrap(out._backend.asarray(data))
        return out.to(device=device, dtype=dtype)
    return _from_data(data, None if dtype is None else dtypes.as_dtype(dtype), device)


@refusing
def from_numpy(array: Any) -> Tensor:
    """A Tensor that shares the memory of a NumPy array (``torch.from_numpy``)."""
    backend = backends.get("numpy")
    if not isinstance(array, backend.array_type):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    checked = plain_array(array)
    dtypes.from_native[checked.dtype]
    return wrap(checked)


@refusing
def scalar_tensor(s: Any, **keywords: Any) -> Tensor:
    """A 0-dimensional Tensor of the default dtype (``torch.scalar_tensor``)."""
    if not dtypes.is_number(s):
        raise TypeError(f"scalar_tensor(): argument 's' must be Number, not {type(s).__name__}")
    return full((), s, **{"dtype": dtypes.get_default_dtype(), **keywords})


@creates
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All zeros (``torch.zeros``).

    >>> import anadrome as ad
    >>> ad.zeros(2, 3, dtype=ad.int64)
    tensor([[0, 0, 0],
            [0, 0, 0]])
    """
    return uniform_array(size, 0, dtype, device, requires_grad)


@creates
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """All ones (``torch.ones``)."""
    return uniform_array(size, 1, dtype, device, requires_grad)


@creates
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uninitialised (``torch.empty``)."""
    return uniform_array(size, None, dtype, device, requires_grad)


@creates
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """All ``fill_value``; its type decides the dtype (``torch.full``).

    >>> import anadrome as ad
    >>> ad.full((2,), True)
    tensor([True, True])
    """
    if fill_value is None:
        raise TypeError("full(): argument 'fill_value' (position 2) must be Number, not NoneType")
    if hasattr(fill_value, "item") and dtypes.is_number(fill_value):
        if dtype is None and isinstance(fill_value, Tensor):
            dtype = fill_value.dtype
        fill_value = number(fill_value, "full's fill_value")
    if not dtypes.is_number(fill_value):
        kind = type(fill_value).__name__
        raise TypeError(f"full(): argument 'fill_value' (position 2) must be Number, not {kind}")
    if dtype is None:
        dtype = dtypes.of_python(fill_value)
    return uniform_array((size,), fill_value, dtype, device, requires_grad)


@creates
def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of the shape, dtype and device of ``input`` (``torch.zeros_like``)."""
    return uniform_like(input, 0, dtype, device, requires_grad)


@creates
def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of the shape, dtype and device of ``input`` (``torch.ones_like``)."""
    return uniform_like(input, 1, dtype, device, requires_grad)


@creates
def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uninitialised, of the shape, dtype and device of ``input`` (``torch.empty_like``)."""
    return uniform_like(input, None, dtype, device, requires_grad)


@creates
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``fill_value`` in the shape, dtype and device of ``input`` (``torch.full_like``)."""
    given = like(input, dtype, device)
    return full(tuple(input.shape), fill_value, **given, requires_grad=requires_grad)


@creates
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal (``torch.eye``)."""
    for name, length in (("n", n), ("m", m)):
        if length is not None and length < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    backend = backends.for_device(device)
    native = backend.dtype(dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype))
    with backend.placed(None if device is None else Device(device)):
        array = backend.xp.eye(n, m, dtype=native)
    return finished(wrap(array), requires_grad)


@refusing
def _new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """As ``tensor``, of this Tensor's dtype and device unless told otherwise."""
    given = like(self, dtype, device)
    kind = dtypes.as_dtype(given["dtype"])
    make = _copied if isinstance(data, Tensor) else _from_data
    return finished(make(data, kind, given["device"]), requires_grad)


def _install() -> None:
    def new(function: Any) -> Any:
        def method(
            self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **kw: Any
        ) -> Tensor:
            return function(*args, **like(self, dtype, device), **kw)

        method.__name__ = method.__qualname__ = f"new_{function.__name__}"
        method.__doc__ = f"As ``{function.__name__}``, of this Tensor's dtype and device."
        return method

    for function in (zeros, ones, empty, full):
        setattr(Tensor, f"new_{function.__name__}", new(function))
    Tensor.new_tensor = _new_tensor  # type: ignore[attr-defined]


_install()
