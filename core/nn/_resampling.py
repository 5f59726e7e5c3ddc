"""_resampling: interpolation to another size, one dimension after the other."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable
from typing import Any

from .. import sites
from ..errors import ShapeError
from ..ops.resample import Taps, listed, maps_of, resample
from ..refusals import refusing
from ..tensor import Tensor
from ._adaptive import adaptive_avg_pool3d, mean_of_parts

#: By mode: how many spatial dimensions it is for.
_DIMS = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3), "linear": (1,),
    "bilinear": (2,), "bicubic": (2,), "lanczos": (2,), "trilinear": (3,),
}  # fmt: skip


@refusing
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize the spatial dimensions (``torch.nn.functional.interpolate``).

    ``input``: (N, C, L), (N, C, H, W) or (N, C, D, H, W). Either ``size`` or ``scale_factor``: a
    number, or one a dimension. ``mode``: "nearest", "nearest-exact", "area", "linear" (3-D input),
    "bilinear", "bicubic" (4-D), "trilinear" (5-D). ``align_corners``: whether the corner values
    stay. ``antialias``: wider filters when making smaller ("bilinear", "bicubic", "lanczos").

    >>> import anadrome as ad
    >>> x = ad.tensor([[[1.0, 3.0]]])
    >>> ad.nn.functional.interpolate(x, scale_factor=2.0, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | "
                "bilinear | bicubic | trilinear"
            )
    dims = input.ndim - 2
    sizes, scales = _sizes(input, dims, size, scale_factor, mode, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if dims not in _DIMS.get(mode, ()):
        raise NotImplementedError(_unfit(input, mode))
    if mode == "lanczos" and not antialias:
        raise ValueError("lanczos mode requires antialias=True")
    if (min(sizes) <= 0 and mode != "area") or 0 in input.shape[1:]:
        raise ShapeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape)} "
            f"and output size {list(sizes)}"
        )
    if mode == "area" and dims == 3:
        return adaptive_avg_pool3d(input, sizes)
    if mode == "area":
        maps = maps_of(input, sizes, mean_of_parts)
    else:
        whole = (mode + " antialias" if antialias else mode,) * dims
        maps = maps_of(input, sizes, _taps, scales, whole, (bool(align_corners),) * dims)
    return _applied(input, maps, mode)


@refusing
def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """``interpolate`` under its old name (``torch.nn.functional.upsample``)."""
    sites.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


@refusing
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """``interpolate`` with mode "nearest" under its old name (``upsample_nearest``)."""
    return interpolate(input, size, scale_factor, mode="nearest")


@refusing
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """``interpolate`` with mode "bilinear" and aligned corners, under its old name."""
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _sizes(
    input: Tensor, dims: int, size: Any, scale_factor: Any, mode: str, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output's sizes, and each dimension's scale where it is not made from the sizes."""
    shape = tuple(input.shape[2:])
    none = (None,) * dims
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        sizes = tuple(size) if isinstance(size, (list, tuple)) else (size,) * dims
        if len(sizes) != dims:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input "
                f"with spatial dimensions of {list(shape)} and output size of {size}. Please "
                "provide input tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2, "
                "...,oK) format."
            )
        if not all(hasattr(n, "__index__") for n in sizes):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or "
                f"Tuple[int, int, int], but got size with types {[type(n) for n in sizes]}"
            )
        return tuple(int(n) for n in sizes), none
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    several = isinstance(scale_factor, (list, tuple))
    scales = tuple(map(float, scale_factor)) if several else (float(scale_factor),) * dims
    if len(scales) != dims:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input "
            f"with spatial dimensions of {list(shape)} and scale_factor of shape {scale_factor}. "
            "Please provide input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, "
            "s2, ...,sK) format."
        )
    sizes = tuple(int(n * s) for n, s in zip(shape, scales))
    return sizes, none if recompute or mode == "area" else scales


def _unfit(input: Tensor, mode: str) -> str:
    ndim = input.ndim
    if mode in _DIMS and 3 <= ndim <= 5:
        return f"Got {ndim}D input, but {mode} mode needs {_DIMS[mode][0] + 2}D input"
    return (
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: "
        f"nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
    )


