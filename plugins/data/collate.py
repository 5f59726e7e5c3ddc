"""collate: samples to a batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.border import enclose_functions

_REFUSED = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}; "
    "pass a collate_fn of your own to the DataLoader"
)


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first dimension (``utils.data.default_collate``).

    Tensors, NumPy arrays and numbers become a Tensor (Python floats float64); strings stay a list;
    in mappings, tuples and lists each entry is collated for itself. Raises ``TypeError`` for
    anything else, ``RuntimeError`` for lists of different lengths.

    >>> import anadrome as ad
    >>> ad.utils.data.default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    first = batch[0]
    kind = type(first)
    if isinstance(first, Tensor):
        return ad.stack(list(batch), 0)
    if _is_numpy_array(first):
        if first.dtype.kind in "SUO":
            raise TypeError(_REFUSED.format(first.dtype))
        return ad.stack([ad.as_tensor(b) for b in batch], 0)
    if _is_numpy(kind) and not isinstance(first, (str, bytes)):
        return ad.stack([ad.as_tensor(b) for b in batch], 0)
    if isinstance(first, float):
        return ad.tensor(batch, dtype=ad.float64)
    if isinstance(first, int):
        return ad.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        entries = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _like_mapping(first, entries)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(default_collate(samples) for samples in zip(*batch)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                "each element in list of batch should be of equal size, but the lengths are "
                f"{sorted({len(sample) for sample in batch})}"
            )
        columns = [default_collate(samples) for samples in zip(*batch)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise TypeError(_REFUSED.format(kind))


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers as Tensors, inside of containers too; the rest stays as it is."""
    if isinstance(data, Tensor):
        return data
    if _is_numpy(type(data)) and not isinstance(data, (str, bytes)):
        strings = _is_numpy_array(data) and data.dtype.kind in "SUO"
        return data if strings else ad.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def _is_numpy(kind: type) -> bool:
    return kind.__module__ == "numpy"


def _is_numpy_array(value: Any) -> bool:
    return any(_is_numpy(c) and c.__name__ == "ndarray" for c in type(value).__mro__)


def _like_mapping(like: Any, entries: dict[Any, Any]) -> Any:
    """The entries in a mapping of that type, as far as it can be made."""
    return _like(like, MutableMapping, entries, lambda clone: clone.update(entries))


def _like_sequence(like: Any, entries: list[Any]) -> Any:
    def fill(clone: Any) -> None:
        for i, entry in enumerate(entries):
            clone[i] = entry

    return _like(like, MutableSequence, entries, fill)


def _like(like: Any, mutable: Any, entries: Any, fill: Callable[[Any], Any]) -> Any:
    try:
        if not isinstance(like, mutable):
            return type(like)(entries)
        clone = copy.copy(like)  # which may carry more than its entries
        fill(clone)
    except TypeError:
        return entries
    return clone


enclose_functions(globals())
