"""pipes: data sets that are made of others, one step after the other (``IterDataPipe``).

PyTorch: ``torch.utils.data.datapipes``. A pipe is called by its class, or by its name as a method
of the pipe before it. An iterable pipe has one iterator at a time: a new one begins it again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from anadrome.border import enclose

from .dataset import Dataset, IterableDataset

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


@enclose
class DataChunk(list[T]):
    """A batch of samples: a list of them (``torch.utils.data.DataChunk``)."""

    def __init__(self, items: Iterable[T]) -> None:
        super().__init__(items)
        self.items = list(self)

    def as_str(self, indent: str = "") -> str:
        """As text, of each sample's ``str``."""
        return f"{indent}[{', '.join(map(str, self))}]"

    def raw_iterator(self) -> Iterator[T]:
        """The samples."""
        yield from self.items


class _Named:
    """What iterable pipes and those with indices share: methods that are other pipes."""

    functions: dict[str, Callable[..., Any]]
    #: What a loader asks, of the class.
    _is_datapipe = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        functions = type(self).functions
        if name not in functions:
            from . import pipes_all  # noqa: F401

        made = functions.get(name)
        if made is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return functools.partial(made, self)

    @classmethod
    def register_function(cls, function_name: str, function: Callable[..., Any]) -> None:
        """Make ``function(pipe, ...)`` a method of all pipes of this kind."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls,
        function_name: str,
        cls_to_register: Callable[..., Any],
        enable_df_api_tracing: bool = False,
    ) -> None:
        """Make a pipe a method of all pipes of this kind, by a name that none has."""
        if not isinstance(function_name, str):
            kind = type(function_name).__name__
            raise TypeError(f"function_name must be str, not {kind}")
        if function_name in cls.functions:
            raise Exception(
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )
        cls.functions[function_name] = cls_to_register

    def __repr__(self) -> str:
        return type(self).__qualname__

    __str__ = __repr__

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]


class IterDataPipe(_Named, IterableDataset[T_co]):
    """Samples one after the other: override ``__iter__`` (``torch.utils.data.IterDataPipe``).

    ``reset()`` is called when iterating begins.

    >>> from anadrome.utils.data import IterDataPipe
    >>> class Numbers(IterDataPipe):
    ...     def __iter__(self):
    ...         yield from range(5)
    >>> list(Numbers().map(float).batch(2))
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    functions: dict[str, Callable[..., Any]] = {}
    #: Which iterator is the valid one.
    _valid_iterator_id: int | None = None
    _number_of_samples_yielded = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls).get("__iter__")
        if own is not None:
            type.__setattr__(cls, "__iter__", _valid(own))

    def __iter__(self) -> Iterator[T_co]:
        return self  # type: ignore[return-value]

    def reset(self) -> None:
        """Forget what is buffered: another iterator begins."""

    def _begin(self) -> int:
        """Make an iterator that begins the valid one; returns its number."""
        last = self._valid_iterator_id
        self._valid_iterator_id = 0 if last is None else last + 1
        self.reset()
        return self._valid_iterator_id

    def _is_valid(self, number: int) -> bool:
        return self._valid_iterator_id == number

    def _why_not(self) -> str:
        return (
            " because another iterator has been created from the same IterDataPipe: "
            f"{_told(self)}\nWrite `.fork()` to iterate over it several times at once."
        )


class DFIterDataPipe(IterDataPipe[T_co]):
    """One of data frames (PyTorch's name); no pipe here treats it differently."""


class MapDataPipe(_Named, Dataset[T_co]):
    """Samples by index: override ``__getitem__`` and ``__len__`` (PyTorch's name).

    >>> from anadrome.utils.data.datapipes.map import SequenceWrapper
    >>> list(SequenceWrapper(range(4)).map(float).batch(3))
    [[0.0, 1.0, 2.0], [3.0]]
    """

    functions: dict[str, Callable[..., Any]] = {}


