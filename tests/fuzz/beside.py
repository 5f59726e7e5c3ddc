"""beside: the same program in both libraries; the same values, or both refuse."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import anadrome as ad

from . import explained, oracle
from .draws import Drawn
from .explained import Reason

Reasons = tuple[Reason, ...]


def plain(t: Any) -> Any:
    """A Tensor as its type, shape, whether it requires a gradient, and values; lists of such."""
    if isinstance(t, (tuple, list)):
        return [plain(v) for v in t]
    if isinstance(t, dict):
        return [plain([k, v]) for k, v in t.items()]
    if not hasattr(t, "detach"):
        return t if isinstance(t, (int, float, complex, str)) else type(t).__name__
    kind = str(t.dtype).rpartition(".")[2]
    value = t.detach()
    wide = "complex128" if kind.startswith("complex") else "float64"
    listed = value.resolve_conj().tolist() if value.is_complex() else value.tolist()
    return kind, tuple(t.shape), t.requires_grad, np.asarray(listed, wide).reshape(tuple(t.shape))


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same, but for rounding."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(v, w) for v, w in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and type(a) is type(b):
        return bool(np.isclose(a, b, 1e-4, 1e-6, equal_nan=True))
    if not (isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b) == 4):
        return type(a) is type(b) and not isinstance(a, tuple) and a == b
    loose = {"bfloat16": 3e-2, "float16": 5e-3, "float32": 1e-4, "complex64": 1e-4}.get(b[0], 2e-6)
    return a[:3] == b[:3] and bool(np.allclose(a[3], b[3], loose, loose, equal_nan=True))


def compared(
    program: Callable[[Any], Any], words: str, lenient: Reasons, strict: Reasons
) -> tuple[str, bool]:
    """What is wrong, empty if nothing is; and whether both carried the program out.

    ``program``: takes a library, and returns plain values by name.
    """
    import torch

    ours, result = oracle.attempt(lambda: program(ad), Drawn([2**30], {}, 0))
    if ours.kind == oracle.NO_MEMORY:
        return "", False
    # What a user's own data raises passes as it is, in both libraries.
    of_data = ours.kind == oracle.LEAKED and "plugins/data/" in ours.where
    if ours.kind not in (oracle.WORKED, oracle.REFUSED, oracle.BINDING) and not of_data:
        return str(ours), False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = program(torch)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if ours.kind != oracle.WORKED or explained.reason(lenient, "", text, words):
            return "", False
        return f"only PyTorch refuses: {text[:300]}", False
    if of_data:
        return str(ours), False
    if ours.kind != oracle.WORKED:
        known = explained.reason(strict, "", ours.text, words)
        return "" if known else f"only anadrome refuses: {ours.text[:300]}", False
    for name, value in theirs.items():
        if not same(result.get(name), value):
            text = f"{name}: {result.get(name)}, PyTorch's {value}"
            known = explained.reason(strict, "", text, words)
            return "" if known else text, True
    return "", True
