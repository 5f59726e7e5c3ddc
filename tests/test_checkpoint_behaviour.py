"""Checkpointing: when a segment runs, what it keeps, what it takes and what surrounds it."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad
from anadrome.utils.checkpoint import checkpoint, checkpoint_sequential

WIDTH = 4


def leaf(*shape: int, seed: int = 0) -> ad.Tensor:
    generator = ad.Generator().manual_seed(seed)
    return ad.randn(*shape, generator=generator).requires_grad_()


def dropped(x: ad.Tensor) -> ad.Tensor:
    return x * (ad.rand_like(x) < 0.5).to(x.dtype) * 2.0


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


def test_segment_runs_once_in_forward_and_once_in_backward() -> None:
    runs = []

    def segment(x: ad.Tensor) -> ad.Tensor:
        runs.append("run")
        return x.exp().sin().exp()

    loss = checkpoint(segment, leaf(3)).sum()
    assert len(runs) == 1
    loss.backward(retain_graph=True)
    assert len(runs) == 2
    loss.backward()
    assert len(runs) == 3


def test_retained_graph_twice() -> None:
    x, w = leaf(3, WIDTH), leaf(WIDTH, WIDTH, seed=1)
    for around in (saving(), saving(policy="cheap_ops")):
        x.grad = None
        ad.manual_seed(3)
        loss = around(lambda x: dropped(x @ w).exp(), x).sum()
        loss.backward(retain_graph=True)
        once = x.grad.tolist()
        loss.backward()
        assert x.grad.tolist() == [[2 * g for g in row] for row in once]
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            loss.backward()


def test_parts_of_the_graph_by_autograd_grad() -> None:
    x, w = leaf(3), leaf(3, seed=1)

    def segment(x: ad.Tensor) -> ad.Tensor:
        return (x.exp() * w).sin() * x

    y = checkpoint(segment, x).sum()
    (gw,) = ad.autograd.grad(y, w, retain_graph=True)
    (gx,) = ad.autograd.grad(y, x)
    expected = ad.autograd.grad(segment(x).sum(), [w, x])
    assert [gw.tolist(), gx.tolist()] == [g.tolist() for g in expected]


def test_arguments_and_results_of_all_kinds() -> None:
    x, mask = leaf(3), ad.tensor([1.0, 0.0, 1.0])
    text = object()

    def segment(
        x: ad.Tensor, power: int, *rest: Any, scale: float, mask: Any, gate: Any = None
    ) -> Any:
        h = (x * scale * mask).exp() ** power
        return h, text, [h.sin(), rest], {"gate": gate}

    def loss_of(around: Any) -> ad.Tensor:
        gate = x.cos()
        h, label, (s, rest), told = around(segment, x, 2, "a", scale=0.5, mask=mask, gate=gate)
        assert label is text
        assert rest == ("a",)
        return (h * s * told["gate"]).sum()

    assert gradients(lambda: loss_of(saving()), [x]) == gradients(lambda: loss_of(plainly), [x])


def test_weights_get_gradients_though_no_input_wants_one() -> None:
    w = leaf(3)
    checkpoint(lambda x: x * w.exp(), ad.ones(3)).sum().backward()
    assert w.grad.tolist() == w.detach().exp().tolist()


def test_without_recording_it_is_a_plain_call() -> None:
    with ad.no_grad():
        assert not checkpoint(lambda x: x.exp(), leaf(3)).requires_grad


def test_recomputation_is_under_the_settings_of_the_forward() -> None:
    seen = []

    def segment(x: ad.Tensor) -> ad.Tensor:
        seen.append((ad.is_grad_enabled(), ad.get_autocast_dtype("cpu"),
                     ad.is_autocast_enabled("cpu")))  # fmt: skip
        return x.mm(x).exp()

    with ad.autocast("cpu", dtype=ad.float16):
        loss = checkpoint(segment, leaf(2, 2)).float().sum()
    with ad.no_grad():
        loss.backward()
    assert seen == [(True, ad.float16, True)] * 2
    assert not ad.is_autocast_enabled("cpu")


def test_without_preserve_rng_state_other_numbers_are_drawn() -> None:
    drawn = []

    def segment(x: ad.Tensor) -> ad.Tensor:
        drawn.append(ad.rand(4).tolist())
        return x.exp()

    for preserve in (True, False):
        checkpoint(segment, leaf(1), preserve_rng_state=preserve, early_stop=False).backward()
    assert drawn[0] == drawn[1]
    assert drawn[2] != drawn[3]


def test_backward_within_the_segment() -> None:
    def segment(x: ad.Tensor) -> ad.Tensor:
        y = x.sin()
        z = y.cos()
        (g,) = ad.autograd.grad(z.sum(), x, create_graph=True)
        return x.cos() * g + z

    x = leaf(3)
    for options in ({}, {"early_stop": False}):
        mine = gradients(lambda options=options: checkpoint(segment, x, **options).sum(), [x])
        assert mine == gradients(lambda: segment(x).sum(), [x])


def test_threads() -> None:
    results: dict[int, Any] = {}
    w = leaf(WIDTH, WIDTH, seed=1)

    def train(number: int) -> None:
        x = leaf(3, WIDTH, seed=number)
        for _ in range(5):
            loss = checkpoint(lambda x: (x @ w.detach()).tanh() @ w.detach(), x).sum()
            (results[number],) = ad.autograd.grad(loss, x)

    threads = [threading.Thread(target=train, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for number in range(3):
        x = leaf(3, WIDTH, seed=number)
        (expected,) = ad.autograd.grad(((x @ w).tanh() @ w).sum(), x)
        assert results[number].tolist() == expected.tolist()


def test_backward_in_another_thread_with_random_numbers() -> None:
    x = leaf(3, WIDTH)
    ad.manual_seed(1)
    expected = ad.autograd.grad(dropped(x.exp()).exp().sum(), x)[0].tolist()
    ad.manual_seed(1)
    loss = checkpoint(lambda x: dropped(x.exp()).exp(), x).sum()
    thread = threading.Thread(target=loss.backward)
    thread.start()
    thread.join()
    assert x.grad.tolist() == expected


def test_graph_that_is_not_used_is_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(3)
        inside: list[Any] = []

        def segment(x: ad.Tensor) -> ad.Tensor:
            h = x.exp()
            inside.append(weakref.ref(h))
            return h.sin() * h

        middle = x * 1.0
        y = checkpoint(segment, middle)
        assert inside[0]() is None
        y.sum().backward()
        assert inside[1]() is None
        kept = weakref.ref(middle)
        del middle, y
        assert kept() is None
    finally:
        gc.enable()


def test_nested_segments_keep_nothing_of_their_own() -> None:
    kept: list[Any] = []

    def inner(x: ad.Tensor) -> ad.Tensor:
        return x.exp().sin()

    def outer(x: ad.Tensor) -> ad.Tensor:
        h = x.cos() * 2
        kept.append(weakref.ref(h))
        return checkpoint(inner, h)

    y = checkpoint(outer, leaf(3))
    assert kept[0]() is None
    y.sum().backward()


def test_user_hooks_see_the_inputs_of_a_segment() -> None:
    x, packed = leaf(3), []

    def pack(value: ad.Tensor) -> list[float]:
        packed.append(value.tolist())
        return value.tolist()

    with ad.autograd.graph.saved_tensors_hooks(pack, ad.tensor):
        loss = checkpoint(lambda x: x.exp().sin(), x * 2).sum()
    assert packed == [(x * 2).tolist()]  # the product by a number saves nothing
    loss.backward()
    expected = (2 * (x * 2).exp() * (x * 2).exp().cos()).tolist()
    assert x.grad.tolist() == pytest.approx(expected)


def test_context_fn_surrounds_both_runs() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def noting(name: str) -> Any:
        seen.append(f"{name} in")
        yield
        seen.append(f"{name} out")

    def contexts() -> Any:
        return noting("first"), noting("again")

    checkpoint(lambda x: x.exp(), leaf(1), context_fn=contexts, early_stop=False).sum().backward()
    assert seen == ["first in", "first out", "again in", "again out"]


def test_segment_that_catches_exceptions_does_not_catch_the_end() -> None:
    def segment(x: ad.Tensor) -> ad.Tensor:
        h = x.exp()
        with contextlib.suppress(Exception):
            h = h.sin()
        return h

    x = leaf(3)
    assert gradients(lambda: checkpoint(segment, x).sum(), [x]) == gradients(
        lambda: segment(x).sum(), [x]
    )


@pytest.mark.parametrize("reentrant", [False, True])
def test_sequential(reentrant: bool) -> None:
    w = leaf(WIDTH, WIDTH, seed=1)
    runs: list[int] = []

    def step(number: int) -> Any:
        def run(x: ad.Tensor) -> ad.Tensor:
            runs.append(number)
            return dropped((x @ w).tanh())

        return run

    functions = [step(i) for i in range(5)]
    x = leaf(3, WIDTH)

    def plain() -> ad.Tensor:
        h = x
        for f in functions:
            h = f(h)
        return h.square().sum()

    leaves = [x] if reentrant else [x, w]  # the sums for w are in another order there
    expected = gradients(plain, leaves)
    runs.clear()
    found = gradients(
        lambda: checkpoint_sequential(functions, 2, x, use_reentrant=reentrant).square().sum(),
        leaves,
    )
    assert found == expected
    assert runs == [0, 1, 2, 3, 4, 0, 1]
    for wrong in (0, 6):
        with pytest.raises(ValueError, match=f"cannot make {wrong} segments of 5 functions"):
            checkpoint_sequential(functions, wrong, x)


@pytest.mark.torch
def test_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs_apply = pytest.importorskip("torch.utils.checkpoint").checkpoint

    x, w = leaf(3, WIDTH), leaf(WIDTH, WIDTH, seed=1)

    def run(fw: Any, apply: Any) -> Any:
        a, b = (fw.tensor(t.tolist(), requires_grad=True) for t in (x, w))

        def inner(h: Any) -> Any:
            return (h @ b).tanh()

        def outer(h: Any) -> Any:
            return apply(inner, apply(inner, h, use_reentrant=False).exp(), use_reentrant=False)

        apply(outer, a, use_reentrant=False).sum().backward()
        return a.grad.tolist(), b.grad.tolist()

    for mine, theirs in zip(run(ad, checkpoint), run(torch, theirs_apply)):
        for row, their_row in zip(mine, theirs):
            assert row == pytest.approx(their_row, rel=1e-4)