def _valid(function: Callable[..., Any]) -> Callable[..., Any]:
    """An ``__iter__`` whose iterator ends with an error once there is another one."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generate(self: Any) -> Iterator[Any]:
            number = self._begin()
            yield from _Pass(function(self), self, number)

        return generate

    @functools.wraps(function)
    def begin(self: Any) -> Any:
        return _Pass(function(self), self, self._begin())

    return begin


class _Pass:
    """An iterator of a pipe, while it is the valid one."""

    def __init__(self, iterator: Any, pipe: Any, number: int) -> None:
        self.iterator = iterator
        self.pipe = pipe
        self.number = number

    def __iter__(self) -> _Pass:
        return self

    def __next__(self) -> Any:
        pipe = self.pipe
        if not pipe._is_valid(self.number):
            raise RuntimeError(f"This iterator has been invalidated{pipe._why_not()}")
        try:
            sample = next(self.iterator)
        except StopIteration:
            raise
        except Exception as error:
            _tell(error, pipe)
            raise
        pipe._number_of_samples_yielded += 1
        return sample

    def __getattr__(self, name: str) -> Any:
        return getattr(self.iterator, name)


def _tell(error: Exception, pipe: Any) -> None:
    """Add to an error which pipe raised it first."""
    text = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    if "thrown by __iter__ of" in text or "iterator has been invalidated" in text:
        return
    rest = error.args[1:] if text else error.args
    error.args = (f"{text}\nThis exception is thrown by __iter__ of {_told(pipe)}", *rest)


def _told(pipe: Any) -> str:
    """A pipe as it was called."""
    names = inspect.signature(type(pipe).__init__).parameters
    given = ", ".join(f"{n}={_short(vars(pipe)[n])}" for n in sorted(names) if n in vars(pipe))
    return f"{type(pipe).__name__}({given})"


def _short(value: Any) -> str:
    return value.__name__ if inspect.isfunction(value) else repr(value)


def length(pipe: Any, *sources: Any) -> list[int]:
    """The lengths of the pipes that one is made of; TypeError if one of them has none."""
    if not all(isinstance(source, Sized) for source in sources):
        raise TypeError(f"{type(pipe).__name__} instance doesn't have valid length")
    return [len(source) for source in sources]


class functional_datapipe:
    """Gives a class of pipes a name: a decorator (``torch.utils.data.functional_datapipe``).

    >>> from anadrome.utils.data import IterDataPipe, functional_datapipe
    >>> from anadrome.utils.data.datapipes.iter import IterableWrapper
    >>> @functional_datapipe("twice")
    ... class Twice(IterDataPipe):
    ...     def __init__(self, source):
    ...         self.source = source
    ...     def __iter__(self):
    ...         for x in self.source:
    ...             yield x
    ...             yield x
    >>> list(IterableWrapper("ab").twice())
    ['a', 'a', 'b', 'b']
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name

    def __call__(self, cls: Any) -> Any:
        """Note the class."""
        named = cls.cls if isinstance(cls, non_deterministic) else cls
        named = getattr(named, "__self__", named)
        named = named.cls if isinstance(named, non_deterministic) else named
        if not (isinstance(named, type) and issubclass(named, (IterDataPipe, MapDataPipe))):
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe")
        kind = IterDataPipe if issubclass(named, IterDataPipe) else MapDataPipe
        kind.register_datapipe_as_function(self.name, cls)
        return cls


_wanted = False


class guaranteed_datapipes_determinism:
    """Inside, pipes that are declared ``non_deterministic`` are refused."""

    def __init__(self) -> None:
        global _wanted
        self._before, _wanted = _wanted, True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        global _wanted
        _wanted = self._before


class non_deterministic:
    """Says that a pipe gives another order each time: a decorator (PyTorch's name).

    With a function of the arguments: whether it does.
    """

    def __init__(self, arg: Any) -> None:
        self.cls: Any = None
        self._decides: Any = None
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(
                    "Only `IterDataPipe` can be decorated with `non_deterministic`"
                    f", but {arg.__name__} is found"
                )
            self.cls = arg
        elif callable(arg):
            self._decides = arg
        else:
            raise TypeError(f"{arg} can not be decorated by non_deterministic")

    def __call__(self, *args: Any, **options: Any) -> Any:
        """A pipe; or, with a function, the class that was decorated."""
        if self.cls is not None:
            return self._made(True, "", args, options)
        (cls,) = args
        if not (isinstance(cls, type) and issubclass(cls, IterDataPipe)):
            raise TypeError(f"Only `IterDataPipe` can be decorated, but {cls.__name__} is found")
        self.cls = cls
        return self.deterministic_wrapper_fn

    def deterministic_wrapper_fn(self, *args: Any, **options: Any) -> Any:
        """A pipe, unless it would be refused."""
        found = self._decides(*args, **options)
        if not isinstance(found, bool):
            raise TypeError(
                "deterministic_fn of `non_deterministic` decorator is required to return a boolean "
                f"value, but {type(found)} is found"
            )
        return self._made(found, " with the inputs", args, options)

    def _made(self, varies: bool, when: str, args: Any, options: Any) -> Any:
        if _wanted and varies:
            raise TypeError(
                f"{self.cls.__name__} is non-deterministic{when}, but you set "
                "'guaranteed_datapipes_determinism'. You can turn off determinism for this "
                "DataPipe if that is acceptable for your application"
            )
        return self.cls(*args, **options)
