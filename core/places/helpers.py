"""helpers: small tools of PyTorch's private modules, which packages for it import.

``torch.utils.weak``, ``torch.utils._contextlib``, ``torch.nn.utils._named_member_accessor`` and
``torch.utils.data._utils.worker``.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from .. import backend as backends
from ..nn import Module, Parameter
from ..tensor import Tensor

__all__ = ["WeakIdKeyDictionary", "WeakTensorKeyDictionary", "swap_tensor"]


class WeakIdKeyDictionary(MutableMapping[Any, Any]):
    """A dictionary whose keys are objects themselves, whatever they are equal to, while they live.

    >>> import anadrome as ad
    >>> from anadrome.places.helpers import WeakIdKeyDictionary
    >>> x = ad.ones(2)
    >>> names = WeakIdKeyDictionary({x: "x"})
    >>> names[x], ad.ones(2) in names
    ('x', False)
    """

    def __init__(self, dict: Any = None) -> None:
        self._held: dict[int, tuple[Any, Any]] = {}
        self.update(dict or {})

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._held[id(key)][1]
        except KeyError:
            raise KeyError(key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        number, held = id(key), self._held
        self._held[number] = (weakref.ref(key, lambda _: held.pop(number, None)), value)

    def __delitem__(self, key: Any) -> None:
        self[key]
        del self._held[id(key)]

    def __contains__(self, key: Any) -> bool:
        return id(key) in self._held

    def __iter__(self) -> Iterator[Any]:
        return iter([key for key in [ref() for ref, _ in self._held.values()] if key is not None])

    def __len__(self) -> int:
        return len(self._held)


#: What stands for a tensor that a module did not have.
_MISSING = object()

WeakTensorKeyDictionary = WeakIdKeyDictionary


class _DecoratorContextManager:
    """A context manager that is a decorator too; ``clone`` makes the one of each call."""

    def __call__(self, orig_func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(orig_func)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return orig_func(*args, **kwargs)

        return call

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        raise NotImplementedError

    def clone(self) -> Any:
        """Another one like this."""
        return type(self)()


def swap_tensor(
    module: Module, name: str, tensor: Tensor | None, allow_missing: bool = False
) -> Any:
    """Set a parameter, buffer or attribute of a module; returns what it was.

    It becomes no Parameter by being set, and no hook is called. Where there was none, and
    ``allow_missing``, what is returned stands for that.
    """
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if not isinstance(name, str) or not name or "." in name:
        raise KeyError(f"a name of a tensor has no dot and is not empty, not {name!r}")
    home: dict[str, Any] = module.__dict__
    for kept in (module._parameters, module._buffers):
        if name in kept:
            home = kept
    before = home.get(name, _MISSING)
    if before is _MISSING and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if not (before is _MISSING or before is None or isinstance(before, Tensor)):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is _MISSING:
        home.pop(name, None)
    elif home is module.__dict__ and isinstance(tensor, Parameter):
        module._parameters[name] = tensor
    else:
        home[name] = tensor
    return before


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Four numbers to seed NumPy with, in a worker of a DataLoader."""
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return [int(n) for n in backends.get("numpy").xp.random.SeedSequence(words).generate_state(4)]
