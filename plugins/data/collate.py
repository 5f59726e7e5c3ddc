"""collate: samples to a batch."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.border import enclose_functions

_REFUSED = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}; "
    "pass a collate_fn of your own to the DataLoader"
)

#: Element types of NumPy's that no Tensor has: texts and objects.
np_str_obj_array_pattern = re.compile(r"[SaUO]")


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first dimension (``utils.data.default_collate``).

    Tensors, NumPy arrays and numbers become a Tensor (Python floats float64); strings stay a list;
    in mappings, tuples and lists each entry is collated for itself. Raises ``TypeError`` for
    anything else, ``RuntimeError`` for lists of different lengths.

    >>> import anadrome as ad
    >>> ad.utils.data.default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """Tensors, stacked."""
    return ad.stack(list(batch), 0)


#: What collates samples of a type; a program may add types of its own.
default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: collate_tensor_fn,
    float: lambda batch, *, collate_fn_map=None: ad.tensor(batch, dtype=ad.float64),
    int: lambda batch, *, collate_fn_map=None: ad.tensor(batch),
    (str, bytes): lambda batch, *, collate_fn_map=None: batch,
}


def _numbers(batch: Any, first: Any) -> Tensor:
    if _is_numpy_array(first) and np_str_obj_array_pattern.search(first.dtype.str):
        raise TypeError(_REFUSED.format(first.dtype))
    return ad.stack([ad.as_tensor(b) for b in batch], 0)


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """Collate by a table of functions, and containers entry by entry (PyTorch's ``collate``).

    ``collate_fn_map``: types, or tuples of types, to functions that are called with the samples and
    with the table as ``collate_fn_map``. An entry for the very type of the first sample comes
    before those of its bases.
    """
    first = batch[0]
    kind = type(first)
    table = {} if collate_fn_map is None else collate_fn_map
    if kind in table:
        return table[kind](batch, collate_fn_map=collate_fn_map)
    if table is default_collate_fn_map and _is_numpy(kind) and not isinstance(first, (str, bytes)):
        return _numbers(batch, first)  # without importing NumPy
    for known, function in table.items():
        if isinstance(first, known):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        entries = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return _like_mapping(first, entries)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        columns = [collate(samples, collate_fn_map=collate_fn_map) for samples in zip(*batch)]
        return kind(*columns)
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                "each element in list of batch should be of equal size, but the lengths are "
                f"{sorted({len(sample) for sample in batch})}"
            )
        columns = [collate(samples, collate_fn_map=collate_fn_map) for samples in zip(*batch)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise TypeError(_REFUSED.format(kind))


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers as Tensors, inside of containers too; the rest stays as it is."""
    if isinstance(data, Tensor):
        return data
    if _is_numpy(type(data)) and not isinstance(data, (str, bytes)):
        strings = _is_numpy_array(data) and np_str_obj_array_pattern.search(data.dtype.str)
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
