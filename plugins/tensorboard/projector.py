"""projector: points with labels and pictures, for TensorBoard's projector."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from .pictures import grid, png
from .records import array


def write(
    logdir: Any, config: ProjectorConfig, mat: Any, metadata: Any, label_img: Any, step: Any,
    tag: str, header: Any,
) -> None:  # fmt: skip
    """Write one set of points below `logdir`, and add it to the list of all sets there."""
    points = array(mat)
    if points.ndim != 2:
        raise AssertionError(f"add_embedding(): mat has 2 dims, a point a row, not {points.ndim}")
    for name, given in (("metadata", metadata), ("label_img", label_img)):
        if given is not None and len(given) != len(points):
            raise AssertionError(
                f"add_embedding(): {name} has {len(given)} entries for {len(points)} points"
            )
    step = str(0 if step is None else step).zfill(5)
    subdir = f"{step}/{_encoded(tag)}"
    folder = Path(logdir) / subdir
    folder.mkdir(parents=True, exist_ok=True)
    info = config.embeddings.add()
    info.tensor_name = f"{tag}:{step}"
    info.tensor_path = f"{subdir}/tensors.tsv"
    _write_rows(folder / "tensors.tsv", points.tolist())
    if metadata is not None:
        rows = [header, *metadata] if header else [[label] for label in metadata]
        if header and len(header) != len(metadata[0]):
            raise AssertionError("len of header must be equal to the number of columns in metadata")
        info.metadata_path = f"{subdir}/metadata.tsv"
        _write_rows(folder / "metadata.tsv", rows)
    if label_img is not None:
        info.sprite.image_path = f"{subdir}/sprite.png"
        info.sprite.single_image_dim.extend([label_img.shape[3], label_img.shape[2]])
        (folder / "sprite.png").write_bytes(_sprite(array(label_img)))
    text = text_format.MessageToString(config)
    (Path(logdir) / "projector_config.pbtxt").write_text(text, encoding="utf-8")


def _encoded(tag: str) -> str:
    for mark in "%/\\":
        tag = tag.replace(mark, f"%{ord(mark):02x}")
    return tag


def _write_rows(path: Path, rows: Any) -> None:
    lines = ("\t".join(map(str, row)) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _sprite(pictures: Any) -> bytes:
    """All pictures in one square."""
    pictures = pictures.transpose(0, 2, 3, 1)
    if pictures.shape[-1] == 1:
        pictures = np.repeat(pictures, 3, axis=-1)
    rows = grid(pictures, math.ceil(math.sqrt(len(pictures))))
    square = np.zeros((rows.shape[1], rows.shape[1], 3))
    square[: len(rows)] = rows
    return png(np.uint8((square * 255).clip(0, 255)))
