"""legacy: the stream that PyTorch wrote before its archives, and still pickles tensors as.

A magic number, a version, facts of the machine, the object, the keys of its storages, each a
pickle; then the storages, in that order: a count of elements and their bytes. Storages come last,
so what refers to them is made of zeros, which are then overwritten.
"""

from __future__ import annotations

import io
import pickletools
from typing import Any

from .. import backend as backends
from ..errors import SerializationError
from .allowed import Storage, StorageKind
from .reading import Reader
from .unpickling import unpickle

_BEGIN = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def is_stream(data: bytes) -> bool:
    """Whether these are the first bytes of such a stream."""
    return data[: len(_BEGIN)] == _BEGIN


def read_stream(name: str, data: bytes, map_location: Any = None, trusted: bool = False) -> Any:
    """The object in a stream, given as bytes; ``name`` is for errors.

    ``trusted``: it may be any object, and making it may run code that the stream names.
    """
    try:
        return _Stream(data, map_location).object(trusted)
    except SerializationError as error:
        raise SerializationError(f"{name!r}: {error}") from error.__cause__


class _Stream(Reader):
    def __init__(self, data: bytes, map_location: Any) -> None:
        self.file = io.BytesIO(data)
        self.size = len(data)
        self.map_location = map_location
        self.storages: dict[str, Storage] = {}
        self.host = backends.get("numpy")
        self._facts()

    def _facts(self) -> None:
        _, version, machine = [unpickle(self._pickle(), self.reference) for _ in range(3)]
        if version != 1001 or not isinstance(machine, dict):
            raise SerializationError("it is a stream of an unknown version")
        if machine.get("little_endian") is not True:
            raise SerializationError("it was written where the bytes of a number come in reverse")
        self.swapped = False

    def _pickle(self) -> bytes:
        """The bytes of the next pickle."""
        begin = self.file.tell()
        try:
            for _ in pickletools.genops(self.file):
                pass
        except (ValueError, IndexError) as error:
            raise SerializationError(f"its pickle is damaged: {error}") from error
        return self.file.getbuffer()[begin : self.file.tell()].tobytes()

    def object(self, trusted: bool) -> Any:
        """What the stream holds."""
        pickled = self._pickle()
        if trusted:
            from .objects import read_object

            made = read_object(pickled, self.reference)
        else:
            made = unpickle(pickled, self.reference)
        keys = unpickle(self._pickle(), self.reference)
        if not isinstance(keys, list) or set(keys) != set(self.storages):
            raise SerializationError("its storages are others than its object refers to")
        for key in keys:
            self._fill(key, self.storages[key].data)
        return made

    def _fill(self, key: Any, raw: bytearray) -> None:
        self.file.read(8)  # the count
        content = self.file.read(len(raw))
        if len(content) < len(raw):
            raise SerializationError(f"storage {key} is cut off: the stream is not whole")
        raw[:] = content

    def reference(self, given: Any) -> Storage:
        """``("storage", kind, key, location, number of elements, view)``."""
        if not (isinstance(given, tuple) and len(given) == 6 and given[0] == "storage"):
            raise SerializationError("a reference to something that is no storage")
        _, kind, key, location, count, view = given
        if not isinstance(kind, StorageKind) or type(count) is not int or count < 0:
            raise SerializationError("a reference to a storage of an unknown kind")
        if view is not None:
            raise SerializationError("a storage is a view of another")
        size = count * (1 if kind.dtype is None else kind.dtype.itemsize)
        if size > self.size:
            raise SerializationError(
                f"storage {key} has {size} bytes, more than there are: the stream is not whole"
            )
        if key not in self.storages:
            place = self._place(str(location))
            self.storages[key] = Storage(bytearray(size), kind.dtype, self._array, place)
        return self.storages[key]
