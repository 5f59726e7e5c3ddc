"""_pooled: the norm of each window, and what undoes a pool of largest values."""

from __future__ import annotations

import math
from typing import Any

from ..composite import one
from ..errors import ShapeError
from ..making import number
from ..ops import picking
from ..ops.convolve import size_of
from ..placement import at
from ..refusals import refusing
from ..tensor import Tensor
from ._pooling import average, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from ._spatial import batched, by, ntuple


@refusing
@one()
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Values back where ``max_pool1d`` found them, zero elsewhere (``max_unpool1d``).

    ``input`` and ``indices``: (N, C, L) or (C, L). ``output_size``: where the pooled input's length
    cannot be told from the output's.
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@refusing
@one()
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Values back where ``max_pool2d`` found them, zero elsewhere (``max_unpool2d``).

    ``input`` and ``indices``: (N, C, H, W) or (C, H, W). ``output_size``: where the pooled input's
    size cannot be told from the output's.

    >>> import anadrome as ad
    >>> x = ad.tensor([[[1.0, 4.0], [3.0, 2.0]]])
    >>> ad.nn.functional.max_unpool2d(*ad.nn.functional.max_pool2d(x, 2, return_indices=True), 2)
    tensor([[[0., 4.],
             [0., 0.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@refusing
@one()
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Values back where ``max_pool3d`` found them, zero elsewhere (``max_unpool3d``)."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    n: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Tensor:  # fmt: skip
    if indices.dtype.name != "int64":
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {indices.dtype}; use "
            "`indices.long()`"
        )
    if input.shape != indices.shape:
        raise ShapeError(
            f"Expected shape of indices to be same as that of the input tensor ({input.shape}) but "
            f"got indices tensor with shape: {indices.shape}"
        )
    x, whole = batched(n, f"max_unpool{n}d", input)
    kernel = ntuple(kernel_size, n, "kernel_size")
    stride = kernel if stride is None else ntuple(stride, n, "stride")
    padding = ntuple(padding, n, "padding")
    usual = [(m - 1) * s - 2 * p + k for m, s, p, k in zip(x.shape[2:], stride, padding, kernel)]
    size = tuple(usual)
    if output_size is not None:
        size = tuple(output_size)[-n:]
        if len(tuple(output_size)) not in (n, input.ndim):
            raise ValueError(
                f"output_size should be a sequence containing {n} or {input.ndim} elements, but it "
                f"has a length of '{len(tuple(output_size))}'"
            )
        for d, (m, wanted, s) in enumerate(zip(size, usual, stride)):
            if not wanted - s < m < wanted + s:
                raise ValueError(
                    f'invalid output_size "{size}" (dim {d} must be between {wanted - s} and '
                    f"{wanted + s})"
                )
    places = indices if whole else indices.unsqueeze(0)
    limit = size_of(size)
    if not limit:  # as in PyTorch, where no place is looked at
        return input.flatten(-n)[..., :0].reshape(*input.shape[:-n], *size)
    with at(places._data):
        x._backend.require(
            (places._data >= 0) & (places._data < limit),
            lambda: RuntimeError(
                f"Found an invalid max index: an output of size {by(size)} has places 0 to "
                f"{limit - 1}"
            ),
        )
    out = picking.max_unpool(x, places, shape=(*x.shape[:2], *size))
    return out if whole else out.squeeze(0)


@refusing
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The ``norm_type``-norm of each window over one dimension (``lp_pool1d``)."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@refusing
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The ``norm_type``-norm of each window over two dimensions (``lp_pool2d``).

    >>> import anadrome as ad
    >>> ad.nn.functional.lp_pool2d(ad.tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@refusing
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The ``norm_type``-norm of each window over three dimensions (``lp_pool3d``)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    n: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(
            f"lp_pool{n}d(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    if norm_type in (math.inf, -math.inf):
        largest = norm_type > 0
        x = input.abs() if largest else -input.abs()
        pool = (max_pool1d, max_pool2d, max_pool3d)[n - 1]
        out = pool(x, kernel_size, stride, 0, 1, ceil_mode)
        return out if largest else -out
    norm_type = number(norm_type, "norm_type")
    powers = input**norm_type
    if n == 3:
        mean = avg_pool3d(powers, kernel_size, stride, 0, ceil_mode)
    else:
        mean = average(n, powers, kernel_size, stride, 0, ceil_mode, True, None)
    count = size_of(ntuple(kernel_size, n, "kernel_size"))
    return (mean.sign() * mean.abs().relu() * count) ** (1.0 / norm_type)
