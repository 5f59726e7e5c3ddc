"""The `quasirandom` plugin: PyTorch's ``quasirandom``, points that fill a cube evenly.

Reading order: ``sobol`` (the engine), ``directions`` (the numbers that its sequences are made of;
``joe_kuo.bin`` holds them, ``joe_kuo.license`` says on which terms), ``scrambling``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's name."""
    return {"quasirandom.SobolEngine": f"{__name__}.sobol:SobolEngine"}
