"""pipes_branches: iterable pipes that are several: all samples in each, or each sample in one.

Branches share the one pass over their source. What one has had and another has not waits in a
buffer, so branches that are iterated over one after the other need it as long as the source.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from anadrome import sites

from .pipes import IterDataPipe, functional_datapipe
from .pipes_each import check_function


class _Shared:
    """What the branches of one pipe share: the pass over the source."""

    def __init__(self, name: str, source: Any, count: int, buffer_size: int) -> None:
        if buffer_size < 0:
            sites.warn(
                f"Unlimited buffer size is set for `{name}`, please be aware of OOM at random "
                "places"
            )
        self.source = source
        self.count = count
        self.buffer_size = buffer_size
        #: Which pass its branches are in.
        self.number: int | None = None
        self.reset()

    def reset(self) -> None:
        self.samples: Any = None
        self.ended = False
        self.stopped = [True] * self.count

    def each(self, branch: int) -> Iterator[Any]:
        """The samples of one branch."""
        if self.samples is None and self.stopped[branch]:
            self.samples = iter(self.source)
            self.stopped = [False] * self.count
        try:
            while not self.stopped[branch]:
                try:
                    sample = self.next(branch)
                except StopIteration:
                    break
                yield sample
        finally:
            self.stopped[branch] = True
            if all(self.stopped):
                self.samples = None
                self.close()

    def next(self, branch: int) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Close the files among what waits."""

    def pull(self) -> Any:
        """The source's next sample, for which StopIteration is raised once and for all."""
        if self.ended:
            raise StopIteration
        try:
            return next(self.samples)
        except StopIteration:
            self.ended = True
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "samples": None, "ended": False, "stopped": [True] * self.count}


class _ChildDataPipe(IterDataPipe[Any]):
    """One of the pipes that share a source."""

    def __init__(self, main_datapipe: Any, instance_id: int) -> None:
        self.main_datapipe = main_datapipe
        self.instance_id = instance_id

    def __iter__(self) -> Iterator[Any]:
        return self.main_datapipe.each(self.instance_id)

    def __len__(self) -> int:
        return len(self.main_datapipe)

    def _begin(self) -> int:
        """A branch that is begun again begins a new pass of all branches."""
        shared = self.main_datapipe
        if shared.number is None:
            shared.number = 0
        elif shared.number == self._valid_iterator_id:
            shared.number += 1
            if not (shared.ended and all(shared.stopped)):
                sites.warn(
                    "Some child DataPipes are not exhausted when __iter__ is called. We are "
                    "resetting the buffer and each child DataPipe will read from the start again."
                )
            shared.reset()
        self._valid_iterator_id = shared.number
        return shared.number

    def _is_valid(self, number: int) -> bool:
        return number == self._valid_iterator_id == self.main_datapipe.number

    def _why_not(self) -> str:
        return ", because a new iterator has been created from one of the pipes that share it."


def _same(sample: Any) -> Any:
    return sample


_COPIES: dict[str | None, Callable[[Any], Any]] = {
    None: _same,
    "shallow": copy.copy,
    "deep": copy.deepcopy,
}


