"""pipes_all: every pipe, so that each is a method of the others; and what is said of classes."""

from __future__ import annotations

from . import pipes_branches, pipes_each, pipes_files, pipes_map, pipes_order
from .pipes import (
    DataChunk,
    DFIterDataPipe,
    IterDataPipe,
    MapDataPipe,
    functional_datapipe,
    guaranteed_datapipes_determinism,
    non_deterministic,
)

__all__ = [
    "DFIterDataPipe",
    "DataChunk",
    "IterDataPipe",
    "MapDataPipe",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "pipes_branches",
    "pipes_each",
    "pipes_files",
    "pipes_map",
    "pipes_order",
]
