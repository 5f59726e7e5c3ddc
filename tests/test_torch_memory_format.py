"""Memory formats: strides, what is asked about them and what keeps them, beside PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import numbers

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

IMAGE = numbers(2, 4, 5, 6)


def image(L: Any) -> Any:
    return L.tensor(IMAGE.copy(), dtype=L.float32)


def last(L: Any) -> Any:
    return image(L).contiguous(memory_format=L.channels_last)


def weight(L: Any, *shape: int) -> Any:
    return L.tensor(numbers(*shape), dtype=L.float32)


CASES: dict[str, Callable[[Any], Any]] = {
    "rows": image,
    "contiguous": last,
    "back": lambda L: last(L).contiguous(),
    "to": lambda L: image(L).to(memory_format=L.channels_last),
    "to with a dtype": lambda L: image(L).to(L.float64, memory_format=L.channels_last),
    "double": lambda L: last(L).double(),
    "clone": lambda L: last(L).clone(),
    "clone in rows": lambda L: last(L).clone(memory_format=L.contiguous_format),
    "clone in a format": lambda L: image(L).clone(memory_format=L.channels_last),
    "clone kept": lambda L: last(L).clone(memory_format=L.preserve_format),
    "empty": lambda L: L.empty(2, 3, 4, 5, memory_format=L.channels_last),
    "zeros_like": lambda L: L.zeros_like(last(L)),
    "zeros_like by name": lambda L: L.zeros_like(input=last(L), dtype=L.int64),
    "full_like": lambda L: L.full_like(last(L), 2.0),
    "randn_like": lambda L: L.randn_like(last(L)),
    "ones_like in rows": lambda L: L.ones_like(last(L), memory_format=L.contiguous_format),
    "empty_like in a format": lambda L: L.empty_like(image(L), memory_format=L.channels_last),
    "zeros_like of a transpose": lambda L: L.zeros_like(image(L).permute(3, 1, 0, 2)),
    "zeros_like of a slice": lambda L: L.zeros_like(image(L)[:, ::2]),
    "a sum": lambda L: last(L) + 1,
    "relu": lambda L: last(L).relu(),
    "convolution of rows": lambda L: L.nn.functional.conv2d(image(L), weight(L, 6, 4, 3, 3)),
    "convolution": lambda L: L.nn.functional.conv2d(last(L), weight(L, 6, 4, 3, 3), padding=1),
    "convolution with strides": lambda L: L.nn.functional.conv2d(
        last(L), weight(L, 6, 4, 3, 3), weight(L, 6), stride=2
    ),
    "convolution of a value": lambda L: L.nn.functional.conv2d(last(L), weight(L, 6, 4, 1, 1)),
    "convolution by channel": lambda L: L.nn.functional.conv2d(
        last(L), weight(L, 4, 1, 3, 3), groups=4
    ),
    "weight in a format": lambda L: L.nn.functional.conv2d(
        image(L), weight(L, 6, 4, 3, 3).to(memory_format=L.channels_last)
    ),
    "transposed convolution": lambda L: L.nn.functional.conv_transpose2d(
        last(L), weight(L, 4, 6, 3, 3), stride=2
    ),
    "batch norm": lambda L: L.nn.BatchNorm2d(4)(last(L)),
    "module": lambda L: L.nn.Conv2d(4, 6, 3).to(memory_format=L.channels_last).weight,
    "bias of the module": lambda L: L.nn.Conv2d(4, 6, 3).to(memory_format=L.channels_last).bias,
    "one channel": lambda L: image(L)[:, :1].contiguous(memory_format=L.channels_last),
    "one pixel": lambda L: image(L)[..., :1, :1].contiguous(memory_format=L.channels_last),
    "volume": lambda L: L.zeros(2, 3, 4, 5, 6).contiguous(memory_format=L.channels_last_3d),
}


@pytest.mark.parametrize("name", CASES)
def test_strides_and_answers_are_those_of_pytorch(name: str) -> None:
    found = []
    for L in (ad, torch):
        x = CASES[name](L)
        ones = [n == 1 for n in x.shape]  # the step along a single element says nothing
        found.append(
            [
                [s for s, one in zip(x.stride(), ones) if not one], tuple(x.shape),
                x.is_contiguous(), x.is_contiguous(memory_format=L.contiguous_format),
                x.is_contiguous(memory_format=L.channels_last),
                x.is_contiguous(memory_format=L.channels_last_3d),
            ]
        )  # fmt: skip
    assert found[0] == found[1]


@pytest.mark.parametrize("name", [n for n in CASES if "convolution" in n or "clone" in n])
def test_values_do_not_depend_on_the_format(name: str) -> None:
    mine, theirs = CASES[name](ad), CASES[name](torch)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-5)


def test_what_is_in_a_format_already_is_not_copied() -> None:
    for L in (ad, torch):
        x = last(L)
        assert x.to(memory_format=L.channels_last) is x
        assert x.contiguous(memory_format=L.channels_last) is x


def test_a_network_in_a_format_trains_to_the_same_weights() -> None:
    found = []
    for L in (ad, torch):
        net = L.nn.Sequential(
            L.nn.Conv2d(4, 6, 3, padding=1), L.nn.BatchNorm2d(6), L.nn.ReLU(),
            L.nn.Conv2d(6, 6, 3, stride=2, groups=3), L.nn.ConvTranspose2d(6, 4, 2),
            L.nn.AdaptiveAvgPool2d(2), L.nn.Flatten(), L.nn.Linear(16, 2),
        )  # fmt: skip
        with L.no_grad():
            for i, p in enumerate(net.parameters()):
                p.copy_(L.tensor(numbers(*p.shape, seed=i)) * 0.3)
        net = net.to(memory_format=L.channels_last)
        optimizer = L.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            x = last(L).requires_grad_()
            net(x).pow(2).sum().backward()
            optimizer.step()
        found.append([p.detach().numpy() for p in (*net.parameters(), x.grad)])
    for mine, theirs in zip(*found):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda L: L.ones(2, 3).contiguous(memory_format=L.channels_last),
        lambda L: L.ones(2, 3, 4, 5).to(memory_format=L.channels_last_3d),
        lambda L: L.empty(2, 3, memory_format=L.channels_last),
        lambda L: last(L).contiguous(memory_format=L.preserve_format),
    ],
)
def test_refusals_are_those_of_pytorch(call: Any) -> None:
    with pytest.raises(RuntimeError) as theirs:
        call(torch)
    with pytest.raises(RuntimeError) as mine:
        call(ad)
    assert str(mine.value).startswith(str(theirs.value))
