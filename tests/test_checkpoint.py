"""Checkpointing: the same numbers and gradients bit for bit, and what goes wrong."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import anadrome as ad
from anadrome.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

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
    return [loss.item(), *(None if x.grad is None else x.grad.tolist() for x in leaves),
            ad.rand(2).tolist()]  # fmt: skip


OPTIONS = (
    {},
    {"policy": "cheap_ops"},
    {"policy": lambda op, args: op.name in ("tanh", "mul", "max_dim")},
    {"early_stop": False},
    {"debug": True},
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
        return [None if g is None else g.tolist() for g in (*found, *again)]

    assert second(saving(**options)) == second(plainly)


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


class Changing:
    """A segment that does something else the second time."""

    def __init__(self, first: Callable[..., Any], second: Callable[..., Any]) -> None:
        self.ways = [first, second]

    def __call__(self, x: ad.Tensor) -> ad.Tensor:
        return self.ways.pop(0)(x)


FEWER = (lambda x: x.exp().sin().exp(), lambda x: x.exp())
MORE = (lambda x: x.exp(), lambda x: x.exp().sin().exp())
SHORTER = (lambda x: x.exp().sin(), lambda x: x[:2].exp().sin())
WIDER = (lambda x: x.exp().sin(), lambda x: x.double().exp().sin())


def test_fewer_values_the_second_time() -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoint(Changing(*FEWER), leaf(3)).sum().backward()
    assert str(caught.value).startswith(
        "anadrome.utils.checkpoint: A different number of tensors was saved during the original "
        "forward and recomputation.\nNumber of tensors saved during forward: 3\n"
        "Number of tensors saved during recomputation: 1.\nThe function must do the same both times"
    )
    assert isinstance(caught.value, RuntimeError)


def test_more_values_the_second_time() -> None:
    checkpoint(Changing(*MORE), leaf(3)).sum().backward()  # never comes so far
    for context, options in (
        (contextlib.nullcontext(), {"early_stop": False}),
        (set_checkpoint_early_stop(False), {}),
    ):
        with context:
            loss = checkpoint(Changing(*MORE), leaf(3), **options).sum()
        with pytest.raises(CheckpointError, match=r"trying to save more tensors during recomputa"):
            loss.backward()


@pytest.mark.parametrize(("ways", "told"), [(SHORTER, r"\(2,\)"), (WIDER, "anadrome.float64")])
def test_other_shapes_or_types_the_second_time(ways: Any, told: str) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"(?s)Recomputed values for the following tensors have different metadata than during "
        rf"the forward pass\.\ntensor at position 0:\nsaved metadata: .*float32.*"
        rf"recomputed metadata: .*{told}",
    ):
        checkpoint(Changing(*ways), leaf(3)).sum().backward()


def test_check_can_be_switched_off() -> None:
    x = leaf(3)
    loss = checkpoint(Changing(*WIDER), x, determinism_check="none").sum()
    loss.backward()
    assert x.grad is not None
    with pytest.raises(ValueError, match=r"determinism_check should be one of \['default', 'none'"):
        checkpoint(ad.exp, x, determinism_check="thorough")


@pytest.mark.parametrize("way", ["argument", "context"])
def test_debug_lists_the_ops_of_both_runs(way: str) -> None:
    context = set_checkpoint_debug_enabled(True) if way == "context" else contextlib.nullcontext()
    with context:
        loss = checkpoint(Changing(*FEWER), leaf(3), debug=way == "argument").sum()
    with pytest.raises(CheckpointError) as caught:
        loss.backward()
    first, second = str(caught.value).split("Operations executed during recomputation:")
    assert "sin(float32 (3,) on cpu) at" in first
    assert "test_checkpoint.py" in first
    assert "exp(float32 (3,) on cpu) at" in second
    assert "sin" not in second


def test_changes_in_place_between_the_runs_are_found() -> None:
    def segment(x: ad.Tensor) -> ad.Tensor:
        return (x * w).exp()

    w, x = leaf(3, seed=1), leaf(3)
    y = x * 1.0
    loss = checkpoint(segment, y).sum()
    with ad.no_grad():
        w += 1
    text = "one of the variables needed for gradient computation has been modified by an inplace"
    with pytest.raises(RuntimeError, match=f"{text}.*between the checkpointed function's first"):
        loss.backward()
    loss = checkpoint(segment, y).sum()
    y.mul_(2.0)
    with pytest.raises(RuntimeError, match=f"{text}.*after it had been passed to the checkpointed"):
        loss.backward()

    def writes_what_is_saved(x: ad.Tensor) -> ad.Tensor:
        h = x * 2.0
        out = h.sin()
        h += 1.0
        return out.exp() * h

    with pytest.raises(RuntimeError, match=f"{text}.*after an op of the checkpointed function had"):
        checkpoint(writes_what_is_saved, x).sum().backward()


def test_context_fn_surrounds_both_runs() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def noting(name: str) -> Any:
        seen.append(f"{name} in")
        yield
        seen.append(f"{name} out")

    def contexts() -> Any:
        return noting("first"), noting("again")

    checkpoint(
        lambda x: x.exp(), leaf(1), context_fn=contexts, early_stop=False
    ).sum().backward()
    assert seen == ["first in", "first out", "again in", "again out"]


def test_error_in_the_segment_leaves_everything_as_it_was() -> None:
    before = ad.modes.current()

    def broken(x: ad.Tensor) -> ad.Tensor:
        x.exp()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        checkpoint(broken, leaf(1))
    loss = checkpoint(Changing(lambda x: x.exp(), broken), leaf(1), early_stop=False).sum()
    with pytest.raises(KeyError, match="mine"):
        loss.backward()
    assert ad.modes.current() is before


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

    expected = gradients(plain, [x, w])
    runs.clear()
    found = gradients(
        lambda: checkpoint_sequential(functions, 2, x, use_reentrant=reentrant).square().sum(),
        [x, w],
    )
    assert found == expected
    assert runs == [0, 1, 2, 3, 4, 0, 1]
    for wrong in (0, 6):
        with pytest.raises(ValueError, match=f"cannot make {wrong} segments of 5 functions"):
            checkpoint_sequential(functions, wrong, x)


def test_reentrant_form_and_its_limits() -> None:
    x = leaf(3)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(ad.exp, ad.ones(3), use_reentrant=True)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: dim; use_reentrant=True"):
        checkpoint(ad.sum, x, dim=0, use_reentrant=True)
    for option in ({"debug": True}, {"policy": "cheap_ops"}):
        with pytest.raises(ValueError, match="is only supported when use_reentrant=False"):
            checkpoint(ad.exp, x, use_reentrant=True, **option)
    text = r"incompatible with \.grad\(\) or passing an `inputs` parameter"
    with pytest.raises(RuntimeError, match=text):
        ad.autograd.grad(checkpoint(ad.exp, x, use_reentrant=True).sum(), x)
    with pytest.raises(RuntimeError, match=text):
        checkpoint(ad.exp, x, use_reentrant=True).sum().backward(inputs=[x])
    assert x.grad is None
    checkpoint(ad.exp, x, use_reentrant=True).sum().backward()
    assert x.grad.tolist() == x.detach().exp().tolist()
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).sum().backward()


@pytest.mark.torch
def test_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    import torch.utils.checkpoint

    x, w = leaf(3, WIDTH), leaf(WIDTH, WIDTH, seed=1)

    def run(fw: Any, apply: Any) -> Any:
        a, b = (fw.tensor(t.tolist(), requires_grad=True) for t in (x, w))

        def inner(h: Any) -> Any:
            return (h @ b).tanh()

        def outer(h: Any) -> Any:
            return apply(inner, apply(inner, h, use_reentrant=False).exp(), use_reentrant=False)

        apply(outer, a, use_reentrant=False).sum().backward()
        return a.grad.tolist(), b.grad.tolist()

    for mine, theirs in zip(run(ad, checkpoint), run(torch, torch.utils.checkpoint.checkpoint)):
        for row, their_row in zip(mine, theirs):
            assert row == pytest.approx(their_row, rel=1e-4)
