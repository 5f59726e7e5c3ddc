"""rotation: a file and its predecessors, `path.1` (the last one before), `path.2`, and so on.

At every moment, whoever is killed, the newest whole file has one of these names. While names are
changed the predecessor is called `path.0`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any

from anadrome.atomic import beside, said, sync_folder


def target_of(path: Any) -> str:
    """The file that a path means: links followed, and whatever folder is the present one later."""
    return os.path.realpath(os.fsdecode(path))


def write(target: str, pieces: Iterable[Any], keep: int) -> None:
    """Put a new file in place; of the ones before, ``keep - 1`` stay.

    Raises ``SerializationError``; then what was there is there.
    """
    with said(target):
        with beside(target, pieces) as temporary:
            moved = keep > 1 and _prepare(target, keep)
            try:
                os.replace(temporary, target)
            except BaseException:
                spare = _numbered(target, 0)
                with contextlib.suppress(OSError):
                    os.replace(spare, target) if moved else os.unlink(spare)
                raise
            sync_folder(target)
        _step_back(target, keep)


def _prepare(target: str, keep: int) -> bool:
    """Finish what a killed process left half done, and give the present file a second name."""
    with contextlib.suppress(OSError):
        if os.path.samefile(target, _numbered(target, 0)):
            os.unlink(_numbered(target, 0))
    _step_back(target, keep)
    return _spare(target)


def _spare(target: str) -> bool:
    """A second name for the present file; True if it lost its first one, for want of links."""
    spare = _numbered(target, 0)
    try:
        os.link(target, spare)
    except (FileNotFoundError, FileExistsError):
        return False
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.replace(target, spare)
            return True
    return False


def _step_back(target: str, keep: int) -> None:
    """Each predecessor by one, if there is one that has no place yet; those too old go."""
    there = _numbers(target)
    if 0 in there:
        gap = next(n for n in range(len(there) + 1) if n not in there)
        for number in range(min(gap, max(keep - 1, 1)), 0, -1):
            with contextlib.suppress(FileNotFoundError):  # another process does the same
                os.replace(_numbered(target, number - 1), _numbered(target, number))
    for number in _numbers(target):
        if number >= keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_numbered(target, number))


def _numbered(target: str, number: int) -> str:
    return f"{target}.{number}"


def _numbers(target: str) -> list[int]:
    folder, name = os.path.split(target)
    ends = [n[len(name) + 1 :] for n in os.listdir(folder) if n.startswith(f"{name}.")]
    return sorted(int(end) for end in ends if end.isascii() and end.isdigit() and len(end) < 6)


def candidates(target: str) -> list[str]:
    """The files there are, the newest first."""
    there = [target] if os.path.lexists(target) else []
    if os.path.isdir(os.path.dirname(target)):
        there += [_numbered(target, number) for number in _numbers(target)]
    return there
