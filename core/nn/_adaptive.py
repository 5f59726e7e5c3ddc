"""_adaptive: pools that are told the size of their output, not of their windows."""

from __future__ import annotations

import functools
from typing import Any

from .. import creation
from ..composite import one
from ..dtypes import int64
from ..errors import ArgumentError, ShapeError
from ..ops import picking, pool
from ..ops.convolve import size_of
from ..ops.reduce import whole as whole_number
from ..ops.resample import Taps, maps_of, resample
from ..refusals import refusing
from ..size import is_index
from ..tensor import Tensor
from ._spatial import batched, ntuple


@refusing
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` equal parts (``adaptive_avg_pool1d``).

    ``input``: (N, C, L) or (C, L).
    """
    return _adaptive_avg(1, input, output_size)


@refusing
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` equal parts of the plane (``adaptive_avg_pool2d``).

    ``input``: (N, C, H, W) or (C, H, W). ``output_size``: a number or two; None keeps a dimension.

    >>> import anadrome as ad
    >>> ad.nn.functional.adaptive_avg_pool2d(ad.tensor([[[1.0, 2.0, 3.0]]]), (1, 2))
    tensor([[[1.5000, 2.5000]]])
    """
    return _adaptive_avg(2, input, output_size)


@refusing
@one()
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` equal parts of the volume (``adaptive_avg_pool3d``)."""
    return _adaptive_avg(3, input, output_size)


@refusing
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of ``output_size`` equal parts (``adaptive_max_pool1d``).

    ``input``: (N, C, L) or (C, L). ``return_indices``: also where the values were.
    """
    return _adaptive_max(1, input, output_size, return_indices)


@refusing
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of ``output_size`` equal parts (``adaptive_max_pool2d``).

    ``input``: (N, C, H, W) or (C, H, W). ``return_indices``: also where the values were, as
    numbers into the flattened plane.
    """
    return _adaptive_max(2, input, output_size, return_indices)


