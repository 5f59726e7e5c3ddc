"""jit: what programs mark for PyTorch's compiler (``torch.jit``); the code runs as it is.

>>> import anadrome as ad
>>> @ad.jit.script
... def double(x: ad.Tensor) -> ad.Tensor:
...     return x * 2
>>> double(ad.ones(2))
tensor([2., 2.])
"""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from ..nn.modules.module import Module

T = TypeVar("T")

__all__ = [
    "Attribute", "Final", "ScriptFunction", "ScriptModule", "TracerWarning", "annotate",
    "enable_onednn_fusion", "export", "fork", "freeze", "fuser", "ignore", "interface",
    "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference",
    "optimized_execution", "save", "script", "script_if_tracing", "script_method",
    "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

_builtin_isinstance = isinstance


class ScriptModule(Module):
    """A module, as any other (``torch.jit.ScriptModule``)."""


class ScriptFunction:
    """The type of compiled functions (``torch.jit.ScriptFunction``); nothing is of it here."""


class TracerWarning(Warning):
    """What PyTorch's tracer warns with; never given here."""


def script(obj: T, *args: Any, **options: Any) -> T:
    """The function, class or module itself (``torch.jit.script``)."""
    return obj


script_if_tracing = _script_if_tracing = script_method = export = interface = script
_overload = _overload_method = script


def trace(func: T, example_inputs: Any = None, *args: Any, **options: Any) -> T:
    """The function or module itself (``torch.jit.trace``); it is not run on the examples."""
    return func


def trace_module(mod: T, inputs: Any = None, *args: Any, **options: Any) -> T:
    """The module itself (``torch.jit.trace_module``)."""
    return mod


def ignore(drop: Any = False, **options: Any) -> Any:
    """The function itself, also with arguments (``torch.jit.ignore``)."""
    return drop if callable(drop) else lambda function: function


def unused(fn: T) -> T:
    """The function itself (``torch.jit.unused``)."""
    return fn


def freeze(mod: T, *args: Any, **options: Any) -> T:
    """The module itself (``torch.jit.freeze``)."""
    return mod


optimize_for_inference = freeze


def is_scripting() -> bool:
    """False: nothing is compiled."""
    return False


def is_tracing() -> bool:
    """False: nothing is traced."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """The value (``torch.jit.annotate``)."""
    return the_value


def Attribute(value: T, type: Any) -> T:
    """The value (``torch.jit.Attribute``)."""
    return value


class optimized_execution(contextlib.nullcontext[None]):
    """Accepted: nothing is optimized (``torch.jit.optimized_execution``)."""


fuser = strict_fusion = optimized_execution


def set_fusion_strategy(strategy: Any) -> list[Any]:
    """Accepted; the strategy before, which is none (``torch.jit.set_fusion_strategy``)."""
    return []


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: nothing is fused (``torch.jit.enable_onednn_fusion``)."""


def isinstance(obj: Any, target_type: Any) -> bool:
    """``isinstance`` that takes ``List[Tensor]`` and the like (``torch.jit.isinstance``).

    What a container holds is not looked at.
    """
    wanted = target_type if _builtin_isinstance(target_type, tuple) else (target_type,)
    return any(_builtin_isinstance(obj, typing.get_origin(t) or t) for t in wanted)


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """``func(*args, **kwargs)``, at once (``torch.jit.fork``); for ``wait``."""
    return func(*args, **kwargs)


def wait(future: T) -> T:
    """What ``fork`` gave (``torch.jit.wait``)."""
    return future


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Raises RuntimeError: there is no compiled program to save."""
    raise RuntimeError(
        "jit.save(): anadrome compiles no modules; write save(m.state_dict(), f), which PyTorch "
        "loads as well"
    )


def load(f: Any, map_location: Any = None, **options: Any) -> NoReturn:
    """Raises RuntimeError: a compiled program cannot be run here."""
    raise RuntimeError(
        f"jit.load({f!r}): anadrome runs no compiled modules; build the module in Python and write "
        "m.load_state_dict(load(f))"
    )
