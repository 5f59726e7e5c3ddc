"""checkpoint_hf: checkpoints as model hubs have them: safetensors files, and one that says which.

PyTorch: ``HuggingFaceStorageWriter`` and ``HuggingFaceStorageReader``.
"""

from __future__ import annotations

import json
import os
from typing import Any

from anadrome import Tensor, serialization
from anadrome.atomic import write_atomically
from anadrome.errors import SerializationError

from .checkpoint_files import FileSystemReader, FileSystemWriter, Metadata, described, metadata_of

_INDEX = "model.safetensors.index.json"


class HuggingFaceStorageWriter(FileSystemWriter):
    """Writes Tensors to ``model-00001-of-00001.safetensors`` and its kin, and their index.

    ``fqn_to_index_mapping``: the number of the file of each name, from 1. ``save_distributed``:
    the name says that it is the first process' part, as it is without ``enable_consolidation``.
    """

    def __init__(
        self,
        path: Any,
        fqn_to_index_mapping: dict[str, int] | None = None,
        thread_count: int = 1,
        save_distributed: bool = False,
        enable_consolidation: bool = False,
        thread_count_consolidation: int = 1,
    ) -> None:
        super().__init__(path)
        self.fqn_to_index_mapping = fqn_to_index_mapping
        self.part = save_distributed and not enable_consolidation

    def write(self, values: dict[str, Any], paths: dict[str, Any]) -> Metadata:
        """Write named Tensors; ``SerializationError`` for any other value."""
        for name, value in values.items():
            if not isinstance(value, Tensor):
                raise SerializationError(
                    f"{name} is a {type(value).__name__}; these files hold Tensors alone: write "
                    "the rest with FileSystemWriter"
                )
        numbers = self.fqn_to_index_mapping or dict.fromkeys(values, 1)
        count = max(numbers.values(), default=1)
        files: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            file = f"model-{numbers[name]:05}-of-{count:05}.safetensors"
            files.setdefault(f"shard-00001-{file}" if self.part else file, {})[name] = value
        self.path.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            serialization.save(content, self.path / file)
        where = {name: file for file, content in files.items() for name in content}
        if not self.part:
            size = sum(v.numel() * v.element_size() for v in values.values())
            index = {"metadata": {"total_size": size}, "weight_map": where}
            write_atomically(self.path / _INDEX, [json.dumps(index, indent=2).encode()])
        return metadata_of(described(values), paths, where, self.path)


class HuggingFaceStorageReader(FileSystemReader):
    """Reads the Tensors of all safetensors files of a folder."""

    def __init__(self, path: Any, thread_count: int = 1) -> None:
        super().__init__(path)

    def read_metadata(self, *args: Any, **options: Any) -> Metadata:
        """What is in them."""
        found: dict[str, Any] = {}
        where = {}
        files = sorted(self.path.glob("*.safetensors"))
        if not files:
            raise SerializationError(f"{os.fspath(self.path)!r} has no safetensors files")
        for file in files:
            content = serialization.load(file)
            found.update(content)
            where.update(dict.fromkeys(content, file.name))
        return metadata_of(described(found), {name: (name,) for name in found}, where, self.path)

    def read(self, metadata: Metadata, names: list[str]) -> dict[str, Any]:
        """The values of these names."""
        found: dict[str, Any] = {}
        for file in dict.fromkeys(metadata.storage_data[name] for name in names):
            found.update(serialization.load(self.path / file))
        return {name: found[name] for name in names}
