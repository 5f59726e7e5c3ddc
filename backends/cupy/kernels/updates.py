"""updates: Adam's and SGD's, of all parameters in one launch.

A flag may be given, a boolean on the device: where it is true nothing is written. The steps are
then counted on the device too, and what depends on their number is computed there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from anadrome.optim.together import rows

from .common import NAMES, Maker
from .many import Walk, column, in_one_order, launch, types

_NOWHERE = np.uint64(0)
_ADAM = """
    W x = (W)p[i], slope = (W)g[i];
    if (maximize) slope = -slope;
    if (decay != 1) x *= (W)decay;
    if (weight_decay != 0) slope += x * (W)weight_decay;
    W mean = (W)m[i] * (W)beta1 + slope * (W)rest1;
    W square = (W)v[i] * (W)beta2 + slope * slope * (W)rest2;
    m[i] = (P)mean;
    v[i] = (P)square;
    %s
    p[i] = (P)(x - mean / (sqrt(square) / (W)at_root + (W)eps) * (W)at_rate);
"""
_LARGEST = """
    W most = (W)largest[i];
    square = square >= most || square != square ? square : most;
    largest[i] = (P)square;
"""
# The corrections of the averages are the same for all threads: one computes them.
_ADAM_BEFORE = """
  if (flag != 0 && *flag) return;
  __shared__ double shared_rate, shared_root;
  if (threadIdx.x == 0) {
    shared_rate = step_size;
    shared_root = root;
    if (flag != 0) {
      double step = (double)counts[t] + 1.0;
      shared_rate = step_size / (1.0 - pow(beta1, step));
      shared_root = sqrt(1.0 - pow(beta2, step));
    }
  }
  __syncthreads();
  const double at_rate = shared_rate, at_root = shared_root;
"""
_SGD = """
    W x = (W)p[i], slope = (W)g[i];
    if (maximize) slope = -slope;
    if (weight_decay != 0) slope += x * (W)weight_decay;
    %s
    p[i] = (P)(x - slope * (W)lr);
"""
_MEAN = """
    W mean = (W)b[i] * (W)carry + slope * (W)share;
    b[i] = (P)mean;
    slope = nesterov ? slope + mean * (W)momentum : mean;
