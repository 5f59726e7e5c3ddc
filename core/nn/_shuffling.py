"""_shuffling: channels exchanged with pixels, and among themselves."""

from __future__ import annotations

from ..errors import ShapeError
from ..ops.reduce import whole
from ..refusals import refusing
from ..tensor import Tensor


@refusing
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C · r², H, W) to (*, C, H · r, W · r) (``torch.nn.functional.pixel_shuffle``).

    Raises RuntimeError if the channels are no multiple of r². See `Shi et al. 2016
    <https://arxiv.org/abs/1609.05158>`_.

    >>> import anadrome as ad
    >>> ad.nn.functional.pixel_shuffle(ad.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = _factor("pixel_shuffle", "upscale_factor", input, upscale_factor)
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(lead)
    split = input.reshape(*lead, channels // (r * r), r, r, height, width)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return split.permute(order).reshape(*lead, channels // (r * r), height * r, width * r)


@refusing
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H · r, W · r) to (*, C · r², H, W), the way back (``pixel_unshuffle``)."""
    r = _factor("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    *lead, channels, height, width = input.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise ShapeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({-2 if name == 'height' else -1})={size} is not divisible by {r}"
            )
    n = len(lead)
    split = input.reshape(*lead, channels, height // r, r, width // r, r)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return split.permute(order).reshape(*lead, channels * r * r, height // r, width // r)


@refusing
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of (N, C, *) dealt out by group (``torch.nn.functional.channel_shuffle``).

    Raises RuntimeError if the channels are no multiple of ``groups``. See `Zhang et al. 2018
    <https://arxiv.org/abs/1707.01083>`_.
    """
    groups = whole(groups, "groups")
    if input.ndim <= 2:
        raise ShapeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise ShapeError(f"Number of groups to divide channels in must be positive: {groups}")
    n, channels, *rest = input.shape
    if channels % groups:
        raise ShapeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} "
            "groups."
        )
    split = input.reshape(n, groups, channels // groups, *rest)
    return split.transpose(1, 2).reshape(n, channels, *rest)


def _factor(what: str, name: str, input: Tensor, factor: int) -> int:
    if input.ndim < 3:
        raise ShapeError(
            f"{what} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise ShapeError(f"{what} expects a positive {name}, but got {factor}")
    return factor
