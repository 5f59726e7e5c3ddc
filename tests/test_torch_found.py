"""Calls on which PyTorch and anadrome once differed: found by comparing long lists of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers

pytestmark = pytest.mark.torch

ONE = np.array([0])

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cross entropy of ignored targets only": (
        lambda L, x, t: L.nn.functional.cross_entropy(x, t, ignore_index=1),
        (numbers(2, 4), np.array([1, 1])),
    ),
    "nll of ignored targets only": (
        lambda L, x, t: L.nn.functional.nll_loss(x, t, ignore_index=1),
        (numbers(2, 4), np.array([1, 1])),
    ),
    "diff of order zero": (lambda L, x: L.diff(x, 0, -1, x, x), (numbers(3),)),
    "cummax of a boolean": (lambda L, x: L.cummax(x, 0), (np.array(True),)),
    "cummin of one boolean": (lambda L, x: L.cummin(x, 0), (np.array([True]),)),
    "gather of a boolean": (lambda L, x, i: L.gather(x, 0, i), (np.array(True), ONE)),
    "cumsum into bytes": (lambda L, x: L.cumsum(x, 0, dtype=L.uint8), (np.arange(3),)),
    "cumprod into bytes": (lambda L, x: L.cumprod(x, 0, dtype=L.uint8), (np.arange(3),)),
    "bytes less bytes": (
        lambda L, x, i, s: L.index_add(x, 0, i, s, alpha=-1),
        (np.arange(3, dtype=np.uint8), ONE, np.array([5], np.uint8)),
    ),
    "a boolean plus booleans": (
        lambda L, x, i, s: L.index_add(x, 0, i, s),
        (np.array([False]), ONE, np.array([True])),
    ),
    "batch norm of nothing keeps its statistics": (
        lambda L, x: _statistics_after(L, x),
        (np.empty((0, 5, 9)),),
    ),
    "distinct empty slices": (lambda L, x: L.unique(x.detach(), dim=1), (np.empty((5, 0, 5)),)),
    "distinct empty slices in runs": (
        lambda L, x: L.unique_consecutive(x.detach(), dim=1),
        (np.empty((5, 0, 5)),),
    ),
    "a fractional pool without a batch": (
        lambda L, x, s: L.nn.functional.fractional_max_pool3d(x, 2, 2, _random_samples=s.detach()),
        (numbers(4, 5, 5, 5), numbers(2, 4, 3, low=0.1, high=0.9)),
    ),
    "a fractional pool of nothing": (
        lambda L, x, s: L.nn.functional.fractional_max_pool3d(x, 2, 2, _random_samples=s.detach()),
        (np.empty((0, 4, 5, 5, 5)), np.empty((0, 4, 3))),
    ),
}


def _statistics_after(library: Any, x: Any) -> Any:
    norm = library.nn.BatchNorm1d(5).double()
    norm(x)
    return norm.running_mean, norm.running_var, norm.num_batches_tracked


@pytest.mark.parametrize("name", CALLS)
def test_agrees(name: str) -> None:
    call, arrays = CALLS[name]
    agree(call, *arrays)
