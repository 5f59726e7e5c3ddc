"""Pools: the largest, the mean and the norm of windows, given by their size or the output's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = [
    pytest.mark.torch,
    # PyTorch's own warning about a default.
    pytest.mark.filterwarnings("ignore:Note that order of the arguments"),
]

SHAPES = {1: (2, 3, 9), 2: (2, 3, 7, 6), 3: (2, 2, 5, 4, 6)}
WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": 1, "stride": 2},
]
UNEVEN: list[tuple[int, dict[str, Any]]] = [
    (2, {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)}),
    (3, {"kernel_size": (2, 1, 3), "stride": (1, 2, 2), "padding": (0, 0, 1)}),
    (1, {"kernel_size": (4,), "padding": (2,)}),
]
EVERY = [(n, kw) for n in (1, 2, 3) for kw in WINDOWS] + UNEVEN


def values(n: int, seed: int = 0) -> np.ndarray:
    return numbers(*SHAPES[n], seed=seed)


@pytest.mark.parametrize(("n", "keywords"), EVERY)
def test_max_pool(n: int, keywords: Any) -> None:
    pool = f"max_pool{n}d"
    agree(lambda L, x: getattr(L.nn.functional, pool)(x, **keywords), values(n))
    agree(
        lambda L, x: getattr(L.nn.functional, pool)(x**2, return_indices=True, **keywords),
        values(n)[0],
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_max_pool_dilated(n: int) -> None:
    pool = f"max_pool{n}d"
    for more in ({"dilation": 2}, {"dilation": 2, "stride": 1, "padding": 1}):
        agree(
            lambda L, x, more=more: getattr(L.nn.functional, pool)(
                x, 2, return_indices=True, **more
            ),
            values(n),
        )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_max_pool_takes_the_first_of_equals(n: int) -> None:
    x = np.random.default_rng(0).integers(0, 2, SHAPES[n]).astype(float)
    for more in ({}, {"stride": 1}, {"padding": 1, "stride": 2}):
        agree(
            lambda L, x, more=more: getattr(L.nn.functional, f"max_pool{n}d")(
                x, 3, return_indices=True, **more
            ),
            x,
        )
        agree(
            lambda L, x: getattr(L.nn.functional, f"adaptive_max_pool{n}d")(
                x, 2, return_indices=True
            ),
            x,
        )


def test_max_pool_of_nan_infinity_and_integers() -> None:
    x = numbers(1, 2, 6, 6)
    x[0, 0, 1, 1] = x[0, 1, 4, 3] = np.nan
    x[0, 0, 3, 3] = np.inf
    for k in (2, 3):
        agree(
            lambda L, x, k=k: L.nn.functional.max_pool2d(x, k, return_indices=True), x,
            gradients=False,
        )  # fmt: skip
    whole = np.random.default_rng(0).integers(-9, 9, (1, 2, 6, 6))
    agree(lambda L, x: L.nn.functional.max_pool2d(x, 2, padding=1), whole)
    agree(lambda L, x: L.nn.functional.max_pool2d(x.float(), 300, padding=149), whole)


@pytest.mark.parametrize(("n", "keywords"), EVERY)
def test_avg_pool(n: int, keywords: Any) -> None:
    pool = f"avg_pool{n}d"
    agree(lambda L, x: getattr(L.nn.functional, pool)(x, **keywords) ** 2, values(n))
    agree(
        lambda L, x: getattr(L.nn.functional, pool)(x, count_include_pad=False, **keywords),
        values(n)[0],
    )
    if n > 1:
        agree(
            lambda L, x: getattr(L.nn.functional, pool)(x, divisor_override=5, **keywords),
            values(n),
        )


def test_avg_pool_of_integers_is_rounded_towards_zero() -> None:
    agree(lambda L, x: L.nn.functional.avg_pool2d(x, 2), np.arange(-9, 7).reshape(1, 1, 4, 4))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("p", [1, 2, 3.5, float("inf"), -float("inf")])
def test_lp_pool(n: int, p: float) -> None:
    x = np.abs(values(n)) + 0.1
    for more in ({}, {"stride": 1}, {"stride": 2, "ceil_mode": True}):
        agree(lambda L, x, more=more: getattr(L.nn.functional, f"lp_pool{n}d")(x, p, 3, **more), x)
    agree(lambda L, x: getattr(L.nn.functional, f"lp_pool{n}d")(x, 3, 2), values(n), second=False)


SIZES: list[tuple[int, Any]] = [
    (1, 1), (1, 4), (1, 9), (1, 12), (1, (3,)),
    (2, 1), (2, 3), (2, (7, 2)), (2, (None, 4)), (2, (5, None)), (2, (1, 3)), (2, 9),
    (3, 1), (3, (5, 2, 3)), (3, (2, None, 4)), (3, 3),
]  # fmt: skip


@pytest.mark.parametrize(("n", "size"), SIZES)
def test_adaptive_pools(n: int, size: Any) -> None:
    agree(lambda L, x: getattr(L.nn.functional, f"adaptive_avg_pool{n}d")(x, size) ** 2, values(n))
    agree(lambda L, x: getattr(L.nn.functional, f"adaptive_avg_pool{n}d")(x, size), values(n)[0])
    if not isinstance(size, tuple) or None not in size:
        pool = f"adaptive_max_pool{n}d"
        agree(lambda L, x: getattr(L.nn.functional, pool)(x, size), values(n))
        agree(lambda L, x: getattr(L.nn.functional, pool)(x, size, True), values(n)[0])


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("stride", [2, 1])
def test_max_unpool(n: int, stride: int) -> None:
    def there_and_back(L: Any, x: Any) -> Any:
        F = L.nn.functional
        out, places = getattr(F, f"max_pool{n}d")(x, 2, stride, return_indices=True)
        return getattr(F, f"max_unpool{n}d")(out**2, places, 2, stride, output_size=x.shape[2:])

    agree(there_and_back, values(n))


def test_max_unpool_without_a_batch_and_of_the_usual_size() -> None:
    def there_and_back(L: Any, x: Any) -> Any:
        out, places = L.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)
        return L.nn.functional.max_unpool2d(out, places, 3, 2, 1)

    agree(there_and_back, numbers(3, 7, 7))


@pytest.mark.parametrize("n", [2, 3])
def test_fractional_max_pool(n: int) -> None:
    x = numbers(2, 3, *(9, 8, 7)[-n:])
    draws = numbers(2, 3, n, low=0, high=1)
    pool = f"fractional_max_pool{n}d"
    for more in ({"output_size": 3}, {"output_size": (4, 5, 2)[-n:]}, {"output_ratio": (0.5,) * n}):
        agree(
            lambda L, x, d, more=more: getattr(L.nn.functional, pool)(
                x, 2, return_indices=True, _random_samples=d.detach(), **more
            ),
            x, draws,
        )  # fmt: skip
    out = getattr(ad.nn.functional, pool)(ad.tensor(x), 3, output_size=2)
    assert out.shape == (2, 3) + (2,) * n


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_narrow_types_are_kept(dtype: str) -> None:
    x = ad.tensor(values(2)).to(getattr(ad, dtype))
    F = ad.nn.functional
    for out in (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, (3, 4)),
                F.adaptive_max_pool2d(x, 2), F.lp_pool2d(x, 2, 2)):  # fmt: skip
        assert out.dtype is x.dtype


X = numbers(2, 3, 6, 6)
REFUSED: list[tuple[Any, str]] = [
    (lambda F, x: F.max_pool2d(x[0, 0], 2), "max_pool2d: Expected 3D or 4D"),
    (lambda F, x: F.max_pool1d(x, 2), "max_pool1d: Expected 2D or 3D"),
    (lambda F, x: F.max_pool2d(x, 2, padding=2), "pad should be at most half of effective"),
    (lambda F, x: F.max_pool2d(x, 2, stride=0), "stride should not be zero"),
    (lambda F, x: F.max_pool2d(x, 0), "kernel size should be greater than zero"),
    (lambda F, x: F.max_pool2d(x, 2, dilation=0), "dilation should be greater than zero"),
    (lambda F, x: F.max_pool2d(x, 9), "Given input size: (3x6x6). Calculated output size: (3x0x0)"),
    (lambda F, x: F.max_pool2d(x, (2, 2, 2)), "expected kernel_size to be a single integer"),
    (lambda F, x: F.avg_pool2d(x, 3, padding=2), "pad should be at most half of effective"),
    (lambda F, x: F.avg_pool2d(x, 2, divisor_override=0), "divisor must be not zero"),
    (lambda F, x: F.avg_pool2d(x.int(), 2), "\"avg_pool2d\" not implemented for 'int32'"),
    (lambda F, x: F.adaptive_avg_pool2d(x, (1, 2, 3)), "adaptive_avg_pool2d: output_size must be"),
    (lambda F, x: F.adaptive_avg_pool2d(x, -1), "adaptive_avg_pool2d: elements of output_size"),
    (lambda F, x: F.adaptive_avg_pool2d(x[0, 0], 2), "adaptive_avg_pool2d: Expected 3D or 4D"),
    (lambda F, x: F.max_unpool2d(x, x, 2), "elements in indices should be type int64"),
    (lambda F, x: F.max_unpool2d(x, x.long()[:1], 2), "Expected shape of indices to be same"),
    (lambda F, x: F.max_unpool2d(x, x.long() * 0 + 999, 2), "Found an invalid max index"),
    (lambda F, x: F.max_unpool2d(x, x.long() * 0, 2, output_size=(2, 2)), "invalid output_size"),
    (lambda F, x: F.fractional_max_pool2d(x, 2), "fractional_max_pool2d requires specifying"),
    (lambda F, x: F.fractional_max_pool2d(x, 5, 4), "fractional_max_pool2d(): pool height 5 too"),
]


@pytest.mark.parametrize(("call", "start"), REFUSED, ids=[s for _, s in REFUSED])
def test_refusals(call: Any, start: str) -> None:
    message = refuse(lambda L, x: call(L.nn.functional, x), X)
    assert message.startswith(start), message
