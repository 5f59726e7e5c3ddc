"""Data sets, samplers, collating and the loader's options: as in PyTorch."""

from __future__ import annotations

import collections
import inspect
import itertools

import numpy as np
import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

Point = collections.namedtuple("Point", "x y")


def plain(value):
    """Tensors as (dtype, numbers), inside of whatever."""
    if hasattr(value, "numel"):
        return str(value.dtype).rpartition(".")[2], value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value).__name__, [plain(v) for v in value]
    if isinstance(value, (list, tuple, collections.deque)):
        return type(value).__name__, [plain(v) for v in value]
    return value


def both(call):
    import torch

    ours, theirs = plain(call(ad)), plain(call(torch))
    assert ours == theirs
    return ours


def both_refuse(call, kind, text):
    import torch

    for lib in (ad, torch):
        with pytest.raises(kind) as caught:
            call(lib)
        assert str(caught.value).startswith(text), str(caught.value)


SAMPLES = {
    "tensors": lambda lib: [lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0])],
    "floats": lambda lib: [1.5, 2.5],
    "ints": lambda lib: [1, 2],
    "bools": lambda lib: [True, False],
    "strings": lambda lib: ["a", "b"],
    "bytes": lambda lib: [b"a", b"b"],
    "pairs": lambda lib: [(lib.zeros(2), 1), (lib.ones(2), 2)],
    "lists": lambda lib: [[1, 2.0], [3, 4.0]],
    "dicts": lambda lib: [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}],
    "ordered": lambda lib: [collections.OrderedDict(x=1), collections.OrderedDict(x=2)],
    "points": lambda lib: [Point(1, 2.0), Point(3, 4.0)],
    "arrays": lambda lib: [np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)],
    "int-arrays": lambda lib: [np.arange(3, dtype=np.uint8), np.arange(3, dtype=np.uint8)],
    "float64s": lambda lib: [np.float64(1), np.float64(2)],
    "float32s": lambda lib: [np.float32(1), np.float32(2)],
    "int16s": lambda lib: [np.int16(1), np.int16(2)],
    "bool_s": lambda lib: [np.bool_(True), np.bool_(False)],
    "nested": lambda lib: [{"a": [(1, {"b": 2.0})]}, {"a": [(3, {"b": 4.0})]}],
    "scalars": lambda lib: [lib.tensor(1), lib.tensor(2)],
    "ranges": lambda lib: [range(2), range(2)],
}


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES)
def test_default_collate(samples):
    both(lambda lib: lib.utils.data.default_collate(samples(lib)))


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES)
def test_default_convert(samples):
    both(lambda lib: lib.utils.data.default_convert(samples(lib)))
    both(lambda lib: lib.utils.data.default_convert(samples(lib)[0]))


def test_what_cannot_be_collated():
    collate = lambda batch: lambda lib: lib.utils.data.default_collate(batch)
    both_refuse(collate([object(), object()]), TypeError, "default_collate: batch must contain ten")
    both_refuse(collate([None, None]), TypeError, "default_collate: batch must contain tensors, nu")
    both_refuse(collate([np.array(["a"])] * 2), TypeError, "default_collate: batch must contain te")
    both_refuse(collate([[1, 2], [3]]), RuntimeError, "each element in list of batch should be of")
    both_refuse(
        lambda lib: lib.utils.data.default_collate([lib.zeros(2), lib.zeros(3)]), RuntimeError, ""
    )


def test_tensor_datasets():
    def call(lib):
        data = lib.utils.data.TensorDataset(lib.arange(6).reshape(3, 2), lib.arange(3))
        return len(data), data[1], data[-1], data[0:2]

    both(call)
    both_refuse(
        lambda lib: lib.utils.data.TensorDataset(lib.zeros(3), lib.zeros(2)),
        AssertionError,
        "Size mismatch between tensors",
    )


def test_datasets_made_of_datasets():
    def call(lib):
        D = lib.utils.data
        a, b = D.TensorDataset(lib.arange(3)), D.TensorDataset(lib.arange(10, 15))
        joined = a + b
        stacked, named = D.StackDataset(a, a), D.StackDataset(x=a, y=range(3))
        part = D.Subset(joined, [4, 0, 2])
        return (
            [joined[i] for i in (0, 2, 3, 7, -1, -8)],
            joined.cumulative_sizes,
            len(stacked),
            stacked[1],
            named[2],
            named.__getitems__([0, 2]),
            stacked.__getitems__([0, 2]),
            [part[i] for i in range(3)],
            part.__getitems__([1, 2]),
            D.Subset(a, [2, 1])[[0, 1]],
            len(part),
        )

    both(call)


