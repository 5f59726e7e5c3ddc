"""holding: which modules, optimizers and tensors hold the memory of a device.

Asked when memory has run out, or for a summary: it looks at every object there is, so nothing is
kept account of before.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

from ..device import device as Device
from ..tensor import Tensor


def told(size: int) -> str:
    """Bytes as people read them: ``1.50 GiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.2f} {unit}" if unit != "bytes" else f"{size} bytes"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.2f} GiB"


def holders(device: Device) -> list[tuple[str, int]]:
    """``(who, bytes)``, the largest first; what two of them hold counts for the first."""
    from ..nn import Module
    from ..optim import Optimizer

    objects = gc.get_objects()
    modules = [o for o in objects if isinstance(o, Module)]
    below = {id(child) for m in modules for child in m.modules() if child is not m}
    counted: set[int] = set()
    found = []
    for module in modules:
        if id(module) in below:
            continue
        name = type(module).__name__
        params = list(module.parameters())
        found.append((f"{name}'s parameters", _size(params, device, counted)))
        found.append((f"{name}'s gradients", _size((p._grad for p in params), device, counted)))
        found.append((f"{name}'s buffers", _size(module.buffers(), device, counted)))
    for optimizer in (o for o in objects if isinstance(o, Optimizer)):
        state = (v for s in optimizer.state.values() if isinstance(s, dict) for v in s.values())
        found.append((f"{type(optimizer).__name__}'s state", _size(state, device, counted)))
    rest = (o for o in objects if isinstance(o, Tensor))
    found.append(("other tensors", _size(rest, device, counted)))
    return sorted(((n, s) for n, s in found if s), key=lambda pair: -pair[1])


def _size(tensors: Iterable[Any], device: Device, counted: set[int]) -> int:
    """The bytes of those on the device that were not counted yet; a view counts as its base."""
    total = 0
    for tensor in tensors:
        if not isinstance(tensor, Tensor) or tensor.device != device:
            continue
        array = tensor._data
        while getattr(array, "base", None) is not None:
            array = array.base
        if id(array) not in counted:
            counted.add(id(array))
            total += int(getattr(array, "nbytes", 0))
    return total
