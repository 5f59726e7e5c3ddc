"""position: where a pass over a loader stands, and how to stand there again.

An order of indices is drawn from random numbers, some at its start and some on the way, and other
code draws from the same sources in between. So the order is pulled again, from the same numbers:
noted are the sources at the start, and for each later pull that drew those that others had moved.
A sampler or an iterable data set with `state_dict` and `load_state_dict` says itself where it is.
"""

from __future__ import annotations

import array
import contextlib
import zlib
from collections.abc import Callable
from typing import Any

from anadrome import randomness, sites

from .sampler import BatchSampler, new_seed

State = dict[str, Any]


class Order:
    """The indices of one pass, or what an iterable data set gives for them.

    ``begin()`` starts the pass, and returns the function that takes the next; ``seeded``: whether
    a seed for the workers is drawn before. ``saved``: what ``position`` returned in an earlier
    process. ``pending``: what was taken and is not given out, by number. ``stateful``: what says
    where it is, if it is not a sampler.
    """

    def __init__(
        self,
        loader: Any,
        begin: Callable[[], Callable[[], Any]],
        saved: State | None = None,
        *,
        seeded: bool = True,
        stateful: Any = None,
    ) -> None:
        self._sources = _watched(loader)
        self._readers = {name: randomness.reader(s) for name, s in self._sources.items()}
        self._stateful = _stateful(loader) if stateful is None else stateful
        self._batch_size = loader.batch_size
        #: Whether the last batch was short: then a sampler has ended, and may say that it begins.
        self._short = False
        self.pulled = 0
        self.ended = False
        self._met: list[tuple[int, State]] = []
        self._crc = 0
        self.pending: dict[int, Any] = {}
        present = self._states()
        if saved is not None:
            self._put(saved["start"])
        self.start = self._expected = self._states()
        self.seeded = seeded if saved is None else saved["seeded"]
        self.base_seed = new_seed(loader.generator) if self.seeded else 0
        if saved is None:
            self._take = begin()
            return
        self.base_seed = saved["base_seed"]
        try:
            if self._stateful is not None:
                self._stateful.load_state_dict(saved["sampler"])
            self._take = begin()
            if self._stateful is not None:
                if saved["short"]:
                    self._take = lambda: next(iter(()))
                self.pulled = saved["pulled"]
                self.pending = dict(saved["under_way"])
            else:
                self._again(saved)
        finally:
            self._put(present)

    def pull(self) -> Any:
        """The next; raises ``StopIteration`` at the end."""
        before = self._states()
        try:
            taken = self._take()
        except StopIteration:
            self.ended = True
            raise
        if self._stateful is None:
            after = self._states()
            if after != before:
                self._note(before, after)
            self._crc = zlib.crc32(_fingerprint(taken), self._crc)
        elif self._batch_size is not None:
            self._short = len(taken) < self._batch_size
        self.pulled += 1
        return taken

    def _note(self, before: State, after: State) -> None:
        """This pull has drawn; what others had moved before it is needed to pull it again."""
        drawn = [name for name, state in after.items() if state != before[name]]
        met = {name: before[name] for name in drawn if before[name] != self._expected[name]}
        if met:
            self._met.append((self.pulled, met))
        self._expected = {**self._expected, **{name: after[name] for name in drawn}}

    def _again(self, saved: State) -> None:
        """Pull what was pulled before, from the same random numbers."""
        met = dict(saved["met"])
        wanted = {number for number, _ in saved["under_way"]}
        with contextlib.suppress(StopIteration):
            while self.pulled < saved["pulled"]:
                self._put(met.get(self.pulled, {}))
                number = self.pulled
                taken = self.pull()
                if number in wanted:
                    self.pending[number] = taken
        if self.pulled < saved["pulled"] or self._crc != saved["crc"]:
            raise RuntimeError(
                "the loader does not give the same batches again: its sampler is another one, or "
                "draws from what neither the loader nor the sampler holds; give the sampler, or "
                "the iterable data set, `state_dict` and `load_state_dict`"
            )

    def position(self) -> State:
        """Plain values from which the pass goes on."""
        out = {
            "start": self.start,
            "met": list(self._met),
            "pulled": self.pulled,
            "crc": self._crc,
            "base_seed": self.base_seed,
            "seeded": self.seeded,
            "under_way": [(number, None) for number in self.pending],
        }
        if self._stateful is not None:
            out["under_way"] = list(self.pending.items())
            out["sampler"] = self._stateful.state_dict()
            out["short"] = self._short
        return out

    def _states(self) -> State:
        return {name: read() for name, read in self._readers.items()}

    def _put(self, states: State) -> None:
        for name, state in states.items():
            if name in self._sources:
                randomness.put(self._sources[name], state)


