"""tensor_file: arrays and a note in one safetensors file, with a checksum of every byte.

Our one metadata entry is JSON: the note, and the hash of the whole file as it was before the hash
was put in, zeros in its place. So a bit that is flipped anywhere, in the header too, is told.
Files are written piece by piece from the arrays' own memory: no second copy is made, and another
thread can go on meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from . import backend as backends
from . import dtypes
from .device import device as Device
from .errors import SerializationError
from .tensor import Tensor, wrap

_CODES = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16,
    "I64": dtypes.int64, "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8,
    "U8": dtypes.uint8, "BOOL": dtypes.bool_, "C64": dtypes.complex64,
    "U16": dtypes.uint16, "U32": dtypes.uint32, "U64": dtypes.uint64,
    "F8_E4M3": dtypes.float8_e4m3fn, "F8_E5M2": dtypes.float8_e5m2,
    "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz,
}  # fmt: skip
_NAMES = {d.name: code for code, d in _CODES.items()}
#: Our metadata entry. One only: equal states give equal files.
_ENTRY = "anadrome"
_HASH = "blake2b"
_SIZE = 16
_BLANK = "0" * (2 * _SIZE)


def library() -> Any:
    """The safetensors package, which says whether a file is whole."""
    try:
        import safetensors
    except ImportError as error:
        raise SerializationError(
            'saving and loading need the safetensors package: pip install "anadrome[safetensors]"'
        ) from error
    return safetensors


def on_host(name: str, value: Any, copy: bool = False) -> Any:
    """A Tensor's values, or a host array's, as a contiguous host array of a dtype files have."""
    if isinstance(value, Tensor):
        if value.dtype.name not in _NAMES:
            raise SerializationError(f"{name}: {value.dtype.name} has no form in safetensors files")
        host = value._backend.to_host(value._data)
        copy = copy and value.device.type == "cpu"  # from elsewhere it is a copy
    else:
        host = value
    return host.copy() if copy or not host.flags.c_contiguous else host


def pieces(arrays: dict[str, Any], note: dict[str, Any]) -> list[Any]:
    """The file that holds these host arrays, in order, as buffers to be written one by one."""
    if "__metadata__" in arrays:
        raise SerializationError("'__metadata__' cannot be a tensor's name in safetensors files")
    kinds = {name: _NAMES[str(array.dtype)] for name, array in arrays.items()}
    # The format wants the widest first, so that every array lies where its type may lie.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    entry = json.dumps({_HASH: _BLANK, **note}, allow_nan=False)
    header: dict[str, Any] = {"__metadata__": {_ENTRY: entry}}
    start = 0
    for name in names:
        stop = start + arrays[name].nbytes
        header[name] = {
            "dtype": kinds[name],
            "shape": list(arrays[name].shape),
            "data_offsets": [start, stop],
        }
        start = stop
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError as error:
        raise SerializationError(f"a name is not text: {error.object!r}") from error
    text += b" " * (-len(text) % 8)
    data = [memoryview(arrays[name].reshape(-1).view("uint8")) for name in names]
    head = len(text).to_bytes(8, "little") + text
    found = _hash([head, *data])
    return [head.replace(_BLANK.encode(), found.encode(), 1), *data]


def _hash(parts: list[Any]) -> str:
    out = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        out.update(part)
    return out.hexdigest()


def parse(
    name: str, data: bytes, map_location: Any = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and note of a file; the note is empty where somebody else wrote it.

    Raises ``SerializationError`` that names the file if it is not whole.
    """
    safetensors = library()
    try:
        entries = safetensors.deserialize(data)
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        text = (header.get("__metadata__") or {}).get(_ENTRY)
        note = {} if text is None else dict(json.loads(text).items())
    except (safetensors.SafetensorError, ValueError, AttributeError, RecursionError) as error:
        raise SerializationError(
            f"{name!r} is not a whole safetensors file ({len(data)} bytes): {error}"
        ) from error
    if text is not None:
        _verify(name, data, size, note.pop(_HASH, None))
    order = sorted(entries, key=lambda pair: header[pair[0]]["data_offsets"])
    return {key: _tensor(name, key, entry, map_location) for key, entry in order}, note


def _verify(name: str, data: bytes, size: int, wanted: Any) -> None:
    at = -1
    if isinstance(wanted, str) and len(wanted) == len(_BLANK):
        at = data.find(wanted.encode("utf-8", "replace"), 8, 8 + size)
    whole = memoryview(data)
    if at < 0 or _hash([whole[:at], _BLANK.encode(), whole[at + len(_BLANK) :]]) != wanted:
        raise SerializationError(f"{name!r} is corrupt: its checksum does not match its content")


def _tensor(name: str, key: str, entry: Any, map_location: Any) -> Tensor:
    kind = _CODES.get(entry["dtype"])
    if kind is None:
        raise SerializationError(f"{name!r}: {key!r} has the unsupported dtype {entry['dtype']}")
    host = backends.get("numpy")
    flat = host.xp.frombuffer(entry["data"], dtype=host.dtype(kind))
    array = host.asarray(flat.reshape(entry["shape"]))
    if map_location is None:
        return wrap(array)
    place = Device(map_location)
    return wrap(array).to(place)
