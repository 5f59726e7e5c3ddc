"""writing: tensors and plain containers as a file that ``torch.load`` reads.

Tensors that share memory share a storage in the file. Others have one of their own, without the
rest of the memory that they may be a view of. An object that is more than that goes to
``objects``.
"""

from __future__ import annotations

import io
import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from .. import dtypes
from ..device import device
from ..errors import SerializationError
from ..overriding import off
from ..tabled import InFile, Tabled
from ..tensor import Size, Tensor
from .allowed import STORAGES

_OURS = __name__.partition(".")[0] + "."
_STORAGE_OF = {kind: f"torch {name}" for name, kind in STORAGES.items() if kind is not None}
#: The storage of dtypes that are younger than storages with one; the tensor tells its dtype.
BYTES = "torch.storage UntypedStorage"


def write(obj: Any) -> bytes:
    """The bytes of the file."""
    import zipfile

    try:
        told: dict[int, InFile] = {}
        found = list(_tensors(obj, set(), told))
        storages = _Storages([t for t in found if t._backend.holds_values])
        pickled = _Pickler(storages, told).pickle(obj)
    except _NotPlainError:
        from .objects import write_object

        storages = _Storages([])
        pickled = write_object(obj, storages.alone)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        _entry(archive, "archive/data.pkl", pickled)
        _entry(archive, "archive/byteorder", b"little")
        for key, content in enumerate(storages.contents):
            _entry(archive, f"archive/data/{key}", content)
        _entry(archive, "archive/version", b"3\n")
    return out.getvalue()


def _entry(archive: Any, name: str, content: bytes) -> None:
    """An entry without a date, so that equal objects give equal files, aligned as PyTorch's."""
    import zipfile

    info = zipfile.ZipInfo(f"{name}")
    begin = archive.fp.tell() + 30 + len(name) + 4
    padding = -begin % 64
    info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
    archive.writestr(info, content)


def _tensors(value: Any, seen: set[int], told: dict[int, InFile]) -> Iterator[Tensor]:
    """Every tensor in an object, each once; of one that is more, what it is made of."""
    if id(value) in seen:
        return
    if isinstance(value, Tabled):
        seen.add(id(value))
        with off():
            told[id(value)] = value = value.in_file()
    if isinstance(value, Tensor):
        if not _is_ours(type(value)):
            raise _NotPlainError  # of a program's own class
        seen.add(id(value))
        yield value
    elif isinstance(value, dict):
        seen.add(id(value))
        for k, v in value.items():
            yield from _tensors(k, seen, told)
            yield from _tensors(v, seen, told)
    elif isinstance(value, (list, tuple, set, frozenset)):
        seen.add(id(value))
        for v in value:
            yield from _tensors(v, seen, told)


def _is_ours(kind: type) -> bool:
    """Whether it is a class of ours, of which the two that all know may be called PyTorch's."""
    from ..nn import Parameter

    return kind in (Tensor, Parameter) or kind.__module__.startswith(_OURS)


class _NotPlainError(Exception):
    """The object holds something else than tensors and plain containers."""


