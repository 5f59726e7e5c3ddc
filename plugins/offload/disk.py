"""``save_on_disk``: saved values in a file."""

from __future__ import annotations

import os
import tempfile
import zlib
from typing import Any

from anadrome import Tensor
from anadrome.border import enclose
from anadrome.errors import AnadromeError
from anadrome.exchange import frombuffer

from .hooks import Elsewhere
from .spool import Region, Spool


class OffloadError(AnadromeError, OSError):
    """A saved value could not be written to disk, or came back as another."""


@enclose
class save_on_disk(Elsewhere):
    """What the forward saves inside is kept in a file, and read back for backward, bit for bit.

    ``directory``: where (default: the system's for temporary files, which may itself be in memory).
    ``min_bytes``: smaller values stay where they are. Leaves that require a gradient stay too.
    There is one file, without a name where the system has such: it is gone when the last value is,
    and when the process ends, however it ends. The place of values that were freed is used again.

    Raises OSError that names the directory if it cannot be written (a full disk: what was saved
    before is intact), and in backward if what is read is not what was written; RuntimeError if a
    value was changed in place after it had been saved.

    >>> import anadrome as ad
    >>> x = ad.ones(3, requires_grad=True)
    >>> with ad.autograd.graph.save_on_disk(min_bytes=0):
    ...     y = (x * 2).sin().exp()
    >>> y.sum().backward()
    """

    name = "save_on_disk"

    def __init__(
        self, directory: str | os.PathLike[str] | None = None, *, min_bytes: int = 4096
    ) -> None:
        super().__init__()
        self.directory = os.fspath(directory) if directory is not None else tempfile.gettempdir()
        self.min_bytes = min_bytes
        self.spool: Spool | None = None

    def put(self, x: Tensor) -> Any:
        size = x.numel() * x.element_size()
        if not size or size < self.min_bytes:
            return None
        raw = memoryview(x.cpu().numpy().ravel().view("uint8"))
        try:
            if self.spool is None or self.spool.owner != os.getpid():
                self.spool = Spool(self.directory)
            region = self.spool.write(raw)
        except OSError as error:
            raise OffloadError(
                error.errno,
                f"save_on_disk: could not write a value of {len(raw):,} bytes, of shape "
                f"{tuple(x.shape)}: {error.strerror}. Free space there, or give another directory",
                self.directory,
            ) from error
        return _OnDisk(x, region, zlib.crc32(raw))

    def get(self, kept: Any) -> Tensor:
        try:
            raw = kept.region.read()
        except OSError as error:
            raise OffloadError(
                error.errno, f"save_on_disk: could not read: {error.strerror}", self.directory
            ) from error
        if zlib.crc32(raw) != kept.crc:
            raise OffloadError(
                None,
                f"save_on_disk: a value of shape {kept.shape} was read back from {self.directory!r}"
                " with other bits than were written there",
            )
        flat = frombuffer(raw, dtype=kept.dtype)
        return flat.reshape(kept.shape).to(kept.device)


class _OnDisk:
    """A value in the file."""

    __slots__ = ("crc", "device", "dtype", "region", "shape")

    def __init__(self, x: Tensor, region: Region, crc: int) -> None:
        self.shape = tuple(x.shape)
        self.dtype = x.dtype
        self.device = x.device
        self.region = region
        self.crc = crc
