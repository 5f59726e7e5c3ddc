"""_spatial: convolution, pooling and padding, with PyTorch's signatures.

The ops take batched inputs and tuples; here single numbers become tuples, inputs without a batch
dimension get one, and shapes are checked.
"""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..errors import ShapeError
from ..ops import pool
from ..ops.convolve import conv, out_size
from ..ops.indexing import index_select_op
from ..ops.shape import pad_constant
from ..tensor import Tensor, wrap


def ntuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """One number for all n dimensions, or one for each."""
    if isinstance(value, int):
        return (value,) * n
    values = tuple(value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise ShapeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the "
            f"convolution dimensions, but got {name}={list(values)}"
        )
    return values


def _by(sizes: Any) -> str:
    return "(" + " x ".join(map(str, sizes)) + ")"


# -- convolution --------------------------------------------------------------------------------
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over one dimension (``torch.nn.functional.conv1d``).

    ``input``: (N, C, L) or (C, L), ``weight``: (out, C / groups, K), ``bias``: (out,).
    ``padding``: a number, "valid" (none) or "same" (the output is as long as the input).
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over two dimensions (``torch.nn.functional.conv2d``).

    ``input``: (N, C, H, W) or (C, H, W), ``weight``: (out, C / groups, KH, KW), ``bias``: (out,).
    ``padding``: numbers, "valid" (none) or "same" (the output is as large as the input).
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    n: int, input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Tensor:  # fmt: skip
    batched = input._data.ndim == n + 2
    if not batched:
        if input.ndim != n + 1:
            raise ShapeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d, but got "
                f"input of size: {list(input.shape)}"
            )
        input = input.unsqueeze(0)
    stride = ntuple(stride, n, "stride")
    dilation = ntuple(dilation, n, "dilation")
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, stride, padding, dilation)
    else:
        padding = ntuple(padding, n, "padding")
    _check_convolution(input, weight, bias, stride, padding, dilation, groups)
    out = conv(
        input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return out if batched else out.squeeze(0)


def _named_padding(
    input: Tensor, weight: Tensor, stride: Any, padding: str, dilation: Any
) -> tuple[Tensor, tuple[int, ...]]:
    if padding == "valid":
        return input, (0,) * len(stride)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: {padding!r}; write 'same', 'valid' or numbers")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
    if any(t % 2 for t in totals):  # one more at the end, as PyTorch does
        sides = ((0, 0), (0, 0), *((0, t % 2) for t in totals))
        input = pad_constant(input, padding=sides)
    return input, tuple(t // 2 for t in totals)


def _check_convolution(
    input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    x, w = input._data.shape, weight._data.shape
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    if len(w) != len(x):
        raise ShapeError(
            f"Expected {len(x)}-dimensional weight for input {list(x)}, but got weight of size "
            f"{list(w)}"
        )
    if min(stride) <= 0:
        raise ShapeError("non-positive stride is not supported")
    if min(padding) < 0:
        raise ShapeError("negative padding is not supported; cut the input with slices")
    if min(dilation) <= 0:
        raise ShapeError("dilation should be greater than zero")
    if w[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{list(w)}] instead"
        )
    if x[1] != w[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(w)}, expected input{list(x)} to have "
            f"{w[1] * groups} channels, but got {x[1]} channels instead"
        )
    if bias is not None and bias._data.shape != (w[0],):
        raise ShapeError(
            f"Given weight of size {list(w)}, expected bias to be 1-dimensional with {w[0]} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )
    if min(map(out_size, x[2:], w[2:], stride, padding, dilation)) <= 0:
        padded = [n + 2 * p for n, p in zip(x[2:], padding)]
        kernel = [d * (k - 1) + 1 for d, k in zip(dilation, w[2:])]
        raise ShapeError(
            f"Calculated padded input size per channel: {_by(padded)}. Kernel size: {_by(kernel)}. "
            "Kernel size can't be greater than actual input size"
        )


# -- pooling ------------------------------------------------------------------------------------
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


def _max_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    input, batched, window = _window(
        n, "max", input, kernel_size, stride, padding, dilation, ceil_mode
    )
    values, indices = pool.max_pool(input, **window)
    if not batched:
        values = values.squeeze(0)
        indices = indices.squeeze(0)
    return (values, indices) if return_indices else values


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
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


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
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _avg_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    input, batched, window = _window(n, "avg", input, kernel_size, stride, padding, 1, ceil_mode)
    del window["dilation"]
    out = pool.avg_pool(input, **window, count_pad=count_include_pad, divisor=divisor)
    return out if batched else out.squeeze(0)


def _window(
    n: int, kind: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> tuple[Tensor, bool, dict[str, Any]]:  # fmt: skip
    """The input with a batch dimension, whether it had one, and the op's keywords."""
    batched = input._data.ndim == n + 2
    if not batched:
        if input.ndim != n + 1:
            raise ShapeError(
                f"{kind}_pool{n}d: Expected {n + 1}D or {n + 2}D (batch mode) tensor for input, "
                f"but got: {list(input.shape)}"
            )
        input = input.unsqueeze(0)
    kernel = ntuple(kernel_size, n, "kernel_size")
    none = stride is None or (not isinstance(stride, int) and not len(stride))
    stride = kernel if none else ntuple(stride, n, "stride")
    padding = ntuple(padding, n, "padding")
    dilation = ntuple(dilation, n, "dilation")
    if min(stride) <= 0:
        raise ShapeError("stride should not be zero")
    for k, p, d in zip(kernel, padding, dilation):
        if p < 0 or 2 * p > d * (k - 1) + 1:
            raise ShapeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={d}"
            )
    x = input._data.shape
    sizes = [
        pool.pooled_size(m, k, s, p, d, ceil_mode)
        for m, k, s, p, d in zip(x[2:], kernel, stride, padding, dilation)
    ]
    if min(sizes) <= 0:
        given, made = ("x".join(map(str, (x[1], *v))) for v in (x[2:], [max(m, 0) for m in sizes]))
        raise ShapeError(
            f"Given input size: ({given}). Calculated output size: ({made}). Output size is too "
            "small"
        )
    window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
              "ceil_mode": ceil_mode}  # fmt: skip
    return input, batched, window


# -- padding ------------------------------------------------------------------------------------
def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add values around (or, where negative, cut them off) (``torch.nn.functional.pad``).

    ``pad``: two numbers a dimension, before and after, the last dimension first.
    ``mode``: "constant" (``value``, 0 by default), "reflect", "replicate" or "circular".

    >>> import anadrome as ad
    >>> ad.nn.functional.pad(ad.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    """
    sides = tuple(pad)
    ndim = input.ndim
    if len(sides) % 2:
        raise ShapeError(
            "Padding length must be divisible by 2: a number before and one after, for each "
            "dimension from the last"
        )
    if len(sides) > 2 * ndim:
        raise ShapeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(sides)} and input of dimension {ndim}"
        )
    each = [(sides[i], sides[i + 1]) for i in range(0, len(sides), 2)]
    if mode == "constant":
        full = ((0, 0),) * (ndim - len(each)) + tuple(reversed(each))
        for n, (a, b) in zip(input.shape, full):
            if n + a + b < 0:
                raise ShapeError(
                    f"narrow(): length must be non-negative: the padding {sides} leaves less than "
                    f"nothing of shape {tuple(input.shape)}"
                )
        return pad_constant(input, padding=full, value=float(value or 0.0))
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    for i, (before, after) in enumerate(each):
        if before or after:
            input = _taken_around(input, ndim - 1 - i, before, after, mode)
    return input


def _taken_around(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """Padding along one dimension with values of the input itself."""
    n = x.shape[dim]
    limit = n - 1 if mode == "reflect" else n
    if mode != "replicate" and max(before, after) > limit:
        raise ShapeError(
            f"Padding size should be less than the corresponding input dimension, but got: padding "
            f"({before}, {after}) at dimension {dim} of input {list(x.shape)}"
        )
    places = range(-before, n + after)
    if mode == "replicate":
        taken = [min(max(i, 0), n - 1) for i in places]
    elif mode == "circular":
        taken = [i % n for i in places]
    else:
        taken = [(n - 1) - abs((n - 1) - abs(i)) for i in places]
    backend = backends.by_type[x._data.__class__]
    index = backend.asarray(taken, dtype=backend.xp.int64, device=x.device)
    return index_select_op(x, wrap(index), dim=dim)
