"""pipes_each: iterable pipes that change samples, or put them together."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from anadrome import sites

from .collate import default_collate
from .pipes import DataChunk, IterDataPipe, functional_datapipe, length


def check_function(function: Any) -> None:
    """Refuse what is no function; warn of one that another process may not get."""
    if not callable(function):
        raise TypeError(f"A callable function is expected, but {type(function)} is provided.")
    if isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", "")
    inner = inspect.isfunction(function) or inspect.ismethod(function)
    inner = inner and "<locals>" in function.__qualname__
    if (inner or name == "<lambda>") and importlib.util.find_spec("dill") is None:
        kind = "Local" if inner else "Lambda"
        sites.warn(
            f"{kind} function is not supported by pickle, please use regular python function or "
            "functools.partial instead."
        )


def check_columns(function: Any, columns: Any) -> None:
    """ValueError for a function that does not take as many arguments as there are columns."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # one of C
        return
    count = len(columns) if isinstance(columns, (list, tuple)) else 1
    given = function.func if isinstance(function, functools.partial) else function
    name = getattr(given, "__name__", repr(given))
    needed = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if needed:
        raise ValueError(
            f"The function {name} takes {len(needed)} non-default keyword-only parameters, which "
            "is not allowed."
        )
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(parameters) < count:
        if not several:
            raise ValueError(
                f"The function {name} takes {len(parameters)} parameters, but {count} are required."
            )
    elif any(p.default is p.empty for p in positional[count:]) or (
        len(positional) < count and not several
    ):
        raise ValueError(
            f"The function {name} takes {len(positional)} positional parameters, but {count} are "
            "required."
        )


def _of_columns(function: Callable[..., Any], columns: Any, sample: Any) -> Any:
    if columns is None:
        return function(sample)
    if isinstance(columns, (list, tuple)):
        return function(*[sample[column] for column in columns])
    return function(sample[columns])


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe[Any]):
    """``fn`` of each sample: ``pipe.map(fn)``.

    ``input_col``: the entry, or entries, of a sample that ``fn`` takes. ``output_col``: the entry
    that the result replaces, -1 to append it; by default the first of ``input_col``, the others
    are removed.

    >>> from anadrome.utils.data.datapipes.iter import IterableWrapper
    >>> list(IterableWrapper([(1, 2), (3, 4)]).map(float, input_col=1))
    [(1, 2.0), (3, 4.0)]
    """

    def __init__(
        self, datapipe: Any, fn: Callable[..., Any], input_col: Any = None, output_col: Any = None
    ) -> None:
        self.datapipe = datapipe
        check_function(fn)
        self.fn = fn
        self.input_col = input_col
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        self.output_col = output_col
        check_columns(fn, input_col)

    def _apply_fn(self, data: Any) -> Any:
        found = _of_columns(self.fn, self.input_col, data)
        if self.input_col is None:
            return found
        sample = list(data) if isinstance(data, tuple) else data
        if self.output_col == -1:
            sample.append(found)
        elif self.output_col is not None:
            sample[self.output_col] = found
        elif isinstance(self.input_col, (list, tuple)):
            sample[self.input_col[0]] = found
            for column in sorted(self.input_col[1:], reverse=True):
                del sample[column]
        else:
            sample[self.input_col] = found
        return tuple(sample) if isinstance(data, tuple) else sample

    def __iter__(self) -> Iterator[Any]:
        for sample in self.datapipe:
            yield self._apply_fn(sample)

    def __len__(self) -> int:
        return length(self, self.datapipe)[0]


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """Batches as Tensors: ``pipe.collate()``; ``collate_fn`` as of ``DataLoader``."""

    def __init__(
        self, datapipe: Any, conversion: Any = default_collate, collate_fn: Any = None
    ) -> None:
        if collate_fn is None and not callable(conversion):
            raise TypeError("collate(): columns of data frames are not converted; give collate_fn")
        super().__init__(datapipe, conversion if collate_fn is None else collate_fn)


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe[Any]):
    """The samples of which ``filter_fn`` says True: ``pipe.filter(filter_fn)``."""

    def __init__(self, datapipe: Any, filter_fn: Callable[..., bool], input_col: Any = None):
        self.datapipe = datapipe
        check_function(filter_fn)
        self.filter_fn = filter_fn
        self.input_col = input_col
        check_columns(filter_fn, input_col)

    def __iter__(self) -> Iterator[Any]:
        from .pipes_files import StreamWrapper

        for sample in self.datapipe:
            kept = _of_columns(self.filter_fn, self.input_col, sample)
            if not isinstance(kept, bool):
                raise ValueError(
                    "Boolean output is required for `filter_fn` of FilterIterDataPipe, got",
                    type(kept),
                )
            if kept:
                yield sample
            else:
                StreamWrapper.close_streams(sample)


