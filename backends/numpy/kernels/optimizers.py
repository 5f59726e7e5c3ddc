"""optimizers: updates that keep their temporaries in one block of scratch memory.

The pieces that ``blocks`` gives fit the cache together with the scratch; half precision arrives as
float32. Large parameters are updated side by side, all of a group in one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome.optim import blocks
from anadrome.optim.together import end_to_end, rows

from ..parallel import LARGE, side_by_side
from .common import BLAS, declared

Update = Callable[..., None]

#: Below this many elements there is nothing to divide, nor to keep in the cache.
_SMALL = 16384
_subtract = np.subtract


def flat_gather(*tensors: Any) -> Any:
    return np.concatenate(tensors, axis=None)


def flat_scatter(*tensors: Any) -> None:
    flat = tensors[-1]
    start = 0
    for t in tensors[:-1]:
        stop = start + t.size
        t[...] = flat[start:stop].reshape(t.shape)
        start = stop


def sgd_update(param: Any, grad: Any, momentum_buffer: Any = None, **numbers: Any) -> None:
    _side_by_side(_sgd(**numbers), [(param, momentum_buffer, grad)])


def sgd_updates(*tensors: Any, count: int, flagged: bool, **numbers: Any) -> None:
    if flagged:
        declared("sgd_updates")(*tensors, count=count, flagged=True, **numbers)
        return
    if len(tensors) == 2 * count and numbers["weight_decay"] is None and not numbers["maximize"]:
        tensors, count = _plain_steps(tensors, count, numbers["lr"])
    if count:
        given = [(p, *(state or (None,)), g) for p, g, *state in rows(tensors, count)]
        _side_by_side(_sgd(**numbers), given)


def _plain_steps(tensors: Any, count: int, lr: float) -> tuple[Any, int]:
    """Make the steps of small parameters, which are two calls each; returns what is left."""
    kind = tensors[0].dtype
    if kind not in BLAS:
        return tensors, count
    rate = np.array(lr, kind)
    large = []
    for i in range(count):
        p = tensors[i]
        if p.size < _SMALL:
            _subtract(p, tensors[count + i] * rate, p)
        else:
            large.append(i)
    return [tensors[n + i] for n in (0, count) for i in large], len(large)


def _sgd(
    *,
    lr: float,
    weight_decay: float | None,
    momentum: float,
    carry: float,
    share: float | None,
    nesterov: bool,
    maximize: bool,
) -> Update:
    def update(*arrays: Any) -> None:
        *updated, grad = arrays
        t = None
        for p, b, g in blocks(*updated, read=grad):
            t = _scratch(t, p)
            g = _gradient(p, g, t, weight_decay, maximize)
            if b is None:
                np.multiply(g, lr, t)
                np.subtract(p, t, p)
                continue
            np.multiply(b, carry, b)
            if share is None:
                np.add(b, g, b)
            else:
                np.add(b, g * share, b)
            if nesterov:
                g = g + b * momentum
                np.multiply(g, lr, t)
            else:
                np.multiply(b, lr, t)
            np.subtract(p, t, p)

    return update


def adam_update(
    param: Any, grad: Any, exp_avg: Any, exp_avg_sq: Any, max_exp_avg_sq: Any = None, **numbers: Any
) -> None:
    _side_by_side(_adam(**numbers), [(param, exp_avg, exp_avg_sq, max_exp_avg_sq, grad)])


def adam_updates(*tensors: Any, count: int, flagged: bool, **numbers: Any) -> None:
    if flagged:
        declared("adam_updates")(*tensors, count=count, flagged=True, **numbers)
        return
    given = [(p, m, v, *(largest or (None,)), g) for p, g, m, v, *largest in rows(tensors, count)]
    _side_by_side(_adam(**numbers), given)


def _adam(
    *,
    beta1: float,
    rest1: float,
    beta2: float,
    rest2: float,
    step_size: float,
    root: float,
    eps: float,
    decay: float | None,
    weight_decay: float | None,
    maximize: bool,
) -> Update:
    # step_size * m / (sqrt(v) / root + eps), with the division by root taken out of the arrays.
    eps = eps * root
    step_size = step_size * root

    def update(*arrays: Any) -> None:
        *updated, grad = arrays
        t = None
        for p, m, v, largest, g in blocks(*updated, read=grad):
            t = _scratch(t, p)
            if decay is not None:
                np.multiply(p, decay, p)
            if maximize or weight_decay is not None:
                g = _gradient(p, g, np.empty(p.shape, p.dtype), weight_decay, maximize)
            np.multiply(m, beta1, m)
            np.multiply(g, rest1, t)
            np.add(m, t, m)
            np.multiply(v, beta2, v)
            np.multiply(g, g, t)
            np.multiply(t, rest2, t)
            np.add(v, t, v)
            if largest is not None:
                np.maximum(largest, v, out=largest)
                v = largest
            np.sqrt(v, t)
            np.add(t, eps, t)
            np.divide(m, t, t)
            np.multiply(t, step_size, t)
            np.subtract(p, t, p)

    return update


def _side_by_side(update: Update, given: list[tuple[Any, ...]]) -> None:
    """``update``, which is elementwise, of each row of arrays, the last of which it reads."""
    cut = []
    for arrays in given:
        arrays = _as_rows(*arrays)
        if arrays[0].ndim == 1 and (len(given) > 1 or arrays[0].size >= LARGE):
            cut.append(arrays)
        else:
            update(*arrays)
    if cut:
        piece, total = end_to_end(update, cut)
        side_by_side(piece, total, total)


def _as_rows(*arrays: Any) -> Any:
    """The same memory as one long row, where all of them allow it: the quickest to walk along."""
    if arrays[0].ndim == 1 or not all(a is None or a.flags.c_contiguous for a in arrays):
        return arrays
    return [a if a is None else a.reshape(-1) for a in arrays]


def _scratch(t: Any, like: Any) -> Any:
    """Memory for temporaries: that of the last piece, which the cache still holds."""
    return t if t is not None and t.shape == like.shape else np.empty(like.shape, like.dtype)


def _gradient(p: Any, g: Any, t: Any, weight_decay: float | None, maximize: bool) -> Any:
    """The gradient that the update is made of; written into ``t`` unless it is ``g`` itself."""
    if weight_decay is not None:
        np.multiply(p, weight_decay, t)
        return np.subtract(t, g, t) if maximize else np.add(t, g, t)
    return np.negative(g, t) if maximize else g


KERNELS: dict[str, Callable[..., Any]] = {
    "flat_gather": flat_gather,
    "flat_scatter": flat_scatter,
    "sgd_update": sgd_update,
    "sgd_updates": sgd_updates,
    "adam_update": adam_update,
    "adam_updates": adam_updates,
}
