"""legacy: PyTorch's older constructors, ``Tensor(2, 3)`` and ``FloatTensor([1.0, 2.0])``."""

from __future__ import annotations

import types
from typing import Any

from . import dtypes
from .border import bordered
from .creation import empty
from .creation import tensor as from_data
from .tensor import Size, Tensor, wrap


@bordered
def made(args: tuple[Any, ...], kind: dtypes.dtype, device: Any = None) -> Tensor:
    """What ``FloatTensor(*args)`` is: of a size given as integers, or of data."""
    if len(args) == 1 and not isinstance(args[0], (int, Size)):
        (data,) = args
        if isinstance(data, Tensor):
            if data.dtype is not kind:
                raise TypeError(
                    f"expected a Tensor of {kind.name}, not of {data.dtype.name}; convert it with "
                    f"`.to({kind!r})`"
                )
            return wrap(data._data) if data._edge is None else data.view_as(data)
        if isinstance(data, float):
            raise TypeError("new(): data must be a sequence (got float); write tensor(...)")
        return from_data(data, dtype=kind, device=device)
    if args and not all(isinstance(n, int) for n in args) and not isinstance(args[0], Size):
        raise TypeError(
            f"new() takes integers, the lengths of the dimensions, or one sequence; not {args!r}"
        )
    return empty(*(args or (0,)), dtype=kind, device=device)


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
    from .facts import LEGACY

    return {
        f"{name}Tensor": _Legacy(
            f"{name}Tensor",
            (),
            {
                "legacy_dtype": dtypes.BY_NAME[kind],
                "place": place,
                "__doc__": f"A {kind} Tensor on {place} (PyTorch: ``torch.{name}Tensor``).",
                "__module__": __name__,
            },
        )
        for kind, name in LEGACY.items()
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