@functional_datapipe("batch")
class BatcherIterDataPipe(IterDataPipe[DataChunk[Any]]):
    """Lists of ``batch_size`` samples: ``pipe.batch(batch_size)``.

    ``drop_last``: leave out a last one that is shorter.
    """

    def __init__(
        self,
        datapipe: Any,
        batch_size: int,
        drop_last: bool = False,
        wrapper_class: Any = DataChunk,
    ) -> None:
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        self.datapipe = datapipe
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.wrapper_class = wrapper_class

    def __iter__(self) -> Iterator[Any]:
        batch = []
        for sample in self.datapipe:
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self) -> int:
        more = 0 if self.drop_last else self.batch_size - 1
        return (length(self, self.datapipe)[0] + more) // self.batch_size


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe[Any]):
    """What is in the lists: ``pipe.unbatch(unbatch_level)``; -1: of all levels."""

    def __init__(self, datapipe: Any, unbatch_level: int = 1) -> None:
        self.datapipe = datapipe
        self.unbatch_level = unbatch_level

    def __iter__(self) -> Iterator[Any]:
        for sample in self.datapipe:
            yield from self._dive(sample, self.unbatch_level)

    def _dive(self, element: Any, unbatch_level: int) -> Iterator[Any]:
        if unbatch_level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        if isinstance(element, list) and unbatch_level:
            for item in element:
                yield from self._dive(item, max(unbatch_level - 1, -1))
        elif unbatch_level > 0:
            raise IndexError(
                f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe"
            )
        else:
            yield element


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe[Any]):
    """Lists of samples of one key: ``pipe.groupby(group_key_fn)``.

    A list of ``group_size`` samples is given at once. When ``buffer_size`` samples wait, the
    longest list is given, or if it has less than ``guaranteed_group_size``, RuntimeError; with
    ``drop_remaining`` it is dropped. ``keep_key``: pairs of a key and a list.

    >>> from anadrome.utils.data.datapipes.iter import IterableWrapper
    >>> list(IterableWrapper(["b.py", "a.md", "b.md"]).groupby(lambda name: name[0]))
    [['b.py', 'b.md'], ['a.md']]
    """

    def __init__(
        self,
        datapipe: Any,
        group_key_fn: Callable[[Any], Any],
        *,
        keep_key: bool = False,
        buffer_size: int = 10000,
        group_size: int | None = None,
        guaranteed_group_size: int | None = None,
        drop_remaining: bool = False,
    ) -> None:
        check_function(group_key_fn)
        self.datapipe = datapipe
        self.group_key_fn = group_key_fn
        self.keep_key = keep_key
        self.max_buffer_size = buffer_size
        self.group_size = group_size
        self.guaranteed_group_size = guaranteed_group_size
        if group_size is not None and buffer_size is not None:
            if not 0 < group_size <= buffer_size:
                raise AssertionError("group_size must be > 0 and <= buffer_size")
            if guaranteed_group_size is None:
                self.guaranteed_group_size = group_size
        if guaranteed_group_size is not None:
            if group_size is None or not 0 < guaranteed_group_size <= group_size:
                raise AssertionError(
                    "guaranteed_group_size must be > 0 and <= group_size and group_size must be set"
                )
        self.drop_remaining = drop_remaining
        self.wrapper_class = DataChunk

    def _given(self, key: Any, group: list[Any]) -> Any:
        chunk = self.wrapper_class(group)
        return (key, chunk) if self.keep_key else chunk

    def __iter__(self) -> Iterator[Any]:
        waiting: defaultdict[Any, list[Any]] = defaultdict(list)
        count = 0
        least = self.guaranteed_group_size or 0
        for sample in self.datapipe:
            key = self.group_key_fn(sample)
            waiting[key].append(sample)
            count += 1
            if len(waiting[key]) == self.group_size:
                count -= self.group_size
                yield self._given(key, waiting.pop(key))
            if count == self.max_buffer_size:
                longest = max(waiting, key=lambda k: len(waiting[k]))
                group = waiting.pop(longest)
                count -= len(group)
                if len(group) >= least:
                    yield self._given(longest, group)
                elif not self.drop_remaining:
                    raise RuntimeError("Failed to group items", str(group))
        for key in list(waiting):
            yield self._given(key, waiting.pop(key))
