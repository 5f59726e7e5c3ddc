"""Interpolation, sampling at a grid, pixels and channels shuffled: PyTorch's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:The default behavior for interpolate/upsample with float"),
    pytest.mark.filterwarnings("ignore:.*is deprecated"),
    pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid"),
]

SHAPES = {1: (2, 2, 5), 2: (2, 2, 5, 4), 3: (1, 2, 4, 3, 5)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
HOW: list[dict[str, Any]] = [
    {"size": 7},
    {"size": 3},
    {"size": 1},
    {"scale_factor": 2},
    {"scale_factor": 1.7},
    {"scale_factor": 0.6},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area"])
def test_interpolate_by_choosing(n: int, mode: str, how: Any) -> None:
    agree(lambda L, x: L.nn.functional.interpolate(x**2, mode=mode, **how), numbers(*SHAPES[n]))


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("align", [None, False, True])
def test_interpolate_linearly(n: int, align: Any, how: Any) -> None:
    agree(
        lambda L, x: L.nn.functional.interpolate(x**2, mode=LINEAR[n], align_corners=align, **how),
        numbers(*SHAPES[n]),
    )


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("align", [False, True])
def test_interpolate_cubically(align: bool, how: Any) -> None:
    agree(
        lambda L, x: L.nn.functional.interpolate(x**2, mode="bicubic", align_corners=align, **how),
        numbers(*SHAPES[2]),
    )


@pytest.mark.parametrize("how", [*HOW, {"size": (2, 9)}], ids=str)
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolate_with_wider_filters(mode: str, align: bool, how: Any) -> None:
    agree(
        lambda L, x: L.nn.functional.interpolate(
            x, mode=mode, align_corners=align, antialias=True, **how
        ),
        numbers(1, 2, 9, 8),
    )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "area"])
def test_interpolate_between_all_sizes(mode: str) -> None:
    for n in range(1, 14):
        for size in range(1, 17):
            agree(
                lambda L, x, size=size: L.nn.functional.interpolate(x, size=size, mode=mode),
                numbers(1, 1, n),
                second=False,
            )


def test_interpolate_a_size_for_each_dimension() -> None:
    x = numbers(*SHAPES[2])
    agree(lambda L, x: L.nn.functional.interpolate(x, (3, 9)), x)
    agree(lambda L, x: L.nn.functional.interpolate(x, scale_factor=(2.0, 0.5)), x)
    agree(lambda L, x: L.nn.functional.interpolate(x, [10, 8], mode="bilinear"), x)
    agree(lambda L, x: L.nn.functional.upsample(x, scale_factor=2, mode="bilinear"), x)
    agree(lambda L, x: L.nn.functional.upsample_nearest(x, 7), x)
    agree(lambda L, x: L.nn.functional.upsample_bilinear(x, 7), x)


def test_interpolate_from_one_value_and_far() -> None:
    agree(
        lambda L, x: L.nn.functional.interpolate(x, 40, mode="bilinear") ** 2, numbers(2, 3, 1, 1)
    )
    agree(lambda L, x: L.nn.functional.interpolate(x, 3, mode="area") ** 2, numbers(2, 3, 40, 39))


def test_interpolate_keeps_infinities_in_their_place() -> None:
    x = numbers(1, 1, 7)
    x[0, 0, 2] = np.inf
    agree(lambda L, x: L.nn.functional.interpolate(x, 5, mode="area"), x, gradients=False)
    agree(lambda L, x: L.nn.functional.interpolate(x, 13, mode="nearest"), x, gradients=False)


def test_interpolate_bytes_and_narrow_types() -> None:
    x = np.random.default_rng(0).integers(0, 255, (1, 2, 5, 4)).astype(np.uint8)
    agree(lambda L, x: L.nn.functional.interpolate(x, scale_factor=2), x)
    for dtype in ("float16", "bfloat16", "float32"):
        t = ad.tensor(numbers(1, 2, 5, 4)).to(getattr(ad, dtype))
        assert ad.nn.functional.interpolate(t, 7, mode="bilinear").dtype is t.dtype


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode: str, padding: str, align: bool) -> None:
    agree(
        lambda L, x, grid: L.nn.functional.grid_sample(x, grid, mode, padding, align) ** 2,
        numbers(2, 3, 5, 4), numbers(2, 6, 3, 2, seed=1, low=-2.6, high=2.6), second=False,
    )  # fmt: skip
    if mode != "bicubic":
        agree(
            lambda L, x, grid: L.nn.functional.grid_sample(x, grid, mode, padding, align),
            numbers(2, 2, 3, 4, 5), numbers(2, 2, 3, 2, 3, seed=1, low=-1.5, high=1.5),
            second=False,
        )  # fmt: skip


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_at_the_very_pixels(padding: str, align: bool) -> None:
    def sampled(L: Any, x: Any, theta: Any) -> Any:
        grid = L.nn.functional.affine_grid(theta, tuple(x.shape), align)
        return L.nn.functional.grid_sample(x, grid, "bilinear", padding, align)

    theta = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]] * 2)
    # Powers of two, so that the places are exact.
    agree(sampled, numbers(2, 3, 4, 8) if not align else numbers(2, 3, 5, 9), theta, second=False)


@pytest.mark.parametrize("align", [False, True])
def test_affine_grid(align: bool) -> None:
    agree(
        lambda L, t: L.nn.functional.affine_grid(t, (2, 3, 4, 5), align_corners=align) ** 2,
        numbers(2, 2, 3),
    )
    agree(
        lambda L, t: L.nn.functional.affine_grid(t, (2, 3, 4, 1, 2), align_corners=align),
        numbers(2, 3, 4),
    )


def test_shuffles() -> None:
    F = "pixel_shuffle", "pixel_unshuffle"
    for shape in ((1, 8, 2, 3), (4, 3, 2), (2, 3, 12, 2, 2)):
        agree(lambda L, x: getattr(L.nn.functional, F[0])(x, 2) ** 2, numbers(*shape))
    for shape in ((1, 2, 4, 6), (2, 3, 1, 2, 2), (1, 2, 2)):
        agree(lambda L, x: getattr(L.nn.functional, F[1])(x, 2) ** 2, numbers(*shape))
    for shape in ((2, 6, 3), (1, 6, 2, 2), (1, 6, 1, 2, 2)):
        agree(lambda L, x: L.nn.functional.channel_shuffle(x, 3) ** 2, numbers(*shape))


X = numbers(1, 2, 4, 4)
GRID = numbers(1, 3, 3, 2)
REFUSED: list[tuple[Any, str]] = [
    (lambda F, x, g: F.interpolate(x), "either size or scale_factor should be defined"),
    (lambda F, x, g: F.interpolate(x, 2, 2), "only one of size or scale_factor"),
    (lambda F, x, g: F.interpolate(x, (2, 2, 2)), "Input and output must have the same number"),
    (lambda F, x, g: F.interpolate(x, (2.5, 2)), "expected size to be one of int"),
    (lambda F, x, g: F.interpolate(x, scale_factor=(2, 2, 2)), "Input and scale_factor must have"),
    (lambda F, x, g: F.interpolate(x, 2, align_corners=True), "align_corners option can only be"),
    (lambda F, x, g: F.interpolate(x, 2, recompute_scale_factor=True), "recompute_scale_factor is"),
    (lambda F, x, g: F.interpolate(x, 2, antialias=True), "Anti-alias option is restricted to"),
    (lambda F, x, g: F.interpolate(x, 2, mode="linear"), "Got 4D input, but linear mode needs 3D"),
    (lambda F, x, g: F.interpolate(x, 2, mode="cubic"), "Input Error: Only 3D, 4D and 5D input"),
    (lambda F, x, g: F.interpolate(x[0, 0], 2), "Input Error: Only 3D, 4D and 5D input"),
    (lambda F, x, g: F.interpolate(x, 0), "Input and output sizes should be greater than 0"),
    (lambda F, x, g: F.interpolate(x.long(), 2, mode="bilinear"), "interpolation with mode"),
    (lambda F, x, g: F.grid_sample(x, g, "cubic"), "nn.functional.grid_sample(): expected mode"),
    (lambda F, x, g: F.grid_sample(x, g, "bilinear", "wrap"), "nn.functional.grid_sample(): exp"),
    (lambda F, x, g: F.grid_sample(x[0], g, align_corners=True), "grid_sampler(): expected 4D or"),
    (lambda F, x, g: F.grid_sample(x, g.float(), align_corners=True), "grid_sampler(): expected i"),
    (lambda F, x, g: F.grid_sample(x, g[..., :1], align_corners=True), "grid_sampler(): expected"),
    (lambda F, x, g: F.affine_grid(g[0], (1, 1, 2, 2), True), "Expected a batch of 2D affine"),
    (lambda F, x, g: F.affine_grid(g[0], (1, 1, 2), True), "affine_grid only supports 4D and 5D"),
    (lambda F, x, g: F.affine_grid(g[0].long(), (1, 1, 2, 2), True), "Expected theta to have"),
    (lambda F, x, g: F.pixel_shuffle(x, 2), "pixel_shuffle expects its input's 'channel'"),
    (lambda F, x, g: F.pixel_shuffle(x[0, 0], 2), "pixel_shuffle expects input to have at least"),
    (lambda F, x, g: F.pixel_unshuffle(x, 3), "pixel_unshuffle expects height to be divisible"),
    (lambda F, x, g: F.pixel_unshuffle(x, 0), "pixel_unshuffle expects a positive"),
    (lambda F, x, g: F.channel_shuffle(x, 3), "Number of channels must be divisible by groups"),
    (lambda F, x, g: F.channel_shuffle(x[0, 0], 1), "channel_shuffle expects input with > 2 dims"),
]


@pytest.mark.filterwarnings("ignore:Default grid_sample and affine_grid behavior")
@pytest.mark.parametrize(("call", "start"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(call: Any, start: str) -> None:
    message = refuse(lambda L, *a: call(L.nn.functional, *a), X, GRID)
    assert message.startswith(start), message
