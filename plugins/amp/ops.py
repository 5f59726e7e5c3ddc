"""The ops of loss scaling. They change arrays in place and never ask for a value, so that a GPU's
queue stays full."""

from __future__ import annotations

from typing import Any

from anadrome import KEEP, NONE, backend, op
from anadrome.dtypes import float32, from_native


def _scaled_back(xp: Any, *tensors: Any, at: tuple[int, ...]) -> None:
    *grads, found_inf, inv_scale = tensors
    for place, grad in zip(at, grads):
        finite = _times(xp, grad, inv_scale)
        found_inf[place] += xp.astype(xp.logical_not(finite), found_inf.dtype)


def _times(xp: Any, grad: Any, inv_scale: Any) -> Any:
    """``grad *= inv_scale``; whether what comes out is finite."""
    finite = xp.asarray(True)
    for part in _blocks(xp, grad):
        kind = from_native[part.dtype]
        if kind.itemsize == 2:  # half precision is multiplied in float32
            wide = xp.astype(part, xp.float32) * inv_scale
            part[...] = xp.astype(wide, part.dtype)
        else:
            wide = part
            wide *= inv_scale if kind is float32 else xp.astype(inv_scale, part.dtype)
        finite = xp.logical_and(finite, xp.all(xp.isfinite(wide)))
    return finite


def _blocks(xp: Any, grad: Any) -> list[Any]:
    """Pieces that fit the cache, so that the check reads what the product has just written."""
    adapter = backend.by_type[grad.__class__]
    block = adapter.block
    if block is None or grad.ndim == 0:
        return [grad]
    flat = xp.reshape(grad, (-1,))
    size = flat.shape[0]
    if size <= block or not adapter.shares(flat, grad):
        return [grad]
    return [flat[start : start + block] for start in range(0, size, block)]


def _updated(
    xp: Any,
    scale: Any,
    growth_tracker: Any,
    found_inf: Any,
    *,
    growth_factor: float,
    backoff_factor: float,
    growth_interval: int,
) -> None:
    overflowed = xp.any(found_inf > 0)
    successes = growth_tracker + 1
    grown = scale * growth_factor
    due = xp.logical_and(successes == growth_interval, xp.logical_not(overflowed))
    kept = xp.where(xp.logical_and(due, xp.isfinite(grown)), grown, scale)
    scale[...] = xp.where(overflowed, scale * backoff_factor, kept)
    growth_tracker[...] = xp.where(
        xp.logical_or(overflowed, due), xp.zeros_like(growth_tracker), successes
    )


#: The last two Tensors are ``found_inf``, of zeros, and ``inv_scale``. Each of the gradients before
#: them is multiplied; where a value is not finite, ``found_inf`` becomes 1 at its place ``at``.
unscale = op("amp_unscale", _scaled_back, mutates=("tensors",), tensors=NONE, dtype=KEEP,
             method=False)  # fmt: skip
#: The scale after an iteration: less after an overflow, more after enough without one.
update_scale = op("amp_update_scale", _updated, mutates=("scale", "growth_tracker"), dtype=KEEP,
                  method=False)  # fmt: skip
