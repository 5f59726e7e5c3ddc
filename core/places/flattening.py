"""flattening: tensors put end to end, and other small helpers of ``torch._utils``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import namespace
from ..accelerator import current_accelerator, get_device_module
from ..device import device as Device
from ..dtypes import dtype
from ..tensor import Tensor


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """All values, one tensor after the other, in one dimension."""
    return namespace.cat([t.reshape(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Pieces of ``flat`` in the shapes of ``tensors``: what ``_flatten_dense_tensors`` undoes."""
    pieces = flat.split([t.numel() for t in tensors])
    return tuple([piece.view(t.shape) for piece, t in zip(pieces, tensors)])


def _element_size(dtype: dtype) -> int:
    """The bytes of one element."""
    return int(dtype.itemsize)


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a device; -1 for the CPU, which ``allow_cpu`` permits."""
    if isinstance(device, int):
        return device
    if device is None and optional:
        return 0
    place = Device(device)
    if place.type == "cpu" and not allow_cpu:
        raise ValueError(f"Expected a non cpu device, but got: {place}")
    return -1 if place.type == "cpu" else place.index or 0


def _get_available_device_type() -> str | None:
    """The kind of the device beside the CPU; None where there is none."""
    place = current_accelerator(check_available=True)
    return None if place is None else place.type


def _get_device_module(device_type: str) -> Any:
    """The module of a kind of device, such as ``cuda``."""
    return get_device_module(device_type)


def __getattr__(name: str) -> Any:
    """What a pickle of PyTorch's tensors calls (``_rebuild_tensor_v2`` and kin)."""
    from .rebuilding import called_by_pickles

    return called_by_pickles(__name__, "torch._utils", name)
