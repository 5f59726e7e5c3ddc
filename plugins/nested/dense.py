"""dense: between packed rows of uneven lengths and rows padded to one length."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor

from .ragged import Ragged


def padded(
    packed: Tensor, ragged: Ragged, at: int, value: Any, length: int | None = None
) -> Tensor:
    """A Tensor with the batch in front, and ``value`` behind the end of each shorter component.

    ``at``: the packed dimension. ``length``: at least the largest one, which is the default.
    """
    length = ragged.longest if length is None else length
    if length < ragged.longest:
        raise RuntimeError(
            f"to_padded_tensor: output_size {length} is less than the largest length, "
            f"{ragged.longest}"
        )
    rows = packed.movedim(at, 0)
    shape = (len(ragged.lengths), length, *rows.shape[1:])
    full = ad.full(shape, value, dtype=packed.dtype, device=packed.device)
    return full.index_put(ragged.places(), rows).movedim(1, at + 1)


def unpadded(dense: Tensor, ragged: Ragged, at: int) -> Tensor:
    """The rows that are there of a Tensor with the batch in front, packed along ``at``."""
    return dense.movedim(at + 1, 1)[ragged.places()].movedim(0, at)


def spread(dense: Tensor, ragged: Ragged, at: int) -> Tensor:
    """A dense operand of a batch as it lies beside the packed rows.

    Its batch has one component or all, its place of the lengths one value or the largest length.
    """
    batch, length = dense.shape[0], dense.shape[at + 1]
    if batch == 1 and length == 1:
        return dense.squeeze(0)
    if batch not in (1, len(ragged.lengths)) or length not in (1, ragged.longest):
        raise RuntimeError(
            f"a tensor of shape {tuple(dense.shape)} does not broadcast with a nested one of "
            f"{len(ragged.lengths)} components of up to {ragged.longest} rows"
        )
    component, place = ragged.places()
    component = component if batch != 1 else component * 0
    place = place if length != 1 else place * 0
    return dense.movedim(at + 1, 1)[component, place].movedim(0, at)


def lowest(dtype: Any) -> Any:
    """What is below all values of a type."""
    if dtype is ad.bool:
        return False
    return -float("inf") if dtype.is_floating_point else ad.iinfo(dtype).min


def highest(dtype: Any) -> Any:
    """What is above all values of a type."""
    if dtype is ad.bool:
        return True
    return float("inf") if dtype.is_floating_point else ad.iinfo(dtype).max
