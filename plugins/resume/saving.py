"""saving: `save_training`, at once or in the background."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Any

from anadrome import sites
from anadrome.border import Bordered, enclose_functions
from anadrome.errors import SerializationError

from . import rotation
from .snapshot import Snapshot, take


class SaveWarning(RuntimeWarning):
    """A training could not be saved; the file that was saved before is still there."""


def save_training(
    path: Any,
    *,
    model: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    scaler: Any = None,
    loader: Any = None,
    step: int | None = None,
    generators: Any = None,
    extra: Any = None,
    keep: int = 3,
    background: bool = False,
    on_error: str = "warn",
) -> None:
    """Save all that a training needs to go on as if it had never stopped.

    ``model``, ``optimizer``, ``scheduler``, ``scaler``, ``loader``: one, or a dict or list of
    several; anything with ``state_dict`` and ``load_state_dict``. Besides these the file holds
    ``step``; the states of anadrome's, Python's and NumPy's random numbers, of the generators in
    the loader, and of those in ``generators`` (one, a dict or a list); and ``extra``: numbers,
    strings, Tensors, arrays, and dicts, lists and tuples of them. Functions are not saved, nor are
    gradients: save after ``optimizer.step()``.

    The file (safetensors, with a checksum of every byte) is written beside ``path``, synced and
    renamed, so that a kill at any moment leaves a whole one. The ``keep - 1`` files before it stay,
    as ``path.1``, ``path.2``. ``background``: only copies the values, and writes in a thread; see
    ``TrainingSaver``.

    Raises ``SerializationError`` that names an entry that cannot be saved. A full disk, a missing
    folder or permission is one too where there is no file yet; after that it is a ``SaveWarning``,
    and training goes on, unless ``on_error="raise"``.

    >>> import anadrome as ad, tempfile, os
    >>> model = ad.nn.Linear(2, 1)
    >>> optimizer = ad.optim.Adam(model.parameters())
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> ad.save_training(path, model=model, optimizer=optimizer, step=7)
    >>> ad.load_training(path, model=model, optimizer=optimizer).step
    7
    """
    saver = TrainingSaver(path, keep=keep, background=background, on_error=on_error)
    if background:
        saver = _in_background.setdefault(saver.target, saver)
        saver.keep, saver.on_error = keep, on_error
    saver.save(
        model=model,
        optimizer=optimizer,
        scheduler=scheduler,
        scaler=scaler,
        loader=loader,
        step=step,
        generators=generators,
        extra=extra,
    )


class TrainingSaver(Bordered):
    """Saves a training to ``path`` again and again, in a thread of its own.

    ``save`` takes what ``save_training`` does. It copies the values, and no step waits for longer
    than that. While one file is written at most one more waits, the newest: a save that comes
    then takes the place of the one that waits. What could not be written is a ``SaveWarning`` at
    the next ``save``; ``wait`` and ``close`` wait until all is written, and raise
    ``SerializationError`` if the last one could not be. At its end Python waits too. In a forked
    process the saver has nothing to write.

    >>> import anadrome as ad, tempfile, os
    >>> model = ad.nn.Linear(2, 1)
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> with ad.TrainingSaver(path) as saver:
    ...     for step in range(3):
    ...         saver.save(model=model, step=step)
    >>> ad.load_training(path, model=model).step
    2
    """

    def __init__(
        self, path: Any, *, keep: int = 3, background: bool = True, on_error: str = "warn"
    ) -> None:
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
            raise ValueError(f"keep is how many files there are, at least 1, not {keep!r}")
        if on_error not in ("warn", "raise"):
            raise ValueError(f"on_error is 'warn' or 'raise', not {on_error!r}")
        self.target = rotation.target_of(path)
        self.keep = keep
        self.on_error = on_error
        self.background = background
        self._failures: list[SerializationError] = []
        self._start()
        _all.add(self)
        weakref.finalize(self, _tell, self._failures)

    def _start(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Snapshot | None = None
        self._thread: threading.Thread | None = None
        #: Why the last write failed, if it did.
        self._last: SerializationError | None = None

    def save(
        self,
        *,
        model: Any = None,
        optimizer: Any = None,
        scheduler: Any = None,
        scaler: Any = None,
        loader: Any = None,
        step: int | None = None,
        generators: Any = None,
        extra: Any = None,
    ) -> None:
        """Save as ``save_training`` does; returns when the values are copied."""
        given = {
            "model": model,
            "optimizer": optimizer,
            "scheduler": scheduler,
            "scaler": scaler,
            "loader": loader,
        }
        self._report()
        try:
            snapshot = take(given, step, generators, extra, copy=self.background)
        except MemoryError as error:
            self._failed(error)
            self._report()
            return
        if not (self.background and self._handed_on(snapshot)):
            settle(self.target)  # so that the newest is the last to be written
            self._write(snapshot)
            self._report()

    def _handed_on(self, snapshot: Snapshot) -> bool:
        """Let the thread write; False if there can be none, as at the end of the program."""
        with self._changed:
            self._waiting = snapshot
            if self._thread is not None:
                return True
            # Not a daemon: Python does not end before the file is whole.
            thread = threading.Thread(target=self._work, name="anadrome-save")
            try:
                self._thread = thread
                thread.start()
            except BaseException as error:
                if not thread.is_alive():
                    self._thread = self._waiting = None
                if not isinstance(error, RuntimeError):
                    raise
        return self._thread is not None

    def _work(self) -> None:
        while True:
            with self._changed:
                snapshot, self._waiting = self._waiting, None
                if snapshot is None:
                    self._thread = None
                    self._changed.notify_all()
                    return
            self._write(snapshot)
            del snapshot

    def _write(self, snapshot: Snapshot) -> None:
        try:
            rotation.write(self.target, snapshot.pieces(), self.keep)
        except Exception as error:
            self._failed(error)
        else:
            self._last = None

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, SerializationError):
            error = SerializationError(f"cannot write {self.target!r}: {error!r}")
        self._last = error
        self._failures.append(error)

    def _report(self) -> None:
        """Say what could not be written since the last call."""
        failures, self._failures[:] = list(self._failures), []
        if not failures:
            return
        if self.on_error == "raise" or not rotation.candidates(self.target):
            raise failures[-1]
        for error in failures:
            sites.warn(_text(error), SaveWarning)

    def wait(self) -> None:
        """Until all is written; raises ``SerializationError`` if the last could not be."""
        self._settle()
        if self._last is not None:
            last, self._last = self._last, None
            self._failures.clear()
            raise last
        self._report()

    def _settle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._thread is None)

    def close(self) -> None:
        """The same; a saver can be used again after it."""
        self.wait()

    def __enter__(self) -> TrainingSaver:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is None:
            self.close()
            return
        with contextlib.suppress(SerializationError):  # the first error is the one to see
            self.close()


#: Those of ``save_training(background=True)``, by file.
_in_background: dict[str, TrainingSaver] = {}
_all: weakref.WeakSet[TrainingSaver] = weakref.WeakSet()


def settle(target: str) -> None:
    """Wait for what is still being written to a file."""
    for saver in list(_all):
        if saver.target == target:
            saver._settle()


def _after_fork() -> None:
    """The child has no thread that writes; the parent writes what was waiting."""
    for saver in list(_all):
        saver._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _tell(failures: list[SerializationError]) -> None:
    """At the end: what nobody has asked for."""
    for error in failures:
        sites.warn(_text(error), SaveWarning)


def _text(error: SerializationError) -> str:
    return f"{error}; the file saved before is still there, and training goes on"


enclose_functions(globals())
