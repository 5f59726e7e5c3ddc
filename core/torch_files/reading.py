"""reading: an archive, its storages, and the object that refers to them."""

from __future__ import annotations

import io
from typing import Any

from .. import backend as backends
from ..device import device as Device
from ..dtypes import dtype as Dtype
from ..errors import BackendError, SerializationError
from . import safe
from .allowed import Storage, StorageKind, find
from .unpickling import unpickle


def is_archive(data: bytes) -> bool:
    """Whether these are the first bytes of a zip archive."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def read(name: str, data: bytes, map_location: Any = None, trusted: bool = False) -> Any:
    """The object in one of PyTorch's files, given as bytes; ``name`` is for errors.

    ``trusted``: it may be any object, and making it may run code that the file names.
    """
    import zipfile

    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        with archive:
            return Reader(archive, map_location).object(trusted)
    except SerializationError as error:
        raise SerializationError(f"{name!r}: {error}") from error.__cause__
    except BackendError:
        raise
    except (
        zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
    ) as error:  # fmt: skip
        raise SerializationError(
            f"{name!r} is not a whole PyTorch file ({len(data)} bytes): {error}"
        ) from error


def unsafe_names(data: bytes) -> list[str]:
    """The functions and classes that a file's pickle names and may not call."""
    import zipfile

    if not is_archive(data):
        raise ValueError("Expected input to be a checkpoint returned by torch.save")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        reader = Reader(archive, None)
        found = safe.names_in(reader._bytes(f"{reader.prefix}data.pkl", None))
    return [full for full in found if not _known(*full.rpartition(".")[::2])]


def _known(module: str, name: str) -> bool:
    try:
        find(module, name)
    except SerializationError:
        return False
    return True


class Reader:
    """One archive; each storage is read once, and shared by the tensors that are views of it."""

    def __init__(self, archive: Any, map_location: Any) -> None:
        self.archive = archive
        self.entries = {info.filename: info for info in archive.infolist()}
        pickles = [n for n in self.entries if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise SerializationError(
                "it is a zip archive without data.pkl, so none of PyTorch's files"
                if not any(n.endswith("constants.pkl") for n in self.entries)
                else "it is a TorchScript program, not a file of weights"
            )
        self.prefix = pickles[0].removesuffix("data.pkl")
        if f"{self.prefix}constants.pkl" in self.entries:
            raise SerializationError("it is a TorchScript program, not a file of weights")
        order = self.entries.get(f"{self.prefix}byteorder")
        self.swapped = order is not None and self._bytes(order.filename, 16).strip() == b"big"
        self.map_location = map_location
        self.storages: dict[str, Storage] = {}
        self.host = backends.get("numpy")

    def object(self, trusted: bool) -> Any:
        """What the archive holds."""
        pickled = self._bytes(f"{self.prefix}data.pkl", None)
        if trusted:
            from .objects import read_object

            return read_object(pickled, self.reference)
        return unpickle(pickled, self.reference)

    def _bytes(self, name: str, size: int | None) -> bytes:
        """An entry of known size; PyTorch compresses none, so none can be a bomb."""
        info = self.entries.get(name)
        if info is None:
            raise SerializationError(f"the entry {name!r} is missing: the file is not whole")
        if info.compress_type != 0 or info.file_size != info.compress_size:
            raise SerializationError(f"the entry {name!r} is compressed, which PyTorch never does")
        if size is not None and info.file_size > size:
            raise SerializationError(
                f"the entry {name!r} has {info.file_size} bytes, where {size} are told of"
            )
        return self.archive.read(info)

    def reference(self, given: Any) -> Storage:
        """``("storage", kind, key, location, number of elements)``."""
        if not (isinstance(given, tuple) and len(given) == 5 and given[0] == "storage"):
            raise SerializationError("a reference to something that is no storage")
        _, kind, key, location, count = given
        if not isinstance(kind, StorageKind) or type(count) is not int or count < 0:
            raise SerializationError("a reference to a storage of an unknown kind")
        found = self.storages.get(key)
        if found is None:
            itemsize = 1 if kind.dtype is None else kind.dtype.itemsize
            raw = bytearray(self._bytes(f"{self.prefix}data/{key}", count * itemsize))
            if len(raw) < count * itemsize:
                raise SerializationError(
                    f"storage {key} has {len(raw)} bytes of {count * itemsize}: the file is not "
                    "whole"
                )
            found = self.storages[key] = Storage(
                raw, kind.dtype, self._array, self._place(str(location))
            )
        return found._replace(dtype=kind.dtype)

    def _array(
        self, raw: bytearray, kind: Dtype, offset: int, size: tuple[int, ...],
        stride: tuple[int, ...],
    ) -> Any:  # fmt: skip
        """A view of a storage; its bounds are checked."""
        native = self.host.xp.dtype(self.host.dtype(kind))
        step = native.itemsize
        last = offset + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
        if (last + bool(all(size))) * step > len(raw):
            raise SerializationError(
                f"a tensor of size {size} and strides {stride} at {offset} is larger than its "
                f"storage of {len(raw) // step} elements"
            )
        if not all(size):
            return self.host.xp.zeros(size, dtype=native)
        if self.swapped:
            native = native.newbyteorder(">")
        array = self.host.array_type(
            size, dtype=native, buffer=raw, offset=offset * step,
            strides=tuple(s * step for s in stride),
        )  # fmt: skip
        return array.astype(native.newbyteorder("<")) if self.swapped else array

    def _place(self, location: str) -> Any:
        """The device for a storage that was saved on ``location``; None for the host."""
        wanted: Any = self.map_location
        if isinstance(wanted, dict):
            wanted = wanted.get(location, location)
        elif callable(wanted):
            # PyTorch's form is a function of (storage, location), nearly always
            # `lambda storage, location: storage`, which means the host.
            return None
        elif wanted is None:
            wanted = location
        place = Device(wanted)
        if place.type == "cpu":
            return None
        try:
            available = backends.for_device(place).device_count()
        except BackendError:
            available = 0
        if not available:
            raise SerializationError(
                f"Attempting to deserialize object on {str(place)!r}, which is not available here; "
                "give map_location='cpu' to put all tensors on the CPU"
            )
        return place