def _applied(input: Tensor, maps: Any, mode: str) -> Tensor:
    kind = input.dtype
    if kind.is_floating_point or mode.startswith("nearest"):
        return resample(input, maps=maps)
    if kind.name != "uint8" or mode not in ("bilinear", "bicubic", "lanczos"):
        raise NotImplementedError(
            f"interpolation with mode {mode!r} is not implemented for '{kind.name}'; write e.g. "
            "`input.float()`"
        )
    for axis, taps in reversed(maps):  # each dimension's result is a picture of bytes again
        made = resample(input.double(), maps=((axis, _in_16_bits(taps)),))
        input = (made + 0.5).floor().clamp(0, 255).to(kind)
    return input


@functools.lru_cache(maxsize=64)
def _in_16_bits(taps: Taps) -> Taps:
    """The weights as PyTorch rounds them for bytes: to as many bits as the largest leaves."""
    largest = max((w for terms in taps.terms for w in terms.values()), default=1.0)
    bits = next((b for b in range(22) if int(0.5 + largest * 2 ** (b + 1)) >= 1 << 15), 22)
    unit = 1 << bits
    return Taps(
        taps.n,
        [{i: math.floor(abs(w) * unit + 0.5) * math.copysign(1, w) / unit for i, w in t.items()}
         for t in taps.terms],
    )  # fmt: skip


# -- one dimension ------------------------------------------------------------------------------
@functools.lru_cache(maxsize=512)
def _taps(n: int, size: int, factor: float | None, mode: str, align: bool) -> Taps:
    """The map from ``n`` to ``size`` values; ``factor``: what the size was asked for by."""
    listed(size)
    scale = 1.0 / factor if factor else n / size
    if mode.startswith("nearest"):
        return Taps(n, [{i: 1.0} for i in _nearest(n, size, scale, mode == "nearest-exact")])
    if align:
        scale = (n - 1) / (size - 1) if size > 1 else 0.0
    cubic = mode == "bicubic"
    if n == size and not cubic:  # whatever the scale was
        return Taps(n, [{i: 1.0} for i in range(n)])
    if mode.endswith("antialias"):
        return Taps(n, [_filtered(n, i, scale, mode) for i in range(size)])
    terms = []
    for i in range(size):
        at = scale * i if align else scale * (i + 0.5) - 0.5
        if not cubic:
            at = max(at, 0.0)
        start = math.floor(at)
        weights = cubic_weights(at - start) if cubic else (1 - (at - start), at - start)
        first = start - 1 if cubic else start
        term: dict[int, float] = {}
        for place, weight in enumerate(weights, first):
            place = min(max(place, 0), n - 1)
            if weight:
                term[place] = term.get(place, 0.0) + weight
        terms.append(term)
    return Taps(n, terms)


def _nearest(n: int, size: int, scale: float, exact: bool) -> list[int]:
    """PyTorch computes these places in float32, and so they are rounded as there."""
    if size in (n, 2 * n) and not exact:  # whatever the scale was
        return [i * n // size for i in range(size)]
    narrow = _float32(scale)
    half = 0.5 if exact else 0.0
    return [min(math.floor(_float32((i + half) * narrow)), n - 1) for i in range(size)]


def _float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


def cubic_weights(t: Any, a: float = -0.75) -> tuple[Any, Any, Any, Any]:
    """The weights of the four values around a place ``t`` after the second (Keys 1981)."""

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _triangle(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def _cubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    if not -3 <= x < 3:
        return 0.0
    return _sinc(x) * _sinc(x / 3)


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


#: By mode: the filter, and how far it reaches to either side.
_FILTERS: dict[str, tuple[Callable[[float], float], float]] = {
    "bilinear antialias": (_triangle, 1.0),
    "bicubic antialias": (_cubic, 2.0),
    "lanczos antialias": (_lanczos, 3.0),
}


def _filtered(n: int, i: int, scale: float, mode: str) -> dict[int, float]:
    """The terms of output ``i`` through a filter as wide as the values it stands for."""
    shape, reach = _FILTERS[mode]
    narrowing = 1.0 / scale if scale >= 1.0 else 1.0
    support = reach / narrowing
    centre = scale * (i + 0.5)
    first = max(int(centre - support + 0.5), 0)
    last = min(int(centre + support + 0.5), n)
    weights = {j: shape((j - centre + 0.5) * narrowing) for j in range(first, last)}
    total = sum(weights.values())
    return {j: w / total for j, w in weights.items() if w} if total else weights
