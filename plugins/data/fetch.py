"""fetch: from the indices of a batch to the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class MapFetcher:
    """From a data set with indices. ``together``: many indices make a batch, else one a sample."""

    def __init__(
        self, dataset: Any, together: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.together = together
        self.collate = collate

    def fetch(self, index: Any) -> Any:
        if not self.together:
            return self.collate(self.dataset[index])
        several = getattr(self.dataset, "__getitems__", None)
        if several:
            return self.collate(several(index))
        return self.collate([self.dataset[i] for i in index])


class IterableFetcher:
    """From a data set that is iterated over; raises ``StopIteration`` when it has no more."""

    def __init__(
        self, dataset: Any, together: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.samples = iter(dataset)
        self.together = together
        self.collate = collate
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.together:
            return self.collate(next(self.samples))
        batch = []
        for _ in index:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self.collate(batch)


def fetcher(
    iterable: bool, dataset: Any, together: bool, collate: Callable[[Any], Any], drop_last: bool
) -> Any:
    """The one that fits the data set."""
    kind: Any = IterableFetcher if iterable else MapFetcher
    return kind(dataset, together, collate, drop_last)
