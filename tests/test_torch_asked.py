"""What packages written for PyTorch ask it when they are imported; answered as PyTorch does."""

from __future__ import annotations

import importlib
import math
import typing
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

NAMED_ONLY = [name for name in ad.dtypes.NAMED_ONLY if not name.startswith("q")]
BARE = [kind.name for kind in ad.dtypes.BARE]


def of(L: Any, name: str) -> Any:
    return importlib.import_module(f"{L.__name__}.{name}")


@pytest.mark.parametrize("name", NAMED_ONLY + BARE)
def test_types_that_few_tensors_have_tell_their_facts(name: str) -> None:
    def facts(L: Any) -> Any:
        kind = getattr(L, name)
        limits = (L.iinfo if "uint" in name else L.finfo)(kind)
        told = [limits.bits, limits.min, limits.max]
        if "uint" not in name:
            told += [limits.eps, limits.tiny, limits.resolution]
        known = {"uint8": 1, kind: 2}
        return (
            told, kind.itemsize, kind.is_floating_point, kind.is_complex, str(kind).split(".")[1],
            known[kind], kind == getattr(L, name), kind == L.uint8,
        )  # fmt: skip

    assert facts(ad) == facts(torch)


@pytest.mark.parametrize("name", NAMED_ONLY)
def test_a_tensor_of_such_a_type_is_refused(name: str) -> None:
    kind = getattr(ad, name)
    for call in (lambda: ad.zeros(2, dtype=kind), lambda: ad.ones(2).to(kind)):
        with pytest.raises(RuntimeError, match=f"has no {name}; it has bool, uint8"):
            call()
    with pytest.raises(RuntimeError, match="Promotion for .* is not supported"):
        ad.promote_types(kind, ad.float32)


def test_an_expansion_that_repeats_nothing_is_written() -> None:
    def run(L: Any) -> Any:
        row, one = L.arange(3), L.tensor(2.0)
        row.expand((1, -1)).copy_(L.ones(1, 3))
        row.expand(1, 1, 3).add_(1)
        one.expand(1, 1).mul_(3)
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            row.expand(2, 3).add_(1)
        return row.tolist(), one.item(), list(L.ones(0, 2).expand(1, 0, 2).shape)

    assert run(ad) == run(torch)


def test_annotations_of_modules_can_be_read() -> None:
    class Net(ad.nn.Module):
        width: int

    hints = typing.get_type_hints(Net)
    assert hints["width"] is int
    assert hints["_modules"] == dict[str, ad.nn.Module | None]


def test_a_layout_of_pieces_can_be_said_and_not_made() -> None:
    def run(L: Any) -> Any:
        t = of(L, "distributed.tensor")
        all_of_it, piece, term = t.Replicate(), t.Shard(1), t.Partial("max")
        return (
            piece == t.Shard(1), piece == t.Shard(0), hash(all_of_it) == hash(t.Replicate()),
            [p.is_shard() for p in (all_of_it, piece, term)], piece.is_shard(1), piece.is_shard(0),
            [p.is_replicate() for p in (all_of_it, piece, term)], term.is_partial("max"),
            isinstance(L.ones(1), t.DTensor),
        )  # fmt: skip

    assert run(ad) == run(torch)
    with pytest.raises(RuntimeError, match=r"distribute_tensor: anadrome trains in one process"):
        of(ad, "distributed.tensor").distribute_tensor(ad.ones(2))


@pytest.mark.parametrize(
    ("module", "name", "told"),
    [
        ("_subclasses.fake_tensor", "FakeTensor", "there is no compiler of graphs here"),
        ("cuda", "CUDAGraph", r"write anadrome\.capture"),
    ],
)
def test_what_nothing_is_an_instance_of(module: str, name: str, told: str) -> None:
    found = getattr(of(ad, module), name)
    assert not isinstance(ad.ones(1), found)
    with pytest.raises(RuntimeError, match=f"{name}: .*{told}"):
        found(None)


