"""PyTorch's functions that ask what autocast does here, and set it without a region.

What they set holds in this thread, until it is set again or an enclosing `with` of ours ends.
"""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome.border import enclose_functions
from anadrome.modes import current, set_state
from anadrome.switches import switch

from .around import around
from .autocasting import Region, half_of, region_of, replaced
from .devices import NOWHERE, check_device_type


def _region(device_type: Any) -> Region | None:
    """What is active for it; raises where there is no such device type."""
    if not isinstance(device_type, str):
        kind = type(device_type).__name__
        raise TypeError(f"argument 'device_type' (position 1) must be str, not {kind}")
    if device_type not in NOWHERE:
        check_device_type(device_type)
    return region_of(device_type)


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether ops on the device type are being autocast here (``torch.is_autocast_enabled``).

    Raises RuntimeError for no device type of PyTorch's.
    """
    return _region(device_type) is not None


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switch autocast on or off for a device type (PyTorch: ``torch.set_autocast_enabled``).

    ``with ad.autocast(...)`` ends by itself, and keeps casts of weights. With one argument, a bool,
    it is about ``"cuda"``.

    >>> import anadrome as ad
    >>> ad.set_autocast_enabled("cpu", True)
    >>> ad.ones(1, 1).mm(ad.ones(1, 1)).dtype
    anadrome.bfloat16
    >>> ad.set_autocast_enabled("cpu", False)
    """
    if enabled is None:
        device_type, enabled = "cuda", device_type  # type: ignore[assignment]
    on = switch(enabled, "set_autocast_enabled", "enabled")
    _region(device_type)
    kind = str(device_type)
    region = _made(kind, get_autocast_dtype(kind)) if on else None
    set_state(replaced(current(), kind, region))


def get_autocast_dtype(device_type: str) -> ad.dtype:
    """The half precision that is set here, or the default one (``torch.get_autocast_dtype``).

    >>> import anadrome as ad
    >>> ad.get_autocast_dtype("cpu")
    anadrome.bfloat16
    """
    _region(device_type)
    return half_of(device_type)


def set_autocast_dtype(device_type: str, dtype: ad.dtype) -> None:
    """Choose the half precision of a device type (PyTorch: ``torch.set_autocast_dtype``)."""
    if not isinstance(dtype, ad.dtype):
        raise TypeError(
            "set_autocast_dtype(): argument 'dtype' (position 2) must be dtype, not "
            f"{type(dtype).__name__}"
        )
    active = _region(device_type)
    here = around.get()
    around.set(here._replace(dtypes={**here.dtypes, device_type: dtype}))
    if active is not None:
        set_state(replaced(current(), device_type, _made(device_type, dtype)))


def _made(device_type: str, dtype: ad.dtype) -> Region:
    here = around.get()
    return Region(device_type, dtype, here.casts if here.caching else None)


def is_autocast_cache_enabled() -> bool:
    """Whether casts of weights are kept in a region (``torch.is_autocast_cache_enabled``)."""
    return around.get().caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep casts of weights in the regions to come, or make them for each use.

    PyTorch: ``torch.set_autocast_cache_enabled``.
    """
    on = switch(enabled, "set_autocast_cache_enabled", "enabled")
    around.set(around.get()._replace(caching=on))
    state = current()
    for mode in state.modes:
        if isinstance(mode, Region):
            region = _made(mode.device_type, mode.dtype)
            state = replaced(state, mode.device_type, region)
    set_state(state)


def clear_autocast_cache() -> None:
    """Forget the casts of weights that are kept here (``torch.clear_autocast_cache``)."""
    around.get().clear()


def autocast_increment_nesting() -> int:
    """One region more is open, for programs that make their own: how many then are.

    PyTorch: ``torch.autocast_increment_nesting``. Casts of weights are kept from then on.
    """
    here = around.get()
    casts = {} if here.casts is None else here.casts
    around.set(here._replace(nesting=here.nesting + 1, casts=casts))
    return here.nesting + 1


def autocast_decrement_nesting() -> int:
    """One region fewer (``torch.autocast_decrement_nesting``): how many then are open."""
    here = around.get()._replace(nesting=around.get().nesting - 1)
    around.set(here if here.nesting > 0 else here._replace(casts=None))
    return here.nesting


def get_autocast_gpu_dtype() -> ad.dtype:
    """``get_autocast_dtype("cuda")``, its older name (``torch.get_autocast_gpu_dtype``)."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: ad.dtype) -> None:
    """``set_autocast_dtype("cuda", dtype)``, its older name (``torch.set_autocast_gpu_dtype``)."""
    set_autocast_dtype("cuda", dtype)


def is_autocast_cpu_enabled() -> bool:
    """``is_autocast_enabled("cpu")``, its older name (``torch.is_autocast_cpu_enabled``)."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """``set_autocast_enabled("cpu", enabled)``, its older name."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> ad.dtype:
    """``get_autocast_dtype("cpu")``, its older name (``torch.get_autocast_cpu_dtype``)."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: ad.dtype) -> None:
    """``set_autocast_dtype("cpu", dtype)``, its older name (``torch.set_autocast_cpu_dtype``)."""
    set_autocast_dtype("cpu", dtype)


def is_autocast_ipu_enabled() -> bool:
    """``is_autocast_enabled("ipu")``, its older name (``torch.is_autocast_ipu_enabled``)."""
    return is_autocast_enabled("ipu")


def set_autocast_ipu_enabled(enabled: bool) -> None:
    """``set_autocast_enabled("ipu", enabled)``, its older name."""
    set_autocast_enabled("ipu", enabled)


def get_autocast_ipu_dtype() -> ad.dtype:
    """``get_autocast_dtype("ipu")``, its older name (``torch.get_autocast_ipu_dtype``)."""
    return get_autocast_dtype("ipu")


def set_autocast_ipu_dtype(dtype: ad.dtype) -> None:
    """``set_autocast_dtype("ipu", dtype)``, its older name (``torch.set_autocast_ipu_dtype``)."""
    set_autocast_dtype("ipu", dtype)


def is_autocast_xla_enabled() -> bool:
    """``is_autocast_enabled("xla")``, its older name (``torch.is_autocast_xla_enabled``)."""
    return is_autocast_enabled("xla")


def set_autocast_xla_enabled(enabled: bool) -> None:
    """``set_autocast_enabled("xla", enabled)``, its older name."""
    set_autocast_enabled("xla", enabled)


def get_autocast_xla_dtype() -> ad.dtype:
    """``get_autocast_dtype("xla")``, its older name (``torch.get_autocast_xla_dtype``)."""
    return get_autocast_dtype("xla")


def set_autocast_xla_dtype(dtype: ad.dtype) -> None:
    """``set_autocast_dtype("xla", dtype)``, its older name (``torch.set_autocast_xla_dtype``)."""
    set_autocast_dtype("xla", dtype)


enclose_functions(globals())
