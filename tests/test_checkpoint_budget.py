"""Which results a checkpoint keeps: within a budget, and as PyTorch's policies say."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import fake_cupy
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome import nn
from anadrome.errors import ModifiedInPlaceError
from anadrome.places.library import ops as torch_ops
from anadrome.plugins.checkpoint import budget, checkpointing
from anadrome.utils.checkpoint import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    checkpoint,
    create_selective_checkpoint_contexts,
)


def leaf(*shape: int, seed: int = 0) -> ad.Tensor:
    generator = ad.Generator().manual_seed(seed)
    return ad.randn(*shape, generator=generator).requires_grad_()


@pytest.fixture
def segments(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The segments that were made, to look at what they keep."""
    made: list[Any] = []

    class Noted(checkpointing.Segment):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(checkpointing, "Segment", Noted)
    return made


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """What each op costs, by decree."""
    table: dict[str, float] = {}
    monkeypatch.setattr(budget, "cost", lambda op, args, results, took: table.get(op.name, 0.1))
    yield table


def names(segment: Any) -> list[str]:
    return [kept.name for kept in segment.keeping.kept.values()]


def kept_bytes(segment: Any) -> int:
    return sum(kept.size() for kept in segment.keeping.kept.values())


V, W = leaf(8, 64, seed=1), leaf(64, 8, seed=2)


def body(x: Any) -> Any:
    """Results of 256 (4x16), 1024 (4x64) and 128 (4x8) bytes."""
    h = x[:, :8] @ V
    h = h.exp().sin()
    return ((h @ W).tanh().square() * 2.0).sin()


def test_the_best_for_each_byte_first(segments: list[Any], costs: dict[str, float]) -> None:
    costs.update(mm=5.0, exp=3.0, sin=1.0, tanh=0.4, square=0.2)
    x = leaf(4, 8)
    mm, exp, sin, last, tanh, square, mul = 1024, 1024, 1024, 128, 128, 128, 128
    expected = {
        0: [],
        127: [],
        last: ["mm"],  # the second product: as dear as the first, and smaller
        last + mm: ["mm", "mm"],
        mm + last + tanh: ["mm", "mm", "tanh"],  # more for each byte than exp
        mm + last + tanh + square + mul: ["mm", "mm", "tanh", "square", "mul"],
        mm + exp + last + tanh: ["mm", "exp", "mm", "tanh"],
        10**9: ["mm", "exp", "sin", "mm", "tanh", "square", "mul"],
    }
    (plain,) = ad.autograd.grad(body(x).sum(), x)
    for size, chosen in expected.items():
        loss = checkpoint(body, x, memory_budget=size).sum()
        assert names(segments[-1]) == chosen, size
        assert kept_bytes(segments[-1]) <= size
        (found,) = ad.autograd.grad(loss, x)
        assert found.tolist() == plain.tolist()
    assert sin == exp


def test_what_is_too_large_is_passed_over(segments: list[Any], costs: dict[str, float]) -> None:
    costs.update(mm=1000.0, tanh=1.0)
    checkpoint(lambda x: (x @ V).sum(1).tanh().exp(), leaf(4, 8), memory_budget=40)
    assert names(segments[-1]) == ["sum", "tanh"]


def test_of_real_costs_products_come_before_sums_of_two(segments: list[Any]) -> None:
    big = leaf(400, 400)
    for _ in range(4):
        loss = checkpoint(
            lambda x: ((x + 1.0) @ x + 2.0).sin(), big, memory_budget=400 * 400 * 4
        ).sum()
    assert names(segments[-1]) == ["mm"]
    loss.backward()


