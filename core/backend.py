"""backend: the adapter to one array library, and the registry of those there are.

A backend is a namespace ``xp``, shaped like the Python array API standard, plus about ten members.
Ops call only ``xp``; what a backend does better than ``xp`` goes into ``kernels``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .device import chosen_device, device
from .dtypes import BY_NAME, dtype
from .errors import BackendError


class Backend:
    """What a backend must be. Subclass it, fill in the attributes, register with a hook.

    See ``docs/backends.md`` for a worked one.
    """

    #: Name for ``ANADROME_BACKEND`` and error messages.
    name: str = ""
    #: Device types it serves, such as ``("cpu",)``.
    device_types: tuple[str, ...] = ()
    #: The class of its arrays.
    array_type: type
    #: Classes its arithmetic may return besides (NumPy's scalars); turned into arrays by us.
    scalar_types: tuple[type, ...] = ()
    #: The array-API-shaped namespace that ops are written against.
    xp: Any
    #: Faster forwards, keyed by op name: ``kernels["gelu"](x, approximate=...)``.
    kernels: dict[str, Callable[..., Any]] = {}
    #: Kernels that can write their result into an operand: ``(a, b, out=a)``.
    out_kernels: dict[str, Callable[..., Any]] = {}
    #: Elements that fit the cache: large updates are done in blocks of it. None: all at once.
    block: int | None = None
    #: Name of its floating default for arrays made from our dtypes (a library may lack some).
    unsupported_dtypes: frozenset[str] = frozenset()

    def native_dtype(self, d: dtype) -> Any:
        """The library's own object for one of our dtypes."""
        return getattr(self.xp, d.name if d.name != "bool" else "bool")

    def asarray(self, data: Any, dtype: Any = None, device: device | None = None) -> Any:
        """An array from nested lists, numbers or a host array; ``dtype`` is native. Copies."""
        raise NotImplementedError

    def to_host(self, array: Any) -> Any:
        """The same values as a NumPy array."""
        raise NotImplementedError

    def device_of(self, array: Any) -> device:
        """Where the array lives."""
        return device(self.device_types[0])

    def synchronize(self, device: device | None = None) -> None:
        """Wait until the device has done what it was given."""

    def number(self, value: Any, dtype: Any) -> Any:
        """A Python number as operand beside arrays of a native dtype; a number is fine."""
        return value

    def owns(self, array: Any) -> bool:
        """Whether the array's memory is its own, not a view of another's."""
        return False

    def shares(self, a: Any, b: Any) -> bool:
        """Whether the two arrays may share memory."""
        return False

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        """``target[index] += source`` where an index that occurs twice adds twice."""
        raise NotImplementedError

    def generator(self, device: device | None = None) -> Any:
        """An object that turns counter-based keys into arrays; see ``core/random.py``."""
        raise NotImplementedError

    def placed(self, device: device | None) -> AbstractContextManager[Any]:
        """What is made inside is made on that device."""
        return nullcontext()

    def describe(self) -> dict[str, str]:
        """Facts for ``anadrome info``: versions, devices, BLAS, threads."""
        return {}

    # -- given --------------------------------------------------------------------------------
    def implementation(self, op: Any) -> Callable[..., Any]:
        """What runs an op's forward here: the kernel, or the declaration bound to ``xp``."""
        kernel = self.kernels.get(op.name)
        return kernel if kernel is not None else functools.partial(op.forward, self.xp)

    @functools.cached_property
    def dtypes(self) -> dict[dtype, Any]:
        """Our dtypes to the library's."""
        return {
            d: self.native_dtype(d)
            for name, d in BY_NAME.items()
            if name not in self.unsupported_dtypes
        }

    def dtype(self, d: dtype) -> Any:
        """The library's dtype, or an error that names what the backend has."""
        try:
            return self.dtypes[d]
        except KeyError:
            raise BackendError(
                f"backend {self.name!r} has no {d.name}; it has "
                + ", ".join(x.name for x in self.dtypes)
            ) from None


class LazyBackend:
    """A backend that is known by name and loaded when first asked for."""

    def __init__(
        self, name: str, device_types: Iterable[str], load: Callable[[], Backend]
    ) -> None:
        self.name = name
        self.device_types = tuple(device_types)
        self.load = load


_lazy: dict[str, LazyBackend] = {}
_loaded: dict[str, Backend] = {}


class _ByType(dict):
    """The class of an array to its backend."""

    def __missing__(self, cls: type) -> Backend:
        for known, backend in list(self.items()):
            if issubclass(cls, known):
                self[cls] = backend
                return backend
        raise TypeError(
            f"expected a Tensor, a number or an array of a loaded backend, got {cls.__module__}."
            f"{cls.__qualname__}; make a Tensor of it with anadrome.tensor(...)"
        )


by_type: dict[type, Backend] = _ByType()


def register(lazy: LazyBackend) -> None:
    """Make a backend known; the name must be free."""
    if lazy.name in _lazy:
        raise BackendError(f"a backend named {lazy.name!r} is registered already")
    _lazy[lazy.name] = lazy


def names() -> list[str]:
    """The names of all registered backends, loaded or not."""
    return list(_lazy)


def is_loaded(name: str) -> bool:
    """Whether the backend has been loaded."""
    return name in _loaded


def get(name: str) -> Backend:
    """The backend of that name, loaded now if need be."""
    found = _loaded.get(name)
    if found is not None:
        return found
    lazy = _lazy.get(name)
    if lazy is None:
        raise BackendError(
            f"no backend named {name!r}; there are {', '.join(_lazy) or 'none'}. "
            "`anadrome plugins` shows what was found and what failed to load."
        )
    backend = lazy.load()
    _loaded[name] = backend
    adopt(backend)
    return backend


def adopt(backend: Backend) -> None:
    """Let ops recognise the backend's arrays."""
    by_type[backend.array_type] = backend
    for scalar in backend.scalar_types:
        by_type[scalar] = backend


def default() -> Backend:
    """The backend of ``ANADROME_BACKEND``, or NumPy's."""
    return get(os.environ.get("ANADROME_BACKEND", "numpy"))


def for_device(d: device | str | None) -> Backend:
    """The backend that serves a device; None means the default one."""
    if d is None:
        d = chosen_device()
        if d is None:
            return default()
    d = device(d)
    preferred = os.environ.get("ANADROME_BACKEND", "numpy")
    candidates = [n for n, lazy in _lazy.items() if d.type in lazy.device_types]
    if preferred in candidates:
        return get(preferred)
    if not candidates:
        known = sorted({t for lazy in _lazy.values() for t in lazy.device_types})
        raise BackendError(
            f"no backend serves device {str(d)!r}; the devices known are {', '.join(known)}"
        )
    return get(candidates[0])