def test_marks_for_other_compilers_change_nothing() -> None:
    def run(L: Any) -> Any:
        stubs = of(L, "ao.quantization")

        class Net(L.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.quant, self.dequant = stubs.QuantStub(), stubs.DeQuantStub()

            def forward(self, x: Any) -> Any:
                return self.dequant(L.relu(self.quant(x)))

        model = stubs.QuantWrapper(Net())
        names = [n for n, _ in model.named_modules()]
        return model(L.tensor([-1.0, 2.0])).tolist(), names, list(model.state_dict())

    assert run(ad) == run(torch)


def test_an_optimizer_written_for_pytorch() -> None:
    def run(L: Any, differentiable: bool) -> Any:
        tools = of(L, "optim.optimizer")

        class Descent(L.optim.Optimizer):
            def __init__(self, params: Any) -> None:
                super().__init__(params, {"lr": 0.5, "differentiable": differentiable})

            @tools._use_grad_for_differentiable
            def step(self, closure: Any = None) -> bool:
                for group in self.param_groups:
                    tools._default_to_fused_or_foreach(group["params"], differentiable)
                    for p in group["params"]:
                        p.data.add_(p.grad, alpha=-tools._get_value(L.tensor(group["lr"])))
                return L.is_grad_enabled()

        w = L.tensor([1.0, 2.0], requires_grad=True)
        optimizer = Descent([w])
        (w * w).sum().backward()
        recording = optimizer.step()
        tools._view_as_real([w], [w.grad])
        return (
            w.tolist(), recording, L.is_grad_enabled(), tools._to_scalar(L.ones(1)).dim(),
            tools._default_to_fused_or_foreach([w], True), str(tools._get_scalar_dtype())[-7:],
        )  # fmt: skip

    for differentiable in (False, True):
        assert run(ad, differentiable) == run(torch, differentiable)
    assert of(ad, "optim.optimizer")._dispatch_sqrt(9.0) == math.sqrt(9)
    with pytest.raises(TypeError, match="real and imaginary parts of complex parameters"):
        of(ad, "optim.optimizer")._view_as_real([ad.tensor([1j])])


def test_hooks_around_the_steps_of_all_optimizers() -> None:
    def run(L: Any) -> Any:
        tools = of(L, "optim.optimizer")
        w = L.tensor([1.0], requires_grad=True)
        w.grad = L.ones(1)
        optimizers = [L.optim.SGD([w], lr=0.5), L.optim.Adam([w], lr=0.5)]
        seen: list[Any] = []

        def noting(word: str, back: Any = None) -> Any:
            def hook(optimizer: Any, args: Any, kwargs: Any) -> Any:
                kind = type(optimizer).__name__
                seen.append(
                    (word, kind, args[0] is optimizer, len(args), [*kwargs], f"{w.item():.4f}")
                )
                return back

            return hook

        own = [
            optimizers[0].register_step_post_hook(noting("its own, after")),
            optimizers[0].register_step_pre_hook(noting("its own, before")),
        ]
        every = [
            tools.register_optimizer_step_post_hook(noting("all, after")),
            tools.register_optimizer_step_pre_hook(noting("all, before")),
        ]
        for optimizer in optimizers:
            optimizer.step(lambda: 3.0)
        for handle in every:
            handle.remove()
        optimizers[1].step()
        own[1].remove()
        optimizers[0].register_step_pre_hook(
            noting("new arguments", ((optimizers[0],), {"closure": lambda: 7.0}))
        )
        return seen, optimizers[0].step(), len(seen)

    assert run(ad) == run(torch)


def test_the_gradient_of_a_softmax_from_its_output() -> None:
    def run(L: Any) -> Any:
        x, g = L.tensor([[0.5, 1.0, -2.0]]), L.tensor([[1.0, 2.0, 4.0]])
        out = L._softmax_backward_data(g, x.softmax(-1), -1, L.float32)
        return [round(v, 6) for v in out[0].tolist()]

    assert run(ad) == run(torch)


def test_dictionaries_are_taken_apart_with_their_keys() -> None:
    def run(L: Any) -> Any:
        tree = of(L, "utils._pytree")
        pairs, keys = tree._dict_flatten_with_keys({"b": 1, "a": 2})
        values, context = tree._dict_flatten({"b": 1, "a": 2})
        again = tree._dict_unflatten(values, context)
        return [(str(k), v) for k, v in pairs], list(keys), again, str(tree.SequenceKey(3))

    assert run(ad) == run(torch)


def test_a_condition_that_pytorch_checks_later() -> None:
    for L in (ad, torch):
        L._assert_async(L.tensor(True))
        with pytest.raises(RuntimeError, match="zero"):
            L._assert_async(L.tensor(0))


@pytest.mark.parametrize("length", [2, 3, 7, 8])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mode", ["pointwise", "generic"])
def test_a_scan_with_a_function(length: int, reverse: bool, mode: str) -> None:
    """A linear recurrence, beside PyTorch's steps one after the other, with its gradients."""

    def affine(a: Any, b: Any) -> Any:
        return a[0] * b[0], b[0] * a[1] + b[1]

    grid = [[math.sin(3 * i + j) for i in range(length)] for j in range(2)]
    gains, shifts = (ad.tensor(grid, dtype=ad.float64, requires_grad=True) for _ in range(2))
    scan = of(ad, "_higher_order_ops.associative_scan").associative_scan
    out = scan(affine, (gains, shifts), dim=1, reverse=reverse, combine_mode=mode)[1]
    (out * out).sum().backward()

    g, s = (torch.tensor(grid, dtype=torch.float64, requires_grad=True) for _ in range(2))
    last, rows = torch.zeros(2, dtype=torch.float64), []
    for i in reversed(range(length)) if reverse else range(length):
        last = g[:, i] * last + s[:, i]
        rows.append(last)
    expected = torch.stack(rows[::-1] if reverse else rows, 1)
    (expected * expected).sum().backward()
    for ours, theirs in ((out, expected), (gains.grad, g.grad), (shifts.grad, s.grad)):
        assert ours.tolist() == [pytest.approx(row, abs=1e-12) for row in theirs.tolist()]


def test_the_package_of_the_scan_keeps_its_function() -> None:
    for L in (ad, torch):
        of(L, "_higher_order_ops.associative_scan")
        assert callable(of(L, "_higher_order_ops").associative_scan)


def test_a_scan_over_different_lengths_is_refused() -> None:
    scan = of(ad, "_higher_order_ops.associative_scan").associative_scan
    with pytest.raises(ValueError, match="same length along dim 0"):
        scan(lambda a, b: a, (ad.ones(2), ad.ones(3)), 0)
    with pytest.raises(ValueError, match="must either be 'pointwise' or 'generic'"):
        scan(lambda a, b: a, ad.ones(2), 0, combine_mode="other")


def test_what_forward_keeps_on_ctx_may_be_called_as_a_nodes_own() -> None:
    def run(L: Any) -> Any:
        class Sum(L.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.shape, ctx.dtype, ctx.edges = x.shape, x.dtype, 3
                return x.sum()

            @staticmethod
            def backward(ctx: Any, grad: Any) -> Any:
                return grad.expand(ctx.shape).to(ctx.dtype) * ctx.edges

        x = L.ones(2, 3, dtype=L.float64, requires_grad=True)
        y = Sum.apply(x * 2) * 5
        y.backward(retain_graph=True)
        y.backward()
        return x.grad.tolist()

    assert run(ad) == run(torch)
