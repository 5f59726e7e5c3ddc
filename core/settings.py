"""settings: what a program may set for the whole process; accepted where it changes nothing here.

Backends are told of what they can act on (``Backend.configure``). Results on the CPU depend on the
inputs and the seed alone, so what PyTorch's switches for determinism ask for holds there anyway.
"""

from __future__ import annotations

import os
from typing import Any

from . import backend as backends
from .border import enclose_functions
from .switches import switch

_state: dict[str, object] = {
    "deterministic": False,
    "warn_only": False,
    "matmul": "highest",
    "interop": 1,
    "threads": None,
}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same result each time (``torch.use_deterministic_algorithms``).

    On a GPU, sums into places that occur twice are then made in order, which is slower.
    """
    name = "use_deterministic_algorithms"
    on, warns = switch(mode, name, "mode"), switch(warn_only, name, "warn_only")
    _state["deterministic"], _state["warn_only"] = on, warns
    backends.configure("deterministic", on)


def are_deterministic_algorithms_enabled() -> bool:
    """What was asked for (``torch.are_deterministic_algorithms_enabled``)."""
    return bool(_state["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether a warning was asked for in place of an error."""
    return bool(_state["warn_only"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same as a mode of debugging (``torch.set_deterministic_debug_mode``)."""
    levels = {"default": 0, "warn": 1, "error": 2}
    if not isinstance(debug_mode, (str, int)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode).__name__}")
    level = levels.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1 or 2, got {debug_mode!r}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as ``set_deterministic_debug_mode`` takes it."""
    return 0 if not _state["deterministic"] else 1 if _state["warn_only"] else 2


def set_float32_matmul_precision(precision: str) -> None:
    """How exact float32 products must be (``torch.set_float32_matmul_precision``).

    "high" and "medium" let a GPU round their factors to TF32; on the CPU nothing changes. Raises
    ValueError for anything but these and "highest".
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError(
            f"float32 matmul precision must be 'highest', 'high' or 'medium', not {precision!r}"
        )
    _state["matmul"] = precision
    backends.configure("matmul_precision", precision)


def get_float32_matmul_precision() -> str:
    """What was asked for (``torch.get_float32_matmul_precision``)."""
    return str(_state["matmul"])


def get_num_threads() -> int:
    """Threads for one operation (``torch.get_num_threads``).

    As many as ``OMP_NUM_THREADS`` says, or as there are cores for this process.
    """
    if _state["threads"]:
        return int(str(_state["threads"]))
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        wanted = os.environ.get(name, "")
        if wanted.isdigit() and int(wanted) > 0:
            return int(wanted)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def set_num_threads(int: int) -> None:
    """Threads for one operation (``torch.set_num_threads``).

    The array library reads its number when it starts (``OMP_NUM_THREADS``); this one is told by
    ``get_num_threads``, and is the bound of the NumPy backend's own threads.
    """
    count = _count("set_num_threads", int)
    _state["threads"] = count
    backends.configure("threads", count)


def _count(name: str, value: Any) -> Any:
    if not hasattr(value, "__index__"):
        raise TypeError(f"{name} expects an int, but got {type(value).__name__}")
    if value < 1:
        raise RuntimeError(f"{name} expects a positive integer")
    return value.__index__()


def get_num_interop_threads() -> int:
    """Threads for operations side by side (``torch.get_num_interop_threads``)."""
    return int(str(_state["interop"]))


def set_num_interop_threads(int: int) -> None:
    """Accepted (``torch.set_num_interop_threads``)."""
    _state["interop"] = _count("set_num_interop_threads", int)


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers stay as they are (``torch.set_flush_denormal``)."""
    switch(mode, "set_flush_denormal", "mode")
    return False


enclose_functions(globals())
