"""libraries: NVIDIA's libraries, used where they are installed, and what stands against each.

Which packages are there is seen when the backend is loaded; one is imported when it is first
needed. What it cannot do goes the composed way, and `anadrome info` says why.
``ANADROME_CUDA_LIBRARIES=0`` leaves all of them out, to see whether a difference comes from them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from typing import Any

SWITCH = "ANADROME_CUDA_LIBRARIES"
_INSTALL = 'install it with `pip install "anadrome[cuda-fast]"`'


class Library:
    """A package and what is opened of it; ``why`` says what stands against its use, if anything."""

    def __init__(self, package: str, oldest: tuple[int, ...], opens: Callable[[], Any]) -> None:
        self.package = package
        self.why = _missing(package, oldest)
        self._opens = opens
        self._opened: Any = None

    def opened(self) -> Any:
        """What it gives, opened now if need be; None where something stands against it."""
        if self._opened is None and not self.why:
            try:
                self._opened = self._opens()
            except Exception as error:  # a driver, or a library of its own, that is not there
                self.why = f"{self.package} cannot be used: {str(error).strip() or repr(error)}"
        return self._opened


def _missing(package: str, oldest: tuple[int, ...]) -> str:
    if os.environ.get(SWITCH) == "0":
        return f"switched off by {SWITCH}=0"
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return f"{package} is not installed; {_INSTALL}"
    if _numbers(version) < oldest:
        wanted = ".".join(map(str, oldest))
        return f"{package} {version} is too old: {wanted} or later is needed; {_INSTALL}"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    out = []
    for part in version.split("."):
        if not part.isdigit():
            break
        out.append(int(part))
    return tuple(out)


class Plans:
    """What a library found for each problem that it was given, or why it found nothing.

    A library's answer depends on the GPU, and its objects belong to a thread: both are part of the
    key that the caller gives.
    """

    def __init__(self) -> None:
        self.found: dict[Any, Any] = {}
        #: The problems that were refused, each with the library's words.
        self.refused: dict[Any, str] = {}

    def plan(self, key: Any, make: Callable[[], Any]) -> Any:
        """The plan for a problem, made when it is first met; None where there is none."""
        found = self.found.get(key)
        if found is None and key not in self.refused:
            try:
                found = self.found[key] = make()
            except Exception as error:
                self.refused[key] = str(error).strip() or repr(error)
        return found

    def told(self) -> str:
        """For ``anadrome info``."""
        if not self.refused:
            return ""
        last = [*self.refused.values()][-1]
        return f"; refused for {len(self.refused)} problems, the last: {last}"