def _fingerprint(taken: Any) -> bytes:
    """Tells indices apart; of anything else, only whether it is there."""
    try:
        return array.array("q", taken if isinstance(taken, (list, tuple)) else (taken,)).tobytes()
    except (TypeError, OverflowError):
        return b"?"


def own_streams(loader: Any) -> dict[str, Any]:
    """The generators that a loader and its parts hold, by path."""
    return randomness.found_in(
        generator=loader.generator,
        sampler=loader.sampler,
        batch_sampler=loader.batch_sampler,
        dataset=loader.dataset,
        collate_fn=loader.collate_fn,
    )


def saved_loader(loader: Any) -> State:
    """See ``DataLoader.state_dict``."""
    if loader.held_by is not None and loader.held_by() is not None:
        raise RuntimeError(
            "a Prefetcher has taken a batch ahead of you: save the state of the Prefetcher, in "
            "place of the loader's"
        )
    latest = None if loader._latest is None else loader._latest()
    at = loader._resume
    if at is None and latest is not None:
        at = latest.position(True)
    elif at is None and loader._iterator is not None:
        at = loader._iterator.position(False)
    return {
        "num_workers": loader.num_workers,
        "iterable": loader._iterable,
        "size": _size(loader),
        "streams": {path: randomness.state_of(s) for path, s in own_streams(loader).items()},
        "pass": at,
    }


def load_loader(loader: Any, state: State) -> None:
    """See ``DataLoader.load_state_dict``."""
    check_loader(loader, state)
    own = own_streams(loader)
    for path, saved in state["streams"].items():
        randomness.put(own[path], saved)
    latest = None if loader._latest is None else loader._latest()
    if latest is not None and _same(latest.position(True), state["pass"]):
        return  # it stands there already, as when a load is taken back
    loader._resume = state["pass"]
    loader._latest = None


def _size(loader: Any) -> int | None:
    """How many samples there are, if they have numbers and it is known."""
    try:
        return None if loader._iterable else len(loader.dataset)
    except (TypeError, NotImplementedError):
        return None


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except (RuntimeError, ValueError):  # Tensors or arrays in what a data set says
        return False


def check_loader(loader: Any, state: State) -> None:
    """Raise ``ValueError`` if the loader cannot stand where the state says; changes nothing."""
    if loader._iterable != state["iterable"]:
        kinds = ("samples by index", "an iterable data set")
        raise ValueError(
            f"the state is one of a loader of {kinds[state['iterable']]}, this one is of "
            f"{kinds[loader._iterable]}"
        )
    if loader.num_workers != state["num_workers"] and state["pass"] is not None:
        what = f"{state['num_workers']} workers, this one has {loader.num_workers}"
        if loader._iterable:
            raise ValueError(f"the state is one of a loader with {what}")
        sites.warn(
            f"the loader's state is one with {what}: the order of the samples stays, but random "
            "numbers drawn by workers will be others",
        )
    if state["pass"] is not None and state["size"] != _size(loader):
        raise ValueError(
            f"the data set had {state['size']} samples in this pass, and has {_size(loader)} now"
        )
    own = own_streams(loader)
    for path, saved in state["streams"].items():
        if path not in own:
            raise ValueError(f"the loader had a generator at {path}, and has none there now")
        randomness.check(own[path], saved)


def _watched(loader: Any) -> dict[str, Any]:
    """The sources that the order may draw from."""
    found = own_streams(loader)
    if not loader._iterable:
        found = {
            path: source
            for path, source in found.items()
            if path.startswith(("generator", "sampler", "batch_sampler"))
        }
    shared = randomness.shared()
    if not loader._iterable and all(map(_is_ours, _chain(loader))):
        shared = {"anadrome": shared["anadrome"]}  # ours draw from nothing else
    held = [id(source) for source in found.values()]
    return {**{n: s for n, s in shared.items() if id(s) not in held}, **found}


def _chain(loader: Any) -> list[Any]:
    """The samplers that make the order, from the outermost."""
    out = [loader._index_sampler]
    while (inner := getattr(out[-1], "sampler", None)) is not None and len(out) < 10:
        out.append(inner)
    return out


def _is_ours(sampler: Any) -> bool:
    return type(sampler).__module__ in (BatchSampler.__module__, "builtins", "itertools")


def is_stateful(value: Any) -> bool:
    """Whether it says by itself where it is."""
    return all(callable(getattr(value, n, None)) for n in ("state_dict", "load_state_dict"))


def _stateful(loader: Any) -> Any:
    """The sampler that says where it is, if the outermost that is not ours does so."""
    if loader._iterable:
        return None
    for sampler in _chain(loader):
        if is_stateful(sampler):
            return sampler
        if type(sampler) is not BatchSampler:
            return None
    return None
