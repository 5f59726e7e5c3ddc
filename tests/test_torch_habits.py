"""Habits of PyTorch's programs that name no op: what they replace, wrap and ask; as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import numbers

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def test_compile_changes_names_only() -> None:
    def run(L: Any) -> Any:
        class Counted(L.nn.Linear):
            calls = 0

            def again(self) -> int:
                return self.calls + 1

        model = Counted(2, 2)
        compiled = L.compile(model, mode="reduce-overhead")
        compiled.calls = 3  # is the module's
        compiled.bias.requires_grad_(False)
        compiled.eval()
        other = L.compile(Counted(2, 2))
        said = str(other.load_state_dict(compiled.state_dict()))
        return (
            list(compiled.state_dict()), [n for n, _ in compiled.named_parameters()], said,
            compiled._orig_mod is model, model.calls, compiled.again(), model.training,
            model.bias.requires_grad, compiled.in_features, hasattr(compiled, "nothing"),
            type(compiled).__name__, bool((other.weight == model.weight).all()),
        )  # fmt: skip

    assert run(ad) == run(torch)
    model = ad.nn.Linear(2, 2)
    x = ad.ones(1, 2)
    assert (ad.compile(model)(x) == model(x)).all()

    @ad.compile(fullgraph=True)
    def double(x: Any) -> Any:
        return x * 2

    assert double(ad.ones(1)).item() == 2.0
    with pytest.raises(TypeError, match="speed"):
        ad.compile(model, speed=11)


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_another_size(L: Any) -> None:
    x = L.arange(6.0)
    seen = x[:4]
    assert x.resize_(2, 2) is x and x.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    x[1, 0] = 9.0  # the memory is the same
    assert seen.tolist() == [0.0, 1.0, 9.0, 3.0]
    assert x.resize_as_(L.zeros(2, 1)).tolist() == [[0.0], [1.0]]
    y = L.ones(2, dtype=L.int64).resize_((3, 2))
    assert y.shape == (3, 2) and y.dtype is L.int64 and y[0].tolist() == [1, 1]
    assert L.ones(2).new().resize_(2, 3).zero_().sum().item() == 0
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        L.ones(2, requires_grad=True).resize_(1)
    with pytest.raises(RuntimeError):
        L.ones(2).resize_(-1)


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_types_of_a_gpu_are_there_without_one(L: Any) -> None:
    assert not isinstance(L.ones(1), L.cuda.FloatTensor)
    assert isinstance(L.ones(1), L.FloatTensor)
    chosen = L.cuda.FloatTensor if L.cuda.is_available() else L.FloatTensor
    assert chosen([1.0]).item() == 1.0


@pytest.mark.parametrize("first", [True, False])
def test_parts_of_transformer_layers_may_be_replaced(first: bool) -> None:
    def run(L: Any) -> list[float]:
        class Layer(L.nn.TransformerEncoderLayer):
            def _sa_block(self, x: Any, *masks: Any, **kw: Any) -> Any:
                return self.dropout1(x.flip(0))

        class Other(L.nn.TransformerDecoderLayer):
            def _mha_block(self, x: Any, mem: Any, *masks: Any, **kw: Any) -> Any:
                return super()._mha_block(x, mem, *masks, **kw) * 2

            def _ff_block(self, x: Any) -> Any:
                return super()._ff_block(x) + 1

        out = []
        for kind in (Layer, Other):
            layer = kind(4, 2, 8, dropout=0.0, norm_first=first)
            for i, p in enumerate(layer.parameters()):
                p.data = L.from_numpy(numbers(*p.shape, seed=i).astype(np.float32))
            x = L.from_numpy(numbers(3, 2, 4).astype(np.float32))
            out += (layer(x) if kind is Layer else layer(x, x.flip(1))).flatten().tolist()
        return out

    np.testing.assert_allclose(run(ad), run(torch), rtol=1e-4, atol=1e-4)


def test_functions_that_may_write_in_place() -> None:
    def run(L: Any) -> Any:
        from importlib import import_module

        base = import_module(f"{L.__name__}.autograd.function").InplaceFunction

        class Rounded(base):
            @classmethod
            def forward(cls, ctx: Any, x: Any, inplace: bool = False) -> Any:
                ctx.inplace = inplace
                if inplace:
                    ctx.mark_dirty(x)
                    return x.round_()
                return x.round()

            @staticmethod
            def backward(ctx: Any, grad: Any) -> Any:
                return grad * 2, None

        x = L.tensor([0.4, 1.6], requires_grad=True)
        y = x * 1
        z = Rounded.apply(y, True) * L.tensor([1.0, 3.0]) + Rounded().apply(x)
        z.sum().backward()
        return z.tolist(), y.tolist(), x.grad.tolist()

    assert run(ad) == run(torch)


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolutions_of_changed_weights(dims: int, mode: str) -> None:
    def run(L: Any) -> Any:
        class Standardised(getattr(L.nn, f"Conv{dims}d")):
            def forward(self, x: Any) -> Any:
                weight = self.weight - self.weight.mean(dim=0, keepdim=True)
                return self._conv_forward(x, weight, self.bias)

        layer = Standardised(2, 3, 3, padding=1, padding_mode=mode)
        for i, p in enumerate(layer.parameters()):
            p.data = L.from_numpy(numbers(*p.shape, seed=i).astype(np.float32))
        y = layer(L.from_numpy(numbers(1, 2, *(4,) * dims).astype(np.float32)))
        y.square().sum().backward()
        sides = tuple(layer._reversed_padding_repeated_twice)
        return sides, y.detach().numpy(), layer.weight.grad.numpy()

    (sides, *found), (wanted_sides, *wanted) = run(ad), run(torch)
    assert sides == wanted_sides
    for f, w in zip(found, wanted):
        np.testing.assert_allclose(f, w, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_values_of_a_leaf_without_a_graph(L: Any) -> None:
    w = L.nn.Parameter(L.ones(2))
    with L.no_grad():
        assert w.numpy().tolist() == np.asarray(w).tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        w.numpy()


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_small_things_that_programs_write(L: Any) -> None:
    x = L.arange(6.0).view(2, 3)
    assert x.clone(memory_format=L.preserve_format).tolist() == x.tolist()
    assert L.clone(x, memory_format=L.contiguous_format).sum().item() == 15.0
    held = x[1:].storage()
    assert held.data_ptr() == x.storage().data_ptr() and held.dtype is L.float32
    assert (held.size(), len(held), held.tolist()) == (6, 6, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert held.untyped().nbytes() == 24
    L._assert(True, "fine")
    L._check(True)
    with pytest.raises(AssertionError, match="not fine"):
        L._assert(x.shape[0] == 3, "not fine")
    with pytest.raises(RuntimeError, match="neither"):
        L._check(False, lambda: "neither")


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_a_function_that_draws_the_same_numbers_again(L: Any) -> None:
    from importlib import import_module

    place = import_module(f"{L.__name__}.utils.checkpoint")

    class Again(L.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, seen: list[Any]) -> Any:
            ctx.seen, ctx.at = seen, L.get_rng_state()
            ctx.devices, ctx.states = place.get_device_states(x, {"also": [x, 1]})
            ctx.save_for_backward(x)
            seen.append(L.rand(3))
            return x * seen[0]

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            with L.random.fork_rng(devices=ctx.devices, enabled=True):
                L.set_rng_state(ctx.at)
                place.set_device_states(ctx.devices, ctx.states)
                ctx.seen.append(L.rand(3))
            return g * ctx.seen[1], None

    seen: list[Any] = []
    x = L.ones(3, requires_grad=True)
    Again.apply(x, seen).sum().backward()
    assert L.equal(seen[0], seen[1]) and L.equal(x.grad, seen[0])
    assert place.get_device_states(x) == ([], [])


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_whether_gpus_are_in_use(L: Any) -> None:
    assert L.cuda._initialized is L.cuda.is_initialized() is False
    assert L.cuda._is_in_bad_fork() is False