def test_on_a_gpu_it_is_an_estimate(fake: Any, segments: list[Any]) -> None:  # noqa: F811
    x = ad.randn(16, 64).to("cuda").requires_grad_()
    w = ad.randn(64, 64).to("cuda").requires_grad_()
    fake_cupy.Waiting.reset()
    found = []
    for size in (4096, 8192, 12288):
        loss = checkpoint(lambda x: ((x * 2.0).exp() @ w + 1.0).sin(), x, memory_budget=size).sum()
        found.append(names(segments[-1]))
        loss.backward()
    assert found == [["mm"], ["exp", "mm"], ["mul", "exp", "mm"]]
    assert not fake_cupy.Waiting.seen


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: (ad.mm, ad.ones(3, 5), ad.ones(5, 7)), 0.1 * 3 * 5 * 7),
        (lambda: (nn.functional.linear, ad.ones(3, 5), ad.ones(7, 5), ad.ones(7)), 0.1 * 3 * 5 * 7),
        (lambda: (ad.addmm, ad.ones(7), ad.ones(3, 5), ad.ones(5, 7)), 0.1 * 3 * 5 * 7),
        (lambda: (ad.bmm, ad.ones(2, 3, 5), ad.ones(2, 5, 7)), 0.1 * 2 * 3 * 5 * 7),
        (
            lambda: (nn.functional.conv2d, ad.ones(2, 3, 6, 6), ad.ones(4, 3, 3, 3)),
            0.1 * (2 * 4 * 4 * 4) * (3 * 3 * 3),
        ),
        (lambda: (ad.exp, ad.ones(3, 5)), 6.0 * 15),
        (lambda: (ad.add, ad.ones(3, 5), ad.ones(5)), 15.0),
        (lambda: (ad.sum, ad.ones(3, 5)), 6.0 * 15),
    ],
    ids=["mm", "linear", "addmm", "bmm", "conv2d", "exp", "add", "sum"],
)
def test_the_estimate_counts_products(call: Any, expected: float) -> None:
    function, *args = call()
    seen = []

    class See(ad.Mode):
        def intercept(self, op: Any, args: Any, kwargs: Any) -> Any:
            out = op(*args, **kwargs)
            tensors = [a for a in args if isinstance(a, ad.Tensor)]
            seen.append(budget.work(op.op, tensors, (out,)))
            return out

    with See():
        function(*args)
    assert seen == [pytest.approx(expected)]


def test_results_that_are_written_are_computed_again(segments: list[Any]) -> None:
    """A policy that was asked for says so; a budget chooses by itself, and knows better."""

    def segment(x: Any) -> Any:
        h = x @ V
        h += 1.0
        return h.exp().sin()

    x = leaf(4, 8)
    (plain,) = ad.autograd.grad(segment(x).sum(), x)
    out = checkpoint(segment, x, memory_budget=10**6)
    assert "mm" not in names(segments[-1])
    assert ad.autograd.grad(out.sum(), x)[0].tolist() == plain.tolist()
    kept: list[Any] = []

    def leaks(x: Any) -> Any:
        h = (x @ V).sin()
        kept.append(h)
        return h * h * 2.0  # saves h

    (plain,) = ad.autograd.grad(leaks(x).sum(), x)
    out = checkpoint(leaks, x, memory_budget=10**6)
    assert "sin" in names(segments[-1])
    with ad.no_grad():
        kept[-1].zero_()  # after the first run was over
    assert ad.autograd.grad(out.sum(), x)[0].tolist() == plain.tolist()


def test_views_are_not_counted(segments: list[Any]) -> None:
    x = leaf(4, 8)
    out = checkpoint(lambda x: (x.t().reshape(2, 16) * 2.0)[0].exp().sin(), x, memory_budget=10**6)
    assert not {"t", "getitem", "transpose"} & set(names(segments[-1]))
    out.sum().backward()


def test_numbers_that_are_no_budget() -> None:
    x = leaf(2)
    with pytest.raises(ValueError, match="memory_budget should be 0 bytes or more, but got -1"):
        checkpoint(ad.exp, x, memory_budget=-1)
    for wrong in (0.5, True, "1 MB"):
        with pytest.raises(TypeError, match="memory_budget should be a number of bytes, not"):
            checkpoint(ad.exp, x, memory_budget=wrong)
    with pytest.raises(ValueError, match="a policy or a memory_budget, not both"):
        checkpoint(ad.exp, x, memory_budget=1, policy="cheap_ops")
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(ad.exp, x, memory_budget=1, use_reentrant=True)


# -- PyTorch's names ----------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["functions", "names", "declarations", "function"])
def test_selective_contexts_keep_what_is_listed(how: str, segments: list[Any]) -> None:
    listed: Any = {
        "functions": [ad.mm, ad.tanh],
        "names": ["mm", "tanh"],
        "declarations": [ad.tanh.op, "mm"],
        "function": lambda ctx, op, *args, **kwargs: (
            CheckpointPolicy.MUST_SAVE
            if op.name in ("mm", "tanh")
            else CheckpointPolicy.PREFER_RECOMPUTE
        ),
    }[how]
    x = leaf(4, 8)
    contexts = functools.partial(create_selective_checkpoint_contexts, listed)
    loss = checkpoint(body, x, context_fn=contexts).sum()
    assert names(segments[-1]) == ["mm", "mm", "tanh"]
    (plain,) = ad.autograd.grad(body(x).sum(), x)
    assert ad.autograd.grad(loss, x)[0].tolist() == plain.tolist()


