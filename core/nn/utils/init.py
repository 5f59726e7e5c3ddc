"""init: a module whose values are not drawn (PyTorch: ``torch.nn.utils.skip_init``)."""

from __future__ import annotations

import inspect
from typing import Any

from ... import modes
from ...border import enclose_functions
from ..modules.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """``module_cls(*args, **kwargs)``, for parameters that are set anyway afterwards.

    Its parameters' values are arbitrary; here the class draws them all the same, and the random
    numbers that follow are as if it had not. The class must take ``device``.
    """
    from ...random import get_rng_state, set_rng_state

    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = get_rng_state()
    with modes.no_grad():
        made = module_cls(*args, **kwargs)
    set_rng_state(state)
    return made


enclose_functions(globals())
