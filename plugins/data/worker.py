"""worker: what a worker process does, and what is known of it there."""

from __future__ import annotations

import contextlib
import copy
import queue
import random
import sys
import threading
import traceback
from multiprocessing import connection, parent_process
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import anadrome as ad
from anadrome import randomness

from .dataset import is_pipe
from .fetch import fetcher
from .position import is_stateful


class WorkerInfo(NamedTuple):
    """Where a worker process is: ``id`` (from 0), ``num_workers``, ``seed`` and its ``dataset``."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None

#: The parent's ends of all pipes. A forked worker has them too, and closes them: while anybody
#: holds one end of a pipe, who waits at the other is not told that it has ended.
parents_ends: set[Any] = set()


def get_worker_info() -> WorkerInfo | None:
    """Which worker process this is; None in the main process (``utils.data.get_worker_info``)."""
    return _info


class Stop:
    """A worker's iterable data set has no more samples."""


class Resume(NamedTuple):
    """Begin the data set again; sent back when that is done."""

    round: int


class Caught:
    """An exception of a worker, on its way to the parent."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind: Any = type(error)
        text = "".join(traceback.format_exception(error))
        self.text = f"Caught {self.kind.__name__} {where}.\nOriginal {text}"

    def reraise(self) -> None:
        """Raise one of the same type, with the traceback there as its text."""
        if self.kind is KeyError:
            raise KeyError(_Lines(self.text))
        try:
            error = self.kind(self.text)
        except Exception:  # it wants other arguments
            raise RuntimeError(self.text) from None
        raise error


class _Lines(str):
    """A text that a KeyError shows line by line, and not quoted."""

    def __repr__(self) -> str:
        return str(self)


class Job(NamedTuple):
    """All that a worker needs to know."""

    id: int
    num_workers: int
    base_seed: int
    dataset: Any
    iterable: bool
    together: bool
    collate: Any
    drop_last: bool
    init: Any
    #: Where the worker of an earlier process was; see ``Notes``.
    resume: Any = None
    #: How many passes were begun before.
    round: int = 0


class Notes:
    """Where a worker stands after each batch: its random numbers, and what its data set says.

    A worker that starts with the latest note of another goes on as that one did.
    """

    def __init__(self, job: Job) -> None:
        self._dataset = job.dataset if is_stateful(job.dataset) else None
        self._sources = {
            **randomness.shared(numpy=True),
            **randomness.found_in(dataset=job.dataset, collate_fn=job.collate),
        }
        self._last: Any = None

    def now(self, source: Any = None) -> Any:
        """The whole note."""
        note: dict[str, Any] = {
            "ended": getattr(source, "ended", False),
            "streams": {name: randomness.state_of(s) for name, s in self._sources.items()},
        }
        if self._dataset is not None:
            note["dataset"] = copy.deepcopy(self._dataset.state_dict())
        return note

    def change(self, source: Any) -> Any:
        """The note if it has changed since the last one, else None."""
        note = self.now(source)
        if note == self._last and self._dataset is None:
            return None
        self._last = note
        return note

    def put(self, note: Any) -> None:
        """Let random numbers stand where they did."""
        for name, state in note["streams"].items():
            if name in self._sources:
                randomness.put(self._sources[name], state)


def run(job: Job, tasks: Any, results: Any) -> None:
    """Serve tasks ``(number, indices)`` with ``(number, batch, note)``, until told to end."""
    for end in parents_ends:
        end.close()
    # The parent has its own interrupt; or it has gone.
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _serve(job, _incoming(tasks), results)


def _serve(job: Job, incoming: Any, results: Any) -> None:
    where = f"in DataLoader worker process {job.id}"
    source: Any = None
    failure: Caught | None = None
    notes: Notes | None = None
    try:
        _prepare(job)
        notes = Notes(job)
        source = _source(job) if job.resume is None else _resumed(job, notes)
    except Exception as error:
        failure = Caught(error, where)
    while (task := incoming.get()) is not None:
        if isinstance(task, Resume):
            start = None if notes is None else notes.now()
            try:
                source, failure = _source(job._replace(round=task.round)), None
            except Exception as error:
                failure = Caught(error, where)
            _send(results, (task, None, start), where)
            continue
        number, index = task
        batch: Any
        note = None
        if failure is not None:
            batch = failure
        else:
            try:
                batch = _fetched(job, source, index, where)
                note = notes.change(source) if notes else None
            except Exception as error:
                batch = Caught(error, where)
        _send(results, (number, batch, note), where)
        del batch


def _fetched(job: Job, source: Any, index: Any, where: str) -> Any:
    try:
        return source.fetch(index)
    except StopIteration as error:
        return Stop() if job.iterable else Caught(error, where)


def _resumed(job: Job, notes: Notes) -> Any:
    """The source of batches where that of an earlier worker was."""
    at = job.resume
    latest = at["note"] or at["start"]
    if at["start"] is not None:
        notes.put(at["start"])
    stateful = latest is not None and "dataset" in latest
    if stateful:
        job.dataset.load_state_dict(latest["dataset"])
    source = _source(job)
    if job.iterable and stateful:
        source.ended = at["note"] is not None and at["note"]["ended"]
    elif job.iterable:
        for _ in range(at["batches"]):
            with contextlib.suppress(Exception):  # it was told when it was first fetched
                source.fetch(at["index"])
    if at["batches"] and latest is not None:
        notes.put(latest)
    return source


def _source(job: Job) -> Any:
    if is_pipe(job.dataset) and job.iterable:
        from .pipes_graph import seeded

        seeded(job.dataset, job.base_seed + job.round)  # the same in all workers
    return fetcher(job.iterable, job.dataset, job.together, job.collate, job.drop_last)


def _prepare(job: Job) -> None:
    """Seed every source of random numbers, and let the user do the rest."""
    global _info
    seed = job.base_seed + job.id
    random.seed(seed)
    ad.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        words = numpy.random.SeedSequence([job.base_seed, job.id]).generate_state(4)
        numpy.random.seed(words)
    _info = WorkerInfo(job.id, job.num_workers, seed, job.dataset)
    if is_pipe(job.dataset):
        from .pipes_graph import apply_sharding

        apply_sharding(job.dataset, job.num_workers, job.id)
    if job.init is not None:
        job.init(job.id)


def _send(results: Any, message: tuple[Any, Any, Any], where: str) -> None:
    try:
        data = ForkingPickler.dumps(message)
    except Exception as error:
        reason = RuntimeError(
            f"what a worker makes must be pickled to leave it, and this cannot be: {error}; return "
            "tensors, numbers and plain containers from the data set and collate_fn"
        )
        reason.__cause__ = error
        failure = Caught(reason, where)
        if isinstance(message[1], Caught):  # its text can be pickled, its class cannot
            failure = message[1]
            failure.kind = RuntimeError
        data = ForkingPickler.dumps((message[0], failure, None))
    results.send_bytes(data)


def _incoming(tasks: Any) -> Any:
    """A queue of the tasks, which a thread reads: so the parent never waits for us to read."""
    incoming: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> None:
        parent = parent_process()
        sentinels = [] if parent is None else [parent.sentinel]
        task: Any = ()
        while task is not None:
            try:
                ready = connection.wait([tasks, *sentinels])
                task = tasks.recv() if tasks in ready else None  # else the parent has died
            except (EOFError, OSError):
                task = None
            incoming.put(task)

    threading.Thread(target=read, daemon=True).start()
    return incoming