class _Piece:
    """Where a tensor's elements are: a range of memory, and the array that keeps it alive."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.array = tensor._backend.to_host(tensor._data)
        self.step = self.array.dtype.itemsize
        size, strides = self.array.shape, self.array.strides
        odd = any(s < 0 or s % self.step for n, s in zip(size, strides) if n > 1)
        if not odd and self.array.size:
            last = sum((n - 1) * s for n, s in zip(size, strides))
            odd = last + self.step > self.array.nbytes  # a view with gaps
        if odd:
            self.array = self.array.copy(order="C")
        self.alone = odd
        self.begin = self.array.__array_interface__["data"][0]
        reach = sum((n - 1) * s for n, s in zip(size, self.array.strides))
        self.end = self.begin + (reach + self.step if self.array.size else 0)


class _Storages:
    """The storages of the file, and where in which of them each tensor is."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.contents: list[bytes] = []
        self.counts: list[int] = []
        self.places: dict[int, tuple[int, int, tuple[int, ...]]] = {}
        self.alive: list[Any] = []
        pieces = [_Piece(t) for t in tensors]
        order = sorted(range(len(pieces)), key=lambda i: (pieces[i].begin, i))
        clusters: dict[int, list[_Piece]] = {}
        current: list[_Piece] = []
        for i in order:
            piece = pieces[i]
            first = current[0] if current else None
            joined = (
                first is not None
                and piece.begin < max(p.end for p in current)
                and piece.array.dtype == first.array.dtype
                and (piece.begin - first.begin) % piece.step == 0
            )
            if not joined:
                current = []
                clusters[i] = current
            current.append(piece)
        for i in sorted(clusters, key=lambda i: min(pieces.index(p) for p in clusters[i])):
            self._add(clusters[i])

    def _add(self, pieces: list[_Piece]) -> None:
        import ctypes

        begin = min(p.begin for p in pieces)
        end = max(p.end for p in pieces)
        key = len(self.contents)
        self.contents.append(ctypes.string_at(begin, end - begin) if end > begin else b"")
        self.counts.append((end - begin) // pieces[0].step)
        for p in pieces:
            strides = tuple(s // p.step for s in p.array.strides)
            self.places[id(p.tensor)] = (key, (p.begin - begin) // p.step, strides)

    def alone(self, tensor: Tensor) -> tuple[Any, ...]:
        """A storage of its own for a tensor: its kind, key and count; offset and strides."""
        self._add([_Piece(tensor)])
        return self.of(tensor)

    def of(self, tensor: Tensor) -> tuple[Any, ...]:
        """The storage that a tensor is in: its kind, key and count; offset and strides."""
        key, offset, strides = self.places[id(tensor)]
        kind = _STORAGE_OF.get(tensor.dtype, BYTES)
        unit = tensor.dtype.itemsize if kind is BYTES else 1
        return kind, key, self.counts[key] * unit, offset, strides


#: What makes a tensor of which the file has no values.
WITHOUT_VALUES = "torch._utils _rebuild_meta_tensor_no_storage"


def layout_of(tensor: Any) -> tuple[dtypes.dtype, tuple[int, ...], tuple[int, ...]]:
    """What is kept of a tensor without values: dtype, lengths and strides."""
    return tensor.dtype, tuple(tensor.shape), tuple(tensor.stride())


class _Pickler:
    """The object as a pickle of protocol 2, with PyTorch's names for what makes a tensor."""

    def __init__(self, storages: _Storages, told: dict[int, InFile]) -> None:
        self.storages = storages
        self.told = told
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[int, int] = {}
        self.keep: list[Any] = []

    def pickle(self, obj: Any) -> bytes:
        """All of it."""
        try:
            self._save(obj)
        except RecursionError:
            raise SerializationError("the object is nested too deeply to be saved") from None
        return bytes(self.out + b".")

    def _memoized(self, value: Any) -> None:
        number = self.memo[id(value)] = len(self.memo)
        self.keep.append(value)
        self.out += b"r" + struct.pack("<I", number)

    def _save(self, value: Any) -> None:
        if id(value) in self.memo:
            self.out += b"j" + struct.pack("<I", self.memo[id(value)])
        elif isinstance(value, InFile):
            self._name(value.name)
            if value.args is not None:
                self._tuple(value.args)
                self.out += b"R"
        elif isinstance(value, Tabled):
            self._save(self.told[id(value)])
            self._memoized(value)
        elif isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, dict):
            self._dict(value)
        elif type(value) is list:
            self.out += b"]"
            self._memoized(value)
            self.out += b"("
            for v in value:
                self._save(v)
            self.out += b"e"
        elif isinstance(value, Size):
            self._call("torch Size", [tuple(value)])
        elif isinstance(value, tuple):
            self._tuple(value)
        elif type(value) in (set, frozenset):
            self._call(f"__builtin__ {type(value).__name__}", [list(value)])
        else:
            self._plain(value)

    def _plain(self, value: Any) -> None:
        if value is None or value is True or value is False:
            self.out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, int) and not isinstance(value, bool):
            self._int(int(value))
        elif isinstance(value, float):
            self.out += b"G" + struct.pack(">d", float(value))
        elif isinstance(value, str):
            encoded = str(value).encode("utf-8", "surrogatepass")
            self.out += b"X" + struct.pack("<I", len(encoded)) + encoded
        elif isinstance(value, (bytes, bytearray)):
            self._call("_codecs encode", [bytes(value).decode("latin1"), "latin1"])
        elif isinstance(value, complex):
            self._call("__builtin__ complex", [value.real, value.imag])
        elif isinstance(value, dtypes.dtype):
            self._name(f"torch {value.name}")
        elif isinstance(value, device):
            index = getattr(value, "index", None)
            self._call("torch device", [value.type, *([] if index is None else [index])])
        else:
            raise _NotPlainError

    def _int(self, value: int) -> None:
        if -(2**31) <= value < 2**31:
            self.out += b"J" + struct.pack("<i", value)
            return
        encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        if len(encoded) > 255:
            raise SerializationError("an integer of more than 255 bytes cannot be saved")
        self.out += b"\x8a" + bytes([len(encoded)]) + encoded

    def _tuple(self, value: tuple[Any, ...]) -> None:
        self.out += b"("
        for v in value:
            self._save(v)
        self.out += b"t"

    def _dict(self, value: dict[Any, Any]) -> None:
        ordered = isinstance(value, OrderedDict)
        self.out += b"ccollections\nOrderedDict\n)R" if ordered else b"}"
        self._memoized(value)
        self.out += b"("
        for k, v in value.items():
            self._save(k)
            self._save(v)
        self.out += b"u"
        metadata = getattr(value, "_metadata", None)
        if ordered and metadata is not None:
            self._save({"_metadata": metadata})
            self.out += b"b"

    def _name(self, name: str) -> None:
        module, _, last = name.partition(" ")
        self.out += f"c{module}\n{last}\n".encode("ascii")

    def _call(self, name: str, args: list[Any]) -> None:
        self._name(name)
        self._tuple(tuple(args))
        self.out += b"R"

    def _tensor(self, tensor: Tensor) -> None:
        from ..nn import Parameter

        tensor_requires = tensor.requires_grad  # also of a non-leaf, which comes back as a leaf
        parameter = isinstance(tensor, Parameter)
        if parameter:
            self._name("torch._utils _rebuild_parameter")
            self.out += b"("
        if tensor._backend.holds_values:
            self._stored(tensor, tensor_requires and not parameter)
        else:
            told = layout_of(tensor)
            self._call(WITHOUT_VALUES, [*told, tensor_requires and not parameter])
        if parameter:
            self._plain(tensor_requires)
            self.out += b"ccollections\nOrderedDict\n)RtR"
        self._memoized(tensor)

    def _stored(self, tensor: Tensor, requires_grad: bool) -> None:
        """A view of a storage of the file."""
        kind, key, count, offset, strides = self.storages.of(tensor)
        self._name(f"torch._utils _rebuild_tensor_v{3 if kind is BYTES else 2}")
        self.out += b"(("
        self._plain("storage")
        self._name(kind)
        for part in (str(key), str(tensor.device), count):
            self._plain(part)
        self.out += b"tQ"
        self._plain(offset)
        self._tuple(tuple(tensor.shape))
        self._tuple(strides)
        self._plain(requires_grad)
        self.out += b"ccollections\nOrderedDict\n)R"
        if kind is BYTES:
            self._plain(tensor.dtype)
        self.out += b"tR"
