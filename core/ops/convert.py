"""convert: from one element type or device to another."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from .. import dtypes, modes
from ..device import device as Device
from ..errors import ArgumentError, DeviceError
from ..formats import order_of
from ..layouts import accept, check, preserve_format
from ..looking import answered
from ..making import converted, number
from ..op import KEEP, ZERO, op
from ..refusals import refusing
from ..samples import Arr, call, unary
from ..tensor import Tensor
from .strided import contiguous, in_order

# fmt: off
to_dtype = op(
    "to_dtype",
    lambda xp, x, *, dtype: xp.astype(x, backends.by_type[x.__class__].dtype(dtype)),
    x=lambda g: g,  # the engine casts it to the input's type
    dtype=KEEP,
    node="ToCopyBackward0",
    method=False,
    samples=unary(dtype=dtypes.float64),
)
clone_op = op(
    "clone",
    lambda xp, x: xp.asarray(x, copy=True),
    x=lambda g: g,
    dtype=KEEP,
    method=False,
    samples=call(Arr((3, 4))) + call(Arr(())),
)
to_device = op(
    "to_device",
    lambda xp, x, *, device, source, wait=True: transfer(x, device, wait),
    x=lambda g, device, source: to_device(g, device=source, source=device),
    dtype=KEEP,
    node="ToCopyBackward0",
    method=False,
)


#: What is written over ``x``: no gradient flows back to the values that are gone.
copy = op("copy", lambda xp, x, src: _spread(xp, x, src), x=ZERO, src=lambda g: g,
          dtype=KEEP, node="CopyBackwards", method=False,
          samples=call(Arr((3, 4)), Arr((4,))))
fill = op("fill", lambda xp, x, *, value: xp.full_like(x, value), x=ZERO, dtype=KEEP, method=False,
          samples=call(Arr((3, 4)), value=2.0))
# fmt: on


def number_for(name: str, value: Any, x: Tensor) -> Any:
    """A number to be written into ``x``, as PyTorch casts it: beside integers its whole part."""
    if not dtypes.is_number(value):
        kind = type(value).__name__
        raise ArgumentError(f"{name}(): argument 'value' must be Tensor or Number, not {kind}")
    return converted(number(value, "value"), x.dtype)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy through which gradients flow, in memory as ``input`` or as asked (``torch.clone``)."""
    try:
        if memory_format is not None:
            check("clone", "memory_format", memory_format)
            if memory_format is not preserve_format:
                return in_order(input, order=order_of(memory_format, input.ndim))
        return clone_op(input)
    except Exception as error:
        return answered(error)


def _spread(xp: Any, x: Any, src: Any) -> Any:
    try:
        return xp.asarray(xp.broadcast_to(src, x.shape), copy=True)
    except ValueError:
        raise ValueError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape of a source of "
            f"shape {list(src.shape)}"
        ) from None


def transfer(array: Any, to: Device, wait: bool = True) -> Any:
    """An array on another device, through the host."""
    here = backends.by_type[array.__class__]
    there = backends.for_device(to)
    return there.receive(here.to_host(array), to, wait)


def _cast(x: Tensor, dtype: dtypes.dtype) -> Tensor:
    if dtype.is_floating_point or dtype.is_complex or x._edge is None:
        return to_dtype(x, dtype=dtype)
    with modes.no_grad():  # whole numbers have no gradients
        return to_dtype(x, dtype=dtype)


def to(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
    """Another dtype, device, or that of another Tensor; self if nothing changes (``Tensor.to``).

    ``x.to(ad.float16)``, ``x.to("cuda")``, ``x.to("cuda", ad.float16)``, ``x.to(other)``;
    ``copy=True`` makes a copy in any case. ``non_blocking=True``: a copy from pinned memory to a
    GPU (see ``pin_memory``) goes on while Python does; do not write into ``self`` meanwhile.
    ``memory_format=ad.channels_last`` orders the dimensions in memory, as ``contiguous`` does.
    """
    form = None
    device = keywords.pop("device", None)
    dtype = keywords.pop("dtype", None)
    copy = keywords.pop("copy", False)
    wait = not keywords.pop("non_blocking", False)
    if keywords:
        form = accept("to", keywords)
    if keywords:
        raise TypeError(f"to() got unexpected arguments {', '.join(keywords)}")
    for i, a in enumerate(args):
        if isinstance(a, Tensor):
            if i or device is not None or dtype is not None:
                raise TypeError("to() takes a device, a dtype, both, or one other Tensor")
            device, dtype = a.device, a.dtype
        elif isinstance(a, (str, Device)):
            if device is not None:
                raise TypeError("to() got a device twice")
            device = a
        elif isinstance(a, bool):  # non_blocking given by position
            if not i:
                raise TypeError("to() takes a device, a dtype, or another Tensor, not a bool")
            wait = not a
        elif a is not None:
            if dtype is not None:
                raise TypeError("to() got a dtype twice, or one beside another Tensor")
            dtype = dtypes.as_dtype(a)
    out = self
    if device is not None:
        wanted = Device(device)
        here = self.device
        if wanted.type != here.type or wanted.index not in (None, here.index):
            out = to_device(out, device=wanted, source=here, wait=wait)
    if dtype is not None:
        dtype = dtypes.as_dtype(dtype)
        if dtype is not out.dtype:
            out = _cast(out, dtype)
    if copy and out is self:
        out = clone(out)
    if form is None or form is preserve_format:
        return out
    return contiguous(out, memory_format=form)


def _caster(name: str, d: dtypes.dtype) -> Any:
    def method(self: Tensor, *, memory_format: Any = None) -> Tensor:
        if memory_format is not None:
            check(name, "memory_format", memory_format)
        return to(self, d, memory_format=memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In {d.name}; self if it is already."
    return method


@refusing
def _cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, *, memory_format: Any = None
) -> Tensor:
    """On a GPU; self if it is there."""
    check("cuda", "memory_format", memory_format)
    if device is None:
        device = "cuda"
    where = Device("cuda", device) if isinstance(device, int) else Device(device)
    if where.type == "cpu":
        raise DeviceError(f"Invalid device, must be cuda device, not {where}; write `.cpu()`")
    return to(self, where, non_blocking=non_blocking)


@refusing
def _cpu(self: Tensor, *, memory_format: Any = None) -> Tensor:
    """On the CPU; self if it is there."""
    check("cpu", "memory_format", memory_format)
    return to(self, "cpu")


@refusing
def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """In the dtype and on the device of another Tensor."""
    if not isinstance(other, Tensor):
        raise ArgumentError(
            f"type_as(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}"
        )
    return to(self, other)


def _install() -> None:
    for name, d in {
        "float": dtypes.float32,
        "double": dtypes.float64,
        "half": dtypes.float16,
        "bfloat16": dtypes.bfloat16,
        "int": dtypes.int32,
        "long": dtypes.int64,
        "short": dtypes.int16,
        "bool": dtypes.bool_,
        "byte": dtypes.uint8,
        "char": dtypes.int8,
        "cfloat": dtypes.complex64,
        "cdouble": dtypes.complex128,
    }.items():
        setattr(Tensor, name, _caster(name, d))
    Tensor.to, Tensor.clone = to, clone  # type: ignore[attr-defined]
    Tensor.type_as, Tensor.cpu, Tensor.cuda = _type_as, _cpu, _cuda


_install()
