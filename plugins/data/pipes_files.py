"""pipes_files: iterable pipes of files: their names, the opened files, what is in them."""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Iterable, Iterator
from typing import Any

from anadrome import sites

from .pipes import IterDataPipe, functional_datapipe
from .pipes_order import IterableWrapperIterDataPipe


class StreamWrapper:
    """An opened file; one that nobody uses any more is closed (PyTorch's name)."""

    def __init__(self, file_obj: Any, parent_stream: Any = None, name: str | None = None) -> None:
        self.file_obj = file_obj
        self.parent_stream = parent_stream
        self.name = name
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["file_obj"], name)

    def close(self, *args: Any, **options: Any) -> None:
        """Close the file."""
        self.closed = True
        self.file_obj.close(*args, **options)

    @classmethod
    def close_streams(cls, v: Any, depth: int = 0) -> None:
        """Close the files in a nested value."""
        if depth > 10:
            return
        if isinstance(v, StreamWrapper):
            v.close()
        elif isinstance(v, dict):
            for entry in v.values():
                cls.close_streams(entry, depth + 1)
        elif isinstance(v, (list, tuple)):
            for entry in v:
                cls.close_streams(entry, depth + 1)

    def __enter__(self) -> StreamWrapper:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if not self.closed:
                self.close()

    def __iter__(self) -> Iterator[Any]:
        yield from self.file_obj

    def __next__(self) -> Any:
        return next(self.file_obj)

    def __repr__(self) -> str:
        return f"StreamWrapper<{self.name or repr(self.file_obj)}>"


@functional_datapipe("list_files")
class FileListerIterDataPipe(IterDataPipe[str]):
    """The paths of the files in folders: ``pipe.list_files()``, or ``FileLister(root)``.

    ``masks``: patterns of their names. ``recursive``: in folders below as well. ``abspath``:
    absolute paths. ``length``: what ``len`` says.
    """

    def __init__(
        self,
        root: Any = ".",
        masks: Any = "",
        *,
        recursive: bool = False,
        abspath: bool = False,
        non_deterministic: bool = False,
        length: int = -1,
    ) -> None:
        roots = [root] if isinstance(root, str) else root
        listed = isinstance(roots, IterDataPipe)
        self.datapipe = roots if listed else IterableWrapperIterDataPipe(roots)
        self.masks = masks
        self.recursive = recursive
        self.abspath = abspath
        self.non_deterministic = non_deterministic
        self.length = length

    def __iter__(self) -> Iterator[str]:
        for root in self.datapipe:
            if os.path.isfile(root):
                path = os.path.abspath(root) if self.abspath else root
                if self._fits(os.path.basename(path)):
                    yield path
            else:
                yield from self._below(root)

    def _below(self, root: str) -> Iterator[str]:
        for folder, below, files in os.walk(root, onerror=_warn):
            place = os.path.abspath(folder) if self.abspath else folder
            for name in files if self.non_deterministic else sorted(files):
                if self._fits(name):
                    yield os.path.join(place, name)
            if not self.recursive:
                return
            if not self.non_deterministic:
                below.sort()  # the order in which it goes on

    def _fits(self, name: str) -> bool:
        masks = [self.masks] if isinstance(self.masks, str) else self.masks
        return not self.masks or any(fnmatch.fnmatch(name, mask) for mask in masks)

    def __len__(self) -> int:
        return _told(self)


def _told(pipe: Any) -> int:
    if pipe.length == -1:
        raise TypeError(f"{type(pipe).__name__} instance doesn't have valid length")
    return int(pipe.length)


def _warn(error: OSError) -> None:
    sites.warn(f"{error.filename} : {error.strerror}")
    raise error


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(IterDataPipe[Any]):
    """Pairs of a path and the opened file: ``pipe.open_files(mode)``."""

    def __init__(
        self,
        datapipe: Iterable[str],
        mode: str = "r",
        encoding: str | None = None,
        length: int = -1,
    ) -> None:
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe = datapipe
        self.mode = mode
        self.encoding = encoding
        self.length = length

    def __iter__(self) -> Iterator[Any]:
        mode = self.mode if self.mode.startswith("r") else f"r{self.mode}"
        for path in self.datapipe:
            if not isinstance(path, str):
                raise TypeError(f"Expected string type for pathname, but got {type(path)}")
            file = open(path, mode, encoding=self.encoding)  # noqa: SIM115
            yield path, StreamWrapper(file)

    def __len__(self) -> int:
        return _told(self)


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe[Any]):
    """Pairs of a path and what is in its file: ``pipe.read_from_stream()``.

    ``chunk``: in pieces of so many characters or bytes.
    """

    def __init__(self, datapipe: Any, chunk: int | None = None) -> None:
        self.datapipe = datapipe
        self.chunk = chunk

    def __iter__(self) -> Iterator[Any]:
        for path, stream in self.datapipe:
            while piece := stream.read(self.chunk):
                yield path, piece
            stream.close()
