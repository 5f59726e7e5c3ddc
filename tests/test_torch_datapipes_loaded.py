"""Pipes: what their graph tells, and what a loader does with them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from twin_pipes import add_one, rows, same, triples

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def test_graphs() -> None:
    def shape(p: Any, graph: Any) -> Any:
        return {repr(pipe).split(".")[-1]: shape(p, below) for pipe, below in graph.values()}

    def program(p: Any) -> Any:
        a, b = rows(p), triples(p)
        pipe = a.map(add_one).zip(b.shuffle()).batch(2)
        graph = p.graph.traverse_dps(pipe)
        pipes = p.settings.get_all_graph_pipes(graph)
        return shape(p, graph), [type(x).__name__ for x in pipes]

    same(program)
    same(lambda p: p.graph.traverse_dps(3))
    same(lambda p: p.settings.apply_sharding(rows(p).sharding_filter().sharding_filter(), 2, 0))
    same(lambda p: list(p.settings.apply_sharding(rows(p).sharding_filter().map(add_one), 2, 1)))
    same(lambda p: repr(p.settings.apply_shuffle_settings(rows(p), True)))
    same(lambda p: list(p.settings.apply_shuffle_settings(rows(p).shuffle(), False)))

    def again(p: Any) -> Any:
        pipe = rows(p, 50).shuffle()
        orders = []
        for seed in (1, 1, 2):
            generator = p.L.Generator()
            generator.manual_seed(seed)
            orders.append(list(p.settings.apply_random_seed(pipe, generator)))
        return orders[0] == orders[1], orders[1] == orders[2]

    same(again)


def test_pickles() -> None:
    from anadrome.utils.data.datapipes.iter import IterableWrapper

    a, b = IterableWrapper(range(6)).map(add_one).shuffle().fork(2)
    assert next(iter(a)) in range(1, 7)
    for pipe in pickle.loads(pickle.dumps([a, b])):
        assert sorted(pipe) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders(workers: int) -> None:
    def program(p: Any) -> Any:
        pipe = rows(p, 10).shuffle().sharding_filter().map(add_one)
        loader = p.data.DataLoader(pipe, 3, num_workers=workers)
        passes = [[x for batch in loader for x in batch.tolist()] for _ in range(2)]
        lengths = len(loader), sorted(map(len, loader))
        off = p.data.DataLoader(rows(p, 6).shuffle(), 4, shuffle=False, num_workers=0)
        mapped = p.data.DataLoader(p.map.SequenceWrapper(range(5)).map(add_one), 2)
        return [sorted(x) for x in passes], lengths, list(off), list(mapped)

    same(program)


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_share_the_same_order(persistent: bool) -> None:
    from anadrome.utils.data.datapipes.iter import IterableWrapper

    pipe = IterableWrapper(range(40)).shuffle().sharding_filter()
    orders = []
    ad.manual_seed(1)
    loader = ad.utils.data.DataLoader(pipe, None, num_workers=2, persistent_workers=persistent)
    for _ in range(3):
        orders.append([int(x) for x in loader])
        assert sorted(orders[-1]) == list(range(40))
    assert orders[0] != orders[1] != orders[2] != list(range(40))
    ad.manual_seed(1)
    again = ad.utils.data.DataLoader(pipe, None, num_workers=2, persistent_workers=persistent)
    assert [int(x) for x in again] == orders[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_where_it_was(workers: int) -> None:
    from anadrome.utils.data.datapipes.iter import IterableWrapper

    def made() -> Any:
        pipe = IterableWrapper(range(20)).shuffle().sharding_filter()
        return ad.utils.data.DataLoader(pipe, 2, num_workers=workers, generator=ad.Generator())

    loader = made()
    seen = []
    for number, batch in enumerate(loader):
        seen.append(batch.tolist())
        if number == 3:
            state = loader.state_dict()
    other = made()
    other.load_state_dict(state)
    assert [b.tolist() for b in other] == seen[4:]
