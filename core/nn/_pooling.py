"""_pooling: the largest or the mean value of each window."""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..errors import ShapeError
from ..ops import pool
from ..out import takes_out
from ..placement import at
from ..refusals import refusing
from ..size import is_index
from ..tensor import Tensor, wrap
from ._spatial import batched, ntuple


@refusing
def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window over one dimension (``torch.nn.functional.max_pool1d``).

    ``input``: (N, C, L) or (C, L). ``stride``: by default the window's length.
    ``return_indices``: also where the values were.
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@refusing
def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window over two dimensions (``torch.nn.functional.max_pool2d``).

    ``input``: (N, C, H, W) or (C, H, W). ``stride``: by default the window's size.
    ``return_indices``: also where the values were, as numbers into the flattened plane.
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@refusing
def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window over three dimensions (``max_pool3d``).

    ``input``: (N, C, D, H, W) or (C, D, H, W). ``stride``: by default the window's size.
    """
    if return_indices:  # another operator of PyTorch's, which is on none of its lists
        return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return _max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


@refusing
@one("max_pool3d")
def _max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, False)


def _max_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    input, whole, window = _window(
        n, f"max_pool{n}d", input, kernel_size, stride, padding, dilation, ceil_mode
    )
    values, chosen = pool.max_pool(input, **window)
    out = values if whole else values.squeeze(0)
    if not return_indices:
        return out
    place = {k: v for k, v in window.items() if k != "ceil_mode"}
    xp = input._backend.xp
    with at(chosen._data):
        indices = wrap(pool.places(xp, chosen._data, tuple(input.shape[2:]), **place))
    return out, indices if whole else indices.squeeze(0)


@refusing
def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window over one dimension (``torch.nn.functional.avg_pool1d``).

    ``count_include_pad``: whether the zeros of the padding count.
    """
    return average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@takes_out
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over two dimensions (``torch.nn.functional.avg_pool2d``).

    ``count_include_pad``: whether the zeros of the padding count. ``divisor_override``: divides
    each window's sum instead of the number of its values.
    """
    return average(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@takes_out
@one()
def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over three dimensions (``torch.nn.functional.avg_pool3d``).

    ``count_include_pad``: whether the zeros of the padding count. ``divisor_override``: divides
    each window's sum instead of the number of its values.
    """
    return average(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def average(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    input, whole, window = _window(
        n, f"avg_pool{n}d", input, kernel_size, stride, padding, 1, ceil_mode
    )
    shape = input._data.shape[2:]
    if n == 3 and any(m < k for m, k in zip(shape, window["kernel"])):
        raise ShapeError(
            f"input image {tuple(shape)} smaller than kernel size {window['kernel']}: the windows "
            "of avg_pool3d lie within the input"
        )
    kind = input.dtype
    if kind.name == "int64":  # of whole numbers, these alone have a mean: rounded towards zero
        input = input.double()
    elif not kind.is_floating_point:
        raise RuntimeError(
            f"\"avg_pool{n}d\" not implemented for '{kind.name}'; write e.g. `input.float()`"
        )
    del window["dilation"]
    out = pool.avg_pool(input, **window, count_pad=count_include_pad, divisor=divisor)
    if out.dtype is not kind:
        out = out.trunc().to(kind)
    return out if whole else out.squeeze(0)


def _window(
    n: int, what: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> tuple[Tensor, bool, dict[str, Any]]:  # fmt: skip
    """The input with a batch dimension, whether it had one, and the op's keywords."""
    input, whole = batched(n, what, input)
    kernel = ntuple(kernel_size, n, "kernel_size")
    none = stride is None or (not is_index(stride) and not len(stride))
    stride = kernel if none else ntuple(stride, n, "stride")
    padding = ntuple(padding, n, "padding")
    dilation = ntuple(dilation, n, "dilation")
    if min(kernel) <= 0:
        raise ShapeError(f"kernel size should be greater than zero, but got {kernel}")
    if min(stride) <= 0:
        raise ShapeError("stride should not be zero")
    if min(dilation) <= 0:
        raise ShapeError(f"dilation should be greater than zero, but got {dilation}")
    for k, p, d in zip(kernel, padding, dilation):
        if p < 0 or 2 * p > d * (k - 1) + 1:
            raise ShapeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={d}"
            )
        if p > k // 2:
            raise ShapeError(
                "pad should be smaller than or equal to half of kernel size, but got "
                f"pad={p} and kernel_size={k}"
            )
    x = input._data.shape
    sizes = [
        pool.pooled_size(m, k, s, p, d, ceil_mode)
        for m, k, s, p, d in zip(x[2:], kernel, stride, padding, dilation)
    ]
    if x[1] == 0:
        raise ShapeError(f"{what}: Expected non-empty channels for input, but got: {list(x)}")
    if min(sizes) <= 0:
        given, made = ("x".join(map(str, (x[1], *v))) for v in (x[2:], [max(m, 0) for m in sizes]))
        raise ShapeError(
            f"Given input size: ({given}). Calculated output size: ({made}). Output size is too "
            "small"
        )
    window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
              "ceil_mode": ceil_mode}  # fmt: skip
    return input, whole, window
