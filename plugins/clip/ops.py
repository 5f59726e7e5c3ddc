"""ops: what clipping does to arrays, each in one call for all gradients."""

from __future__ import annotations

import math
from typing import Any

from anadrome import KEEP, NONE, op
from anadrome.backend import by_type
from anadrome.dtypes import float32, from_native
from anadrome.samples import Arr, call


def _total_norm(xp: Any, *tensors: Any, norm_type: float) -> Any:
    """The norm of the norms, as PyTorch has it: for the zero "norm" that is a difference."""
    norms = [_norm(xp, t, norm_type) for t in tensors]
    total = _norm(xp, xp.stack(norms), norm_type)
    kind = xp.result_type(*(_real(xp, t).dtype for t in tensors))
    return xp.astype(total, kind)


def _norm(xp: Any, x: Any, norm_type: float) -> Any:
    if from_native[x.dtype].category < float32.category:
        raise TypeError(f"gradients are floating point, not {from_native[x.dtype].name}")
    if from_native[x.dtype].itemsize == 2:
        x = xp.astype(x, by_type[x.__class__].dtype(float32))
    if norm_type == 2:
        flat = xp.reshape(x, (-1,))
        return xp.sqrt(_real(xp, xp.vecdot(flat, flat)))
    size = xp.abs(x)
    if math.isinf(norm_type):
        if math.prod(x.shape) == 0:
            return xp.sum(size)
        return xp.max(size) if norm_type > 0 else xp.min(size)
    if norm_type == 0:
        return xp.sum(xp.astype(size != 0, size.dtype))
    if norm_type == 1 or math.prod(x.shape) == 1:  # of one value it is the size, in any order
        return xp.sum(size)
    return xp.sum(size**norm_type) ** (1.0 / norm_type)


def _real(xp: Any, x: Any) -> Any:
    return xp.real(x) if from_native[x.dtype].is_complex else x


def _shrink_to_norm(xp: Any, *tensors: Any, max_norm: float) -> None:
    """Without a look at the norm: where it is small enough the factor is one."""
    factor = xp.clip(max_norm / (tensors[-1] + 1e-6), None, 1.0)
    for t in tensors[:-1]:
        t *= xp.astype(factor, t.dtype)


def _clip_values(xp: Any, *tensors: Any, limit: float) -> None:
    for t in tensors:
        t[...] = xp.clip(t, -limit, limit)


#: The norm of all Tensors as one vector, in their common dtype; halves are summed in float32.
total_norm = op("total_norm", _total_norm, tensors=NONE, dtype=KEEP, method=False,
                samples=call(Arr((2, 3)), Arr((4,)), norm_type=2.0))  # fmt: skip
#: The last Tensor is the norm of those before it; they are scaled so that it is at most max_norm.
shrink_to_norm = op("shrink_to_norm", _shrink_to_norm, mutates=("tensors",), tensors=NONE,
                    dtype=KEEP, method=False)  # fmt: skip
#: Values beyond ±limit become ±limit.
clip_values = op("clip_values", _clip_values, mutates=("tensors",), tensors=NONE, dtype=KEEP,
                 method=False)  # fmt: skip
