"""atomic: a file is replaced as a whole, or stays as it was.

The new content is written beside the file, synced, and renamed over it; then the folder is synced,
which makes the rename itself last. What a killed process left beside the file is removed by the
next one that writes it: while somebody writes such a file it is locked.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from typing import Any

from .errors import SerializationError


def write_atomically(path: Any, pieces: Iterable[Any]) -> None:
    """Old content or new content under ``path``, never half of it.

    A symbolic link stays one: what it points to is replaced. Raises ``SerializationError`` with the
    reason, such as "No space left on device".
    """
    target = os.path.realpath(os.fsdecode(path))
    with said(path), beside(target, pieces) as temporary:
        os.replace(temporary, target)
        sync_folder(target)


@contextlib.contextmanager
def said(path: Any) -> Iterator[None]:
    """An error of the operating system as one that says what could not be written."""
    try:
        yield
    except OSError as error:
        folder = os.path.dirname(os.path.abspath(os.fsdecode(path)))
        place = f"write {os.fsdecode(path)!r}" if os.path.isdir(folder) else f"write in {folder!r}"
        raise SerializationError(f"cannot {place}: {error.strerror}") from error


@contextlib.contextmanager
def beside(target: str, pieces: Iterable[Any]) -> Iterator[str]:
    """The name of a whole and synced file in the folder of ``target``, for the caller to rename.

    It is removed if the caller does not.
    """
    descriptor, temporary = _made(target)
    try:
        try:
            for piece in pieces:
                _write(descriptor, piece)
            os.fsync(descriptor)
            if os.name == "nt":  # where an open file cannot be renamed
                os.close(descriptor)
                descriptor = -1
            yield temporary
        finally:
            if descriptor >= 0:
                os.close(descriptor)  # and with it the lock
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _write(descriptor: int, piece: Any) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _made(target: str) -> tuple[int, str]:
    """A new file beside the target, with a lock on it, and with the target's permissions."""
    folder, name = os.path.split(target)
    prefix = f".{name[:100]}.saving-"
    _sweep(folder, prefix)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_BINARY", 0)
    while True:
        temporary = os.path.join(folder, prefix + os.urandom(8).hex())
        descriptor = os.open(temporary, flags, 0o666)
        try:
            _lock(descriptor, wait=True)
            if os.path.exists(temporary):  # nobody has taken it for a left one before it was locked
                with contextlib.suppress(OSError, AttributeError):
                    os.fchmod(descriptor, os.stat(target).st_mode & 0o777)
                return descriptor, temporary
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        os.close(descriptor)


def _sweep(folder: str, prefix: str) -> None:
    """Remove what killed processes have left: files of that prefix that nobody has locked."""
    names: list[str] = []
    with contextlib.suppress(OSError):  # what is wrong with the folder is told when it is written
        names = os.listdir(folder)
    for left in [os.path.join(folder, name) for name in names if name.startswith(prefix)]:
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDWR)
            try:
                if _lock(descriptor, wait=False):
                    os.unlink(left)
            finally:
                os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> bool:
    """Whether the file is locked by us now; False as well where there are no such locks."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (ImportError, OSError):
        return False
    return True


def sync_folder(target: str) -> None:
    """Make a rename in the folder of ``target`` last, where folders can be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:  # a folder that may not be read, a file system that syncs no folders
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP):
            raise