def test_datasets_refuse():
    data = lambda make: lambda lib: make(lib.utils.data)
    both_refuse(data(lambda D: D.ConcatDataset([])), AssertionError, "datasets should not be an em")
    both_refuse(data(lambda D: D.StackDataset()), ValueError, "At least one dataset should be pass")
    both_refuse(data(lambda D: D.StackDataset([1], [1, 2])), ValueError, "Size mismatch between da")
    both_refuse(data(lambda D: D.StackDataset([1], a=[1])), ValueError, "Supported either ``tuple`")
    both_refuse(data(lambda D: D.ConcatDataset([[1]])[-2]), ValueError, "absolute value of index s")
    both_refuse(data(lambda D: D.Dataset()[0]), NotImplementedError, "Subclasses of Dataset should")
    both_refuse(
        data(lambda D: D.ConcatDataset([D.ChainDataset([])])), AssertionError, "ConcatDataset does"
    )
    both_refuse(
        data(lambda D: list(D.ChainDataset([[1]]))), AssertionError, "ChainDataset only supports"
    )

    def subset(D):
        class Mine(D.Subset):
            def __getitem__(self, i):
                return i

        return Mine([1], [0])

    both_refuse(data(subset), NotImplementedError, "Mine overrides __getitem__ but not __getitems")


def test_chained_iterables():
    def call(lib):
        class Few(lib.utils.data.IterableDataset):
            def __init__(self, n):
                self.n = n

            def __iter__(self):
                return iter(range(self.n))

            def __len__(self):
                return self.n

        chain = Few(2) + Few(3)
        return list(chain), len(chain), list(lib.utils.data.DataLoader(chain, 2))

    both(call)


@pytest.mark.parametrize("lengths", [[3, 7], [0.5, 0.5], [0.33, 0.33, 0.34], [1.0], [10, 0]])
def test_random_split(lengths):
    def call(lib):
        generator = lib.Generator().manual_seed(0)
        parts = lib.utils.data.random_split(list(range(10)), lengths, generator=generator)
        assert sorted(i for part in parts for i in part.indices) == list(range(10))
        again = lib.utils.data.random_split(
            range(10), lengths, generator=lib.Generator().manual_seed(0)
        )
        assert [part.indices for part in again] == [part.indices for part in parts]
        return [len(part) for part in parts]

    both(call)


def test_random_split_refuses():
    split = lambda lengths: lambda lib: lib.utils.data.random_split(range(10), lengths)
    both_refuse(split([3, 3]), ValueError, "Sum of input lengths does not equal the length of the")
    both_refuse(split([1.5, -0.5]), ValueError, "Fraction at index 0 is not between 0 and 1")
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0. This might result"):
        ad.utils.data.random_split(range(1), [0.5, 0.5])


def test_samplers_that_are_not_random():
    def call(lib):
        D = lib.utils.data
        order = D.SequentialSampler(range(7))
        batches, whole = D.BatchSampler(order, 3, False), D.BatchSampler(order, 3, True)
        return list(order), len(order), list(batches), len(batches), list(whole), len(whole)

    both(call)


def test_random_samplers():
    def call(lib):
        D = lib.utils.data
        out = []
        for make in (
            lambda g: D.RandomSampler(range(10), generator=g),
            lambda g: D.RandomSampler(range(10), num_samples=25, generator=g),
            lambda g: D.RandomSampler(range(10), True, 50, generator=g),
            lambda g: D.SubsetRandomSampler([3, 5, 8], generator=g),
            lambda g: D.WeightedRandomSampler([0.0, 1.0, 3.0], 40, generator=g),
            lambda g: D.WeightedRandomSampler([1.0, 1.0, 3.0], 3, False, generator=g),
        ):
            one, two = make(lib.Generator().manual_seed(1)), make(lib.Generator().manual_seed(1))
            drawn = list(one)
            assert drawn == list(two)
            assert all(isinstance(i, int) for i in drawn)
            out.append((len(one), len(drawn), sorted(set(drawn))))
        lib.manual_seed(0)
        assert list(D.RandomSampler(range(50))) != list(D.RandomSampler(range(50)))
        return out

    both(call)


