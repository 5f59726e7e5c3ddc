"""histograms: values counted between edges, in one dimension or more; flat indices taken apart."""

from __future__ import annotations

import math
from typing import Any

from ..creation import linspace
from ..errors import ArgumentError, DtypeError, ShapeError
from ..out import takes_out
from ..refusals import refusing
from ..returned import returned
from ..tensor import Tensor
from .arithmetic import floor_divide
from .reduce import whole
from .scattering import scatter_into
from .sorting import searchsorted

Histogram = returned("histogram", "hist", "bin_edges")
Histogramdd = returned("histogramdd", "hist", "bin_edges")

_WEIGHT = (
    "torch.histogramdd: if weight tensor is provided it should have the same shape as the input "
    "tensor excluding its innermost dimension, not {}"
)


@takes_out
def histogram(
    input: Tensor, bins: Any = 100, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """How many values lie between each two edges, and the edges (PyTorch: ``torch.histogram``).

    ``bins``: their number, or a Tensor of increasing edges. ``range``: the outermost edges, of a
    number of bins; those of the values, if left out. ``weight``: what each value counts.
    ``density``: the area is one. A part holds its left edge, the last one both. Nothing flows back.

    >>> import anadrome as ad
    >>> ad.histogram(ad.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0), weight=None).hist
    tensor([0., 2., 1., 0.])
    """
    edges = None if range is None else [float(range[0]), float(range[1])]
    found = _counted(
        "histogram", input.reshape((-1, 1)), [bins], edges,
        None if weight is None else weight.reshape((-1,)), density,
    )  # fmt: skip
    if weight is not None and weight.shape != input.shape:
        raise ShapeError(_WEIGHT.format(tuple(weight.shape)))
    return Histogram(found[0], found[1][0])


@refusing
def histogramdd(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """``histogram`` of the rows of ``input``, (..., D), in D dimensions (``torch.histogramdd``).

    ``bins``: a number, D numbers, or D Tensors of edges. ``range``: 2 * D outermost edges.
    """
    if input.ndim < 2:
        raise ShapeError(
            "torch.histogramdd: input tensor should have at least 2 dimensions: rows of D numbers"
        )
    n = input.shape[-1]
    parts = list(bins) if isinstance(bins, (list, tuple)) else [whole(bins, "bins")] * n
    if len(parts) != n:
        raise RuntimeError(
            f"histogramdd: The size of bins must be equal to the innermost dimension of the input: "
            f"{len(parts)} and {n}"
        )
    edges = None if range is None else [float(v) for v in range]
    if weight is not None and weight.shape != input.shape[:-1]:
        raise ShapeError(_WEIGHT.format(tuple(weight.shape)))
    flat = None if weight is None else weight.reshape((-1,))
    hist, found = _counted("histogramdd", input.reshape((-1, n)), parts, edges, flat, density)
    return Histogramdd(hist, tuple(found))


def _counted(
    name: str, x: Tensor, bins: list[Any], outermost: Any, weight: Any, density: bool
) -> tuple[Tensor, list[Tensor]]:
    if not x.dtype.is_floating_point:
        raise DtypeError(f'"{name}" not implemented for {x.dtype.name}; write e.g. `input.float()`')
    x = x.detach()
    edges = [
        b if isinstance(b, Tensor) else _edges(name, x[:, d], b, outermost, d)
        for d, b in enumerate(bins)
    ]
    flat: Any = 0
    inside: Any = True
    for d, e in enumerate(edges):
        value = x[:, d].contiguous()
        count = e.shape[0] - 1
        place = searchsorted(e, value, right=True) - 1
        place = place - (value == e[-1]).long()  # the last part holds its right edge
        flat = flat * count + place.clamp(0, count - 1)
        inside = (value >= e[0]) & (value <= e[-1]) & inside
    counts = tuple(e.shape[0] - 1 for e in edges)
    one = inside.to(x.dtype) if weight is None else weight.detach() * inside.to(weight.dtype)
    hist = scatter_into(one, flat, dim=0, shape=(math.prod(counts),)).reshape(counts)
    if density:
        hist = hist / hist.sum()
        for d, e in enumerate(edges):
            hist = hist / e.diff().reshape((-1,) + (1,) * (len(edges) - 1 - d))
    return hist, edges


def _edges(name: str, x: Tensor, count: Any, outermost: Any, d: int) -> Tensor:
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise ArgumentError(f"{name}(): argument 'bins' must be int, not {type(count).__name__}")
    if count < 1:
        raise RuntimeError(f"{name}: bins must be > 0, but got {count} for dimension {d}")
    if outermost is not None:
        low, high = outermost[2 * d : 2 * d + 2]
    else:
        low, high = (x.min().item(), x.max().item()) if x.numel() else (0.0, 1.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range for dimension {d} is not finite: [{low}, {high}]")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min, but got [{low}, {high}]")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return linspace(low, high, int(count) + 1, dtype=x.dtype, device=x.device)


@refusing
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat indices of an array of that shape, a Tensor a dimension (``torch.unravel_index``).

    >>> import anadrome as ad
    >>> ad.unravel_index(ad.tensor([5, 2]), (2, 3))
    (tensor([1, 0]), tensor([2, 2]))
    """
    kind = indices.dtype
    if kind.is_floating_point or kind.is_complex or kind.name == "bool":
        raise ValueError(f"expected 'indices' to be integer dtype, but got {kind}")
    sizes = [whole(n, "shape") for n in (shape if hasattr(shape, "__iter__") else (shape,))]
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    if 0 in sizes and indices.numel():
        raise ShapeError(f"there is no index into an array of shape {tuple(sizes)}")
    indices, total = indices.long(), math.prod(sizes)
    out = []
    for n in sizes:
        total = total // n if n else 0
        out.append(floor_divide(indices, max(total, 1)) % max(n, 1))
    return tuple(out)
