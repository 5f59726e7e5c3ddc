"""Where an op of the table is found in PyTorch, if not under its own name; a module a family.

Each module may have three names: ``AS_IN_TORCH``, op name to a function that takes the op's
arguments; ``OURS``, ops that PyTorch has no name for, and where they are compared instead;
``OTHER_NAMES``, ops whose node has another name than PyTorch's on purpose.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

AS_IN_TORCH: dict[str, Callable[..., Any]] = {}
OURS: dict[str, str] = {}
OTHER_NAMES: set[str] = set()

for _found in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_found.name}")
    AS_IN_TORCH.update(getattr(_module, "AS_IN_TORCH", {}))
    OURS.update(getattr(_module, "OURS", {}))
    OTHER_NAMES.update(getattr(_module, "OTHER_NAMES", ()))
