"""A loader that is put where another stood gives what that one would have given, bit for bit."""

from __future__ import annotations

import os
import random
import sys

import numpy as np
import pytest

import anadrome as ad
from anadrome import randomness
from anadrome.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

N = 11
EPOCHS = 3
FORK = "fork" if sys.platform == "linux" else None


class Augmented(Dataset):
    """Samples with noise from every source that there is."""

    def __init__(self):
        self.own = {"noise": [np.random.default_rng(7)]}

    def __len__(self):
        return N

    def __getitem__(self, i):
        return [
            i,
            random.random(),
            np.random.random(),
            ad.rand(()).item(),
            self.own["noise"][0].random(),
        ]


class Lazy(Sampler):
    """Draws on its way, each time from another source."""

    def __init__(self):
        self.own = random.Random(5)
        self.numpys = np.random.default_rng(5)
        self.ours = ad.Generator().manual_seed(5)

    def __len__(self):
        return N

    def __iter__(self):
        for i in range(N):
            yield random.randrange(N)
            if i % 2:
                yield int(np.random.randint(N))
                yield self.own.randrange(N)
            yield int(ad.randint(N, ()).item())
            yield int(self.numpys.integers(N))
            yield int(ad.randint(N, (), generator=self.ours).item())


class Stateful(Sampler):
    """Says by itself where it is; nobody could find out."""

    def __init__(self):
        self.given = 0
        self.secret = iter(range(1_000_000))

    def __iter__(self):
        while self.given < N:
            self.given += 1
            yield (7 * self.given) % N
        self.given = 0

    def state_dict(self):
        return {"given": self.given}

    def load_state_dict(self, state):
        self.given = state["given"]


class Shuffled(IterableDataset):
    """A buffer to shuffle with; workers share the numbers."""

    def __iter__(self):
        info = get_worker_info()
        part = range(N) if info is None else range(info.id, N + info.id, info.num_workers)
        buffer = []
        for i in part:
            buffer.append(i)
            if len(buffer) == 4:
                yield [buffer.pop(random.randrange(4)), ad.rand(()).item()]
        for i in buffer:
            yield [i, np.random.random()]


class Told(IterableDataset):
    """An iterable data set that says where it is, and does not go through what was before."""

    def __init__(self):
        self.at = 0
        self.produced = 0

    def __iter__(self):
        while self.at < N:
            self.at += 1
            self.produced += 1
            yield self.at - 1
        self.at = 0

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


def numbered():
    return TensorDataset(ad.arange(N))


LOADERS = {
    "in order": lambda **k: DataLoader(numbered(), 2, **k),
    "shuffled": lambda **k: DataLoader(Augmented(), 2, shuffle=True, **k),
    "one by one": lambda **k: DataLoader(Augmented(), None, shuffle=True, **k),
    "last dropped": lambda **k: DataLoader(Augmented(), 2, shuffle=True, drop_last=True, **k),
    "own generator": lambda **k: DataLoader(
        Subset(Augmented(), range(1, N)), 2, shuffle=True,
        generator=ad.Generator().manual_seed(9), **k
    ),
    "replacement": lambda **k: DataLoader(
        numbered(), 300, sampler=RandomSampler(range(N), replacement=True, num_samples=2500), **k
    ),
    "subset": lambda **k: DataLoader(numbered(), 2, sampler=SubsetRandomSampler(range(3, N)), **k),
    "weighted": lambda **k: DataLoader(
        numbered(), 2, sampler=WeightedRandomSampler([1.0] * N, 9), **k
    ),
    "batch sampler": lambda **k: DataLoader(
        numbered(), batch_sampler=BatchSampler(RandomSampler(range(N)), 3, False), **k
    ),
    "user's sampler": lambda **k: DataLoader(Augmented(), 3, sampler=Lazy(), **k),
    "user's batch sampler": lambda **k: DataLoader(
        Augmented(), batch_sampler=BatchSampler(Lazy(), 4, False), **k
    ),
    "stateful sampler": lambda **k: DataLoader(numbered(), 2, sampler=Stateful(), **k),
    "iterable": lambda **k: DataLoader(Shuffled(), 2, **k),
    "iterable, one by one": lambda **k: DataLoader(Shuffled(), None, **k),
    "stateful iterable": lambda **k: DataLoader(Told(), 2, **k),
    "stateful iterable, one by one": lambda **k: DataLoader(Told(), None, **k),
}  # fmt: skip


