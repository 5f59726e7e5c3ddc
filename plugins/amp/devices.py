"""Which device types there are for autocast, and the half precision that each begins with."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import backend
from anadrome.border import enclose_functions
from anadrome.errors import BackendError

#: Device types of PyTorch's that programs ask about, whatever there is.
NOWHERE = ("hpu", "ipu", "maia", "mps", "mtia", "privateuseone", "xla", "xpu")


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` knows the device type (PyTorch: ``torch.amp.is_autocast_available``)."""
    if not isinstance(device_type, str):
        raise TypeError(
            "is_autocast_available(): argument 'device_type' (position 1) must be str, not "
            f"{type(device_type).__name__}"
        )
    return device_type in device_types()


def is_available(device_type: str) -> bool:
    """Whether the machine has such a device."""
    if device_type == "cuda":
        ask = getattr(getattr(ad, "cuda", None), "is_available", None)
        if ask is not None:
            return bool(ask())
    try:
        backend.for_device(device_type)
    except (BackendError, ImportError):
        return False
    return True


def default_dtype(device_type: str) -> ad.dtype:
    """The half precision where none was chosen, as in PyTorch."""
    return ad.bfloat16 if device_type in ("cpu", "hpu", "maia", "xla") else ad.float16


def device_types() -> list[str]:
    """PyTorch's two, which scripts name also where there is no GPU, and those of other backends."""
    return sorted({"cpu", "cuda", *backend.device_types()})


def check_device_type(device_type: Any) -> None:
    """Refuse what no backend serves."""
    if not isinstance(device_type, str):
        raise ValueError(
            f"Expected `device_type` of type `str`, got: `{type(device_type).__name__}`; write "
            '"cpu" or "cuda"'
        )
    if not is_autocast_available(device_type):
        raise RuntimeError(
            f"User specified an unsupported autocast device_type {device_type!r}; there are "
            f"{', '.join(device_types())}"
        )


enclose_functions(globals())
