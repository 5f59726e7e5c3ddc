"""dispatching: PyTorch's second protocol, below the functions: modes and classes that see its ops.

It is not there; what it is for, seeing each op, is ``anadrome.Mode``. Programs import its names to
ask whether a Tensor is one that takes part, and none is.
"""

from __future__ import annotations

from typing import Any

from .nothing import nothing

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass"]

_INSTEAD = (
    "derive from anadrome.Mode, and write intercept(self, op, args, kwargs) in the place of "
    "__torch_dispatch__"
)
TorchDispatchMode = nothing("TorchDispatchMode", _INSTEAD)


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """False: no class is a wrapper around others (PyTorch: ``_python_dispatch``)."""
    return False


def _get_current_dispatch_mode() -> None:
    """None: there are none."""
