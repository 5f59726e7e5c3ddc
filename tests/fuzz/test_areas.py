"""Index expressions beside PyTorch, and results that are written where the arguments lie."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

from . import areas, indexing, overlap

#: How many cases a change is judged by, the same ones each time, and how many are carried out.
CALLS = {
    "index": (250, 250),
    "overlap": (120, 30),
    "chain": (300, 90),
    "graph": (200, 100),
    "object": (150, 40),
}
NIGHTLY = 20000

AREAS = ["overlap", *(pytest.param(n, marks=pytest.mark.torch) for n in CALLS if n != "overlap")]


@pytest.mark.parametrize("name", AREAS)
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_wrong(name: str) -> None:
    count, least = CALLS[name]
    done, found = areas.run(name, 0, count)
    assert not found, "\n".join(found)
    assert done >= least, "calls that are refused find nothing"


@pytest.mark.nightly
@pytest.mark.parametrize("name", AREAS)
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_wrong_in_others(name: str) -> None:
    _, found = areas.run(name, 10**6, NIGHTLY)
    assert not found, "\n".join(found)


@pytest.mark.torch
def test_every_kind_of_index_is_drawn() -> None:
    drawn = [indexing.draw(n) for n in range(600)]
    kinds = {item[0] for case in drawn for item in case.items}
    assert kinds == {"slice", "int", "none", "ellipsis", "bool", "list", "tensor", "odd"}
    assert {case.action for case in drawn} == set(indexing.ACTIONS)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_index_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    read = ad.Tensor.__getitem__
    monkeypatch.setattr(ad.Tensor, "__getitem__", lambda x, i: read(x, i) * 1)  # no view any more
    assert areas.run("index", 0, 200)[1]


def test_a_result_over_its_own_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(x: ad.Tensor, *, out: ad.Tensor) -> ad.Tensor:
        for i in range(x.numel()):  # by and by, as a careless kernel
            out.view(-1)[i] = x.reshape(-1)[i] + 1
        return out

    def add_one(x: ad.Tensor, out: ad.Tensor | None = None) -> ad.Tensor:
        return x + 1 if out is None else shifted(x, out=out)

    view, behind = (0, (9,), ()), (1, (9,), ())
    case = overlap.Case("planted", add_one, [view], (), behind, "float64")
    monkeypatch.setattr(overlap, "draw", lambda _: case)
    _, wrong, _ = overlap.judged(0)
    assert wrong


@pytest.mark.parametrize("stride", [(0, 1), (1, 0), (1, 1), (2, 1)])
def test_what_overlaps_itself_is_not_written(stride: tuple[int, int]) -> None:
    x = ad.arange(9.0)
    windows = x.as_strided((3, 3), stride)
    for write in (lambda: windows.add_(1), lambda: ad.add(ad.ones(3, 3), 1, out=windows)):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            write()
    np.testing.assert_array_equal(x.numpy(), np.arange(9))
    x.as_strided((3, 3), (3, 1)).add_(1)
    np.testing.assert_array_equal(x.numpy(), np.arange(9) + 1)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_a_gradient_that_is_shared_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ones: dict[ad.dtype, ad.Tensor] = {}  # the seed of every backward, which a hook may write into

    def one(like: object) -> object:
        key = ad.autograd.entry.wrap(like).dtype
        return ones.setdefault(key, ad.ones((), dtype=key))._data

    monkeypatch.setattr("anadrome.autograd.entry._one", one)
    assert areas.run("graph", 0, 200)[1]
