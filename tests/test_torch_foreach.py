"""Functions of lists of Tensors: as PyTorch's, each beside the one in place."""

from __future__ import annotations

from typing import Any

import pytest
from oracle import agree, numbers

import anadrome as ad
from anadrome.later import FOREACH

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

#: Further arguments: how many lists beside the first, and what else there may be.
LISTS = {"add": 1, "sub": 1, "mul": 1, "div": 1, "pow": 1, "lerp": 1, "maximum": 1, "minimum": 1,
         "clamp_max": 1, "clamp_min": 1, "copy": 1, "addcmul": 2, "addcdiv": 2}  # fmt: skip
MORE: dict[str, list[Any]] = {"lerp": [0.3], "addcmul": [0.5], "addcdiv": [0.5]}


@pytest.mark.parametrize("name", FOREACH)
def test_each(name: str) -> None:
    short = name.removeprefix("_foreach_").removesuffix("_")
    count = LISTS.get(short, 0)
    arrays = [numbers(*s, seed=i, low=0.2, high=0.9) for i, s in enumerate([(3,), (2, 2)] * 3)]

    def call(L: Any, *tensors: Any) -> Any:
        lists = [[t.detach().clone() for t in tensors[2 * i : 2 * i + 2]] for i in range(count + 1)]
        result = getattr(L, name)(*lists, *MORE.get(short, []))
        return lists[0], list(result)

    agree(call, *arrays[: 2 * count + 2])
    kinds = [type(getattr(L, name)([L.ones(1)], *[[L.ones(1)]] * count, *MORE.get(short, [])))
             for L in (ad, torch)]  # fmt: skip
    assert kinds[0] is kinds[1]


def test_one_number_for_all_and_one_for_each() -> None:
    def call(L: Any, x: Any, y: Any) -> Any:
        both = [x.detach().clone(), y.detach().clone()]
        L._foreach_mul_(both, 0.5)
        L._foreach_add_(both, [x.detach(), y.detach()], alpha=2.0)
        L._foreach_mul_(both, [2.0, 3.0])
        L._foreach_clamp_min_(both, -0.5)
        least, most = L._foreach_maximum(both, 0.1), L._foreach_minimum(both, [0.1, 1])
        return both, least, most, L._foreach_norm(both, 1), L._foreach_add(both, 1)

    agree(call, numbers(3), numbers(2, 2))


def test_lists_of_two_lengths_are_refused() -> None:
    for L in (ad, torch):
        with pytest.raises(RuntimeError, match="same number of tensors"):
            L._foreach_add([L.ones(1)], [L.ones(1), L.ones(1)])


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_lists_are_parted_by_dtype(L: Any) -> None:
    import importlib

    place = importlib.import_module(f"{L.__name__}.utils._foreach_utils")
    tensors = [L.ones(1), L.ones(2, dtype=L.float64), L.zeros(3)]
    cpu = L.device("cpu")
    parts = place._group_tensors_by_device_and_dtype([tensors], True)
    assert set(parts) == {(cpu, L.float32), (cpu, L.float64)}
    (found,), indices = parts[cpu, L.float32]
    assert indices == [0, 2] and found[0] is not None
    found[0].add_(1)  # what is in the parts is what was given
    assert tensors[0].item() == 2.0
    plain = place._group_tensors_by_device_and_dtype([tensors, [None, None, None]])
    assert [len(t) for t in plain[cpu, L.float64][0]] == [1, 1] and plain[cpu, L.float64][1] == []
    assert plain[cpu, L.float64][0][1] == [None]
    assert place._has_foreach_support(tensors, cpu)
    assert not place._has_foreach_support([L.nn.Parameter(L.ones(1))], cpu)
    assert {"cpu", "cuda"} <= set(place._get_fused_kernels_supported_devices())
    with pytest.raises(RuntimeError):
        place._group_tensors_by_device_and_dtype([tensors, tensors[:1]])
