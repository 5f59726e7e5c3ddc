"""Floats of 16 bits, as in PyTorch to the last bit: numbers beside them, gradients, losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

HALVES = ("bfloat16", "float16")
#: Of whole vectors: what is left over PyTorch computes by other code, which rounds otherwise.
SHAPE = (32, 64)
NUMBERS = (0.1, 3.3, -0.7, 3, 1e-3, 1e5, -1e-8, 100003, 2, 0.5, float("inf"))

BESIDE_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "x * s": lambda x, s: x * s,
    "s * x": lambda x, s: s * x,
    "x / s": lambda x, s: x / s,
    "x + s": lambda x, s: x + s,
    "s - x": lambda x, s: s - x,
    "x < s": lambda x, s: x < s,
    "mul_": lambda x, s: x.clone().mul_(s),
    "div_": lambda x, s: x.clone().div_(s),
    "add_": lambda x, s: x.clone().add_(s),
    "mul of a part": lambda x, s: x[:, ::2].mul(s),
    "fmod": lambda x, s: x.fmod(s),
    "remainder": lambda x, s: x % s,
    "x // s": lambda x, s: x // s,
    "floor_divide_": lambda x, s: x.clone().floor_divide_(s),
    "rounded down": lambda x, s: x.div(s, rounding_mode="floor"),
    "rounded to zero": lambda x, s: x.div(s, rounding_mode="trunc"),
}


def functional(lib: Any) -> Any:
    return lib.nn.functional


R, P = (-3.0, 3.0), (0.2, 3.0)
#: Name: the ranges of the inputs, and the call. The results and the gradients are PyTorch's bits.
CALLS: dict[str, tuple[Any, Callable[..., Any]]] = {
    **{
        name: ((R,), lambda L, x, name=name: getattr(L, name)(x))
        for name in ("expm1", "tan", "asinh", "atan", "sigmoid", "erfc", "exp2", "sinc")
    },
    **{
        name: ((P,), lambda L, x, name=name: getattr(L, name)(x))
        for name in ("log1p", "log2", "log10", "reciprocal")
    },
    **{
        name: (((-0.9, 0.9),), lambda L, x, name=name: getattr(L, name)(x))
        for name in ("asin", "acos", "atanh", "erfinv")
    },
    **{
        name: ((R,), lambda L, x, name=name: getattr(functional(L), name)(x))
        for name in ("elu", "selu", "celu", "softsign", "leaky_relu")
    },
    **{
        name: ((P, P), lambda L, x, y, name=name: getattr(L, name)(x, y))
        for name in ("atan2", "hypot", "xlogy", "div")
    },
    "elu(alpha)": ((R,), lambda L, x: functional(L).celu(x, 0.7)),
    "softplus(beta)": ((R,), lambda L, x: functional(L).softplus(x, 1.3, 5.0)),
    "clamp": ((R,), lambda L, x: x.clamp(-0.7, 0.3)),
    "logit": (((0.05, 0.95),), lambda L, x: L.logit(x)),
    "logit(eps)": (((0.0, 1.0),), lambda L, x: L.logit(x, 0.1)),
    "a number * x / a number": ((R,), lambda L, x: 0.1 * x / 3.3 - 0.7),
    "beyond the largest": ((R,), lambda L, x: x * 1e5 / 1e5),
    "x ** 3": ((P,), lambda L, x: x**3),
    "x ** -1": ((P,), lambda L, x: x**-1),
    "x ** 1.7": ((P,), lambda L, x: x**1.7),
    "pow_": ((P,), lambda L, x: x.clone().pow_(0.3)),
    "lerp of a Tensor": ((R, R, (0, 1)), lambda L, x, y, w: L.lerp(x, y, w)),
    "add(alpha)": ((R, R), lambda L, x, y: L.add(x, y, alpha=0.3)),
    "sub(alpha)": ((R, R), lambda L, x, y: L.sub(x, y, alpha=0.3)),
    "add_(alpha)": ((R, R), lambda L, x, y: x.clone().add_(y, alpha=-0.3)),
    "sub_(alpha)": ((R, R), lambda L, x, y: x.clone().sub_(y, alpha=0.7)),
    "add(number, alpha)": ((R,), lambda L, x: L.add(x, 0.3, alpha=0.7)),
    "addcmul": ((R, R, R), lambda L, x, y, z: L.addcmul(x, y, z)),
    "addcdiv": ((R, R, P), lambda L, x, y, z: L.addcdiv(x, y, z)),
    "xlogy with a number": ((P,), lambda L, x: L.xlogy(x, 0.3)),
    "var": ((R,), lambda L, x: x.var(1)),
    "std": ((R,), lambda L, x: x.std(0)),
    "logsumexp": ((R,), lambda L, x: x.logsumexp(1)),
    "log_softmax over rows": ((R,), lambda L, x: functional(L).log_softmax(x, 0)),
    "rsqrt": ((P,), lambda L, x: x.rsqrt()),
    "a number / x": ((P,), lambda L, x: 0.3 / x),
    "norm": ((R,), lambda L, x: L.linalg.vector_norm(x, dim=1)),
    "norm of all": ((R,), lambda L, x: x.norm()),
    "logaddexp": ((R, R), lambda L, x, y: L.logaddexp(x, y)),
    "logsigmoid": ((R,), lambda L, x: functional(L).logsigmoid(x)),
    "glu": ((R,), lambda L, x: functional(L).glu(x)),
    "rms_norm": ((R,), lambda L, x: functional(L).rms_norm(x, (64,))),
    "cosine_similarity": ((R, R), lambda L, x, y: functional(L).cosine_similarity(x, y)),
    "mse of each": ((R, R), lambda L, x, y: functional(L).mse_loss(x, y, reduction="none")),
    "huber": ((R, R), lambda L, x, y: functional(L).huber_loss(x, y, reduction="none", delta=0.3)),
}


def both(dtype: str, *ranges: tuple[float, float]) -> Any:
    stream = np.random.default_rng(0)
    values = [stream.uniform(*r, SHAPE).astype(np.float32) for r in ranges]
    return [[lib.tensor(v).to(getattr(lib, dtype)) for v in values] for lib in (ad, torch)]


def same(found: Any, wanted: Any) -> None:
    assert str(found.dtype).split(".")[1] == str(wanted.dtype).split(".")[1]
    np.testing.assert_array_equal(found.detach().float().numpy(), wanted.detach().float().numpy())


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("call", BESIDE_NUMBERS)
def test_a_number_is_rounded_where_pytorch_rounds_it(call: str, dtype: str) -> None:
    (x,), (t,) = both(dtype, R)
    for s in NUMBERS:
        same(BESIDE_NUMBERS[call](x, s), BESIDE_NUMBERS[call](t, s))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", CALLS)
def test_results_and_gradients(name: str, dtype: str) -> None:
    ranges, call = CALLS[name]
    ours, theirs = both(dtype, *ranges)
    (seed,), (their_seed,) = both(dtype, (0.5, 1.5))
    outs = []
    for lib, leaves, g in ((ad, ours, seed), (torch, theirs, their_seed)):
        for leaf in leaves:
            leaf.requires_grad_()
        out = call(lib, *leaves)
        out.backward(g.reshape(-1)[: out.numel()].reshape(out.shape))
        outs.append(out)
    same(*outs)
    for a, b in zip(ours, theirs):
        same(a.grad, b.grad)


#: Of these one value in some hundred may be the next one: an exponential differs in float32.
NEARLY: dict[str, tuple[Any, Callable[..., Any]]] = {
    "logaddexp2": ((R, R), lambda L, x, y: L.logaddexp2(x, y)),
    "mish": ((R,), lambda L, x: functional(L).mish(x)),
    "addcdiv(value)": ((R, R, P), lambda L, x, y, z: L.addcdiv(x, y, z, value=0.3)),
    "layer_norm": ((R,), lambda L, x: functional(L).layer_norm(x, (64,))),
    "rms_norm(weight)": ((R, P), lambda L, x, w: functional(L).rms_norm(x, (64,), w[0])),
    "group_norm": ((R,), lambda L, x: functional(L).group_norm(x.view(4, 8, 64), 4)),
    "batch_norm": (
        (R, P, R),
        lambda L, x, w, b: functional(L).batch_norm(
            x.view(4, 8, 64), None, None, w[0, :8], b[0, :8], training=True
        ),
    ),
    "batch_norm(given)": (
        (R, R, P, P),
        lambda L, x, m, v, w: functional(L).batch_norm(x, m[0].detach(), v[0].detach(), w[0], w[1]),
    ),
    "instance_norm": (
        (R, P, R),
        lambda L, x, w, b: functional(L).instance_norm(
            x.view(4, 8, 64), weight=w[0, :8], bias=b[0, :8]
        ),
    ),
}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", NEARLY)
def test_nearly_all_results_and_gradients(name: str, dtype: str) -> None:
    ranges, call = NEARLY[name]
    ours, theirs = both(dtype, *ranges)
    _, seed = both(dtype, (0.5, 1.5), (0.5, 1.5))[0]  # the second: it goes not with x
    outs = []
    for lib, leaves in ((ad, ours), (torch, theirs)):
        for leaf in leaves:
            leaf.requires_grad_()
        out = call(lib, *leaves)
        g = lib.tensor(seed.float().numpy()).to(out.dtype)
        out.backward(g.reshape(-1)[: out.numel()].reshape(out.shape))
        outs.append(out)
    grads = [(a.grad, b.grad) for a, b in zip(ours, theirs) if b.grad is not None]
    for a, b in [outs, *grads]:
        differ = a.detach().float().numpy() != b.detach().float().numpy()
        assert differ.mean() < (0.07 if name == "instance_norm" else 0.03)


@pytest.mark.parametrize("dtype", HALVES)
def test_cross_entropy_is_rounded_between_its_two_steps(dtype: str) -> None:
    (x,), (t,) = both(dtype, R)
    for lib, leaf in ((ad, x), (torch, t)):
        leaf.requires_grad_()
        functional(lib).cross_entropy(leaf, lib.arange(32)).backward()
    same(x.grad, t.grad)


@pytest.mark.parametrize("dtype", HALVES)
def test_softmax_of_rows_in_logarithms(dtype: str) -> None:
    (x,), (t,) = both(dtype, R)
    same(functional(ad).log_softmax(x, 1), functional(torch).log_softmax(t, 1))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("scores", [True, False])
def test_the_losses_of_probabilities(scores: bool, reduction: str, dtype: str) -> None:
    low, high = (-3.0, 3.0) if scores else (0.05, 0.95)
    name = "binary_cross_entropy_with_logits" if scores else "binary_cross_entropy"
    results = []
    for lib, (x, y) in zip((ad, torch), both(dtype, (low, high), (0.05, 0.95))):
        x.requires_grad_()
        out = getattr(functional(lib), name)(x, y, reduction=reduction)
        out.backward(lib.ones_like(out))
        results.append((out, x.grad))
    for found, wanted in zip(*results):
        same(found, wanted)


@pytest.mark.parametrize("dtype", HALVES)
def test_running_statistics(dtype: str) -> None:
    for kept in (dtype, "float32"):
        found = []
        for lib, (x,) in zip((ad, torch), both(dtype, R)):
            mean, var = (lib.full((8,), v).to(getattr(lib, kept)) for v in (0.3, 0.7))
            out = functional(lib).batch_norm(x.view(4, 8, 64), mean, var, training=True)
            found.append((out, mean, var))
        for a, b in zip(*found):
            near = {"float32": 1e-6, "bfloat16": 8e-3, "float16": 1e-3}[kept]
            a, b = (t.float().numpy() for t in (a, b))
            assert (a != b).mean() < 0.01 or np.allclose(a, b, rtol=near)


LOSSES: dict[str, Callable[[Any], Any]] = {
    "numbers": lambda x: ((x * 0.1).sin() / 3.3 - x.exp() * 0.7).sum(),
    "a kernel of PyTorch's": lambda x: ad.nn.functional.mish(x * 0.3).sum(),
    "slices": lambda x: sum((x[i] * 0.3).sum() for i in range(5)),
    "glu": lambda x: ad.nn.functional.glu(x * 0.3).sum(),
    "a norm": lambda x: ad.nn.functional.layer_norm(x * 0.3, (64,)).square().sum(),
    "standardised": lambda x: ad.nn.functional.batch_norm(x, None, None, training=True).exp().sum(),
    "several results": lambda x: sum(p.mul(0.3).sum() for p in x.split(7, dim=1)),
}


def gradient(loss: Callable[[Any], Any], x: Any, create_graph: bool = False) -> Any:
    leaf = x.detach().requires_grad_()
    (g,) = ad.autograd.grad(loss(leaf), [leaf], create_graph=create_graph)
    return g


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", LOSSES)
def test_every_way_of_asking_gives_the_same_bits(name: str, dtype: str) -> None:
    (x,), _ = both(dtype, R)
    loss = LOSSES[name]
    wanted = gradient(loss, x)
    assert type(wanted._data) is np.ndarray
    same(gradient(loss, x, create_graph=True), wanted)
    same(ad.func.grad(loss)(x), wanted)

    def through_hooks() -> Any:
        with ad.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            leaf = x.detach().requires_grad_()
            out = loss(leaf)
        out.backward()
        return leaf.grad

    def checkpointed() -> Any:
        leaf = x.detach().requires_grad_()
        ad.utils.checkpoint.checkpoint(loss, leaf, use_reentrant=False).backward()
        return leaf.grad

    same(through_hooks(), wanted)
    same(checkpointed(), wanted)
    leaf = x.detach().requires_grad_()

    @ad.capture
    def step(values: Any) -> Any:
        leaf.grad = None
        loss(leaf * values).backward()
        return leaf.grad

    ones = ad.ones_like(x)
    for _ in range(4):
        same(step(ones), wanted)
    assert step.replays


@pytest.mark.parametrize("dtype", HALVES)
def test_second_derivatives(dtype: str) -> None:
    (x,), (t,) = both(dtype, R)
    for lib, leaf in ((ad, x), (torch, t)):
        leaf.requires_grad_()
        out = (leaf * 0.1 * leaf).sum()
        (g,) = lib.autograd.grad(out, [leaf], create_graph=True)
        (g * 0.7).sum().backward()
    same(x.grad, t.grad)


def test_each_example_of_a_map_is_multiplied_alike() -> None:
    (x,), (t,) = both("bfloat16", R)
    same(ad.func.vmap(lambda row: row * 0.1 / 3.3)(x), t * 0.1 / 3.3)


def test_modes_see_no_ops_of_a_backward_over_halves() -> None:
    """The ops that its rules are played by belong to nobody's program."""

    class Count(ad.Mode):
        calls = 0

        def intercept(self, op: Any, args: Any, kwargs: Any) -> Any:
            self.calls += 1
            return op(*args, **kwargs)

    x = ad.ones(3, dtype=ad.bfloat16, requires_grad=True)
    y = (x * 0.1).exp().sum()
    with Count() as count:
        y.backward()
    assert count.calls == 0


def test_what_knows_the_exact_number_does_not_get_out() -> None:
    (x,), _ = both("bfloat16", P)
    for out in (x * 0.1, 0.1 * x, 0.1 / x, x / 3, x.lerp(x, 0.3), x[0, 0] * 0.1, 0.1 / x[0, 0]):
        assert type(out._data) is np.ndarray
        assert out._data.dtype == x._data.dtype


@pytest.mark.parametrize("dtype", HALVES)
def test_rms_norm_adds_what_float32_holds_beside_one(dtype: str) -> None:
    (x, w), (t, v) = both(dtype, (-0.2, 0.2), P)
    same(functional(ad).rms_norm(x, (64,)), functional(torch).rms_norm(t, (64,)))
    same(functional(ad).rms_norm(x, (64,), w[0]), functional(torch).rms_norm(t, (64,), v[0]))
    same(ad.nn.RMSNorm(64).to(x.dtype)(x), torch.nn.RMSNorm(64).to(t.dtype)(t))
