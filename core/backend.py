"""backend: the registry of the backends that there are, by name, by device and by class of array.

What a backend must be is ``adapter.Backend``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .adapter import Backend as Backend
from .adapter import MemoryInfo as MemoryInfo
from .device import chosen_device, device
from .errors import BackendError
from .placement import several
from .state import current


def of_all_examples(array: Any) -> Any:
    """The array itself; under ``vmap``, which hides the others, that of all examples."""
    while hasattr(array, "mapped"):
        array = array.array
    return array


class LazyBackend:
    """A backend that is known by name and loaded when first asked for."""

    def __init__(self, name: str, device_types: Iterable[str], load: Callable[[], Backend]) -> None:
        self.name = name
        self.device_types = tuple(device_types)
        self.load = load


#: What gives a loaded backend's kernels from outside, to be merged into its own.
Extension = Callable[[Backend], Mapping[str, Callable[..., Any]]]

_lazy: dict[str, LazyBackend] = {}
_extensions: dict[str, list[Extension]] = {}
_loaded: dict[str, Backend] = {}
_settings: dict[str, Any] = {}


class _ByType(dict):
    """The class of an array to its backend."""

    def __missing__(self, cls: type) -> Backend:
        for known, backend in list(self.items()):
            if issubclass(cls, known):
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


def device_types() -> list[str]:
    """The device types that registered backends serve, whether or not the machine has one."""
    return sorted({t for lazy in _lazy.values() for t in lazy.device_types})


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
    for setting, value in _settings.items():
        backend.configure(setting, value)
    for extension in _extensions.get(name, ()):
        _extend(backend, extension)
    return backend


def configure(setting: str, value: Any) -> None:
    """Tell every backend of a setting: those that are loaded now, the others when they are."""
    _settings[setting] = value
    for backend in list(_loaded.values()):
        backend.configure(setting, value)


def extend(name: str, extension: Extension) -> None:
    """Give the backend of that name further kernels, when it is loaded or now if it is."""
    _extensions.setdefault(name, []).append(extension)
    if name in _loaded:
        _extend(_loaded[name], extension)


def _extend(backend: Backend, extension: Extension) -> None:
    from .op import table

    kernels = extension(backend)
    backend.kernels = {**backend.kernels, **kernels}
    for op in kernels:
        if op in table:
            table[op].implementations.clear()


def adopt(backend: Backend) -> None:
    """Let ops recognise the backend's arrays."""
    by_type[backend.array_type] = backend
    if backend.device_count() > 1:
        several[backend.array_type] = backend
    for scalar in backend.scalar_types:
        by_type[scalar] = backend


def default() -> Backend:
    """The backend of ``ANADROME_BACKEND``, or NumPy's."""
    return get(os.environ.get("ANADROME_BACKEND", "numpy"))


def for_device(d: device | str | None) -> Backend:
    """The backend that serves a device; None means the default one."""
    backend = _for_device(d)
    for mode in current().modes:
        backend = mode.serve(backend)
    return backend


def _for_device(d: device | str | None) -> Backend:
    if d is None:
        d = chosen_device()
        if d is None:
            return default()
    kind = d.type if d.__class__ is device else device(d).type
    preferred = os.environ.get("ANADROME_BACKEND", "numpy")
    serving = [n for n, lazy in _lazy.items() if kind in lazy.device_types]
    if not serving:
        raise BackendError(
            f"no backend serves device {str(d)!r}; the devices known are "
            f"{', '.join(device_types())}"
        )
    return get(preferred if preferred in serving else serving[0])
