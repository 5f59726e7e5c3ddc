"""serialization: tensors and state dicts to files and back: PyTorch's own files, and safetensors.

A file is written beside its name, synced and renamed over it, so that a kill at any moment leaves
the old file or the new one. Reading runs no code: of a PyTorch file's pickle, ``torch_files`` plays
what makes tensors and plain containers; a safetensors file is a JSON header and raw bytes, with a
checksum that tells a flipped bit.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections import OrderedDict
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
}  # fmt: skip
#: Our one metadata entry (the library writes several in any order, and equal states should give
#: equal files): JSON with the checksum of the data and, for a nested state, its structure.
_ENTRY = "anadrome"


def _library() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise SerializationError(
            'saving and loading need the safetensors package: pip install "anadrome[safetensors]"'
        ) from error
    return safetensors


def save(obj: Any, f: Any, *others: Any, **options: Any) -> None:
    """Write tensors, and plain containers of them, to a file (``torch.save``).

    ``obj``: a Tensor, or dicts, lists, tuples and sets of Tensors, numbers, strings, bytes,
    booleans and None: a state dict, a checkpoint. ``f``: a path, or a binary file object. A path
    that ends in ``.safetensors`` gives a safetensors file (``obj`` is then a dict), any other a
    file that ``torch.load`` reads. The path is replaced atomically. PyTorch's further arguments
    are accepted, and change nothing.

    >>> import anadrome as ad, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.pt")
    >>> ad.save({"w": ad.ones(2), "epoch": 3}, path)
    >>> ad.load(path)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    if hasattr(f, "write"):
        f.write(_as_torch_file(obj))
        return
    path = os.fspath(f)
    as_text = path.decode() if isinstance(path, bytes) else path
    data = _as_safetensors(obj) if as_text.endswith(".safetensors") else _as_torch_file(obj)
    write_atomically(path, data)


def _as_torch_file(obj: Any) -> bytes:
    from .torch_files.writing import write

    return write(obj)


def _as_safetensors(obj: Any) -> bytes:
    if not isinstance(obj, dict):
        raise SerializationError(
            f"a safetensors file holds a state_dict, not a {type(obj).__name__}; for a Module "
            "write `save(model.state_dict(), path)`"
        )
    tensors: dict[str, Tensor] = {}
    flat = all(isinstance(k, str) and isinstance(v, Tensor) for k, v in obj.items())
    structure = None
    if flat:
        tensors = dict(obj)
    else:
        structure = _described(obj, tensors, "state")
    return _serialized(tensors, structure)


def _described(value: Any, tensors: dict[str, Tensor], where: str) -> Any:
    """JSON for a nested value; its Tensors go into ``tensors``."""
    if isinstance(value, Tensor):
        name = f"{len(tensors)}"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [
            [_described(k, tensors, where), _described(v, tensors, f"{where}[{k!r}]")]
            for k, v in value.items()
        ]}  # fmt: skip
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_described(v, tensors, f"{where}[{i}]") for i, v in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise SerializationError(
        f"{where} is a {type(value).__name__}; files hold Tensors, numbers, strings, booleans, "
        "None, and dicts, lists and tuples of them"
    )


def _serialized(tensors: dict[str, Tensor], structure: Any) -> bytes:
    library = _library()
    names = {d: code for code, d in _CODES.items()}
    specs, alive = {}, []
    checksum = 0
    for name, tensor in sorted(tensors.items()):
        if tensor.dtype not in names:
            raise SerializationError(
                f"{name}: {tensor.dtype.name} has no form in safetensors files"
            )
        host = tensor._backend.to_host(tensor._data)
        host = host.reshape(-1).copy() if not host.flags.c_contiguous else host.reshape(-1)
        alive.append(host)
        specs[name] = library.TensorSpec(
            dtype=tensor.dtype.name,
            shape=list(tensor._data.shape),
            data_ptr=host.ctypes.data,
            data_len=host.nbytes,
        )
        checksum = zlib.crc32(host.view("uint8"), checksum)
    entry = json.dumps({"crc32": f"{checksum:08x}", "structure": structure})
    return bytes(library.serialize(specs, metadata={_ENTRY: entry}))


def write_atomically(path: str, data: bytes) -> None:
    """Old content or new content under ``path``, never half of it."""
    import tempfile

    folder = os.path.dirname(os.path.abspath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".saving-")
    except OSError as error:
        raise SerializationError(f"cannot write in {folder!r}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise SerializationError(f"cannot write {path!r}: {error.strerror}") from error
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # make the rename itself durable, where folders can be synced
        folder_descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder_descriptor)
        finally:
            os.close(folder_descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **options: Any,
) -> Any:
    """What ``save`` wrote, or any file of PyTorch's or safetensors' (``torch.load``).

    ``map_location``: the device to put Tensors on. No code of the file is ever run, whatever
    ``weights_only`` says: tensors and plain containers are read, and anything else is refused by
    name. PyTorch's further arguments are accepted, and change nothing. Raises
    ``SerializationError`` (a RuntimeError and ValueError) that names the file if it is truncated,
    corrupt, or of another format.
    """
    if hasattr(f, "read"):
        name, data = getattr(f, "name", "the file object"), f.read()
    else:
        name = os.fspath(f)
        with open(name, "rb") as file:
            data = file.read()
    # A safetensors file has its JSON header at byte 8; the eight before it may be any number.
    if data[8:9] != b"{":
        from .torch_files.reading import is_archive, read

        if is_archive(data):
            return read(name, data, map_location)
        if data[:1] == b"\x80":
            raise SerializationError(
                f"{name!r} is a bare pickle or a PyTorch file from before version 1.6, which is "
                "not read; where PyTorch is, write it again with torch.save(torch.load(path), path)"
            )
    library = _library()
    try:
        entries = library.deserialize(data)
        ours = _entry(data)
    except (library.SafetensorError, ValueError, AttributeError, RecursionError) as error:
        raise SerializationError(
            f"{name!r} is not a whole safetensors file ({len(data)} bytes): {error}"
        ) from error
    _verify(name, entries, ours.get("crc32"))
    tensors = {key: _tensor(name, key, entry, map_location) for key, entry in entries}
    if ours.get("structure") is None:
        return OrderedDict((key, tensors[key]) for key in _order(data, tensors))
    try:
        return _rebuilt(ours["structure"], tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SerializationError(f"{name!r}: its structure is damaged: {error}") from error


def _header(data: bytes) -> dict[str, Any]:
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size])


def _entry(data: bytes) -> dict[str, Any]:
    """What we noted in the file; empty for a file of someone else's."""
    text = (_header(data).get("__metadata__") or {}).get(_ENTRY)
    return {} if text is None else dict(json.loads(text).items())


def _order(data: bytes, tensors: dict[str, Tensor]) -> list[str]:
    return sorted(tensors, key=lambda k: _header(data)[k]["data_offsets"]) if tensors else []


def _verify(name: str, entries: Any, wanted: str | None) -> None:
    if wanted is None:  # written by someone else
        return
    checksum = 0
    for _, entry in sorted(entries, key=lambda pair: pair[0]):
        checksum = zlib.crc32(entry["data"], checksum)
    if f"{checksum:08x}" != wanted:
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


def _rebuilt(node: Any, tensors: dict[str, Tensor]) -> Any:
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "value":
        return content
    if kind == "dict":
        return {_rebuilt(k, tensors): _rebuilt(v, tensors) for k, v in content}
    if kind == "list":
        return [_rebuilt(v, tensors) for v in content]
    if kind == "tuple":
        return tuple(_rebuilt(v, tensors) for v in content)
    raise ValueError(f"unknown kind {kind!r}")