"""
_ADAM_NUMBERS = (
    "beta1", "rest1", "beta2", "rest2", "step_size", "root", "eps", "decay", "weight_decay",
)  # fmt: skip
_SGD_NUMBERS = ("lr", "weight_decay", "momentum", "carry", "share")

_counted = cupy.ElementwiseKernel(
    "raw bool flag", "raw T steps", "if (!flag[0]) steps[i] = steps[i] + 1;", "anadrome_counted"
)


def _doubled(names: tuple[str, ...]) -> str:
    return ", ".join(f"double {name}" for name in names)


def _pointers(*named: tuple[str, str]) -> str:
    return " ".join(column(kind, name, i) for i, (kind, name) in enumerate(named))


#: Element types of parameter and gradient; both are computed in one type.
_KINDS = frozenset((p, g) for p in NAMES for g in NAMES if (p == np.float64) == (g == np.float64))
_PLAIN = (("P", "p"), ("const G", "g"), ("P", "m"), ("P", "v"))
_ADAM_TAKES = f"{_doubled(_ADAM_NUMBERS)}, int maximize, const bool* flag, const C* counts"
adam = Walk("adam", _ADAM_TAKES, _ADAM % "", _pointers(*_PLAIN) + _ADAM_BEFORE)
amsgrad = Walk(
    "amsgrad", _ADAM_TAKES, _ADAM % _LARGEST, _pointers(*_PLAIN, ("P", "largest")) + _ADAM_BEFORE
)
_SGD_TAKES = f"{_doubled(_SGD_NUMBERS)}, int nesterov, int maximize, const bool* flag"
_SGD_BEFORE = " if (flag != 0 && *flag) return;"
sgd = Walk("sgd", _SGD_TAKES, _SGD % "", _pointers(*_PLAIN[:2]) + _SGD_BEFORE)
momentum = Walk(
    "momentum", _SGD_TAKES, _SGD % _MEAN, _pointers(*_PLAIN[:2], ("P", "b")) + _SGD_BEFORE
)


def _adam(before: Callable[..., Any]) -> Callable[..., Any]:
    """Adam and AdamW; see ``plugins/adam/rule.py``."""

    def adam_updates(*tensors: Any, count: int, flagged: bool, **numbers: Any) -> None:
        flag, counts, arrays = None, None, tensors
        if flagged:
            flag, counts, arrays = tensors[-1], tensors[-2], tensors[:-2]
        doubles = _doubles(_ADAM_NUMBERS, numbers, {"root": 1.0, "decay": 1.0, "weight_decay": 0.0})

        def run(kinds: Any, columns: Any, own: Any) -> None:
            counted = np.dtype(np.float32) if own is None else own.dtype
            walk = amsgrad if len(columns) == 5 else adam
            launch(
                walk.made(types(kinds[1], P=kinds[0], C=counted)), columns, *doubles,
                np.int32(numbers["maximize"]),
                *((_NOWHERE, _NOWHERE) if flag is None else (flag, own)),
            )  # fmt: skip

        _sorted_out(before, run, arrays, count, counts, flag, numbers)
        if counts is not None:
            _counted(flag, counts, size=counts.size)

    return adam_updates


def _sgd(before: Callable[..., Any]) -> Callable[..., Any]:
    """SGD, with momentum or without; see ``core/optim/sgd.py``."""

    def sgd_updates(*tensors: Any, count: int, flagged: bool, **numbers: Any) -> None:
        flag, arrays = (tensors[-1], tensors[:-1]) if flagged else (None, tensors)
        doubles = _doubles(_SGD_NUMBERS, numbers, {"weight_decay": 0.0, "share": 1.0})

        def run(kinds: Any, columns: Any, own: Any) -> None:
            walk = momentum if len(columns) == 3 else sgd
            launch(
                walk.made(types(kinds[1], P=kinds[0])), columns, *doubles,
                np.int32(numbers["nesterov"]), np.int32(numbers["maximize"]),
                _NOWHERE if flag is None else flag,
            )  # fmt: skip

        _sorted_out(before, run, arrays, count, None, flag, numbers)

    return sgd_updates


def _doubles(names: tuple[str, ...], numbers: Any, plain: Any) -> list[Any]:
    """The numbers as the kernel takes them; None is what changes nothing."""
    return [np.float64(plain[n] if numbers[n] is None else numbers[n]) for n in names]


def _sorted_out(
    before: Callable[..., Any],
    run: Callable[[Any, Any, Any], None],
    arrays: Any,
    count: int,
    counts: Any,
    flag: Any,
    numbers: dict[str, Any],
) -> None:
    """One launch for each pair of types, and the declared update for what the kernel cannot do."""
    groups: dict[Any, list[tuple[int, Any]]] = {}
    for place, row in enumerate(rows(arrays, count)):
        kinds = row[0].dtype, row[1].dtype
        known = kinds in _KINDS
        same = all(a.dtype == kinds[0] for a in row[2:])
        fit = in_one_order(row, read=1) if known and same else None
        if fit is not None:
            groups.setdefault(kinds, []).append((place, fit))
            continue
        rest: tuple[Any, ...] = () if flag is None else (flag,)
        if counts is not None:
            rest = (counts[place : place + 1].copy(), *rest)  # counted once, for all
        before(*row, *rest, count=1, flagged=flag is not None, **numbers)
    for kinds, entries in groups.items():
        own = counts
        if counts is not None and len(entries) < count:
            own = counts[cupy.asarray([place for place, _ in entries])]
        run(kinds, list(zip(*(row for _, row in entries))), own)


MAKERS: dict[str, Maker] = {"adam_updates": _adam, "sgd_updates": _sgd}