def everywhere(seed):
    ad.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def plain(batch):
    return [plain(b) for b in batch] if isinstance(batch, (list, tuple)) else repr(batch)


def noise():
    """What a training step draws besides the loader."""
    return [ad.rand(()).item(), random.random(), np.random.random()]


def passes(loader, first, seen, stop=None, saved=None):
    """Train; stops after ``stop`` batches of all with what is needed to go on."""
    for epoch in range(first, EPOCHS):
        for batch in loader:
            seen.append((epoch, plain(batch), noise()))
            if stop is not None and len(seen) == stop:
                saved.update(state(loader), epoch=epoch)
                return
        seen.append(("end", noise()))
        if stop is not None and len(seen) == stop:
            saved.update(state(loader), epoch=epoch + 1)
            return


def state(loader):
    shared = {name: randomness.state_of(s) for name, s in randomness.shared().items()}
    return {"loader": loader.state_dict(), "shared": shared}


def through_a_file(state, tmp_path):
    ad.save(state, tmp_path / "state.safetensors")
    return ad.load(tmp_path / "state.safetensors")


def resumed(make, stop, tmp_path):
    """As much as ``stop``, and then with everything made anew."""
    everywhere(1)
    seen, saved = [], {}
    passes(make(), 0, seen, stop, saved)
    assert len(seen) == stop
    everywhere(2)
    saved = through_a_file(saved, tmp_path)
    loader = make()
    loader.load_state_dict(saved["loader"])
    for name, value in saved["shared"].items():
        randomness.put(randomness.shared()[name], value)
    passes(loader, saved["epoch"], seen)
    return seen


def whole(make):
    everywhere(1)
    seen = []
    passes(make(), 0, seen)
    return seen


def stops(name, wanted, count):
    """Somewhere; after the last batch of a pass; and between two."""
    end = next(i for i, seen in enumerate(wanted) if seen[0] == "end")
    return [*random.Random(name).sample(range(1, len(wanted)), count), end, end + 1]


@pytest.mark.parametrize("name", LOADERS)
def test_the_batches_that_are_left_come_in_the_same_order(name, tmp_path):
    wanted = whole(LOADERS[name])
    for stop in stops(name, wanted, 5):
        assert resumed(LOADERS[name], stop, tmp_path) == wanted, f"saved after {stop}"


SOME = ("shuffled", "iterable", "stateful iterable, one by one")
WORKERS = [
    pytest.param(
        name, stay, id=f"{name}{'-stay' * stay}", marks=() if name in SOME else pytest.mark.nightly
    )
    for name in (*SOME, "own generator", "user's sampler", "stateful sampler", "stateful iterable")
    for stay in (False, True)
]


@pytest.mark.parametrize(("name", "persistent"), WORKERS)
def test_workers_go_on_too(name, persistent, tmp_path):
    def make():
        return LOADERS[name](
            num_workers=2, persistent_workers=persistent, multiprocessing_context=FORK
        )

    wanted = whole(make)
    for stop in stops(name, wanted, 2):
        assert resumed(make, stop, tmp_path) == wanted, f"saved after {stop}"


@pytest.mark.parametrize("name", ["shuffled", "iterable"])
def test_workers_that_stay_go_on_after_a_pass_that_was_left(name, tmp_path):
    """What they had loaded ahead has moved their random numbers."""

    def make():
        return LOADERS[name](num_workers=2, persistent_workers=True, multiprocessing_context=FORK)

    everywhere(1)
    loader = make()
    for _ in loader:
        break
    saved = through_a_file(state(loader), tmp_path)
    wanted = []
    passes(loader, 1, wanted)
    loader = make()
    loader.load_state_dict(saved["loader"])
    for source, value in saved["shared"].items():
        randomness.put(randomness.shared()[source], value)
    seen = []
    passes(loader, 1, seen)
    assert seen == wanted


