"""What calls with bad arguments have found, by kinds of mistakes: each, wherever it can be made."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome.nn import functional as F

from . import pools

D = ad.distributions
BAD = (math.inf, math.nan, -1.0, 0.0, 1e30, 1e-300)


@contextmanager
def seconds(limit: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("parameter", BAD)
@pytest.mark.parametrize("made", [
    lambda v: D.Gamma(v, 1.0), lambda v: D.Beta(v, 1.0), lambda v: D.Chi2(v),
    lambda v: D.Dirichlet(ad.stack([v, ad.ones(())])), lambda v: D.StudentT(v),
    lambda v: D.FisherSnedecor(v, 1.0), lambda v: D.InverseGamma(v, 1.0), lambda v: D.Poisson(v),
    lambda v: D.VonMises(0.0, v), lambda v: D.NegativeBinomial(v, 0.5), lambda v: D.Geometric(v),
    lambda v: D.Binomial(10, v), lambda v: D.Weibull(1.0, v), lambda v: D.Kumaraswamy(v, 1.0),
    lambda v: D.LKJCholesky(2, v), lambda v: D.Wishart(v, ad.eye(2)), lambda v: D.Pareto(1.0, v),
    lambda v: D.ContinuousBernoulli(v), lambda v: D.Normal(0.0, v), lambda v: D.Gumbel(0.0, v),
])  # fmt: skip
def test_a_draw_ends_whatever_the_parameters_are(made: Any, parameter: float) -> None:
    for checked in (True, False):
        D.Distribution.set_default_validate_args(checked)
        try:
            with seconds(20), _either():
                made(ad.tensor(parameter)).sample((3,))
        finally:
            D.Distribution.set_default_validate_args(__debug__)


@contextmanager
def _either() -> Iterator[None]:
    """It works, or it is refused by an error of ours."""
    with suppress(ValueError, RuntimeError):
        yield


def test_draws_of_infinite_and_of_narrow_distributions() -> None:
    assert D.Gamma(math.inf, 1.0).sample() == math.inf
    assert ad.poisson(ad.tensor([math.inf])).tolist() == [math.inf]
    narrow = D.VonMises(ad.tensor(1.0), ad.tensor(1e12)).sample((2000,)).double() - 1.0
    assert 0 < float(narrow.abs().max()) < 1e-4
    wide = D.VonMises(ad.tensor(0.0, dtype=ad.float64), ad.tensor(9e9, dtype=ad.float64))
    narrower = D.VonMises(ad.tensor(0.0, dtype=ad.float64), ad.tensor(1.1e10, dtype=ad.float64))
    for d in (wide, narrower):  # on both sides of the border between the two methods
        expected = float(d.concentration) ** -0.5
        assert abs(float(d.sample((20000,)).std()) / expected - 1) < 0.03


@pytest.mark.parametrize(("low", "high"), [(5, 1e30), (-1e30, -5), (1e30, 1e31), (0, 1e38)])
def test_a_truncated_normal_far_out_is_drawn_at_once(low: float, high: float) -> None:
    with seconds(10):
        x = ad.nn.init.trunc_normal_(ad.empty(2000, dtype=ad.float64), 0, 1, low, high)
    near = min(abs(low), abs(high))
    assert bool((x >= low).all()) and bool((x <= high).all())
    # Beyond z a normal value is z + 1 / z in the mean, for a large z.
    assert abs(float(x.abs().mean()) / near - 1) < 0.05 if near else float(x.mean()) < 1


NO_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "tensor": ad.tensor, "as_tensor": ad.as_tensor, "asarray": ad.asarray, "Tensor": ad.Tensor,
    "BoolTensor": ad.BoolTensor, "FloatTensor": ad.FloatTensor, "new": ad.ones(2).new,
    "new_tensor": ad.ones(2).new_tensor, "full": lambda v: ad.full((2,), v),
    "is_same_size": ad.ones(2).is_same_size, "block_diag": ad.block_diag, "cat": lambda v: ad.cat(
        [v, v]), "stack": lambda v: ad.stack([v]), "hstack": lambda v: ad.hstack([v]),
    "get_gradient_edge": ad.autograd.graph.get_gradient_edge,
}  # fmt: skip


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_the_class_tensor_is_no_tensor(name: str) -> None:
    with pytest.raises((TypeError, ad.errors.AnadromeError)) as caught:
        NO_NUMBERS[name](ad.Tensor)
    assert "'self'" not in str(caught.value) and "property" not in str(caught.value)


@pytest.mark.parametrize("name", ["Tensor", "LongTensor", "BoolTensor", "new"])
def test_integers_of_any_class_are_the_sizes_of_an_older_constructor(name: str) -> None:
    make = ad.ones(2).new if name == "new" else getattr(ad, name)
    for three in (3, np.int64(3), np.array(3), np.uint8(3)):
        assert make(three).shape == (3,) and make(three, three).shape == (3, 3)
    assert make(pools.Index()).shape == (1,)
    with pytest.raises(TypeError):
        make(True)


UNPRINTABLE: dict[str, Callable[[Any], Any]] = {
    "promote_types": lambda v: ad.promote_types(ad.int64, v), "layout": ad.layout,
    "memory_format": ad.memory_format, "zeros": ad.zeros, "InstanceNorm1d": ad.nn.InstanceNorm1d,
    "ones": lambda v: ad.ones(2, v), "Tensor": lambda v: ad.Tensor(2, v),
    "device": ad.device, "reshape": lambda v: ad.ones(2).reshape(
        v), "Linear": lambda v: ad.nn.Linear(2, v), "expand": lambda v: ad.ones(2).expand(v),
}  # fmt: skip


@pytest.mark.parametrize("value", [pools.Mute, lambda: pools._nested(5000), pools._itself])
@pytest.mark.parametrize("name", UNPRINTABLE)
def test_what_cannot_be_printed_is_refused_by_a_message(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        UNPRINTABLE[name](value())
    assert not isinstance(caught.value, RecursionError) and "no repr" not in str(caught.value)


SWITCHES: dict[str, Callable[[Any], Any]] = {
    "numpy": lambda v: ad.ones(2).numpy(force=v),
    "requires_grad_": lambda v: ad.ones(2).requires_grad_(v),
    "requires_grad": lambda v: setattr(ad.ones(2), "requires_grad", v),
    "ones": lambda v: ad.ones(2, requires_grad=v),
    "Parameter": lambda v: ad.nn.Parameter(ad.ones(2), v),
    "sum": lambda v: ad.ones(2).sum(0, keepdim=v),
    "sort": lambda v: ad.ones(2).sort(descending=v),
    "relu": lambda v: F.relu(ad.ones(2), inplace=v),
    "dropout": lambda v: F.dropout(ad.ones(2), training=v),
    "backward": lambda v: ad.ones((), requires_grad=True).exp().backward(retain_graph=v),
}  # fmt: skip


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_that_is_neither_true_nor_false_is_refused(name: str) -> None:
    with pytest.raises((TypeError, ad.errors.AnadromeError)):
        SWITCHES[name](np.array([None, 1], dtype=object))


def test_requires_grad_is_asked_for_by_truth() -> None:
    x = ad.ones(2).requires_grad_(2)  # type: ignore[arg-type]
    y = (x * 2).requires_grad_(2)  # type: ignore[arg-type]
    assert y.grad_fn is not None  # as it was


def test_arguments_that_say_nothing_where_they_have_to() -> None:
    x = ad.ones(2, 3)
    for wrong in (
        lambda: x.permute(dims=None), lambda: x.to(True), lambda: ad.fft.rfftfreq(-1),
        lambda: ad.fft.fftfreq(-1), lambda: F.linear(ad.ones(4, 3), ad.ones(3), ad.ones(4)),
    ):  # fmt: skip
        with pytest.raises((TypeError, RuntimeError)):
            wrong()
    assert x.to("cpu", True) is x
    assert ad.ones(0, 3).round(decimals=2**31).shape == (0, 3)
    assert 2 in ad.arange(3) and np.int64(2) in ad.arange(3)
    assert ad.tile(ad.ones(2), np.int64(2)).shape == (4,)  # type: ignore[arg-type]
