"""Checkpointing: the same numbers and gradients bit for bit, and what goes wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import anadrome as ad
from anadrome.utils.checkpoint import checkpoint

WIDTH = 4


def leaf(*shape: int, seed: int = 0) -> ad.Tensor:
    generator = ad.Generator().manual_seed(seed)
    return ad.randn(*shape, generator=generator).requires_grad_()


def dropped(x: ad.Tensor) -> ad.Tensor:
    return x * (ad.rand_like(x) < 0.5).to(x.dtype) * 2.0


class Writes(ad.autograd.Function):
    """A Function that saves an input and an output."""

    @staticmethod
    def forward(ctx: Any, x: ad.Tensor) -> ad.Tensor:
        out = x * x * x
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: ad.Tensor) -> ad.Tensor:
        x, out = ctx.saved_tensors
        return grad * 3 * x * x + out * 0


def in_place(x: ad.Tensor, w: ad.Tensor) -> ad.Tensor:
    h = x * 2.0
    h[:, 0] = w[0, 1]
    return h.mul_(0.5)


#: Steps of random segments, each of a (3, WIDTH) value and a (WIDTH, WIDTH) weight.
STEPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, w: x @ w,
    lambda x, w: (x @ w.t()).tanh(),
    lambda x, w: x + w.sum(0),
    lambda x, w: x.sigmoid() * x,
    lambda x, w: dropped(x),
    lambda x, w: ad.softmax(x, -1),
    lambda x, w: x - x.mean(-1, keepdim=True),
    lambda x, w: ad.cat([x[:, 2:], x[:, :2]], 1),
    lambda x, w: x.max(0).values * x,
    lambda x, w: Writes.apply(x * 0.5),
    in_place,
    lambda x, w: x.relu(),
    lambda x, w: x.detach() * x,
)

trees = st.recursive(
    st.integers(0, len(STEPS) - 1), lambda inner: st.lists(inner, max_size=5), max_leaves=12
)


def run_tree(tree: Any, x: Any, weights: list[Any], around: Callable[..., Any]) -> Any:
    """A number is a step; a list is a segment, which ``around`` may checkpoint."""
    if isinstance(tree, int):
        return STEPS[tree](x, weights[tree % len(weights)])

    def segment(x: Any) -> Any:
        for part in tree:
            x = run_tree(part, x, weights, around)
        return x

    return around(segment, x)


def plainly(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def saving(**options: Any) -> Callable[..., Any]:
    return lambda function, *args, **kwargs: checkpoint(function, *args, **options, **kwargs)


def gradients(loss_of: Callable[[], ad.Tensor], leaves: list[ad.Tensor]) -> list[Any]:
    """The loss, the gradients, and what is drawn next: all that a checkpoint may not change."""
    for x in leaves:
        x.grad = None
    ad.manual_seed(7)
    loss = loss_of()
    loss.backward()
    return [bits(loss), *(bits(x.grad) for x in leaves), bits(ad.rand(2))]


def bits(x: ad.Tensor | None) -> bytes | None:
    """So that NaN equals NaN, and -0 does not equal 0."""
    return None if x is None else x.detach().numpy().tobytes()


OPTIONS = (
    {},
    {"policy": "cheap_ops"},
    {"policy": lambda op, args: op.name in ("tanh", "sigmoid", "max_dim")},
    {"early_stop": False},
    {"debug": True},
    {"determinism_check": "values"},
    {"memory_budget": 100},
    {"memory_budget": 10_000},
)


@given(
    tree=st.lists(trees, min_size=1, max_size=4),
    options=st.sampled_from(OPTIONS),
    half=st.sampled_from([None, ad.float16, ad.bfloat16]),
)
def test_bit_for_bit(tree: Any, options: Any, half: Any) -> None:
    x, weights = leaf(3, WIDTH), [leaf(WIDTH, WIDTH, seed=i) for i in (1, 2)]

    def loss_of(around: Any) -> ad.Tensor:
        region = ad.autocast("cpu", dtype=half) if half else contextlib.nullcontext()
        with region:
            return run_tree(tree, x, weights, around).float().square().sum()

    leaves = [x, *weights]
    assert gradients(lambda: loss_of(saving(**options)), leaves) == gradients(
        lambda: loss_of(plainly), leaves
    )


@given(tree=st.lists(st.integers(0, len(STEPS) - 1), min_size=1, max_size=6))
def test_reentrant_bit_for_bit(tree: Any) -> None:
    x, weights = leaf(3, WIDTH), [leaf(WIDTH, WIDTH, seed=i) for i in (1, 2)]

    def loss_of(around: Any) -> ad.Tensor:
        h = run_tree(tree, x, weights, around)
        return run_tree(tree, h, weights, around).square().sum()

    assert gradients(lambda: loss_of(saving(use_reentrant=True)), [x]) == gradients(
        lambda: loss_of(plainly), [x]
    )


@given(tree=st.lists(trees, min_size=1, max_size=3), options=st.sampled_from(OPTIONS))
def test_second_order_bit_for_bit(tree: Any, options: Any) -> None:
    x, weights = leaf(3, WIDTH), [leaf(WIDTH, WIDTH, seed=i) for i in (1, 2)]

    def second(around: Any) -> Any:
        ad.manual_seed(7)
        loss = run_tree(tree, x, weights, around).square().sum()
        found = ad.autograd.grad(loss, [x, *weights], create_graph=True, allow_unused=True)
        total = sum((g.square().sum() for g in found if g is not None and g.requires_grad), x.sum())
        again = ad.autograd.grad(total, [x, *weights], allow_unused=True)
        return [bits(g) for g in (*found, *again)]

    assert second(saving(**options)) == second(plainly)
