"""The flag: whether everything is finite, in one value for all gradients of a step."""

from __future__ import annotations

import functools
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


_implementations = all_finite.op.implementations


@functools.cache
def _alone(cls: type) -> bool:
    """Whether all arrays of that type are on one device."""
    return by_type[cls].device_count() == 1


def is_finite(arrays: list[Any]) -> bool:
    """The flag, read: waits for each device once. No mode sees it."""
    cls = arrays[0].__class__
    if _alone(cls):
        for a in arrays:
            if a.__class__ is not cls:
                break
        else:
            return bool(_implementations[cls](*arrays))
    places: dict[Any, list[Any]] = {}
    for a in arrays:
        backend = by_type[a.__class__]
        places.setdefault((backend.name, str(backend.device_of(a))), []).append(a)
    flags = [_implementations[there[0].__class__](*there) for there in places.values()]
    return all(bool(flag) for flag in flags)


def runs_ahead(tensor: Tensor) -> bool:
    """Whether its device does so, and reading a value means waiting."""
    return by_type[unwrap(tensor).__class__].device_types != ("cpu",)


def is_scaled(root: Tensor) -> bool:
    """Whether a `GradScaler` made this of a loss: it notes that on the node."""
    node = root.grad_fn
    return node is not None and node.hooks is not None and "amp_scale" in node.hooks.notes


def has_nan(tensors: tuple[Tensor, ...]) -> bool:
    """Whether any of the Tensors holds a NaN."""
    arrays = [unwrap(t) for t in tensors]
    return any(bool(by_type[a.__class__].xp.any(a != a)) for a in arrays)
