"""Ops that a program names (``torch.library``): values, gradients and refusals, as in PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome.places.schemas import signature_of

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def values(tensors: Any) -> list[Any]:
    return [t.tolist() for t in tensors]


LIBRARIES = pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])


def scaled(L: Any, name: str) -> Any:
    """``k * x**2``, and ``+ shift``, with its gradient."""

    def forward(x: Any, k: float = 3.0, *, shift: float = 0.0) -> Any:
        return k * x * x + shift

    def setup(ctx: Any, inputs: Any, keyword_only_inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.k, ctx.shift = inputs[1], keyword_only_inputs["shift"]

    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2 * ctx.k * ctx.saved_tensors[0] + 100 * ctx.shift, None

    op = L.library.custom_op(
        name, forward, mutates_args=(),
        schema="(Tensor x, float k=3.0, *, float shift=0.0) -> Tensor",
    )  # fmt: skip
    op.register_autograd(backward, setup_context=setup)
    op.register_fake(lambda x, k=3.0, *, shift=0.0: L.empty_like(x))
    return op


def test_an_op_has_the_gradient_that_was_registered() -> None:
    def run(L: Any) -> Any:
        op = scaled(L, "ours::scaled")
        x = L.tensor([1.0, -2.0], dtype=L.float64, requires_grad=True)
        found = L.ops.ours.scaled
        out = [op(x), found(x, 2.0), found.default(x, shift=0.5), op(x.detach())]
        sum(o.sum() for o in out).backward()
        (first,) = L.autograd.grad(op(x).sum(), x, create_graph=True)
        (second,) = L.autograd.grad(first.sum(), x)
        return values([*out, x.grad, second]), [o.requires_grad for o in out]

    assert run(ad) == run(torch)


def test_lists_of_tensors_are_arguments() -> None:
    def run(L: Any) -> Any:
        def forward(xs: Any, y: Any) -> Any:
            return xs[0] * xs[1] + y

        def setup(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs[0])

        def backward(ctx: Any, grad: Any) -> Any:
            a, b = ctx.saved_tensors
            return [grad * b, grad * a], None

        op = L.library.custom_op(
            "ours::joined", forward, mutates_args=(), schema="(Tensor[] xs, Tensor y) -> Tensor"
        )
        op.register_autograd(backward, setup_context=setup)
        a, b = (L.tensor([v, 2 * v], requires_grad=True) for v in (2.0, 5.0))
        op([a, b], L.ones(2)).sum().backward()
        return values([a.grad, b.grad])

    assert run(ad) == run(torch)


def test_a_composite_kernel_is_differentiated_through() -> None:
    def run(L: Any) -> Any:
        library = L.library.Library("composite", "DEF")
        named = library.define("cube(Tensor x, int times=1) -> Tensor")
        library.impl("cube", lambda x, times=1: times * x**3, "CompositeImplicitAutograd")
        x = L.tensor(2.0, requires_grad=True)
        L.ops.composite.cube(x, 2).backward()
        return named, x.grad.item()

    assert run(ad) == run(torch)


@LIBRARIES
def test_without_a_gradient_backward_says_so(L: Any) -> None:
    op = L.library.custom_op(
        "ours::opaque", lambda x: x * 2, mutates_args=(), schema="(Tensor x) -> Tensor"
    )
    y = op(L.ones(2, requires_grad=True))
    assert y.requires_grad
    with pytest.raises(RuntimeError, match=r"ours\.opaque\.default but no autograd formula was"):
        y.sum().backward()


@LIBRARIES
def test_an_op_that_nobody_defined(L: Any) -> None:
    with pytest.raises(AttributeError, match="'ours' object has no attribute 'absent'"):
        getattr(L.ops.ours if L is torch else ad.places.library.ops.ours, "absent")  # noqa: B009
    with pytest.raises(AttributeError, match="'ours' object has no attribute 'absent'"):
        L.library.register_autograd("ours::absent", lambda ctx, g: g)
    with pytest.raises(OSError, match=r"nowhere\.so"):
        (L.ops if L is torch else ad.places.library.ops).load_library("nowhere.so")


def test_kernels_by_device() -> None:
    def run(L: Any) -> Any:
        L.library.define("ours::late", "(Tensor x) -> Tensor")
        with pytest.raises(NotImplementedError, match="Could not run 'ours::late'"):
            L.ops.ours.late(L.ones(1))

        @L.library.impl("ours::late", "cpu")
        def late(x: Any) -> Any:
            return x + 1

        return L.ops.ours.late(L.ones(1)).item()

    assert run(ad) == run(torch)


def test_a_key_that_nothing_here_calls_is_refused() -> None:
    ad.library.define("ours::keyed", "(Tensor x) -> Tensor")
    with pytest.raises(ValueError, match="no dispatch key 'AutogradCPU' here; a gradient is given"):
        ad.library.Library("ours", "IMPL", "AutogradCPU").impl("keyed", abs)


@pytest.mark.parametrize(
    "schema",
    [
        "() -> ()",
        "(Tensor x) -> Tensor",
        "(Tensor(a!) x, Tensor[] rest, int[2] n=[1, 2], str mode='a, b', *, bool? on=None) -> ()",
        "(Tensor x, float y=1.5, bool z=False, Tensor? w=None, *, int n) -> (Tensor, Tensor)",
    ],
)
def test_a_schema_names_the_arguments_that_pytorch_reads(schema: str) -> None:
    theirs = torch._C.parse_schema(f"a::b{schema}").arguments
    ours = signature_of(schema).parameters.values()
    missing = [p.default is p.empty for p in ours]
    assert [p.name for p in ours] == [a.name for a in theirs]
    assert [p.kind is p.KEYWORD_ONLY for p in ours] == [a.kwarg_only for a in theirs]
    assert missing == [not a.has_default_value() for a in theirs]
    given = [a.default_value for a in theirs if a.has_default_value()]
    assert [p.default for p in ours if p.default is not p.empty] == given


@pytest.mark.parametrize("schema", ["Tensor x", "(Tensor x", "(Tensor) -> Tensor"])
def test_a_schema_that_is_none(schema: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        signature_of(schema)