@pytest.mark.parametrize("size,replicas", [(10, 2), (11, 3), (2, 5), (12, 4)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_shares_of_processes(size, replicas, drop_last):
    def call(lib):
        out = []
        for rank in range(replicas):
            options = {"num_replicas": replicas, "rank": rank, "drop_last": drop_last}
            sampler = lib.utils.data.DistributedSampler(range(size), shuffle=False, **options)
            shuffled = lib.utils.data.DistributedSampler(range(size), **options)
            first = list(shuffled)
            shuffled.set_epoch(1)
            assert len(list(shuffled)) == len(first) == len(sampler)
            out.append((list(sampler), len(sampler), sampler.total_size))
        return out

    both(call)
    both_refuse(
        lambda lib: lib.utils.data.DistributedSampler(range(3), 2, 2), ValueError, "Invalid rank 2"
    )


def test_samplers_refuse():
    data = lambda make: lambda lib: make(lib.utils.data)
    both_refuse(data(lambda D: D.RandomSampler([])), ValueError, "num_samples should be a positiv")
    both_refuse(data(lambda D: D.RandomSampler([1], 1)), TypeError, "replacement should be a bool")
    both_refuse(
        data(lambda D: D.WeightedRandomSampler([1.0], 0)), ValueError, "num_samples should be a pos"
    )
    both_refuse(
        data(lambda D: D.WeightedRandomSampler([[1.0]], 1)), ValueError, "weights should be a 1d"
    )
    both_refuse(
        data(lambda D: D.WeightedRandomSampler([1.0], 1, 2)), ValueError, "replacement should be"
    )
    both_refuse(data(lambda D: D.BatchSampler([1], 0, False)), ValueError, "batch_size should be a")
    both_refuse(data(lambda D: D.BatchSampler([1], 1, 2)), ValueError, "drop_last should be a boo")


LOADERS = {
    "one": {},
    "batches": {"batch_size": 3},
    "drop_last": {"batch_size": 3, "drop_last": True},
    "alone": {"batch_size": None},
    "sampler": {"batch_size": 2, "sampler": [3, 1, 4, 1, 5]},
    "batch_sampler": {"batch_sampler": [[0, 1], [5], [2, 3, 4]]},
    "own": {"batch_size": 4, "collate_fn": len},
    "pinned": {"batch_size": 4, "pin_memory": False},
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("options", LOADERS.values(), ids=LOADERS)
def test_loaders(options, workers):
    def call(lib):
        data = lib.utils.data.TensorDataset(lib.arange(14.0).reshape(7, 2), lib.arange(7))
        loader = lib.utils.data.DataLoader(data, num_workers=workers, **options)
        return len(loader), list(loader), list(loader), loader.batch_size, loader.drop_last

    both(call)


def test_shuffling_is_reproduced_by_a_seed():
    data = ad.utils.data.TensorDataset(ad.arange(30))

    def order(**options):
        loader = ad.utils.data.DataLoader(data, 7, shuffle=True, **options)
        return [[x.tolist() for (x,) in loader] for _ in range(2)]

    for again in range(2):
        ad.manual_seed(again)
        one = order()
        ad.manual_seed(again)
        assert order() == one
        assert one[0] != one[1]
        assert sorted(itertools.chain(*one[0])) == list(range(30))
    generators = [ad.Generator().manual_seed(5) for _ in range(2)]
    assert order(generator=generators[0]) == order(generator=generators[1], num_workers=2)


REFUSED = [
    ({"num_workers": -1}, "num_workers option should be non-negative; use num_workers=0 to"),
    ({"timeout": -1}, "timeout option should be non-negative"),
    ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiproc"),
    ({"prefetch_factor": -2, "num_workers": 1}, "prefetch_factor option should be non-negative"),
    ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
    ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive with"),
    ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive with"),
    ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching and"),
    ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
    ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used with"),
    (
        {"multiprocessing_context": "thread", "num_workers": 1},
        "multiprocessing_context option should specify a valid start method in",
    ),
]


@pytest.mark.parametrize("options,text", REFUSED)
def test_loaders_refuse(options, text):
    both_refuse(lambda lib: lib.utils.data.DataLoader(range(4), **options), ValueError, text)


def test_loaders_of_iterables_refuse():
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        name = next(iter(options))
        both_refuse(
            lambda lib: lib.utils.data.DataLoader(lib.utils.data.ChainDataset([]), **options),
            ValueError,
            f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}=",
        )


def test_a_loader_is_made_once():
    def call(lib):
        loader = lib.utils.data.DataLoader(range(4))
        loader.batch_size = 2

    both_refuse(call, ValueError, "batch_size attribute should not be set after DataLoader is init")


def test_signatures_are_pytorchs():
    import torch

    for name in torch.utils.data.__all__:
        ours = getattr(ad.utils.data, name, None)
        if ours is None:
            continue
        mine = inspect.signature(ours).parameters
        other = inspect.signature(getattr(torch.utils.data, name)).parameters
        assert list(mine) == list(other), name
        for key, p in other.items():
            if key != "generator":
                assert mine[key].default == p.default, (name, key)


def test_where_programs_import_them_from():
    from anadrome.utils.data import dataloader, dataset, sampler

    assert dataloader.default_collate is ad.utils.data.default_collate
    assert dataset.Dataset[int] is not None
    assert sampler.Sampler is ad.utils.data.Sampler
    names: dict[str, object] = {}
    exec("from anadrome.utils.data import *", names)
    assert names["DataLoader"] is ad.utils.data.DataLoader