@refusing
@one()
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest value of each of ``output_size`` equal parts (``adaptive_max_pool3d``)."""
    return _adaptive_max(3, input, output_size, return_indices)


@refusing
@one()
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value of windows at random places (``fractional_max_pool2d``).

    ``output_size``, or ``output_ratio`` of the input's. See `Graham 2014
    <https://arxiv.org/abs/1412.6071>`_.
    """
    return _fractional(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


@refusing
@one()
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value of windows at random places (``fractional_max_pool3d``)."""
    return _fractional(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


# -- how ----------------------------------------------------------------------------------------
def _prepared(
    n: int, what: str, input: Tensor, output_size: Any
) -> tuple[Tensor, bool, tuple[int, ...]]:
    x, whole = batched(n, what, input)
    if output_size is None or (n == 1 and not is_index(output_size) and None in output_size):
        raise ArgumentError(
            f"{what}(): argument 'output_size' must be numbers, not None; of several dimensions "
            "each may be None, which keeps it"
        )
    values = (output_size,) * n if is_index(output_size) else None
    values = tuple(output_size) if values is None else values
    values = tuple(v if v is None else whole_number(v, "output_size") for v in values)
    if len(values) != n:
        raise ShapeError(f"{what}: output_size must be {n} numbers, but got {values}")
    size = tuple(m if v is None else v for v, m in zip(values, x.shape[2:]))
    if min(size) < 0:
        raise ShapeError(
            f"{what}: elements of output_size must be greater than or equal to 0, but got {size}"
        )
    # PyTorch's means of all are means, also of nothing; else those of one and two dimensions ask no
    # channels, and the others ask some of a batch.
    mean = what.startswith("adaptive_avg") and size == (1,) * n
    if (
        not mean
        and 0 in input.shape[-n if what in ("adaptive_avg_pool1d", "adaptive_avg_pool2d") else 1 :]
    ):
        raise ShapeError(
            f"{what}: Expected input to have non-zero size for non-batch dimensions, but input has "
            f"sizes {list(input.shape)}"
        )
    return x, whole, size


def _adaptive_avg(n: int, input: Tensor, output_size: Any) -> Tensor:
    x, whole, size = _prepared(n, f"adaptive_avg_pool{n}d", input, output_size)
    means = size == (1,) * n  # PyTorch's takes every type that has a mean
    if not (x.dtype.is_floating_point or (means and x.dtype.is_complex)):
        raise RuntimeError(
            f"\"adaptive_avg_pool{n}d\" not implemented for '{x.dtype.name}'; write e.g. "
            "`input.float()`"
        )
    shape = x._data.shape[2:]
    if means:
        out = x.mean(tuple(range(2, n + 2)), keepdim=True)
    elif 0 not in size and all(m % s == 0 for m, s in zip(shape, size)):
        kernel = tuple(m // s for m, s in zip(shape, size))
        out = pool.avg_pool(x, kernel=kernel, stride=kernel, padding=(0,) * n)
    else:
        out = resample(x, maps=maps_of(x, size, mean_of_parts))
    return out if whole else out.squeeze(0)


@functools.lru_cache(maxsize=256)
def mean_of_parts(n: int, count: int) -> Taps:
    """The map to the means of ``count`` parts of a dimension."""
    return Taps(n, [dict.fromkeys(range(a, b), 1 / (b - a)) for a, b in picking.parts(n, count)])


def _adaptive_max(n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    x, whole, size = _prepared(n, f"adaptive_max_pool{n}d", input, output_size)
    if 0 in size:
        values = x.sum(tuple(range(2, n + 2)), keepdim=True).expand(*x.shape[:2], *size)
        indices = creation.zeros(values.shape, dtype=int64, device=x.device)
    else:
        values, indices = picking.adaptive_max_pool(x, size=size)
    if not whole:
        values, indices = values.squeeze(0), indices.squeeze(0)
    return (values, indices) if return_indices else values


def _fractional(
    n: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    return_indices: bool, samples: Tensor | None,
) -> Any:  # fmt: skip
    what = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{what} requires specifying either an output_size or an output_ratio")
    x, whole = batched(n, what, input)
    kernel = ntuple(kernel_size, n, "kernel_size")
    spatial = x._data.shape[2:]
    if output_size is None:
        ratio = (output_ratio,) * n if isinstance(output_ratio, float) else tuple(output_ratio)
        if len(ratio) != n:
            raise ValueError(f"{what}: output_ratio is a number, or {n} of them, not {ratio}")
        size = tuple(int(m * r) for m, r in zip(spatial, ratio))
    else:
        size = ntuple(output_size, n, "output_size")
    for m, s, k in zip(spatial, size, kernel):
        if s + k - 1 > m:
            raise ShapeError(
                f"{what}(): pool height {k} too large relative to input height {m}, for an output "
                f"of {s}"
            )
    lead = tuple(x._data.shape[:2])
    if samples is None:
        samples = creation.empty(*lead, n, dtype=x.dtype, device=x.device).uniform_()
    samples = samples[: lead[0]]  # of several given for an input without a batch, the first
    # PyTorch draws the plane's places last dimension first, the volume's first dimension first.
    order = range(n)[::-1] if n == 2 else range(n)
    flat: Any = 0
    for axis, drawn in enumerate(order):
        start = _starts(samples[..., drawn], spatial[axis], size[axis], kernel[axis])
        offset = creation.arange(kernel[axis], device=x.device)
        place = start.unsqueeze(-1) + offset  # (N, C, out, window)
        around = [1] * n, [1] * n
        around[0][axis], around[1][axis] = size[axis], kernel[axis]
        flat = flat * spatial[axis] + place.reshape(*lead, *around[0], *around[1])
    windows = flat.reshape(*lead, *size, size_of(kernel))
    values = picking.pool_gather(x, windows.reshape(*lead, size_of(size) * size_of(kernel)))
    best = values.detach().reshape(windows.shape).argmax(dim=-1, keepdim=True)
    indices = windows.gather(-1, best).squeeze(-1)
    out = picking.pool_gather(x, indices)
    if not whole:
        out, indices = out.squeeze(0), indices.squeeze(0)
    return (out, indices) if return_indices else out


def _starts(sample: Tensor, n: int, count: int, kernel: int) -> Tensor:
    """(N, C) draws in [0, 1) to (N, C, count): where windows begin; the last one at the end."""
    line = creation.arange(count, device=sample.device)
    if count == 1:
        return (sample * 0).long().unsqueeze(-1) + (n - kernel)
    alpha = (n - kernel) / (count - 1)
    drawn = sample.unsqueeze(-1)
    start = ((line.to(sample.dtype) + drawn) * alpha).long() - (drawn * alpha).long()
    return start * (line < count - 1) + (n - kernel) * (line == count - 1)