class _Forked(_Shared):
    """Each branch has all samples."""

    def __init__(self, source: Any, count: int, buffer_size: int, copied: Any) -> None:
        if copied not in _COPIES:
            raise ValueError(
                f"Unknown copy method `{copied}` requested, choose one of None, `shallow` or "
                "`deep`."
            )
        self.copied = copied
        super().__init__("fork", source, count, buffer_size)

    def reset(self) -> None:
        super().reset()
        self.waiting: deque[Any] = deque()
        #: How many samples each branch has had, and how many all of them.
        self.had = [0] * self.count
        self.gone = 0

    def next(self, branch: int) -> Any:
        place = self.had[branch] - self.gone
        if place == len(self.waiting):
            self.waiting.append(self.pull())
        sample = self.waiting[place]
        self.had[branch] += 1
        if min(self.had) > self.gone:
            self.gone += 1
            self.waiting.popleft()
        if 0 <= self.buffer_size < len(self.waiting):
            raise BufferError(
                f"ForkerIterDataPipe buffer overflow,buffer size {self.buffer_size} is "
                "insufficient."
            )
        return _COPIES[self.copied](sample)

    def close(self) -> None:
        _close(self.waiting)

    def __len__(self) -> int:
        return len(self.source)

    def __getstate__(self) -> dict[str, Any]:
        empty = {"waiting": deque(), "had": [0] * self.count, "gone": 0}
        return {**super().__getstate__(), **empty}


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe[Any]):
    """Several pipes with all samples each: ``pipe.fork(num_instances)``, a list.

    ``buffer_size``: how many samples one may be ahead, -1 any number. ``copy``: None, "shallow"
    or "deep".

    >>> from anadrome.utils.data.datapipes.iter import IterableWrapper
    >>> first, second = IterableWrapper(range(3)).fork(2)
    >>> list(first), list(second)
    ([0, 1, 2], [0, 1, 2])
    """

    def __new__(  # type: ignore[misc]
        cls, datapipe: Any, num_instances: int, buffer_size: int = 1000, copy: Any = None
    ) -> Any:
        _check_count(num_instances)
        if num_instances == 1:
            return datapipe
        shared = _Forked(datapipe, num_instances, buffer_size, copy)
        return [_ChildDataPipe(shared, number) for number in range(num_instances)]


def _check_count(count: int) -> None:
    if count < 1:
        raise ValueError(f"Expected `num_instances` larger than 0, but {count} is found")


class _Divided(_Shared):
    """Each sample is in the branch of its class."""

    def __init__(
        self, source: Any, count: int, function: Any, drop_none: bool, buffer_size: int
    ) -> None:
        self.function = function
        self.drop_none = drop_none
        super().__init__("demux", source, count, buffer_size)

    def reset(self) -> None:
        super().reset()
        self.waiting: list[deque[Any]] = [deque() for _ in range(self.count)]

    def next(self, branch: int) -> Any:
        if self.waiting[branch]:
            return self.waiting[branch].popleft()
        while True:
            sample = self.pull()
            kind = self.function(sample)
            if kind is None and self.drop_none:
                _close([sample])
                continue
            if kind is None or not 0 <= kind < self.count:
                raise ValueError(
                    "Output of the classification fn should be between 0 and "
                    f"{self.count - 1}. {kind} is returned."
                )
            if kind == branch:
                return sample
            self.waiting[kind].append(sample)
            if 0 <= self.buffer_size < sum(map(len, self.waiting)):
                raise BufferError(
                    f"DemultiplexerIterDataPipe buffer overflow, buffer size {self.buffer_size} is "
                    "insufficient."
                )

    def close(self) -> None:
        for waiting in self.waiting:
            _close(waiting)

    def __len__(self) -> int:
        raise TypeError("how many samples are of a class is known when all were seen")

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "waiting": [deque() for _ in range(self.count)]}


def _close(samples: Any) -> None:
    from .pipes_files import StreamWrapper

    for sample in samples:
        StreamWrapper.close_streams(sample)
    if isinstance(samples, deque):
        samples.clear()


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe[Any]):
    """Several pipes that share the samples: ``pipe.demux(num_instances, classifier_fn)``, a list.

    ``classifier_fn``: the number of the pipe that a sample goes to; with ``drop_none``, None for
    no one. ``buffer_size``: how many samples may wait, -1 any number.
    """

    def __new__(  # type: ignore[misc]
        cls,
        datapipe: Any,
        num_instances: int,
        classifier_fn: Callable[[Any], int | None],
        drop_none: bool = False,
        buffer_size: int = 1000,
    ) -> Any:
        _check_count(num_instances)
        check_function(classifier_fn)
        shared = _Divided(datapipe, num_instances, classifier_fn, drop_none, buffer_size)
        return [_ChildDataPipe(shared, number) for number in range(num_instances)]
