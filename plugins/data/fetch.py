"""fetch: from the indices of a batch to the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor

from .answers import batch_of, collated, iterator
from .collate import default_collate
from .dataset import Subset, TensorDataset


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
        batch_of(index)
        if self.collate is default_collate:
            batch = _rows(self.dataset, index)
            if batch is not None:
                return batch
        several = getattr(self.dataset, "__getitems__", None)
        if several:
            return collated(self.collate, several(index), self.dataset)
        return collated(self.collate, [self.dataset[i] for i in index], self.dataset)


def _rows(dataset: Any, index: Any) -> list[Tensor] | None:
    """What collating the samples of a ``TensorDataset``, or of a ``Subset`` of one, gives; taken in
    one piece. None for other data sets, and for classes derived from these."""
    if not all(type(i) is int for i in index):
        return None
    if type(dataset) is Subset:
        return _rows(dataset.dataset, [dataset.indices[i] for i in index])
    if type(dataset) is not TensorDataset:
        return None
    return [t[ad.tensor(index, device=t.device)] for t in dataset.tensors]


class IterableFetcher:
    """From a data set that is iterated over; raises ``StopIteration`` when it has no more."""

    def __init__(
        self, dataset: Any, together: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.samples = iterator("data set", dataset, "samples")
        self.together = together
        self.collate = collate
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        return self.put_together(self.take(index))

    def put_together(self, samples: Any) -> Any:
        """The batch of the samples that were taken, or a sample alone."""
        return (
            collated(self.collate, samples, self.dataset)
            if self.together
            else (self.collate(samples))
        )

    def take(self, index: Any) -> Any:
        """The samples of the next batch, before they are put together."""
        if self.ended:
            raise StopIteration
        if not self.together:
            try:
                return next(self.samples)
            except StopIteration:
                self.ended = True
                raise
        batch = []
        for _ in index:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return batch


def fetcher(
    iterable: bool, dataset: Any, together: bool, collate: Callable[[Any], Any], drop_last: bool
) -> Any:
    """The one that fits the data set."""
    kind: Any = IterableFetcher if iterable else MapFetcher
    return kind(dataset, together, collate, drop_last)
