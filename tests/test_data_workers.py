"""The loader's worker processes: order, seeds, errors, deaths and ends; no PyTorch needed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
import warnings

import numpy as np
import pytest

import anadrome as ad
from anadrome.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

METHODS = ["fork", "spawn"] if hasattr(os, "fork") else ["spawn"]
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Squares(Dataset):
    def __init__(self, size=20):
        self.size = size

    def __getitem__(self, i):
        return i, ad.tensor(float(i)) ** 2

    def __len__(self):
        return self.size


class Numbers(IterableDataset):
    """0 to 9, shared among the workers."""

    def __iter__(self):
        info = get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        yield from range(start, 10, step)


class Misbehaving(Squares):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def __getitem__(self, i):
        if i == 7:
            self.how()
        return i


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


def value_error():
    raise ValueError("seven is bad")


def key_error():
    raise KeyError("seven")


def odd_error():
    raise Odd(1, 2)


def stop():
    raise StopIteration


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def leaves():
    os._exit(3)


def sleeps():
    time.sleep(60)


def unpicklable(batch):
    return lambda: batch


def where(batch):
    info = get_worker_info()
    return info.id, info.num_workers, info.seed, ad.initial_seed(), random.random()


def first_batches(loader, count=None):
    out = []
    for batch in loader:
        out.append(batch)
        if count is not None and len(out) == count:
            break
    return out


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("workers", [1, 3])
def test_order_is_kept(method, workers):
    plain = list(DataLoader(Squares(), batch_size=3))
    loader = DataLoader(Squares(), 3, num_workers=workers, multiprocessing_context=method)
    assert len(loader) == len(plain)
    for (i, x), (j, y) in zip(loader, plain, strict=True):
        assert i.tolist() == j.tolist()
        assert x.tolist() == y.tolist()
        assert x.dtype is ad.float32


@pytest.mark.parametrize("prefetch", [1, 5])
def test_how_far_ahead_makes_no_difference(prefetch):
    loader = DataLoader(Squares(), num_workers=2, prefetch_factor=prefetch, batch_size=None)
    assert [i for i, _ in loader] == list(range(20))


def test_large_batches_do_not_block():
    data = TensorDataset(ad.arange(40).reshape(40, 1).expand(40, 50_000).contiguous())
    loader = DataLoader(data, 4, num_workers=2, prefetch_factor=4)
    assert [int(x[0, -1]) for (x,) in loader] == list(range(0, 40, 4))


def test_long_lists_of_indices_do_not_block():
    loader = DataLoader(Squares(60_000), batch_sampler=[range(20_000)] * 3, num_workers=1,
                        collate_fn=len)  # fmt: skip
    assert list(loader) == [20_000] * 3


@pytest.mark.parametrize("workers", [0, 2])
def test_iterable_data(workers):
    batches = [b.tolist() for b in DataLoader(Numbers(), 2, num_workers=workers)]
    assert sorted(itertools.chain(*batches)) == list(range(10))
    assert max(map(len, batches)) == 2
    full = [b.tolist() for b in DataLoader(Numbers(), 4, num_workers=workers, drop_last=True)]
    assert all(len(b) == 4 for b in full)
    alone = list(DataLoader(Numbers(), batch_size=None, num_workers=workers))
    assert sorted(alone) == list(range(10))


def test_workers_that_have_unequally_much():
    class Unequal(IterableDataset):
        def __iter__(self):
            yield from range(1 if get_worker_info().id == 0 else 6)

    if "fork" in METHODS:
        got = list(DataLoader(Unequal(), None, num_workers=2, multiprocessing_context="fork"))
        assert sorted(got) == [0, 0, 1, 2, 3, 4, 5]


def test_seeds_are_the_base_seed_plus_the_workers_number():
    def run():
        ad.manual_seed(3)
        loader = DataLoader(Squares(), 5, num_workers=2, collate_fn=where)
        return list(loader)

    first, second = run(), run()
    assert first == second
    by_worker = {row[0]: row for row in first}
    assert sorted(by_worker) == [0, 1]
    assert all(row[1] == 2 and row[2] == row[3] for row in first)
    assert by_worker[1][2] == by_worker[0][2] + 1
    assert by_worker[1][4] != by_worker[0][4]
    ad.manual_seed(4)
    assert list(DataLoader(Squares(), 5, num_workers=2, collate_fn=where)) != first
    assert get_worker_info() is None


def test_a_generator_of_ones_own_seeds_the_workers():
    seeds = []
    for _ in range(2):
        generator = ad.Generator().manual_seed(11)
        loader = DataLoader(Squares(), 5, num_workers=1, collate_fn=where, generator=generator)
        seeds.append([row[2] for row in loader])
    assert seeds[0] == seeds[1]


def numpy_noise(batch):
    return np.random.random()


def test_numpy_is_seeded_in_each_worker():
    def run():
        ad.manual_seed(5)
        return list(DataLoader(Squares(8), 2, num_workers=2, collate_fn=numpy_noise))

    first = run()
    assert first == run()
    assert len(set(first)) == 4


def note_id(worker):
    global noted
    noted = 100 + worker


def noted_id(batch):
    return noted


@pytest.mark.parametrize("method", METHODS)
def test_worker_init_fn(method):
    loader = DataLoader(Squares(), 5, num_workers=2, worker_init_fn=note_id, collate_fn=noted_id,
                        multiprocessing_context=method)  # fmt: skip
    assert list(loader) == [100, 101, 100, 101]


def bad_init(worker):
    raise ZeroDivisionError("no start")


def test_an_error_in_worker_init_fn():
    loader = DataLoader(Squares(), 5, num_workers=1, worker_init_fn=bad_init)
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker"):
        next(iter(loader))


@pytest.mark.parametrize("method", METHODS)
def test_an_exception_comes_with_its_traceback(method):
    loader = DataLoader(Misbehaving(value_error), 5, num_workers=2, multiprocessing_context=method)
    batches = iter(loader)
    assert next(batches).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError) as caught:
        next(batches)
    text = str(caught.value)
    assert text.startswith("Caught ValueError in DataLoader worker process 1.\nOriginal Traceback")
    assert "in value_error" in text
    assert text.rstrip().endswith("ValueError: seven is bad")
    assert next(batches).tolist() == [10, 11, 12, 13, 14]  # and one can go on


def test_exceptions_that_are_peculiar():
    with pytest.raises(KeyError) as caught:
        list(DataLoader(Misbehaving(key_error), 5, num_workers=1))
    assert "\n" in str(caught.value)  # not one line with \n in it
    with pytest.raises(RuntimeError, match="Caught Odd in DataLoader worker process 0"):
        list(DataLoader(Misbehaving(odd_error), 5, num_workers=1))
    with pytest.raises(Exception, match="Caught .* in DataLoader worker process 0") as caught:
        list(DataLoader(Squares(), 5, num_workers=1, collate_fn=unpicklable))
    assert "what a worker makes must be pickled to leave it, and this cannot be" in str(
        caught.value
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_worker_is_an_error_and_no_hang():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid \d+\) is killed by signal: S"):
        list(DataLoader(Misbehaving(killed), 5, num_workers=2))
    with pytest.raises(RuntimeError, match=r"pid \d+\) exited unexpectedly with exit code 3"):
        list(DataLoader(Misbehaving(leaves), 5, num_workers=2))
    assert time.monotonic() - start < 10


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_worker_killed_from_outside_while_idle():
    loader = DataLoader(Squares(), 2, num_workers=2, prefetch_factor=1)
    batches = iter(loader)
    next(batches)
    os.kill(batches._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="is killed by signal: SIGKILL; run with num_workers=0"):
        list(batches)
    assert list(batches) == []


def test_a_timeout():
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.5 seconds"):
        list(DataLoader(Misbehaving(sleeps), 1, sampler=[7], num_workers=1, timeout=0.5))


@pytest.mark.parametrize("method", METHODS)
def test_workers_end_with_the_iteration(method):
    loader = DataLoader(Squares(), 2, num_workers=2, multiprocessing_context=method)
    batches = iter(loader)
    processes = [w.process for w in batches._workers]
    list(batches)
    assert not any(p.is_alive() for p in processes)
    batches = iter(loader)
    processes = [w.process for w in batches._workers]
    next(batches)
    del batches
    assert not any(p.is_alive() for p in processes)


def pid(batch):
    return os.getpid()


def test_persistent_workers_stay():
    loader = DataLoader(Squares(), 5, num_workers=2, persistent_workers=True, collate_fn=pid)
    first, second = set(loader), set(loader)
    assert first == second
    assert len(first) == 2
    batches = iter(loader)
    next(batches)
    assert len(list(iter(loader))) == 4  # begun again in the middle
    loader._iterator.close()
    iterable = DataLoader(Numbers(), 3, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert sorted(itertools.chain(*(b.tolist() for b in iterable))) == list(range(10))
    iterable._iterator.close()


class Slow(Squares):
    def __getitem__(self, i):
        if i == 0:
            time.sleep(0.5)
        return i


def test_out_of_order():
    loader = DataLoader(Slow(), 1, num_workers=2, in_order=False)
    got = [int(b) for b in loader]
    assert sorted(got) == list(range(20))
    assert got[0] != 0
    assert [int(b) for b in DataLoader(Slow(), 1, num_workers=2)] == list(range(20))


def test_more_workers_than_cores_warns(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    with pytest.warns(UserWarning, match="This DataLoader will create 3 worker processes in total"):
        DataLoader(Squares(), num_workers=3)


class TooShort(Numbers):
    def __len__(self):
        return 4


def test_an_iterable_that_gives_more_than_its_length():
    with pytest.warns(UserWarning, match="was reported to be 4, but 5 samples have been fetched"):
        list(DataLoader(TooShort(), None))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        list(DataLoader(Numbers(), None))
