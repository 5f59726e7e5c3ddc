"""philox: random bits of a key and a place, so that threads draw parts of the same sequence.

Philox 4x64 of ten rounds (Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405), as NumPy's
generator of that name draws: block ``i`` is that of the counter ``i + 1``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .mathematics import compiled, inlined
from .team import share

_U = np.uint64
_FIRST, _SECOND = _U(0xD2E7470EE14C6C93), _U(0xCA5A826395121157)
_STEP_FIRST, _STEP_SECOND = _U(0x9E3779B97F4A7C15), _U(0xBB67AE8584CAA73B)
_ZERO = np.float32(0)


@intrinsic
def _upper(context: Any, a: Any, b: Any) -> Any:
    """The upper 64 bits of a product."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        a, b = (builder.zext(v, wide) for v in arguments)
        return builder.trunc(builder.lshr(builder.mul(a, b), wide(64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@inlined
def _block(i, key, other):
    a, b, c, d = i + _U(1), _U(0), _U(0), _U(0)
    for _ in range(10):
        e, f = _upper(_FIRST, a), _upper(_SECOND, c)
        a, b, c, d = f ^ b ^ key, _SECOND * c, e ^ d ^ other, _FIRST * a
        key += _STEP_FIRST
        other += _STEP_SECOND
    return a, b, c, d


@compiled
def _dropout(x, key, other, below, scale, out, first, last):
    size = _U(x.size)
    for i in range(_U(first), _U(last)):
        at = i * _U(16)
        for word in _block(i, key, other):
            for k in range(_U(4)):
                if at < size:
                    kept = ((word >> (k * _U(16))) & _U(0xFFFF)) < below
                    out[at] = x[at] * scale if kept else _ZERO
                at += _U(1)


@compiled
def dropout(team, parts, x, key, other, below, scale, out):
    """A value a sixteenth of a block: kept, times ``scale``, where its 16 bits are ``below``."""
    share(team, _dropout, (x, key, other, below, scale, out), (x.size + 15) // 16, parts, 4)
