"""The flag: whether everything is finite, in one value for all gradients of a step."""

from __future__ import annotations

from typing import Any

from anadrome import KEEP, NONE, Tensor, op
from anadrome.backend import by_type
from anadrome.samples import Arr, call
from anadrome.tensor import unwrap


def _all_finite(xp: Any, *tensors: Any) -> Any:
    return xp.all(xp.stack([xp.all(xp.isfinite(t)) for t in tensors]))


#: Whether no value of any of the given Tensors is NaN or infinite: a bool without dimensions.
all_finite = op("all_finite", _all_finite, tensors=NONE, dtype=KEEP, method=False,
                samples=call(Arr((2, 3)), Arr((4,)), Arr(())))  # fmt: skip


def is_finite(tensors: list[Tensor]) -> bool:
    """The flag, read: waits for each device once. No mode sees it."""
    implementations = all_finite.op.implementations
    arrays = [unwrap(t) for t in tensors]
    cls = arrays[0].__class__
    if all([a.__class__ is cls for a in arrays]) and by_type[cls].device_count() == 1:
        return bool(implementations[cls](*arrays))
    places: dict[Any, list[Any]] = {}
    for t, array in zip(tensors, arrays):
        places.setdefault(t.device, []).append(array)
    flags = [implementations[there[0].__class__](*there) for there in places.values()]
    return all([bool(flag) for flag in flags])


def has_nan(tensors: tuple[Tensor, ...]) -> bool:
    """Whether any of the Tensors holds a NaN."""
    arrays = [unwrap(t) for t in tensors]
    return any([bool(by_type[a.__class__].xp.any(a != a)) for a in arrays])
