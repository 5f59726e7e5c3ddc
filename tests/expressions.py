"""Calls written as text, so that a table of them is a table of tests, each named by its text.

``L`` is the library (anadrome or torch), ``x``, ``y`` and ``z`` the tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from oracle import agree, refuse


def call(text: str) -> Callable[..., Any]:
    """``lambda L, x, y, z: text``; statements that change ``out``, a copy of ``x``, return it."""
    if not text.startswith("out"):
        return eval(f"lambda L, x=None, y=None, z=None: {text}")
    code = compile(text, text, "exec")

    def run(L: Any, *tensors: Any) -> Any:
        names = {"L": L, **dict(zip("xyz", tensors)), "out": tensors[0] * 1}
        exec(code, names)
        return names["out"]

    return run


def same(text: str, *arrays: Any, **options: Any) -> None:
    """The text gives the same in both libraries, with first and second gradients."""
    if any(a.dtype == np.float32 for a in arrays):
        options = {"rtol": 1e-4, "atol": 1e-5, **options}
    agree(call(text), *arrays, **options)


def refused(text: str, *arrays: Any, **options: Any) -> str:
    """Both libraries refuse the text; returns our message."""
    return refuse(call(text), *arrays, **options)


def whole(*values: Any) -> np.ndarray:
    """int64 values."""
    return np.array(values, dtype=np.int64)
