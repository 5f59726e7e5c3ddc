"""legacy: PyTorch's older constructors, ``Tensor(2, 3)`` and ``FloatTensor([1.0, 2.0])``."""

from __future__ import annotations

import types
from operator import index
from typing import Any

from . import dtypes
from .border import bordered, told
from .creation import empty
from .creation import tensor as from_data
from .tensor import Size, Tensor, wrap


@bordered
def made(args: tuple[Any, ...], kind: dtypes.dtype, device: Any = None) -> Tensor:
    """What ``FloatTensor(*args)`` is: of a size given as integers, or of data."""
    lengths = _lengths(args)
    if len(args) == 1 and lengths is None and not isinstance(args[0], Size):
        (data,) = args
        if isinstance(data, Tensor):
            if data.dtype is not kind:
                raise TypeError(
                    f"expected a Tensor of {kind.name}, not of {data.dtype.name}; convert it with "
                    f"`.to({kind!r})`"
                )
            return wrap(data._data) if data._edge is None else data.view_as(data)
        if isinstance(data, (bool, float)):
            kind_of = type(data).__name__
            raise TypeError(f"new(): data must be a sequence (got {kind_of}); write tensor(...)")
        return from_data(data, dtype=kind, device=device)
    if args and lengths is None and not isinstance(args[0], Size):
        raise TypeError(
            "new() takes integers, the lengths of the dimensions, or one sequence; not "
            f"({told(args, {})})"
        )
    return empty(*(lengths or args or (0,)), dtype=kind, device=device)


def _lengths(args: tuple[Any, ...]) -> tuple[int, ...] | None:
    """The arguments as integers; None if they are no lengths of dimensions."""
    if any(isinstance(n, (bool, Tensor, type)) for n in args):
        return None
    try:
        return tuple([index(n) for n in args])
    except TypeError:
        return None


class _Legacy(type):
    """The class of the older tensor types: calling one makes a Tensor of its dtype."""

    legacy_dtype: dtypes.dtype | None
    place: str

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return made(
            args,
            cls.legacy_dtype or dtypes.get_default_dtype(),
            cls.place if device is None else device,
        )

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, Tensor)
            and instance.dtype is cls.legacy_dtype
            and instance.device.type == cls.place
        )


def _types(place: str) -> dict[str, Any]:
    return {
        f"{name}Tensor": _Legacy(
            f"{name}Tensor",
            (),
            {
                "legacy_dtype": kind,
                "place": place,
                "__doc__": f"A {kind.name} Tensor on {place} (PyTorch: ``torch.{name}Tensor``).",
                "__module__": __name__,
            },
        )
        for kind in dtypes.ALL
        for name in (dtypes.LEGACY[kind.name],)
    }


#: On the CPU, and on the GPU as ``anadrome.cuda.FloatTensor`` and so on.
CPU, CUDA = _types("cpu"), types.SimpleNamespace(**_types("cuda"))
globals().update(CPU)


def set_default_tensor_type(t: Any) -> None:
    """The dtype of Tensors made from floats, by a type or its name (PyTorch's older form)."""
    if isinstance(t, str):
        t = CPU.get(t.rpartition(".")[2])
    kind = getattr(t, "legacy_dtype", None)
    if kind is None:
        raise TypeError("set_default_tensor_type takes a type such as anadrome.FloatTensor")
    dtypes.set_default_dtype(kind)
