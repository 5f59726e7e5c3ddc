"""segments: reductions over runs of neighbours, which need not be of one length."""

from __future__ import annotations

import math
from typing import Any

from ..refusals import refusing
from .arithmetic import where
from .arranging import repeat_interleave
from .joining import cat
from .placing import scatter_reduce
from .scan import cumsum

#: How PyTorch names a reduction in ``scatter_reduce``, and what a segment of nothing is.
_REDUCE = {
    "sum": ("sum", 0.0),
    "mean": ("sum", 0.0),
    "prod": ("prod", 1.0),
    "max": ("amax", -math.inf),
    "amax": ("amax", -math.inf),
    "min": ("amin", math.inf),
    "amin": ("amin", math.inf),
}


@refusing
def segment_reduce(
    data: Any,
    reduce: str,
    *,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: Any = None,
) -> Any:
    """Each run of neighbours along ``axis`` reduced to one value (``torch.segment_reduce``).

    ``lengths``: of shape ``data.shape[:axis] + (segments,)``, how many values are in each run; or
    ``offsets``, one longer, where each begins and the last one ends. ``reduce``: sum, mean, prod,
    max or min. ``initial`` takes part in each run, and is what an empty one gives; without it that
    is 0 of a sum, 1 of a product, NaN of a mean, and minus infinity or infinity.

    Raises RuntimeError for lengths that are negative or do not fill the axis (``unsafe`` leaves
    the second out), and for an ``axis`` that is not the last one of the lengths.

    >>> import anadrome as ad
    >>> ad.segment_reduce(ad.tensor([1.0, 2.0, 3.0]), "sum", lengths=ad.tensor([2, 1]))
    tensor([3., 3.])
    """
    if reduce not in _REDUCE:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if not data.is_floating_point():
        raise NotImplementedError(
            f"segment_reduce is not implemented for {data.dtype.name}; convert it to a "
            "floating point type"
        )
    counts, starts = _runs(data, lengths, indices, offsets, axis, unsafe)
    axis = counts.ndim - 1
    rows, count = math.prod(counts.shape[:-1]), counts.shape[-1]
    flat = data.reshape(rows, *data.shape[axis:])
    if starts is not None:  # what stands before the first run, or after the last, is in none
        within = [slice(int(a[0]), int(a[-1])) for a in starts.reshape(rows, -1)]
    else:
        within = [slice(0, int(n.sum())) for n in counts.reshape(rows, count)]
    flat = cat([row[part] for row, part in zip(flat, within)]) if rows else flat.flatten(0, 1)
    run = repeat_interleave(counts.reshape(-1))
    name, empty = _REDUCE[reduce]
    start = empty if initial is None else float(initial)
    out = flat.new_full((rows * count, *flat.shape[1:]), empty)
    index = run.reshape(-1, *(1,) * (flat.ndim - 1)).expand(flat.shape)
    out = scatter_reduce(out, 0, index, flat, name, include_self=name in ("sum", "prod"))
    if initial is not None:
        out = _begun(out, name, start)
    if reduce == "mean":
        number = counts.reshape(-1, *(1,) * (flat.ndim - 1)).to(data.dtype)
        nothing = start if initial is not None else math.nan
        out = where(number == 0, nothing, out / where(number == 0, 1.0, number))
    return out.reshape(*counts.shape, *data.shape[axis + 1 :])


def _runs(
    data: Any, lengths: Any, indices: Any, offsets: Any, axis: int, unsafe: bool
) -> tuple[Any, Any]:
    """How many values are in each run, and where each begins if that was given."""
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    given = lengths if offsets is None else offsets
    if given.dtype.name not in ("int32", "int64"):
        raise NotImplementedError(
            f"segment_reduce: lengths and offsets are int32 or int64, not {given.dtype.name}"
        )
    if given.ndim > data.ndim:
        raise RuntimeError(
            f"segment_reduce: lengths of {given.ndim} dimensions for data of {data.ndim}"
        )
    axis = axis + data.ndim if axis < 0 else axis
    if axis != given.ndim - 1:
        raise RuntimeError(
            "segment_reduce(): Expected axis to be the last dimension of "
            f"{'lengths' if offsets is None else 'offsets'} but got {axis}."
        )
    if tuple(given.shape[:-1]) != tuple(data.shape[:axis]):
        raise RuntimeError(
            f"segment_reduce: lengths of shape {list(given.shape)} do not fit data of shape "
            f"{list(data.shape)}"
        )
    counts = given if offsets is None else given.diff(dim=-1)
    if bool((counts < 0).any()):
        raise RuntimeError("lengths contains negative value!")
    if offsets is None and not unsafe and bool((counts.sum(-1) != data.shape[axis]).any()):
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            "data.size(lengths.dim()-1) when !unsafe."
        )
    return counts, offsets


def _begun(out: Any, name: str, start: float) -> Any:
    """Reductions that began with ``start``."""
    if name == "sum":
        return out + start
    if name == "prod":
        return out * start
    kept = out >= start if name == "amax" else out <= start
    return where(kept | out.isnan(), out, start)


@refusing
def _convert_indices_from_coo_to_csr(self: Any, size: int, *, out_int32: bool = False) -> Any:
    """Where each of ``size`` rows begins among sorted row numbers, and the end.

    PyTorch: ``torch._convert_indices_from_coo_to_csr``.

    >>> import anadrome as ad
    >>> ad._convert_indices_from_coo_to_csr(ad.tensor([0, 0, 2]), 4)
    tensor([0, 2, 2, 3, 3])
    """
    from .counting import bincount

    if self.ndim > 1:
        raise RuntimeError(
            f"Input is supposed to be a vector, but got {self.ndim} dimensional tensor."
        )
    counts = bincount(self.reshape(-1), minlength=size)
    ends = cat([counts.new_zeros(1), cumsum(counts, 0)])
    return ends.int() if out_int32 else ends


@refusing
def _convert_indices_from_csr_to_coo(
    crow_indices: Any, col_indices: Any, *, out_int32: bool = False, transpose: bool = False
) -> Any:
    """Rows and columns, (2, count), of a matrix of compressed rows.

    PyTorch: ``torch._convert_indices_from_csr_to_coo``.
    """
    from .joining import stack

    rows = repeat_interleave(crow_indices.diff()).to(col_indices.dtype)
    both = stack([col_indices, rows] if transpose else [rows, col_indices])
    return both.int() if out_int32 else both


_segment_reduce = segment_reduce
