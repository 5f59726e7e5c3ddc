"""What calls with bad arguments have found, by kinds of mistakes: each, wherever it can be made."""

from __future__ import annotations

import inspect
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


OPTIMIZERS = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
]


def trained(name: str, **options: Any) -> Any:
    """The parameters after three steps."""
    p = ad.arange(1, 5.0).reshape(2, 2).requires_grad_()
    optimizer = getattr(ad.optim, name)([p], **{"lr": 0.1, **options})

    def closure() -> ad.Tensor:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    return p.detach().numpy()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_option_that_is_a_tensor_is_the_number_that_it_holds(name: str) -> None:
    tried = 0
    for option in inspect.signature(getattr(ad.optim, name)).parameters:
        for value in (0.5, 1, (0.5, 0.9)):
            try:
                plain = trained(name, **{option: value})
            except (TypeError, ValueError, RuntimeError):
                continue
            several = isinstance(value, tuple)
            held: Any = (
                tuple(map(ad.tensor, value)) if several else ad.tensor(float(value))  # type: ignore
            )
            with suppress(TypeError, ValueError, RuntimeError):  # which says so, at least
                found = trained(name, **{option: held})
                np.testing.assert_allclose(found, plain, 1e-4, err_msg=f"{name}({option}={held})")
                tried += 1
    assert tried > 2


MAPS = ("x.sum(0)", "x.mean(0)", "x.max(0)[0]", "x.sort(0)[0]", "x.cumsum(0)", "x.var(0)",
        "x.norm()", "x.argmax(0)", "x.softmax(0)", "x.prod(0)", "x.logsumexp(0)", "x.flip(0)",
        "x.any(0)", "x.topk(1, 0)[0]", "x * 2", "x @ x", "x.unfold(0, 2, 1)", "x[0]", "x.diag()",
        "x.index_select(0, torch.tensor([0]))", "x.repeat(2)", "torch.cat([x, x])")  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("text", MAPS)
@pytest.mark.parametrize("shape", [(0, 3), (2, 3)])
def test_a_map_of_no_examples_has_the_shape_of_pytorchs(text: str, shape: Any) -> None:
    import torch

    found = [
        L.vmap(lambda x, L=L: eval(text, {"x": x, "torch": L}))(L.ones(shape)) for L in (ad, torch)
    ]
    assert tuple(found[0].shape) == tuple(found[1].shape)
    assert found[0].dtype.name == str(found[1].dtype).removeprefix("torch.")


@pytest.mark.torch
def test_maps_and_derivatives_refuse_what_pytorch_refuses() -> None:
    import torch

    def square(x: Any) -> Any:
        return (x**2).sum()

    for L in (ad, torch):
        f = L.func
        whole, some = L.arange(3), L.arange(3.0)
        for wrong in (
            lambda: f.grad(square)(whole), lambda: f.jacrev(square)(whole),
            lambda: f.jacfwd(square)(whole), lambda: f.hessian(square)(whole),
            lambda: f.vjp(square, whole), lambda: f.grad_and_value(square)(whole),
            lambda: f.grad(square, argnums=())(some), lambda: f.grad(square, (0, 0))(some),
            lambda: L.vmap(square, 0, "a")(L.ones(2, 3)),
            lambda: L.vmap(square, 0, 1.0)(L.ones(2, 3)),
            lambda: L.vmap(square, 0, (0, None))(L.ones(2, 3)),
            lambda: L.vmap(square, chunk_size=2.0)(L.ones(2, 3)),
        ):  # fmt: skip
            with pytest.raises((RuntimeError, ValueError, TypeError)) as caught:
                wrong()
            assert "interpreted as an integer" not in str(caught.value) or L is torch
        assert tuple(L.vmap(lambda x: x * 2, 0, (1,))(L.ones(2, 3)).shape) == (3, 2)


@pytest.mark.torch
@pytest.mark.parametrize("text", [
    "x.angle()", "x.sign()", "x.floor()", "x.ceil()", "x.round()", "x.trunc()", "x ** 0",
    "x.pow(0)", "x.relu()", "x.clamp(0, 1)", "x.abs()", "torch.nn.functional.hardtanh(x)",
])  # fmt: skip
@pytest.mark.parametrize("upstream", [math.inf, math.nan])
def test_what_does_not_change_has_no_gradient_of_infinity(text: str, upstream: float) -> None:
    import torch

    found = []
    for L in (ad, torch):
        x = L.tensor([-2.5, 0.5, 3.5], requires_grad=True)
        y = eval(text, {"x": x, "torch": L})
        found.append(L.autograd.grad(y, x, L.full_like(y.detach(), upstream))[0].tolist())
    np.testing.assert_array_equal(*found)


@pytest.mark.torch
def test_the_rest_of_what_was_found() -> None:
    import torch

    for L in (ad, torch):
        m = L.nn.Bilinear(3, 3, 0)
        assert tuple(m(L.ones(2, 3), L.ones(2, 3)).shape) == (2, 0)
        with pytest.raises((TypeError, ValueError)):
            list(L.utils.data.DataLoader(range(3), num_workers=0.5))
        with pytest.raises(ValueError, match="non-negative"):
            L.pca_lowrank(L.ones(3, 3), niter=-1)
        assert L.cdist(L.zeros(1, 2), L.tensor([[3.0, 4.0]]), 1e308).tolist() == [[4.0]]
    with pytest.raises(RuntimeError, match="Invalid value of device"):
        ad.get_device_module(pools._itself())
