"""iterating: one pass over a loader, in this process."""

from __future__ import annotations

import warnings
from typing import Any

from .fetch import fetcher
from .sampler import new_seed


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
            self._length = len(self._loader)
        if self._length is not None and self._count == self._length + 1:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be "
                f"{self._length}, but {self._count} samples have been fetched. With several "
                "workers, share the data among them by `get_worker_info()`.",
                stacklevel=3,
            )


class Here:
    """The iterator of a loader without workers."""

    def __init__(self, loader: Any) -> None:
        self._base_seed = new_seed(loader.generator)
        self._indices = iter(loader._index_sampler)
        self._fetcher = fetcher(
            loader._iterable, loader.dataset, loader._together, loader.collate_fn, loader.drop_last
        )
        self._check = LengthCheck(loader) if loader._iterable else None
        self._loader = loader

    def __iter__(self) -> Here:
        return self

    def __next__(self) -> Any:
        batch = self._fetcher.fetch(next(self._indices))
        if self._check is not None:
            self._check.note()
        return batch

    def __len__(self) -> int:
        return len(self._loader._index_sampler)
