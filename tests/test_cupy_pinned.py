"""Page-locked memory, copies that are not waited for, and batches copied ahead."""

from __future__ import annotations

from typing import Any

import fake_cupy
import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome.utils.data import DataLoader, Prefetcher, TensorDataset

# ruff: noqa: F811


def test_without_a_gpu_nothing_is_pinned() -> None:
    if ad.cuda.is_available():
        pytest.skip("there is one")
    x = ad.ones(3)
    assert x.pin_memory() is x and not x.is_pinned()
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=3, pin_memory=True)))
    assert batch.tolist() == [1.0, 1.0, 1.0]


def test_pinned_memory_is_a_copy(fake: Any) -> None:
    x = ad.arange(4).float()
    y = x.pin_memory()
    assert y.is_pinned() and not x.is_pinned() and y.tolist() == x.tolist()
    assert y.pin_memory() is y and y.device.type == "cpu"
    y[0] = 9.0
    assert x[0] == 0.0
    with pytest.raises(RuntimeError, match="cannot pin a tensor on cuda:0"):
        x.to("cuda").pin_memory()


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int64", "bool"])
def test_a_copy_from_it_is_waited_for_unless_told_not_to(fake: Any, kind: str) -> None:
    x = ad.arange(6).reshape(2, 3).to(getattr(ad, kind)).pin_memory()
    fake_cupy.Event.reached = False
    fake_cupy.Waiting.reset()
    y = x.to("cuda", non_blocking=True)
    assert not fake_cupy.Waiting.seen
    z = x.to("cuda")
    assert fake_cupy.Waiting.seen
    fake_cupy.Event.reached = True
    assert y.cpu().equal(x) and z.cpu().equal(x) and y.dtype is x.dtype
    assert x.cuda(non_blocking=True).cpu().equal(x)
    assert x.t().to("cuda", non_blocking=True).cpu().equal(x.t())  # not in one piece: as ever


def test_gradients_go_back_through_the_copy(fake: Any) -> None:
    x = ad.ones(3).pin_memory().requires_grad_()
    (x.to("cuda", non_blocking=True) * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0] and x.grad.device.type == "cpu"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loaders_batches_are_pinned(fake: Any, workers: int) -> None:
    data = TensorDataset(ad.arange(6), ad.arange(6).float())
    loader = DataLoader(data, batch_size=2, pin_memory=True, num_workers=workers)
    for x, y in loader:
        assert x.is_pinned() and y.is_pinned()
    assert not next(iter(DataLoader(data, batch_size=2)))[0].is_pinned()


def test_batches_of_every_make_are_pinned(fake: Any) -> None:
    samples = [{"x": ad.ones(2), "names": ["a", "b"]} for _ in range(2)]
    batch = next(iter(DataLoader(samples, batch_size=2, pin_memory=True)))
    assert batch["x"].is_pinned() and batch["names"] == [("a", "a"), ("b", "b")]


def test_the_prefetcher_copies_one_ahead_on_its_own_stream(fake: Any) -> None:
    loader = DataLoader(TensorDataset(ad.arange(6)), batch_size=2, pin_memory=True)
    main = ad.cuda.current_stream().native
    taken = []
    batches = iter(loader)

    def counted() -> Any:
        for batch in batches:
            taken.append(fake_cupy.Stream.current)
            yield batch

    found = []
    for (x,) in Prefetcher(counted(), "cuda"):
        found.append(x.cpu().tolist())
        assert x.device.type == "cuda" and fake_cupy.Stream.current is main
        assert len(taken) == min(len(found) + 1, 3)
    assert found == [[0, 1], [2, 3], [4, 5]]
    assert main.waited_for and all(e.stream is not main for e in main.waited_for)


def test_memory_in_use_on_a_stream_is_kept(fake: Any) -> None:
    side = ad.cuda.Stream()
    fake_cupy.Event.reached = False
    x = ad.ones(2, device="cuda")
    x.record_stream(side)
    held = side._kept[0][1]
    assert held is x._data
    fake_cupy.Event.reached = True
    ad.zeros(1, device="cuda").record_stream(side)
    assert all(array is not held for _, array in side._kept)


def test_on_the_cpu_the_prefetcher_hands_on() -> None:
    found = [x.tolist() for (x,) in Prefetcher([(ad.ones(1),), (ad.zeros(1),)], "cpu")]
    assert found == [[1.0], [0.0]] and len(Prefetcher([1, 2], "cpu")) == 2
    assert np.asarray(found).sum() == 1


def test_a_prefetcher_goes_on_where_another_stood(fake: Any) -> None:
    """The batch that it had taken ahead is not lost."""

    def make() -> Prefetcher:
        data = TensorDataset(ad.arange(7))
        return Prefetcher(DataLoader(data, batch_size=2, shuffle=True), "cuda")

    def run(batches: Any, seen: list[Any], stop: int = 0) -> Any:
        for _ in range(2):
            for (x,) in batches:
                seen.append((x.tolist(), ad.rand(()).item()))
                if len(seen) == stop:
                    return batches.state_dict(), ad.get_rng_state()
            seen.append("end")
            if len(seen) == stop:
                return batches.state_dict(), ad.get_rng_state()
        return None

    ad.manual_seed(0)
    whole: list[Any] = []
    run(make(), whole)
    first = whole.index("end")
    for stop in range(1, first + 3):
        ad.manual_seed(0)
        seen: list[Any] = []
        state, numbers = run(make(), seen, stop)
        resumed = make()
        resumed.load_state_dict(state)
        assert resumed.state_dict() == state or state["ahead"]
        ad.set_rng_state(numbers)
        for epoch in range(2):
            if epoch or "end" not in seen:
                for (x,) in resumed:
                    seen.append((x.tolist(), ad.rand(()).item()))
                seen.append("end")
        assert seen == whole


def test_the_loader_under_a_prefetcher_is_not_saved_by_itself(fake: Any) -> None:
    loader = DataLoader(TensorDataset(ad.arange(6)), batch_size=2)
    for _ in Prefetcher(loader, "cuda"):
        with pytest.raises(RuntimeError, match="a Prefetcher has taken a batch ahead of you: save"):
            loader.state_dict()
        break
    loader.state_dict()
