"""loader: batches of a data set."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import anadrome as ad
from anadrome import sites
from anadrome.border import Bordered

from .answers import iterator
from .collate import default_collate, default_convert
from .dataset import IterableDataset, is_pipe
from .sampler import BatchSampler, RandomSampler, SequentialSampler

T_co = TypeVar("T_co", covariant=True)
Collate = Callable[[list[Any]], Any]

#: What cannot change any more once the loader is made.
_FIXED = frozenset(
    {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}
)


class DatasetKind:
    """How a data set gives its samples, as ``DataLoader._dataset_kind`` says it."""

    Map = 0
    Iterable = 1


class DataLoader(Bordered, Generic[T_co]):
    """Iterates over a data set in batches (PyTorch: ``utils.data.DataLoader``).

    ``batch_size`` samples are put together by ``collate_fn`` (``default_collate`` if left out);
    with None each sample comes alone. ``shuffle``, or a ``sampler``, or a ``batch_sampler`` that
    gives lists of indices, chooses the order; ``drop_last`` leaves out a last batch that is
    shorter. ``generator``: where the order and the workers' seeds come from, by default the default
    generator, so ``manual_seed`` makes both reproducible.

    ``num_workers`` processes load batches ahead, ``prefetch_factor`` each (2 if left out); the
    order stays (``in_order=False``: as they come). Worker ``i`` is seeded with a base seed plus
    ``i``, then calls ``worker_init_fn(i)``; ``get_worker_info()`` tells it where it is. They live
    for one iteration, or with ``persistent_workers`` as long as the loader.
    ``multiprocessing_context``: "fork", "spawn", "forkserver" or a context; with "spawn" (the
    default on Windows and macOS) data set and functions must be picklable, and a script's main part
    must stand under ``if __name__ == "__main__":``. An exception in a worker is raised here, with
    its traceback as text. A worker that dies, or that gives nothing for ``timeout`` seconds, is a
    ``RuntimeError``. ``pin_memory``: batches lie in page-locked
    memory where there is a GPU, which then copies them by itself (see ``Prefetcher``).

    Raises ``ValueError`` for options that exclude each other.

    >>> import anadrome as ad
    >>> data = ad.utils.data.TensorDataset(ad.arange(5))
    >>> for (x,) in ad.utils.data.DataLoader(data, batch_size=2):
    ...     print(x)
    tensor([0, 1])
    tensor([2, 3])
    tensor([4])
    """

    _ready = False
    _context: Any = None

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Collate | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        for name, function in (("collate_fn", collate_fn), ("worker_init_fn", worker_init_fn)):
            if function is not None and not callable(function):
                raise TypeError(
                    f"DataLoader: {name} must be a function, not {type(function).__name__}"
                )
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        iterable = isinstance(dataset, IterableDataset)
        piped = is_pipe(dataset)
        if iterable:
            _check_iterable(None if piped else shuffle, sampler, batch_sampler)
            if piped and shuffle is not None:
                from .pipes_graph import apply_shuffle_settings

                dataset, shuffle = apply_shuffle_settings(dataset, shuffle), None
        _check_exclusive(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            if iterable:
                sampler = itertools.repeat(None)  # the data set itself knows when it ends
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, False if iterable else drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        together = batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if together else default_convert)
        self.persistent_workers = persistent_workers
        self._iterable = iterable
        self._together = together
        self._iterator: Any = None
        #: The pass that was begun last, weakly: one that nobody goes on with is over.
        self._latest: Any = None
        self._resume: Any = None
        #: Who takes batches ahead of whoever uses them, weakly.
        self.held_by: Any = None
        self._ready = True
        _check_cores(num_workers)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes are started; None is the platform's own way."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            import multiprocessing

            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading "
                    f"(num_workers > 0), but got num_workers={self.num_workers}"
                )
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{methods!r}, but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string "
                    f"specifying the start method, but got multiprocessing_context={context}"
                )
        self._context = context

    def __iter__(self) -> Iterator[Any]:
        made = self._pass(self._resume)
        self._resume = None
        self._latest = weakref.ref(made)
        return made

    def _pass(self, saved: Any) -> Any:
        """A new pass, or the one that an earlier process was in the middle of."""
        if self.num_workers == 0:
            from .iterating import Here

            return Here(self, saved)
        from .parallel import InWorkers, Round

        if not self.persistent_workers:
            return InWorkers(self, saved)
        if saved is not None and self._iterator is not None:
            self._iterator.close()
        if self._iterator is not None and not self._iterator.is_alive():
            self._iterator.close()
        if self._iterator is None or self._iterator.closed:
            self._iterator = InWorkers(self, saved)
        else:
            self._iterator.restart()
        return Round(self._iterator)

    def _handed(self, batch: Any) -> Any:
        """A batch as it is handed out."""
        if not self.pin_memory or not ad.cuda.is_available():
            return batch
        from .pinning import pinned

        return pinned(batch)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, in plain values (as in torchdata's ``StatefulDataLoader``).

        In the middle of a pass that is still iterated over, the next pass after
        ``load_state_dict`` gives the batches that are left, in the same order, workers' random
        numbers included. Samples by index are not loaded again for that; an iterable data set is
        gone through once more up to there. A sampler or data set that has ``state_dict`` and
        ``load_state_dict`` itself is asked instead.

        >>> import anadrome as ad
        >>> data = ad.utils.data.TensorDataset(ad.arange(6))
        >>> loader = ad.utils.data.DataLoader(data, batch_size=2)
        >>> for (x,) in loader:
        ...     state = loader.state_dict()
        ...     break
        >>> loader.load_state_dict(state)
        >>> [x.tolist() for (x,) in loader]
        [[2, 3], [4, 5]]
        """
        from .position import saved_loader

        return saved_loader(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave; the next pass goes on from there.

        Raises ``ValueError`` if the loader differs in a way that makes this impossible.
        """
        from .position import load_loader

        load_loader(self, state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_latest": None, "_iterator": None, "held_by": None}

    @property
    def _dataset_kind(self) -> int:
        return DatasetKind.Iterable if self._iterable else DatasetKind.Map

    @property
    def _auto_collation(self) -> bool:
        return self._together

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._together else self.sampler

    def _indices(self) -> Iterator[Any]:
        """One pass over what the batches, or the samples, are numbered by."""
        if self._together:
            return iterator("batch_sampler", self.batch_sampler, "lists of indices")
        return iterator("sampler", self.sampler, "indices")

    def __len__(self) -> int:
        if not self._iterable:
            return len(self._index_sampler)
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return (count if self.drop_last else count + self.batch_size - 1) // self.batch_size


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if not isinstance(num_workers, int):
        raise TypeError(f"num_workers must be an integer, not {type(num_workers).__name__}")
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 "
            "to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    """An iterable data set has an order of its own."""
    for name, value in (
        ("shuffle", shuffle or None),
        ("sampler", sampler),
        ("batch_sampler", batch_sampler),
    ):
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )


def _check_exclusive(
    batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                "drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _check_cores(num_workers: int) -> None:
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count()
    if num_workers and cores is not None and num_workers > cores:
        sites.warn(
            f"This DataLoader will create {num_workers} worker processes in total. Our suggested "
            f"max number of worker in current system is {cores}, which is smaller than what this "
            "DataLoader is going to create. Please be aware that excessive worker creation might "
            "get DataLoader running slow or even freeze, lower the worker number to avoid "
            "potential slowness/freeze if necessary.",
        )
