"""futures: values that will be there (``torch.futures``): Python's own futures, with ``then``."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

__all__ = ["Future", "collect_all", "wait_all"]


class Future(Generic[T]):
    """A value that somebody will set (``torch.futures.Future``).

    >>> from anadrome.places.futures import Future
    >>> future = Future()
    >>> doubled = future.then(lambda done: 2 * done.value())
    >>> future.set_result(3)
    >>> doubled.wait()
    6
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._inner: concurrent.futures.Future[T] = concurrent.futures.Future()

    def done(self) -> bool:
        """Whether the value, or an exception, is there."""
        return self._inner.done()

    def wait(self) -> T:
        """The value, when it is there; raises the exception that was set instead."""
        return self._inner.result()

    def value(self) -> T:
        """The value; RuntimeError if it is not there yet."""
        if not self.done():
            raise RuntimeError("Future.value(): the value is not there yet; wait() for it")
        return self.wait()

    def set_result(self, result: T) -> None:
        """Set the value; RuntimeError if it was set before."""
        self._set(self._inner.set_result, result)

    def set_exception(self, result: BaseException) -> None:
        """Let ``wait`` raise this; TypeError for what is no exception."""
        if not isinstance(result, BaseException):
            raise TypeError(f"{result} is of type {type(result)}, not an Exception.")
        self._set(self._inner.set_exception, result)

    def _set(self, how: Callable[[Any], None], what: Any) -> None:
        try:
            how(what)
        except concurrent.futures.InvalidStateError as error:
            raise RuntimeError("Future: its value can be set only once") from error

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call ``callback(self)`` when the value is there, or now; what it raises is logged."""
        self._inner.add_done_callback(lambda _: callback(self))

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """A future of what ``callback(self)`` will return."""
        after: Future[Any] = Future()

        def call(done: Future[T]) -> None:
            try:
                after.set_result(callback(done))
            except Exception as error:
                after.set_exception(error)

        self.add_done_callback(call)
        return after


def collect_all(futures: Iterable[Future[Any]]) -> Future[list[Future[Any]]]:
    """A future of the list, there when all of them are (``torch.futures.collect_all``)."""
    waited = list(futures)
    out: Future[list[Future[Any]]] = Future()
    missing = [len(waited)]

    def one(done: Future[Any]) -> None:
        missing[0] -= 1
        if missing[0] == 0:
            out.set_result(waited)

    for future in waited:
        future.add_done_callback(one)
    if not waited:
        out.set_result(waited)
    return out


def wait_all(futures: Iterable[Future[Any]]) -> list[Any]:
    """Their values (``torch.futures.wait_all``)."""
    return [done.wait() for done in collect_all(futures).wait()]
