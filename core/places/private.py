"""private: what programs ask of PyTorch's compiled module (``torch._C``), and has an answer."""

from __future__ import annotations

import sys
import types
from typing import Any

from ..accelerator import current_accelerator
from ..device import device as Device
from ..device import get_default_device
from ..modes import current
from ..nn.modules.tree import _destination
from ..overriding import all_off, off, unchanged
from ..tensor import Tensor
from .missing import PRIVATE
from .nothing import nothing


def _log_api_usage_once(event: str) -> None:
    """Nothing is counted."""


def _get_tracing_state() -> None:
    """None: nothing is traced."""


def _is_tracing() -> bool:
    """False: nothing is traced."""
    return False


def _are_functorch_transforms_active() -> bool:
    """Whether a ``vmap`` is around; gradients need no other kind of Tensor here."""
    from ..func.mapping import sizes

    return bool(sizes())


def _is_torch_function_mode_enabled() -> bool:
    """Whether a ``TorchFunctionMode`` sees the calls."""
    return bool(current().functions[1])


def _is_alias_of(a: Tensor, b: Tensor) -> bool:
    """Whether two Tensors lie in one storage."""
    return a.untyped_storage() == b.untyped_storage()


def _get_default_device() -> str:
    """The kind of device on which Tensors are made when none is given."""
    return get_default_device().type


def _get_accelerator() -> Device:
    """The device beside the CPU; the CPU where there is none."""
    return current_accelerator(check_available=True) or Device("cpu")


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Device | None, Any, bool, Any]:
    """Device, dtype, ``non_blocking`` and ``memory_format`` out of the arguments of ``to``."""
    waits = [a for a in args if isinstance(a, bool)]
    non_blocking = kwargs.pop("non_blocking", bool(waits and waits[0]))
    memory_format = kwargs.pop("memory_format", None)
    device, dtype, _ = _destination(args, kwargs)
    return None if device is None else Device(device), dtype, non_blocking, memory_format


_nn = types.SimpleNamespace(_parse_to=_parse_to)


DisableTorchFunction, DisableTorchFunctionSubclass = all_off, off
_disabled_torch_function_impl = unchanged
_TensorMeta = type(Tensor)

PyTorchFileReader = nothing("PyTorchFileReader", "read the file with load")
TensorType = nothing("TensorType", "it is a type of PyTorch's compiler; annotate with Tensor")
_OF_GRAPHS = "it is a part of TorchScript's graphs; a graph of a program is made with torch.fx"
#: What editors import for one of these words, also where nothing is done with it.
Block, Graph, Node, Value = (nothing(n, _OF_GRAPHS) for n in ("Block", "Graph", "Node", "Value"))


class _Keys(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class DispatchKey(metaclass=_Keys):
    """The names of PyTorch's dispatch keys; nothing is dispatched by them here."""


class DispatchKeySet:
    """A set of dispatch keys, to be joined with ``|`` and asked with ``has``."""

    def __init__(self, *keys: str) -> None:
        self.keys = frozenset(keys)

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*self.keys, *other.keys)

    def has(self, key: str) -> bool:
        """Whether a key is in it."""
        return key in self.keys


def __getattr__(name: str) -> Any:
    """What ``torch`` shows again of its compiled module: `Size`, `dtype`, `Generator`, ..."""
    if name.startswith("__"):
        raise AttributeError(name)
    if not name.startswith("_"):
        found = getattr(sys.modules[__name__.partition(".")[0]], name, None)
        if found is not None and not isinstance(found, types.ModuleType):
            return found
    raise AttributeError(f"torch._C has no {name} here: {PRIVATE}")
