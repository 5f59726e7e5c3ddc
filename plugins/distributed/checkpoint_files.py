"""checkpoint_files: the folder of a checkpoint: values as safetensors, what they are as JSON.

``.metadata`` names the one file of values that belongs to it. A save writes a new file of values
first, and replaces ``.metadata`` last, so a kill at any moment leaves a whole checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor, serialization
from anadrome.atomic import write_atomically
from anadrome.errors import SerializationError

_FORMAT = "anadrome.distributed.checkpoint"


@dataclass
class ChunkStorageMetadata:
    """Where a piece lies in its Tensor; here each has one piece."""

    offsets: Size
    sizes: Size


@dataclass
class TensorProperties:
    """What a saved Tensor is made with."""

    dtype: Any = field(default_factory=ad.get_default_dtype)
    layout: Any = field(default_factory=lambda: ad.strided)
    requires_grad: bool = False
    memory_format: Any = field(default_factory=lambda: ad.contiguous_format)
    pin_memory: bool = False

    @staticmethod
    def create_from_tensor(tensor: Tensor) -> TensorProperties:
        """Those of a Tensor."""
        return TensorProperties(dtype=tensor.dtype, requires_grad=tensor.requires_grad)


@dataclass
class TensorStorageMetadata:
    """Of a Tensor."""

    properties: TensorProperties
    size: Size
    chunks: list[ChunkStorageMetadata]


@dataclass
class BytesStorageMetadata:
    """Of another value."""


@dataclass
class StorageMeta:
    """Which checkpoint it is."""

    checkpoint_id: Any = None
    save_id: str | None = None
    load_id: str | None = None
    modules: list[str] = field(default_factory=list)


@dataclass
class Metadata:
    """What is in a checkpoint, by name (``torch.distributed.checkpoint.Metadata``).

    ``planner_data``: the keys that lead to each value; ``storage_data``: the file of the values.
    """

    state_dict_metadata: dict[str, Any]
    planner_data: Any = None
    storage_data: Any = None
    storage_meta: StorageMeta | None = None
    version: str | None = None


class StorageReader:
    """What reads a checkpoint: ``FileSystemReader`` (PyTorch's name)."""


class StorageWriter:
    """What writes a checkpoint: ``FileSystemWriter`` (PyTorch's name)."""


class _Folder:
    def __init__(self, path: Any) -> None:
        self.reset(path)

    def reset(self, checkpoint_id: Any = None) -> None:
        """From now on this folder, if one is given."""
        if checkpoint_id:
            if "://" in os.fspath(checkpoint_id):
                raise ValueError(
                    f"a checkpoint is a folder, not {os.fspath(checkpoint_id)!r}; save to a "
                    "folder, and copy it"
                )
            self.path = Path(checkpoint_id)

    @property
    def checkpoint_id(self) -> Any:
        """The folder."""
        return self.path

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:
        """Whether it could be a folder."""
        path = os.fspath(checkpoint_id)
        return "://" not in path and any(p.exists() for p in [Path(path), *Path(path).parents])


class FileSystemWriter(_Folder, StorageWriter):
    """Writes a checkpoint to a folder (``torch.distributed.checkpoint.FileSystemWriter``).

    ``overwrite``: False refuses a folder that has one. PyTorch's further arguments are accepted:
    there is one file of values, always synced.
    """

    def __init__(
        self,
        path: Any,
        single_file_per_rank: bool = True,
        sync_files: bool = True,
        thread_count: int = 1,
        per_thread_copy_ahead: int = 10_000_000,
        cache_staged_state_dict: bool = False,
        overwrite: bool = True,
        _extensions: Any = None,
        serialization_format: Any = None,
    ) -> None:
        super().__init__(path)
        self.overwrite = overwrite

    def write(self, values: dict[str, Any], paths: dict[str, Any]) -> Metadata:
        """Write named values, and which keys lead to them."""
        place = self.path / ".metadata"
        if place.exists() and not self.overwrite:
            raise RuntimeError(f"Checkpoint already exists and {self.overwrite=}.")
        self.path.mkdir(parents=True, exist_ok=True)
        old = list(self.path.glob("__0_0.*.safetensors"))
        save_id = uuid.uuid4().hex
        data = f"__0_0.{save_id}.safetensors"
        serialization.save(values, self.path / data)
        note = {
            "format": _FORMAT, "version": 1, "data": data,
            "values": described(values),
            "paths": {name: list(path) for name, path in paths.items()},
        }  # fmt: skip
        write_atomically(place, [json.dumps(note).encode()])
        for path in old:
            with contextlib.suppress(OSError):
                path.unlink()
        return metadata_of(note["values"], note["paths"], data, self.path, save_id)


def described(values: dict[str, Any]) -> dict[str, Any]:
    """What each value is: of a Tensor its dtype and size, of another None."""
    return {
        name: {"dtype": value.dtype.name, "size": list(value.shape)}
        if isinstance(value, Tensor)
        else None
        for name, value in values.items()
    }


def metadata_of(values: Any, paths: Any, data: Any, path: Path, save_id: Any = None) -> Metadata:
    """What is in a checkpoint, from what was noted of it."""
    return Metadata(
        {name: _entry(what) for name, what in values.items()},
        {name: tuple(keys) for name, keys in paths.items()},
        data,
        StorageMeta(path, save_id),
        "1.0.0",
    )


def _entry(what: Any) -> Any:
    if what is None:
        return BytesStorageMetadata()
    size = Size(what["size"])
    kind = getattr(ad, what["dtype"])
    piece = ChunkStorageMetadata(Size([0] * len(size)), size)
    return TensorStorageMetadata(TensorProperties(dtype=kind), size, [piece])


class FileSystemReader(_Folder, StorageReader):
    """Reads the folder of a checkpoint (``torch.distributed.checkpoint.FileSystemReader``)."""

    def __init__(self, path: Any, _extension_registry: Any = None) -> None:
        super().__init__(path)

    def read_metadata(self, *args: Any, **options: Any) -> Metadata:
        """What is in it. Raises ``SerializationError`` for anything else than ours."""
        place = self.path / ".metadata"
        try:
            content = place.read_bytes()
        except FileNotFoundError as error:
            raise SerializationError(f"{os.fspath(self.path)!r} has no checkpoint") from error
        if content[:1] == b"\x80":
            raise SerializationError(
                f"{os.fspath(self.path)!r} is a checkpoint of PyTorch's own, whose pickle is not "
                "read; convert it there with torch.distributed.checkpoint.format_utils."
                "dcp_to_torch_save(folder, file), and read that file with load"
            )
        try:
            note = json.loads(content)
            if note["format"] != _FORMAT:
                raise ValueError(note["format"])
            return metadata_of(note["values"], note["paths"], note["data"], self.path)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise SerializationError(f"{os.fspath(place)!r} is damaged: {error}") from error

    def read(self, metadata: Metadata, names: list[str]) -> dict[str, Any]:
        """The values of these names."""
        data = metadata.storage_data
        if os.path.basename(data) != data:
            raise SerializationError(f"{data!r} is not a file of the folder")
        found = serialization.load(self.path / data)
        lacking = [name for name in names if name not in found]
        if lacking:
            raise SerializationError(f"{data!r} lacks {lacking[0]!r}, which .metadata names")
        return {name: found[name] for name in names}