def test_another_number_of_workers(tmp_path):
    """The order stays; that workers' random numbers do not, is said."""

    def make(workers, data=numbered):
        options = {"num_workers": workers, "multiprocessing_context": FORK} if workers else {}
        return DataLoader(data(), 2, shuffle=True, **options)

    everywhere(1)
    batches = iter(make(2))
    whole = [x.tolist() for (x,) in batches]
    for workers in (0, 1):
        everywhere(1)
        loader = make(2)
        batches = iter(loader)
        seen = [next(batches)[0].tolist() for _ in range(2)]
        saved = loader.state_dict()
        del batches
        loader = make(workers)
        with pytest.warns(UserWarning, match="is one with 2 workers, this one has [01]: the order"):
            loader.load_state_dict(saved)
        assert seen + [x.tolist() for (x,) in loader] == whole
    loader = DataLoader(Shuffled(), 2, num_workers=2, multiprocessing_context=FORK)
    batches = iter(loader)
    next(batches)
    with pytest.raises(ValueError, match="a loader with 2 workers, this one has 0"):
        DataLoader(Shuffled(), 2).load_state_dict(loader.state_dict())


def test_out_of_order_no_batch_is_lost_or_given_twice():
    loader = DataLoader(numbered(), 1, num_workers=2, in_order=False, multiprocessing_context=FORK)
    batches = iter(loader)
    seen = [int(next(batches)[0]) for _ in range(4)]
    saved = loader.state_dict()
    del batches
    loader.load_state_dict(saved)
    assert sorted(seen + [int(x) for (x,) in loader]) == list(range(N))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stay", [False, True])
def test_a_pass_that_was_left_is_over(workers, stay):
    if stay and not workers:
        return
    options = {"num_workers": workers, "persistent_workers": stay} if workers else {}
    loader = DataLoader(numbered(), 4, **options)
    for _ in loader:
        break
    saved = loader.state_dict()
    loader.load_state_dict(saved)
    assert [x.tolist()[0] for (x,) in loader] == [0, 4, 8]
    for _ in loader:
        saved = loader.state_dict()
        break
    for _ in range(2):  # and one that was put back is gone on with once
        loader.load_state_dict(saved)
        assert loader.state_dict()["pass"] == saved["pass"]
        assert [x.tolist()[0] for (x,) in loader] == [4, 8]
        assert [x.tolist()[0] for (x,) in loader] == [0, 4, 8]


class Hidden(Sampler):
    """Draws from where nobody looks."""

    def __iter__(self):
        return iter([int.from_bytes(os.urandom(4), "little") % N for _ in range(N)])


def test_an_order_that_cannot_be_had_again_is_an_error():
    loader = DataLoader(numbered(), 2, sampler=Hidden())
    batches = iter(loader)
    for _ in range(4):
        next(batches)
    saved = loader.state_dict()
    other = DataLoader(numbered(), 2, sampler=Hidden())
    other.load_state_dict(saved)
    before = ad.get_rng_state().tolist()
    for _ in range(2):  # again and again: it does not begin anew in silence
        with pytest.raises(RuntimeError, match="does not give the same batches again"):
            iter(other)
    assert ad.get_rng_state().tolist() == before


def test_a_data_set_of_another_size_is_an_error():
    loader = DataLoader(numbered(), 2, shuffle=True)
    between = loader.state_dict()
    batches = iter(loader)
    next(batches)
    other = DataLoader(TensorDataset(ad.arange(N + 1)), 2, shuffle=True)
    with pytest.raises(ValueError, match=f"had {N} samples in this pass, and has {N + 1} now"):
        other.load_state_dict(loader.state_dict())
    other.load_state_dict(between)  # from epoch to epoch it may grow


def test_a_load_that_is_taken_back_leaves_a_pass_alone():
    loader = DataLoader(numbered(), 4)
    batches = iter(loader)
    next(batches)
    loader.load_state_dict(loader.state_dict())
    assert [x.tolist()[0] for (x,) in batches] == [4, 8]
    assert [x.tolist()[0] for (x,) in loader] == [0, 4, 8]


def test_a_stateful_data_set_is_not_gone_through_again():
    loader = DataLoader(Told(), 2)
    batches = iter(loader)
    next(batches)
    saved = loader.state_dict()
    other = DataLoader(Told(), 2)
    other.load_state_dict(saved)
    assert next(iter(other)).tolist() == [2, 3]
    assert other.dataset.produced == 2
