"""_padding: values around a Tensor, or cut off from it."""

from __future__ import annotations

import functools
from typing import Any

from ..composite import one
from ..dtypes import is_number
from ..errors import ShapeError
from ..ops.reduce import whole
from ..ops.resample import Taps, listed, resample
from ..ops.shape import pad_constant
from ..refusals import refusing
from ..tensor import Tensor

_MODES = ("reflect", "replicate", "circular")


@refusing
def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add values around (or, where negative, cut them off) (``torch.nn.functional.pad``).

    ``pad``: two numbers a dimension, before and after, the last dimension first.
    ``mode``: "constant" (``value``, 0 by default), "reflect", "replicate" or "circular".

    >>> import anadrome as ad
    >>> ad.nn.functional.pad(ad.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    """
    sides = tuple(n if n.__class__ is int else whole(n, "pad") for n in pad)
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
        if value is not None and not is_number(value):
            kind = type(value).__name__
            raise TypeError(f"pad(): argument 'value' (position 4) must be float, not {kind}")
        return _constant(input, each, value)
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not (ndim - 2 <= len(each) <= ndim - 1 and 1 <= len(each) <= 3):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: two "
            f"numbers a spatial dimension, but got {len(sides)} for input {list(input.shape)}"
        )
    if mode == "replicate":
        return _replicated(input, each, mode)
    if mode == "reflect" and len(each) < 3:
        return _reflected(input, each, mode)
    return _of_own_values(input, each, mode)


def _of_own_values(input: Tensor, each: list[tuple[int, int]], mode: str) -> Tensor:
    maps = []
    for i, (before, after) in enumerate(each):
        dim = input.ndim - 1 - i
        _check(input, dim, before, after, mode, len(each))
        if before or after:
            maps.append((dim, _around(input.shape[dim], before, after, mode)))
    return resample(input, maps=tuple(maps)) if maps else input.clone()


# Each is an operator of its own in PyTorch; reflection of three dimensions is not on its lists.
@refusing
@one("reflection_pad")
def _reflected(input: Tensor, each: list[tuple[int, int]], mode: str) -> Tensor:
    return _of_own_values(input, each, mode)


@refusing
@one("replication_pad")
def _replicated(input: Tensor, each: list[tuple[int, int]], mode: str) -> Tensor:
    return _of_own_values(input, each, mode)


def _constant(input: Tensor, each: list[tuple[int, int]], value: float | None) -> Tensor:
    full = ((0, 0),) * (input.ndim - len(each)) + tuple(reversed(each))
    for n, (a, b) in zip(input.shape, full):
        if n + a + b < 0 or n + min(a, 0) + min(b, 0) < 0:
            raise ShapeError(
                f"narrow(): length must be non-negative: the padding {each} leaves less than "
                f"nothing of shape {tuple(input.shape)}"
            )
    kind = input.dtype
    number = (value or 0) if kind.is_complex else float(value or 0)
    if not (kind.is_floating_point or kind.is_complex):
        number = int(number)
    return pad_constant(input, padding=full, value=number)


def _check(
    input: Tensor, dim: int, before: int, after: int, mode: str, spatial: int
) -> None:  # fmt: skip
    n = input.shape[dim]
    if n + before + after <= 0:
        raise ShapeError(
            f"The padding ({before}, {after}) at dimension {dim} leaves an empty dimension of "
            f"input {list(input.shape)}"
        )
    if mode == "circular" and max(before, after) > n:
        raise ShapeError(
            "Padding value causes wrapping around more than once: padding "
            f"({before}, {after}) at dimension {dim} of input {list(input.shape)}"
        )
    if mode == "reflect" and max(before, after) >= n:
        raise ShapeError(
            "Padding size should be less than the corresponding input dimension, but got: padding "
            f"({before}, {after}) at dimension {dim} of input {list(input.shape)}"
        )
    if n == 0:
        raise ShapeError(
            f"Expected a spatial dimension to be non-zero for {mode} padding, but got input "
            f"{list(input.shape)}"
        )
    if mode != "circular" and 0 in input.shape[input.ndim - spatial - 1 :]:
        raise ShapeError(
            f"Expected {spatial + 1}D or {spatial + 2}D (batch mode) tensor with possibly 0 batch "
            "size and other non-zero dimensions for input, but got: "
            f"{list(input.shape)}"
        )


@functools.lru_cache(maxsize=256)
def _around(n: int, before: int, after: int, mode: str) -> Taps:
    """Padding of a dimension with values of its own."""
    listed(n + before + after)
    places = range(-before, n + after)
    if mode == "replicate":
        taken = [min(max(i, 0), n - 1) for i in places]
    elif mode == "circular":
        # What is left of it is what goes around.
        first, left = max(-before, 0), n + min(before, 0) + min(after, 0)
        taken = [first + (i - first) % left for i in places]
    else:
        taken = [(n - 1) - abs((n - 1) - abs(i)) for i in places]
    return Taps(n, [{i: 1.0} for i in taken])
