"""parallel: one pass over a loader, in worker processes.

Each worker has two pipes, one for its tasks and one for its results. Nothing is shared, so a worker
that is killed at any moment leaves no lock behind: its pipe ends, or its process does, and that is
what the parent waits for besides results.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import reprlib
import signal
import time
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from .iterating import LengthCheck, Pass
from .position import Order
from .worker import Caught, Job, Resume, Stop, parents_ends, run

#: Seconds that a worker has to end by itself.
PATIENCE = 5.0


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
        #: Where it stood at the start of this pass and after its latest batch that was given, and
        #: how many were.
        self.start: Any = None
        self.note: Any = None
        self.batches = 0

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
            self.process.join(1.0)
        if self.process.is_alive():  # stopped, or deaf to it
            self.process.kill()
            self.process.join()


class InWorkers(Pass):
    """The iterator of a loader with workers."""

    closed = False
    #: Whether the end of the pass has been told.
    over = False
    #: Whether a batch is on its way through here: an exception then (a Ctrl-C) may have lost it.
    _amid = False

    def __init__(self, loader: Any, saved: Any = None) -> None:
        self._loader = loader
        self._workers: list[Worker] = []
        self._rounds = 0 if saved is None else saved.get("rounds", 0)
        self._context = loader.multiprocessing_context or multiprocessing.get_context()
        amidst = None if saved is None or "start" not in saved else saved
        self._order = Order(loader, self._begin, amidst, seeded=saved is None)
        self._base_seed = self._order.base_seed if saved is None else saved["base_seed"]
        try:
            for i in range(loader.num_workers):
                self._workers.append(Worker(self._context, self._job(i, saved)))
        except BaseException:
            self.close()
            raise
        self._hand_out_first(saved)

    def _job(self, number: int, saved: Any) -> Job:
        loader = self._loader
        index = None if loader.batch_size is None else [None] * loader.batch_size
        at = None
        if saved is not None and len(saved.get("workers", ())) == loader.num_workers:
            at = {**saved["workers"][number], "index": index}
        return Job(
            number,
            loader.num_workers,
            self._base_seed,
            loader.dataset,
            loader._iterable,
            loader._together,
            loader.collate_fn,
            loader.drop_last,
            loader.worker_init_fn,
            at,
            self._rounds,
        )

    def _begin(self) -> Callable[[], Any]:
        indices = self._loader._indices()
        return lambda: next(indices)

    def _hand_out_first(self, saved: Any = None) -> None:
        """Hand out the first tasks of a pass, or those that were under way."""
        #: Who works on the batches that are under way, by number, and those that have come.
        self._whose: dict[int, Worker] = {}
        self._come: dict[int, Any] = {}
        self._turn = self._next = 0
        self.over = False
        self._check = LengthCheck(self._loader) if self._loader._iterable else None
        whose: dict[int, int] = {}
        if saved is not None and "turn" in saved:
            self._turn, self._next, whose = saved["turn"], saved["next"], dict(saved["whose"])
        for worker in self._workers:
            worker.active, worker.batches = True, 0
        if saved is not None and len(saved.get("workers", ())) == len(self._workers):
            for worker, at in zip(self._workers, saved["workers"]):
                worker.start, worker.note = at["start"], at["note"]
                worker.batches, worker.active = at["batches"], at["active"]
        for number in self._order.pending:
            self._give(number, whose.get(number, number) % len(self._workers))
        while len(self._whose) < self._loader.prefetch_factor * len(self._workers):
            if not self._hand_out():
                break

    def restart(self) -> None:
        """Begin another round with the same workers; what is under way is forgotten."""
        self._rounds += 1
        again = Resume(self._rounds)
        for worker in self._workers:
            worker.send(again)
        for worker in self._workers:
            answer: Any = None
            while answer != again:
                answer, _, note = self._receive([worker])[1]
            worker.start = worker.note = note
        self._order = Order(self._loader, self._begin, seeded=False)
        self._hand_out_first()

    def position(self, amidst: bool) -> Any:
        """Where this pass stands; ``amidst``: whether it will go on, or its workers only stay."""
        if not amidst or self.over:
            if not self._loader.persistent_workers or self.closed:
                return None
            self._settle()
            each = [
                {"start": w.note or w.start, "note": None, "batches": 0, "active": True}
                for w in self._workers
            ]
            return {"base_seed": self._base_seed, "workers": each, "rounds": self._rounds + 1}
        out = self._order.position()
        out["base_seed"], out["rounds"] = self._base_seed, self._rounds
        out["turn"], out["next"] = self._turn, self._next
        out["whose"] = [(n, self._workers.index(w)) for n, w in self._whose.items()]
        out["workers"] = [
            {"start": w.start, "note": w.note, "batches": w.batches, "active": w.active}
            for w in self._workers
        ]
        return out

    def _settle(self) -> None:
        """Wait for what is under way, and forget it: then it is known where the workers stand."""
        while len(self._come) < len(self._whose):
            waiting = [w for number, w in self._whose.items() if number not in self._come]
            _, (number, batch, note) = self._receive(waiting)
            self._come[number] = batch, note
        for number, (_, note) in self._come.items():
            self._whose[number].note = note or self._whose[number].note
        self._whose, self._come = {}, {}
        self._order.pending = {}

    def __iter__(self) -> InWorkers:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def is_alive(self) -> bool:
        """Whether all of its workers are, and nothing was lost."""
        if self.closed or self._amid:
            return False
        return all(worker.process.is_alive() for worker in self._workers)

    def __next__(self) -> Any:
        if self.closed:
            raise StopIteration
        if self._amid:
            self._give_up(
                "this iterator was interrupted while a batch was on its way, and has lost it; "
                "begin another one"
            )
        self._amid = True
        while True:
            come = self._ready()
            if come is not None:
                worker, (batch, note) = come
                worker.note = note or worker.note
                if not isinstance(batch, Stop):
                    break
                # Only now, when all that it gave is given out: a position saved before must still
                # find it there, and one saved later must not.
                worker.active = False
                self._hand_out()
                continue
            if not self._whose:
                self.over = True
                self._amid = False
                if not self._loader.persistent_workers:
                    self.close()
                raise StopIteration
            waiting = [w for number, w in self._whose.items() if number not in self._come]
            _, (number, batch, note) = self._receive(list(dict.fromkeys(waiting)))
            self._come[number] = batch, note
        worker.batches += 1
        self._hand_out()
        if isinstance(batch, Caught):
            self._amid = False
            try:
                batch.reraise()
            finally:
                del batch, come
        if self._check is not None:
            self._check.note()
        batch = self._loader._handed(batch)
        self._amid = False
        return batch

    def _ready(self) -> Any:
        """Worker and result of the batch whose turn it is, if it has come."""
        if self._loader.in_order:
            while self._next < self._order.pulled and self._next not in self._whose:
                self._next += 1  # given out, or its worker had no more samples
            number = self._next
        else:
            number = next(iter(self._come), -1)
        if number not in self._come:
            return None
        return self._forget(number), self._come.pop(number)

    def _forget(self, number: int) -> Worker:
        del self._order.pending[number]
        return self._whose.pop(number)

    def _hand_out(self) -> bool:
        """One more task for the next worker that still has samples; False if there is none."""
        if not any(worker.active for worker in self._workers):
            return False
        number = self._order.pulled
        try:
            self._order.pending[number] = self._order.pull()
        except StopIteration:
            return False
        while not self._workers[self._turn].active:
            self._turn = (self._turn + 1) % len(self._workers)
        self._give(number, self._turn)
        self._turn = (self._turn + 1) % len(self._workers)
        return True

    def _give(self, number: int, turn: int) -> None:
        worker = self._whose[number] = self._workers[turn]
        worker.send((number, self._order.pending[number]))

    def _receive(self, workers: list[Worker]) -> tuple[Worker, Any]:
        """The next result of one of these workers, which owe one."""
        by_pipe = {worker.results: worker for worker in workers}
        by_end = {worker.process.sentinel: worker for worker in workers}
        timeout = self._loader.timeout or None
        amid, self._amid = self._amid, False
        ready = connection.wait([*by_pipe, *by_end], timeout)
        self._amid = amid
        if not ready:
            self._give_up(
                f"DataLoader timed out after {timeout} seconds: no worker gave a batch; "
                + "; ".join(map(self._told, workers)),
                patience=0.0,
            )
        for pipe in ready:
            worker = by_pipe.get(pipe)
            if worker is None:
                continue
            try:
                return worker, pickle.loads(pipe.recv_bytes())  # type: ignore[union-attr]
            except (EOFError, OSError):  # at the end of a batch, or in the middle of one
                self._mourn(worker)
        self._mourn(next(by_end[end] for end in ready if end in by_end))
        raise AssertionError("unreachable")

    def _mourn(self, worker: Worker) -> None:
        told = worker.death()
        self._give_up(
            f"{told}; run with num_workers=0 to see an error that it could not report; "
            + self._told(worker)
        )

    def _told(self, worker: Worker) -> str:
        """Which worker it is, and what it is working on."""
        number = self._workers.index(worker)
        told = f"worker {number} of {len(self._workers)} (pid {worker.process.pid})"
        for batch, whose in self._whose.items():
            if whose is worker and batch not in self._come:
                indices = self._order.pending.get(batch)
                asked = "" if self._loader._iterable else f", indices {reprlib.repr(indices)}"
                return f"{told} was at batch {batch}{asked}"
        return f"{told} was idle"

    def _give_up(self, told: str, patience: float = PATIENCE) -> None:
        self.close(patience)
        raise RuntimeError(told)

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

    _shutdown_workers = close  # as programs call it that end a pass of PyTorch's loader

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at exit, where daemons are ended anyway
            self.close()


class Round(Pass):
    """One pass of workers that stay. When it is dropped, nobody is in the middle of it any more."""

    def __init__(self, workers: InWorkers) -> None:
        self._workers = workers

    def __iter__(self) -> Round:
        return self

    def __next__(self) -> Any:
        return next(self._workers)

    def __len__(self) -> int:
        return len(self._workers)

    def position(self, amidst: bool) -> Any:
        return self._workers.position(amidst)
