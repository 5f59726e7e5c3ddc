"""iterating: one pass over a loader, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from anadrome import sites

from .dataset import is_pipe
from .fetch import fetcher
from .position import Order, is_stateful
from .sampler import new_seed


class Pass:
    """One pass over a loader, here or in workers: its iterator."""


class LengthCheck:
    """Warns if an iterable data set gives more batches than its length says."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._count = 0
        self._length: int | None = None

    def note(self) -> None:
        """One more batch was given."""
        self._count += 1
        if self._count == 1 and hasattr(self._loader.dataset, "__len__"):
            with contextlib.suppress(TypeError):  # a pipe whose source has none
                self._length = len(self._loader)
        if self._length is not None and self._count == self._length + 1:
            sites.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be "
                f"{self._length}, but {self._count} samples have been fetched. With several "
                "workers, share the data among them by `get_worker_info()`.",
            )


class Here(Pass):
    """The iterator of a loader without workers; ``saved``: where to go on."""

    def __init__(self, loader: Any, saved: Any = None) -> None:
        self._loader = loader
        self._check = LengthCheck(loader) if loader._iterable else None
        #: A data set that says by itself where it is: of samples by index, also what else it knows.
        self._stateful = loader.dataset if is_stateful(loader.dataset) else None
        if saved is not None and "start" not in saved:  # workers stayed, and there are none now
            saved = None
        if saved is not None and "dataset" in saved and not loader._iterable and self._stateful:
            self._stateful.load_state_dict(saved["dataset"])
        iterated = self._stateful if loader._iterable else None
        self._order = Order(loader, self._begin, saved, stateful=iterated)

    def _begin(self) -> Callable[[], Any]:
        loader = self._loader
        if is_pipe(loader.dataset) and loader._iterable:
            from .pipes_graph import seeded

            seeded(loader.dataset, new_seed(loader.generator))
        indices = loader._indices()
        self._fetcher = fetcher(
            loader._iterable, loader.dataset, loader._together, loader.collate_fn, loader.drop_last
        )
        if loader._iterable:
            return lambda: self._fetcher.take(next(indices))
        return lambda: next(indices)

    def __iter__(self) -> Here:
        return self

    def __next__(self) -> Any:
        taken = self._pull()
        if self._check is None:
            return self._loader._handed(self._fetcher.fetch(taken))
        batch = self._fetcher.put_together(taken)
        self._check.note()
        return self._loader._handed(batch)

    def _pull(self) -> Any:
        # First what the workers of an earlier process had been given, and not given back yet.
        if not self._order.pending:
            return self._order.pull()
        return self._order.pending.pop(min(self._order.pending))

    def position(self, amidst: bool) -> Any:
        """Where this pass stands, or None at its end; see ``Order.position``."""
        if not amidst or self._order.ended:
            return None
        out = self._order.position()
        if self._stateful is not None and not self._loader._iterable:
            out["dataset"] = self._stateful.state_dict()
        return out

    def __len__(self) -> int:
        return len(self._loader._index_sampler)