def test_the_policy_function_is_told_what_pytorch_tells() -> None:
    told: list[Any] = []

    def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> Any:
        assert isinstance(ctx, SelectiveCheckpointContext)
        told.append((ctx.is_recompute, op.name, len(args), sorted(kwargs), ctx.op_output.shape))
        return op.name == "sum_dim"  # a bool will do

    x = leaf(2, 3)
    contexts = functools.partial(create_selective_checkpoint_contexts, policy)
    checkpoint(lambda x: x.mul(2.0).sum(1).exp().sin(), x, context_fn=contexts).sum().backward()
    assert [t[:3] for t in told] == [
        (False, "mul", 2), (False, "sum", 1), (False, "exp", 1), (False, "sin", 1)
    ]  # fmt: skip
    assert told[1][3] == ["dim", "keepdim"]
    assert told[1][4] == (2,)


@pytest.mark.parametrize("kind", [list, tuple, set, dict.fromkeys])
def test_a_policy_function_finds_its_op_among_those_of_torch_ops(
    kind: Any, segments: list[Any]
) -> None:
    """The way PyTorch's own example is written: ``if op in ops_to_save``."""
    wanted = kind([torch_ops.aten.mm.default, torch_ops.aten.tanh.default])

    def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> Any:
        if op in wanted:
            return CheckpointPolicy.MUST_SAVE
        return CheckpointPolicy.PREFER_RECOMPUTE

    contexts = functools.partial(create_selective_checkpoint_contexts, policy)
    checkpoint(body, leaf(4, 8), context_fn=contexts)
    assert names(segments[-1]) == ["mm", "mm", "tanh"]
    assert torch_ops.aten.mm.default != torch_ops.aten.mm.out
    assert len({torch_ops.aten.mm.default, torch_ops.aten.mm.out}) == 2


def test_results_on_the_host(fake: Any, segments: list[Any]) -> None:  # noqa: F811
    x = ad.randn(4, 8).to("cuda").requires_grad_()
    w = ad.randn(8, 8).to("cuda")

    def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> Any:
        if op.name == "mm":
            return CheckpointPolicy.MUST_CPU_OFFLOAD
        return CheckpointPolicy.PREFER_RECOMPUTE

    def segment(x: Any) -> Any:
        return (x.exp() @ w).tanh().sin()

    contexts = functools.partial(create_selective_checkpoint_contexts, policy)
    loss = checkpoint(segment, x, context_fn=contexts).sum()
    (kept,) = segments[-1].keeping.kept.values()
    assert kept.results[0].device.type == "cpu"
    (plain,) = ad.autograd.grad(segment(x).sum(), x)
    assert ad.autograd.grad(loss, x)[0].tolist() == plain.tolist()


@pytest.mark.parametrize("allow", [False, True])
def test_kept_results_that_are_written(allow: bool) -> None:
    def segment(x: Any) -> Any:
        h = x * 2.0
        h.add_(1.0)
        return (h * h).exp().sin()

    contexts = functools.partial(
        create_selective_checkpoint_contexts, ["mul"], allow_cache_entry_mutation=allow
    )
    how = {"context_fn": contexts, "determinism_check": "values"}
    loss = checkpoint(segment, leaf(3), **how).sum()
    if allow:  # the second run is not the first, and that is what was asked for
        loss.backward()
        return
    with pytest.raises(ModifiedInPlaceError, match="Tensor cached during selective activation"):
        loss.backward()


def test_lists_and_answers_that_are_none() -> None:
    with pytest.raises(TypeError, match="must be either a function or a list of ops"):
        create_selective_checkpoint_contexts("mm")
    for wrong in ("no_such_op", ad.einsum, 3):
        with pytest.raises(ValueError, match="Expected op in `op_list` to be an op of the table"):
            create_selective_checkpoint_contexts([wrong])
    contexts = functools.partial(create_selective_checkpoint_contexts, lambda *a, **k: "keep")
    with pytest.raises(TypeError, match="must return a CheckpointPolicy"):
        checkpoint(ad.exp, leaf(2), context_fn=contexts)


@pytest.mark.torch
def test_the_names_are_those_of_pytorch() -> None:
    theirs = pytest.importorskip("torch.utils.checkpoint").CheckpointPolicy
    assert {p.name: p.value for p in CheckpointPolicy} == {p.name: p.value for p in theirs}


def test_a_cache_in_the_first_run_shifts_nothing(segments: list[Any]) -> None:
    """A mask that the first run computes and keeps: kept results still find their calls."""
    cache: list[Any] = []
    counter = itertools.count()

    def segment(x: Any) -> Any:
        next(counter)
        if not cache:
            cache.append((ad.ones(8, 8) @ ad.ones(8, 8)).tril().exp())
        return ((x @ V[:, :8]) * cache[0][:4]).tanh().sin() @ W[:8]

    x = leaf(4, 8)
    loss = checkpoint(segment, x, policy="cheap_ops").sum()
    assert names(segments[-1]) == ["mm", "mm"]
    (plain,) = ad.autograd.grad(segment(x).sum(), x)
    assert ad.autograd.grad(loss, x)[0].tolist() == plain.tolist()
    assert next(counter) == 3
