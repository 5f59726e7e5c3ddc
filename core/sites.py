"""sites: which line of the user's code we are in, kept in 100 ns and formatted only when printed.

A site is a pair (code object, instruction offset). Keeping the frame instead would keep every local
variable of the user's function alive; asking for the line number would cost microseconds a node.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import warnings
from types import CodeType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_PARENT = os.path.dirname(_HERE)
#: Folders whose frames are ours, not the user's: installed as one package, or laid out as in the
#: repository (core/, backends/, plugins/ side by side).
_OURS = tuple(
    os.path.join(folder, "")
    for folder in (
        _HERE,
        os.path.join(_PARENT, "backends"),
        os.path.join(_PARENT, "plugins"),
    )
)


#: Files of Python's own that stand between two frames of ours.
_BETWEEN = ("<frozen importlib._bootstrap>", contextlib.__file__)

#: File name to "is it ours", learnt once a file.
known: dict[str, bool] = {}


def is_internal(filename: str) -> bool:
    """Whether a frame of that file is the framework's own."""
    ours = known.get(filename)
    if ours is None:
        ours = filename.startswith(_OURS) or filename in _BETWEEN
        known[filename] = ours
    return ours


Site = tuple[CodeType, int]

_getframe = sys._getframe


def caller(depth: int = 1) -> Site:
    """The innermost frame outside the framework; ``depth`` frames are skipped unseen."""
    frame: Any = _getframe(depth)
    code = frame.f_code
    try:
        while known[code.co_filename]:
            frame = frame.f_back
            code = frame.f_code
        return code, frame.f_lasti
    except (KeyError, AttributeError):  # a new file, or only our own frames
        return _caller_in_new_files(_getframe(depth))


def _caller_in_new_files(frame: Any) -> Site:
    while is_internal(frame.f_code.co_filename):
        back = frame.f_back
        if back is None:
            break
        frame = back
    return frame.f_code, frame.f_lasti


def warn(text: str, kind: type[Warning] = UserWarning) -> None:
    """Warn at the user's line, however many frames of ours there are above it."""
    frame: Any = sys._getframe(1)
    level = 2
    while frame is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back
        level += 1
    warnings.warn(text, kind, stacklevel=level)


def line_of(site: Site) -> tuple[str, int]:
    """File name and line number of a site."""
    code, offset = site
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            line = number
            break
    return code.co_filename, line


def describe(site: Site | None) -> str:
    """``train.py:41, `loss = pred * w```: the place as errors print it."""
    if site is None:
        return "an unknown place"
    filename, line = line_of(site)
    text = linecache.getline(filename, line).strip()
    place = f"{short_name(filename)}:{line}"
    return f"{place}, `{text}`" if text else place


def place(site: Site | None) -> str:
    """``train.py:41``: the place without its text."""
    if site is None:
        return "an unknown place"
    filename, line = line_of(site)
    return f"{short_name(filename)}:{line}"


def short_name(filename: str) -> str:
    """Relative to the working directory where that is shorter."""
    try:
        relative = os.path.relpath(filename)
    except ValueError:  # another drive
        return filename
    return relative if not relative.startswith("..") else os.path.basename(filename)
