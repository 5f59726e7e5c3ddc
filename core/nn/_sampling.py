"""_sampling: values at places between the pixels, and grids of such places."""

from __future__ import annotations

import itertools
from typing import Any

from .. import creation, sites
from ..composite import one
from ..creation import ones
from ..dtypes import bool_, float32, float64
from ..errors import ShapeError
from ..op import WIDEST
from ..ops.arithmetic import where
from ..ops.embedding import embedding
from ..ops.joining import stack
from ..refusals import refusing
from ..tensor import Tensor
from ._resampling import cubic_weights

_CHANGED = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
    "Please specify align_corners=True if the old behavior is desired. See the documentation of "
    "grid_sample for details."
)


@refusing
@one("grid_sampler", amp=WIDEST)
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of ``input`` at the places of ``grid`` (``torch.nn.functional.grid_sample``).

    ``input``: (N, C, H, W) or (N, C, D, H, W). ``grid``: (N, *out, 2 or 3), the place in x, y (and
    z) of each output value, from -1 to 1 over the input. ``mode``: "bilinear", "nearest" or
    "bicubic" (4-D only). ``padding_mode``: what lies outside, "zeros", "border" or "reflection".
    ``align_corners``: whether -1 and 1 are the corner pixels' centres, or their outer edges.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        sites.warn(_CHANGED)
        align_corners = False
    _check(input, grid, mode)
    sizes = input._data.shape[2:]
    # x is the last dimension, y the one before.
    places = [_from_unit(grid[..., -1 - i], n, align_corners) for i, n in enumerate(sizes)]
    if mode != "bicubic":
        places = [_inside(place, n, padding_mode, align_corners) for place, n in zip(places, sizes)]
    rows = _Rows(input)
    axes = [_around(place, n, mode, padding_mode, align_corners) for place, n in zip(places, sizes)]
    total: Any = None
    for corner in itertools.product(*axes):
        weight: Any = None
        for _, share in corner:
            if share is not None:
                weight = share if weight is None else weight * share
        value = rows.at([place for place, _ in corner])
        if weight is not None:
            value = value * weight.unsqueeze(-1)
        total = value if total is None else total + value
    if mode == "nearest":  # the grid takes part, though its gradient is zero everywhere
        total = where(ones((), dtype=bool_, device=grid.device), total, grid[..., :1])
    return total.movedim(-1, 1)


def _check(input: Tensor, grid: Tensor, mode: str) -> None:
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != input.ndim:
        raise ShapeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype} and grid has {grid.dtype}"
        )
    if input.shape[0] != grid.shape[0]:
        raise ShapeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != dims:
        raise ShapeError(
            f"grid_sampler(): expected grid to have size {dims} in last dimension, but got grid "
            f"with sizes {list(grid.shape)}"
        )
    if 0 in input.shape[2:]:
        raise ShapeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            f"sizes {list(input.shape)}"
        )
    if mode == "bicubic" and dims == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _from_unit(place: Tensor, n: int, align: bool) -> Tensor:
    """From [-1, 1] to numbers of pixels.

    The last product and difference are rounded once, as PyTorch's are: the rounding says on which
    side of a pixel's centre a place is, and so which slope it has, and an identity's lie there.
    """
    if align:
        return (place + 1) * ((n - 1) / 2)
    if place.dtype is not float32:
        return (place + 1) * (n / 2) - 0.5
    return ((place + 1).to(float64) * (n / 2) - 0.5).to(float32)


def _inside(place: Tensor, n: int, padding: str, align: bool) -> Tensor:
    """Places outside brought in, for the paddings that do so."""
    if padding == "zeros":
        return place
    if padding == "reflection":
        place = _reflected(place, *((0, 2 * (n - 1)) if align else (-1, 2 * n - 1)))
    # Not clamp: at the border itself, too, PyTorch lets no gradient through.
    low = where(place > 0, place, 0.0)
    return where(low < n - 1, low, float(n - 1))


def _reflected(place: Tensor, twice_low: int, twice_high: int) -> Tensor:
    """Folded into a range again and again; its bounds are given doubled."""
    if twice_low == twice_high:
        return place * 0
    low = twice_low / 2
    span = (twice_high - twice_low) / 2
    away = (place - low).abs()
    turns = (away.detach() / span).floor()
    rest = away - turns * span
    return where(turns % 2 == 0, rest + low, span - rest + low)


def _around(
    place: Tensor, n: int, mode: str, padding: str, align: bool
) -> list[tuple[Tensor, Tensor | None]]:
    """The pixels along one dimension that a value is mixed from, and their weights.

    A number of -1 stands for a pixel outside, which is zero.
    """
    fixed = place.detach()
    if mode == "nearest":
        return [(_numbered(fixed.round(), n), None)]
    start = fixed.floor()
    part = place - start
    if mode == "bilinear":
        return [(_numbered(start, n), 1 - part), (_numbered(start + 1, n), part)]
    near = [start + i for i in (-1, 0, 1, 2)]
    if padding != "zeros":
        near = [_inside(at, n, padding, align) for at in near]
    return [(_numbered(at, n), share) for at, share in zip(near, cubic_weights(part))]


def _numbered(place: Tensor, n: int) -> Tensor:
    return where((place >= 0) & (place < n), place, -1.0).long()


class _Rows:
    """The pixels as rows of channels."""

    def __init__(self, input: Tensor) -> None:
        self.batch, channels, *self.sizes = input.shape
        self.table = input.movedim(1, -1).reshape(-1, channels)
        self.batches = creation.arange(self.batch, device=input.device).reshape(
            -1, *(1,) * (input.ndim - 2)
        )

    def at(self, places: list[Tensor]) -> Tensor:
        """(N, *out) numbers along each dimension to (N, *out, C) values."""
        flat: Any = self.batches
        outside: Any = None
        for place, n in zip(places, self.sizes):
            missing = place < 0
            outside = missing if outside is None else outside | missing
            flat = flat * n + place
        value = embedding(self.table, where(outside, 0, flat))
        return where(outside.unsqueeze(-1), 0.0, value)


@refusing
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid that ``grid_sample`` needs for affine maps (``torch.nn.functional.affine_grid``).

    ``theta``: (N, 2, 3) with ``size`` (N, C, H, W), or (N, 3, 4) with (N, C, D, H, W). The grid is
    (N, H, W, 2) or (N, D, H, W, 3).

    >>> import anadrome as ad
    >>> unit = ad.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> ad.nn.functional.affine_grid(unit, (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    if align_corners is None:
        sites.warn(_CHANGED)
        align_corners = False
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    size = tuple(size)
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size "
            f"{size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    columns = [
        _line(n, align_corners, theta).reshape(*(-1 if j == i else 1 for j in range(dims)))
        for i, n in enumerate(size[2:])
    ]
    ones = creation.ones(*size[2:], dtype=theta.dtype, device=theta.device)
    # (places, x y z 1), as theta's rows want them.
    base = stack([*(c * ones for c in reversed(columns)), ones], -1)
    grid = base.reshape(1, -1, dims + 1) @ theta.transpose(1, 2)
    return grid.reshape(size[0], *size[2:], dims)


def _line(n: int, align: bool, like: Tensor) -> Tensor:
    """The places of n pixels in [-1, 1]."""
    if n == 1:
        return creation.zeros(1, dtype=like.dtype, device=like.device)
    # Rounded as in PyTorch: on which side of a pixel's centre a place is decides its gradient.
    line = creation.linspace(-1, 1, n, dtype=like.dtype, device=like.device)
    return line if align else line * (n - 1) / n
