"""answers: what a user's data set, sampler and functions give a loader; the errors name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from anadrome.border import on_purpose, told
from anadrome.errors import AnadromeError, ArgumentError

from .collate import default_collate

_SAMPLES = (
    "the samples of a batch must be all of one kind: Tensors or arrays of one shape, numbers, "
    "texts, or containers of these with the same keys and lengths"
)

#: What ``default_collate`` raises that can be raised again with more words.
_BUILT_IN = (TypeError, RuntimeError, ValueError, IndexError, KeyError)


def name_of(what: Any) -> str:
    """How an error calls a data set, a sampler or a function."""
    return getattr(what, "__qualname__", None) or type(what).__name__


def length(source: Any) -> int:
    """``len(source)`` of a data set."""
    try:
        return len(source)
    except (TypeError, ValueError) as error:
        if on_purpose(error):
            raise
        raise type(error)(
            f"{error}: {name_of(source)}.__len__ must return the number of samples; a data set "
            "without one needs a sampler, or is an IterableDataset"
        ) from error


def iterator(kind: str, source: Any, gives: str) -> Iterator[Any]:
    """``iter(source)`` of a data set or sampler."""
    try:
        return iter(source)
    except TypeError as error:
        if on_purpose(error):
            raise
        raise ArgumentError(
            f"{error}: {name_of(source)}.__iter__ of the {kind} must return an iterator over "
            f"{gives}"
        ) from error


def batch_of(indices: Any) -> Any:
    """What a batch sampler gave, if it can be the indices of a batch."""
    if not hasattr(indices, "__iter__") and not hasattr(indices, "__getitem__"):
        raise ArgumentError(
            f"{type(indices).__name__!r} object is not iterable: the batch_sampler gave "
            f"{told([indices], {})}; it must give a list of indices for each batch"
        )
    return indices


def collated(collate: Callable[[Any], Any], samples: Any, dataset: Any) -> Any:
    """``collate(samples)``; of our own function the error says which data set gave what."""
    if collate is not default_collate:
        return collate(samples)
    try:
        return collate(samples)
    except Exception as error:
        kind: Any = type(error)
        if kind not in _BUILT_IN and not isinstance(error, AnadromeError):
            raise
        text = str(error)
        shown = samples[:4] if isinstance(samples, (list, tuple)) else samples
        if not isinstance(samples, (list, tuple)):
            rule = f"{name_of(dataset)}.__getitems__ must return a list of the samples"
        elif not samples:
            rule = "the batch_sampler gave no index; it must give at least one"
        else:
            rule = _SAMPLES
        raise kind(
            f"{text}; the data set {name_of(dataset)} gave {told([shown], {})}: {rule}"
        ) from error
