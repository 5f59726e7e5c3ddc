"""parallel: one pass over a loader, in worker processes.

Each worker has two pipes, one for its tasks and one for its results. Nothing is shared, so a worker
that is killed at any moment leaves no lock behind: its pipe ends, or its process does, and that is
what the parent waits for besides results.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import pickle
import signal
import time
from multiprocessing import connection
from typing import Any

from .iterating import LengthCheck
from .sampler import new_seed
from .worker import Caught, Job, Resume, Stop, parents_ends, run

#: Seconds that a worker has to end by itself.
PATIENCE = 5.0

_NOTHING = object()


class Worker:
    """A process and its pipes, as the parent sees them."""

    def __init__(self, context: Any, job: Job) -> None:
        theirs, self.tasks = context.Pipe(duplex=False)
        self.results, their_results = context.Pipe(duplex=False)
        self.process = context.Process(target=run, args=(job, theirs, their_results), daemon=True)
        parents_ends.update((self.tasks, self.results))
        self.process.start()
        # Only the child holds these now, so that its end is the end of the pipe.
        theirs.close()
        their_results.close()
        #: Whether its data set may still give something.
        self.active = True

    def send(self, task: Any) -> None:
        with contextlib.suppress(OSError):  # it has died: whoever waits for its result says so
            self.tasks.send(task)

    def death(self) -> str:
        """What is known about its end, in PyTorch's words."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
            what = f"is killed by signal: {name}"
        else:
            what = f"exited unexpectedly with exit code {code}"
        return f"DataLoader worker (pid {self.process.pid}) {what}"

    def end(self) -> None:
        self.send(None)
        self.tasks.close()
        parents_ends.discard(self.tasks)

    def bury(self, patience: float) -> None:
        self.results.close()  # ends one that still waits to send
        parents_ends.discard(self.results)
        self.process.join(patience)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


class InWorkers:
    """The iterator of a loader with workers."""

    closed = False

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._workers: list[Worker] = []
        self._rounds = 0
        context = loader.multiprocessing_context or multiprocessing.get_context()
        base_seed = new_seed(loader.generator)
        try:
            for i in range(loader.num_workers):
                job = Job(
                    i,
                    loader.num_workers,
                    base_seed,
                    loader.dataset,
                    loader._iterable,
                    loader._together,
                    loader.collate_fn,
                    loader.drop_last,
                    loader.worker_init_fn,
                )
                self._workers.append(Worker(context, job))
        except BaseException:
            self.close()
            raise
        self._begin()

    def _begin(self) -> None:
        """Start a round: hand out the first tasks."""
        self._indices = iter(self._loader._index_sampler)
        self._turns = itertools.cycle(self._workers)
        #: Who works on the batches that are under way, by number, and those that have come.
        self._whose: dict[int, Worker] = {}
        self._come: dict[int, Any] = {}
        self._sent = 0
        self._next = 0
        self._check = LengthCheck(self._loader) if self._loader._iterable else None
        for worker in self._workers:
            worker.active = True
        for _ in range(self._loader.prefetch_factor * len(self._workers)):
            self._hand_out()

    def restart(self) -> None:
        """Begin another round with the same workers; what is under way is forgotten."""
        self._rounds += 1
        again = Resume(self._rounds)
        for worker in self._workers:
            worker.send(again)
        for worker in self._workers:
            answer: Any = None
            while answer != again:
                answer, _ = self._receive([worker])[1]
        self._begin()

    def __iter__(self) -> InWorkers:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __next__(self) -> Any:
        if self.closed:
            raise StopIteration
        while True:
            batch = self._ready()
            if batch is not _NOTHING:
                break
            if not self._whose:
                if not self._loader.persistent_workers:
                    self.close()
                raise StopIteration
            worker, (number, batch) = self._receive(list(dict.fromkeys(self._whose.values())))
            if isinstance(batch, Stop):
                del self._whose[number]
                worker.active = False
                self._hand_out()
                continue
            self._come[number] = batch
        self._hand_out()
        if isinstance(batch, Caught):
            try:
                batch.reraise()
            finally:
                del batch
        if self._check is not None:
            self._check.note()
        return batch

    def _ready(self) -> Any:
        """The batch whose turn it is, if it has come."""
        if self._loader.in_order:
            while self._next < self._sent and self._next not in self._whose:
                self._next += 1  # its worker had no more samples
            number = self._next
        else:
            number = next(iter(self._come), -1)
        if number not in self._come:
            return _NOTHING
        del self._whose[number]
        return self._come.pop(number)

    def _hand_out(self) -> None:
        """One more task for the next worker that still has samples."""
        if not any(worker.active for worker in self._workers):
            return
        try:
            index = next(self._indices)
        except StopIteration:
            return
        worker = next(w for w in self._turns if w.active)
        self._whose[self._sent] = worker
        worker.send((self._sent, index))
        self._sent += 1

    def _receive(self, workers: list[Worker]) -> tuple[Worker, Any]:
        """The next result of one of these workers, which owe one."""
        by_pipe = {worker.results: worker for worker in workers}
        by_end = {worker.process.sentinel: worker for worker in workers}
        timeout = self._loader.timeout or None
        ready = connection.wait([*by_pipe, *by_end], timeout)
        if not ready:
            self.close(patience=0.0)
            raise RuntimeError(
                f"DataLoader timed out after {timeout} seconds: no worker gave a batch"
            )
        for pipe in ready:
            worker = by_pipe.get(pipe)
            if worker is None:
                continue
            try:
                return worker, pickle.loads(pipe.recv_bytes())  # type: ignore[union-attr]
            except (EOFError, ConnectionError):
                self._mourn(worker)
        self._mourn(next(by_end[end] for end in ready if end in by_end))
        raise AssertionError("unreachable")

    def _mourn(self, worker: Worker) -> None:
        told = worker.death()
        self.close()
        raise RuntimeError(
            f"{told}; run with num_workers=0 to see an error that it could not report"
        )

    def close(self, patience: float = PATIENCE) -> None:
        """End the workers; by force what has not ended by itself after ``patience`` seconds."""
        if self.closed:
            return
        self.closed = True
        for worker in self._workers:
            worker.end()
        deadline = time.monotonic() + patience
        for worker in self._workers:
            worker.bury(max(deadline - time.monotonic(), 0.0))

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at exit, where daemons are ended anyway
            self.close()
