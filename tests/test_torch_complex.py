"""Complex tensors as in PyTorch: values, the conjugate gradients, second gradients, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch


def complexes(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(numbers(*shape, seed=seed) + 1j * numbers(*shape, seed=seed + 50))


UNARY = [
    "neg",
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "asinh",
    "acosh",
    "atanh",
    "sinh",
    "cosh",
    "tanh",
    "sigmoid",
    "abs",
    "sgn",
    "angle",
    "conj",
    "real",
    "imag",
    "positive",
    "conj_physical",
]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)])
def test_functions_of_one_array(name: str, shape: tuple[int, ...]) -> None:
    agree(lambda L, z: getattr(L, name)(z), complexes(*shape))


BINARY: list[Callable[..., Any]] = [
    lambda L, a, b: a + b,
    lambda L, a, b: a - b,
    lambda L, a, b: a * b,
    lambda L, a, b: a / b,
    lambda L, a, b: a**b,
    lambda L, a, b: L.add(a, b, alpha=2),
]


@pytest.mark.parametrize("number", range(len(BINARY)))
def test_functions_of_two(number: int) -> None:
    call = BINARY[number]
    agree(call, complexes(3, 4), complexes(4, seed=1))
    agree(call, numbers(3, 4, low=0.5), complexes(4, seed=1))
    agree(call, complexes(3, 1), numbers(3, 4, seed=1))


@pytest.mark.parametrize("number", [2.5, 1j, 3 - 2j, 2])
def test_beside_numbers(number: Any) -> None:
    agree(lambda L, z: z * number + number, complexes(3))
    agree(lambda L, z: number / z - number, complexes(3))
    agree(lambda L, z: z**number, complexes(3))
    agree(lambda L, x: x * number + number, numbers(3))
    agree(lambda L, x: number - x, numbers(3))


SHAPED: list[Callable[..., Any]] = [
    lambda L, z: z.sum(),
    lambda L, z: z.sum(1, keepdim=True),
    lambda L, z: z.mean(0),
    lambda L, z: z.prod(1),
    lambda L, z: z.cumsum(1),
    lambda L, z: z.var(1),
    lambda L, z: z.std(),
    lambda L, z: z.norm(),
    lambda L, z: z.reshape(2, 6).t(),
    lambda L, z: z[1:, ::2] * 1j,
    lambda L, z: z[[0, 0, 2]],
    lambda L, z: L.cat([z, z * z]),
    lambda L, z: L.stack([z, z.conj()]),
    lambda L, z: z.expand(2, 3, 4) * z,
    lambda L, z: z.flip(0).roll(1, 0) * z,
    lambda L, z: z @ z.mT,
    lambda L, z: z @ z.mH,
    lambda L, z: z @ z[0],
    lambda L, z: z.T @ z,
    lambda L, z: L.einsum("ij,kj->ik", z, z),
    lambda L, z: z.triu() * z,
    lambda L, z: z.view_as(z).clone().unbind(1),
    lambda L, z: z.H,
    lambda L, z: L.view_as_real(z) * 2,
    lambda L, z: L.view_as_complex(L.view_as_real(z)) * z,
    lambda L, z: z.real * z.imag,
    lambda L, z: z.masked_fill(z.real > 0, 0),
    lambda L, z: z.addcmul(z, z, value=2),
    lambda L, z: L.lerp(z, z * z, 0.3),
    lambda L, z: L.where(z.real > 0, z, z * 2j),
    lambda L, z: z.to(L.complex64).to(L.complex128),
]


@pytest.mark.parametrize("number", range(len(SHAPED)))
def test_shapes_sums_and_products(number: int) -> None:
    agree(SHAPED[number], complexes(3, 4), rtol=1e-5 if number == len(SHAPED) - 1 else 1e-7)


def test_from_parts() -> None:
    agree(lambda L, a, b: L.complex(a, b) ** 2, numbers(3, 4), numbers(4, seed=1))
    agree(lambda L, a, b: L.polar(a, b) ** 2, numbers(3, low=0.1), numbers(3, seed=1))
    agree(lambda L, a: L.view_as_complex(a) ** 2, numbers(3, 2))
    agree(lambda L, a: L.view_as_complex(a), numbers(2))
    infinite = ad.complex(ad.tensor(float("inf")), ad.tensor(1.0))
    assert infinite.item() == complex("inf+1j")


def test_real_ones_in_complex_functions() -> None:
    for name in ("angle", "real", "conj", "isreal"):
        agree(lambda L, x, name=name: getattr(L, name)(x), numbers(3, 4))
    agree(lambda L, x: L.sgn(x), numbers(3, 4), gradients=False)
    agree(lambda L, x: L.angle(x), np.array([1, -2, 0]))
    agree(lambda L, x: L.sgn(x), np.array([True, False]))
    x = ad.ones(3)
    assert ad.real(x) is x and ad.conj(x) is x and x.resolve_conj() is x
    assert not x.is_conj() and not x.is_neg()


def test_gradient_is_zero_at_zero() -> None:
    zero = np.array([0j, 1 + 1j])
    for name in ("abs", "sgn", "angle"):
        agree(lambda L, z, name=name: getattr(L, name)(z), zero, second=False)


def test_parts_are_views() -> None:
    z = ad.tensor([1 + 2j, 3 + 4j])
    z.real[0] = 7
    z.imag.mul_(2)
    z.real = z.real + 1
    ad.view_as_real(z)[1, 1] = -1.0
    assert z.tolist() == [8 + 4j, 4 - 1j]

    def written(L: Any, x: Any) -> Any:
        z = x * 1
        z.real[0] = x.imag[1]
        z.imag = x.real * 2
        return z * z

    agree(written, complexes(3))


def test_an_optimizer_goes_downhill() -> None:
    z = ad.tensor([1 + 2j], requires_grad=True)
    optimizer = ad.optim.SGD([z], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss = (z - (3 - 1j)).abs().square().sum()
        loss.backward()
        optimizer.step()
    assert abs(z.detach().item() - (3 - 1j)) < 1e-6


def test_a_function_of_ones_own_conjugates_nothing() -> None:
    def twice(L: Any, z: Any) -> Any:
        class Twice(L.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x * 2j

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return g * 3j

        return Twice.apply(z)

    agree(twice, complexes(3))


def test_a_complex_factor_among_the_keywords() -> None:
    """An op that saves no value may still multiply by a complex number."""
    from anadrome.op import table

    scaled = ad.op(
        "scaled_for_test", lambda xp, x, *, by: x * by, x=lambda g, by: g * by, method=False
    )
    try:
        z = ad.tensor([1 + 2j], requires_grad=True)
        (found,) = ad.autograd.grad(scaled(z, by=1j), z, ad.tensor([1 + 0j]))
        assert found.tolist() == [-1j]
    finally:
        del table["scaled_for_test"]


def test_inside_saved_tensors_hooks() -> None:
    def hooked(L: Any, z: Any) -> Any:
        with L.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            return (z * z).sum(0).exp()

    agree(hooked, complexes(2, 3))


def test_refused() -> None:
    assert "view_as_real is only" in refuse(lambda L, x: L.view_as_real(x), numbers(3))
    assert "size 2" in refuse(lambda L, x: L.view_as_complex(x), numbers(3))
    assert "imag is not" in refuse(lambda L, x: x.imag, numbers(3))
    assert "H is only" in refuse(lambda L, z: z.H, complexes(3, 2, 2))
    assert "Expected object of scalar type" in refuse(
        lambda L, x: L.complex(x, x.float()), numbers(3)
    )
    assert "Half, Float or Double" in refuse(lambda L, x: L.polar(x, x), np.array([1, 2]))
    text = refuse(lambda L, z: z.sum().backward(), complexes(3))
    assert "real scalar outputs" in text


def test_captured() -> None:
    """A step over complex values, replayed as a program."""
    weight = ad.tensor(complexes(4, 4), requires_grad=True)

    def step(x: Any) -> Any:
        weight.grad = None
        loss = (ad.fft.fft(x) @ weight).exp().abs().log().sum()
        loss.backward()
        return loss.detach(), weight.grad * 1

    captured = ad.capture(step)
    for seed in range(4):
        x = ad.tensor(numbers(3, 4, seed=seed) / 4)
        for found, wanted in zip(captured(x), step(x)):
            ad.testing.assert_close(found, wanted)
    assert captured.replays


@pytest.mark.parametrize("fast", [False, True])
def test_gradcheck(fast: bool) -> None:
    z = ad.tensor(complexes(3), requires_grad=True)
    x = ad.tensor(numbers(3), requires_grad=True)

    def right(z: Any, x: Any) -> Any:
        return z * x * z.conj() + z.exp(), z.abs() * x, (z * 1j).angle()

    assert ad.autograd.gradcheck(right, (z, x), fast_mode=fast)
    assert ad.autograd.gradgradcheck(right, (z, x), fast_mode=fast)

    class Wrong(ad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, z: Any) -> Any:
            return z * 2j

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2j  # not conjugated

    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        ad.autograd.gradcheck(Wrong.apply, z, fast_mode=fast)
