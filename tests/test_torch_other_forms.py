"""PyTorch's functions beside ``nn.functional``'s: numbers for modes, few bits; devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_grid_sampler(mode: int, padding: int) -> None:
    x, grid = numbers(1, 2, 4, 5), numbers(1, 3, 3, 2, seed=1, low=-1.2, high=1.2)
    agree(lambda L, x, g: L.grid_sampler(x, g, mode, padding, False), x, grid, second=False)


def test_affine_grid_generator() -> None:
    agree(lambda L, t: L.affine_grid_generator(t, [2, 1, 3, 4], True), numbers(2, 2, 3))


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_embedding_bag(mode: int) -> None:
    indices, offsets = np.array([0, 3, 1, 1, 4, 2]), np.array([0, 2, 5])

    def call(L: Any, w: Any, i: Any, o: Any) -> Any:
        found = L.embedding_bag(w, i, o, False, mode)
        return [found[0], *(found[1:] if mode == 2 else found[1:3] if mode == 1 else [])]

    agree(call, numbers(5, 3), indices, offsets, second=False)


@pytest.mark.parametrize("bounds", [(-8, 7), (0, 255), (-128, 127)])
def test_fake_quantize(bounds: tuple[int, int]) -> None:
    x = np.concatenate([np.linspace(-3, 3, 61), [0.05, -0.05, 0.15, 25.0]]).astype(np.float32)
    scales, zeros = np.array([0.1, 0.25], np.float32), np.array([0, 3], np.int32)
    agree(lambda L, x: L.fake_quantize_per_tensor_affine(x, 0.1, 2, *bounds), x, second=False)
    agree(
        lambda L, x: L.fake_quantize_per_tensor_affine(
            x, L.tensor(0.1), L.tensor(2, dtype=L.int32), *bounds
        ),
        x,
        second=False,
    )
    agree(
        lambda L, x, s, z: L.fake_quantize_per_channel_affine(x, s.detach(), z, 1, *bounds),
        x[:60].reshape(5, 2, 6), scales, zeros, second=False,
    )  # fmt: skip


def test_refused() -> None:
    x = numbers(2, 2).astype(np.float32)
    refuse(lambda L, x: L.fake_quantize_per_tensor_affine(x, 0.1, 0, 7, -8), x)
    refuse(
        lambda L, x: L.fake_quantize_per_channel_affine(
            x, L.ones(3), L.zeros(3, dtype=L.int32), 0, 0, 7
        ),
        x,
    )
    with pytest.raises(RuntimeError, match=r"interpolation_mode 3 is none of 0 \(bilinear\)"):
        ad.grid_sampler(ad.ones(1, 1, 2, 2), ad.zeros(1, 1, 1, 2), 3, 0, False)


def test_the_cpu_is_a_device() -> None:
    for L in (ad, torch):
        C = L.cpu
        assert C.is_available() and C.is_initialized() and C.device_count() == 1
        assert C.current_device() == "cpu"
        with C.stream(C.Stream()):
            C.synchronize()
        event = C.Event()
        event.record()
        event.wait()
        assert event.query()
        C.current_stream().wait_stream(C.Stream())
        C.set_device("cpu")
        assert L.utils.deterministic.fill_uninitialized_memory is True


def test_devices_that_are_not_there() -> None:
    for L in (ad, torch):
        assert not (L.xpu.is_available() or L.mps.is_available() or L.mtia.is_available())
        assert L.xpu.device_count() == L.mps.device_count() == 0
        assert not L.xpu.is_initialized() and not L.xpu.is_bf16_supported()
        assert L.xpu.memory_allocated() == L.xpu.max_memory_allocated() == 0
        assert L.xpu.get_arch_list() == []
        L.xpu.seed()
        with pytest.raises((RuntimeError, AssertionError)):
            L.xpu.current_device()
    with pytest.raises(RuntimeError, match=r"ask is_available\(\) first"):
        ad.xpu.get_device_name(0)


@pytest.mark.skipif(ad.cuda.is_available(), reason="there is a device")
def test_no_accelerator() -> None:
    names = "memory_allocated memory_stats get_memory_info empty_cache reset_peak_memory_stats"
    for L in (ad, torch):
        for name in names.split():
            with pytest.raises(RuntimeError, match="when none is available"):
                getattr(L.accelerator, name)()
