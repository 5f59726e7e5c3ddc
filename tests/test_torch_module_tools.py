"""Walking, states, hooks of modules: the same program in both libraries."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import pytest
from module_programs import both, net, torch
from oracle import agree, numbers
from test_torch_recurrent import filled

import anadrome as ad

pytestmark = pytest.mark.torch


def test_walking() -> None:
    def program(L: Any) -> Any:
        m = net(L)
        m.tied = m.first
        m.first.register_buffer("kept", L.ones(1))
        m.first.register_buffer("dropped", L.ones(1), persistent=False)
        m.head = L.nn.Linear(4, 4)
        m.head.weight = m.first.layers[0].weight
        return [
            [n for n, _ in m.named_parameters()],
            [n for n, _ in m.named_parameters(prefix="net", recurse=True, remove_duplicate=False)],
            [n for n, _ in m.first.named_parameters(recurse=False)],
            [n for n, _ in m.named_buffers()],
            [n for n, _ in m.named_buffers(prefix="p", remove_duplicate=False)],
            [n for n, _ in m.named_modules()],
            [n for n, _ in m.named_modules(prefix="p", remove_duplicate=False)],
            [n for n, _ in m.named_children()],
            len(list(m.modules())), len(list(m.children())), len(list(m.buffers())),
            list(m.state_dict()), list(m.state_dict(prefix="x.")),
            type(m.get_submodule("first.layers.1")).__name__,
            tuple(m.get_parameter("first.scale").shape), tuple(m.get_buffer("first.kept").shape),
            sorted(n for n in dir(m.first) if n in ("norm", "scale", "kept", "forward")),
            sum(p.numel() for p in m.parameters()),
        ]  # fmt: skip

    both(program)


@pytest.mark.parametrize(
    "call",
    [
        lambda L, m: m.get_submodule("first.other"),
        lambda L, m: m.get_submodule("first.scale"),
        lambda L, m: m.get_parameter("first.norm"),
        lambda L, m: m.get_buffer("first.scale"),
        lambda L, m: m.register_buffer("a.b", L.ones(1)),
        lambda L, m: m.register_buffer("first", L.ones(1)),
        lambda L, m: m.register_buffer("x", 3),
        lambda L, m: m.register_parameter("", L.nn.Parameter(L.ones(1))),
        lambda L, m: m.register_parameter("x", L.ones(1)),
        lambda L, m: m.add_module("x", 3),
        lambda L, m: setattr(m.first, "scale", L.ones(4)),
        lambda L, m: setattr(m, "first", 3),
        lambda L, m: m.to(L.int64),
        lambda L, m: m.train("yes"),
        lambda L, m: m.load_state_dict(3),
    ],
)
def test_refusals_of_modules(call: Any) -> None:
    texts = []
    for L in (ad, torch):
        with pytest.raises((RuntimeError, TypeError, ValueError, AttributeError, KeyError)) as e:
            call(L, net(L))
        texts.append(str(e.value).replace("anadrome", "torch"))
    start = texts[1][:25]
    assert texts[0].startswith(start), texts


def test_mismatch_report() -> None:
    """Every name and shape that does not match is listed as PyTorch lists it."""

    def program(L: Any) -> Any:
        m = net(L)
        state = m.state_dict()
        del state["first.scale"], state["first.norm.weight"]
        state["other"] = L.ones(1)
        state["first.layers.9.weight"] = L.ones(1)
        state["first.layers.0.weight"] = L.ones(2, 2)
        state["first.layers.1.bias"] = 3.0
        texts = []
        with pytest.raises(RuntimeError) as error:
            m.load_state_dict(state)
        texts.append(str(error.value).replace("anadrome", "torch"))
        state = m.state_dict()
        state["more"] = state.pop("first.scale")
        result = m.load_state_dict(state, strict=False)
        texts += [result.missing_keys, result.unexpected_keys, str(result), tuple(result)]
        texts.append(str(m.load_state_dict(m.state_dict())))
        return texts

    both(program)


def test_loading() -> None:
    def program(L: Any) -> Any:
        m, other = filled(L, net(L)), filled(L, net(L), seed=50)
        out = []
        held = m.first.scale
        m.load_state_dict(other.state_dict())
        out.append([bool(L.equal(a, b)) for a, b in zip(m.parameters(), other.parameters())])
        out.append(m.first.scale is held)
        single = {k: v.float() for k, v in other.state_dict().items()}
        m.load_state_dict(single)
        out.append(str(m.first.scale.dtype).split(".")[-1])
        m.load_state_dict(single, assign=True)
        out.append(str(m.first.scale.dtype).split(".")[-1])
        out.append([m.first.scale is held, type(m.first.scale).__name__,
                    m.first.scale.requires_grad])  # fmt: skip
        kept = m.state_dict(keep_vars=True)
        out.append([kept["first.scale"] is m.first.scale,
                    m.state_dict()["first.scale"].requires_grad])  # fmt: skip
        into: Any = OrderedDict()
        m.state_dict(destination=into, prefix="p.")
        out.append(list(into))
        return out

    both(program)


def test_hooks_of_states_and_extra_state() -> None:
    def program(L: Any) -> Any:
        seen: list[Any] = []

        class Counted(L.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = L.nn.Parameter(L.ones(2))
                self.count = 3

            def get_extra_state(self) -> Any:
                return {"count": self.count}

            def set_extra_state(self, state: Any) -> None:
                self.count = state["count"]

        m = L.nn.Sequential(Counted(), L.nn.Linear(2, 2))
        m[1].register_state_dict_pre_hook(lambda *a: seen.append(("pre", a[1], a[2])))
        m[1].register_state_dict_post_hook(lambda mod, d, p, meta: seen.append(("post", p)))
        m[1].register_load_state_dict_pre_hook(lambda *a: seen.append(("load", a[2], a[4])))
        m.register_load_state_dict_post_hook(lambda mod, keys: keys.missing_keys.clear())
        state = m.state_dict()
        state["0._extra_state"] = {"count": 8}
        del state["1.bias"]
        m.load_state_dict(state)
        return [list(state), m[0].count, seen]

    both(program)


# -- copies --------------------------------------------------------------------------------------
def plain(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LSTM(2, 3), nn.Dropout(0.2))


def test_copies() -> None:
    def program(L: Any) -> Any:
        m = plain(L.nn)
        m[0].helper = [1, {"a": 2}]
        m.tied = m[0]
        out = []
        for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
            out.append([repr(other) == repr(m), other.tied is other[0], other[0].helper,
                        other[0].weight is m[0].weight,
                        [bool(L.equal(a, b)) for a, b in zip(m.parameters(), other.parameters())],
                        list(other.state_dict()) == list(m.state_dict())])  # fmt: skip
            with L.no_grad():
                other[0].weight.zero_()
            out.append(bool((m[0].weight != 0).any()))
        m[0].f = lambda x: x
        out.append(m[0].f(3))
        return out

    both(program)


def test_moving() -> None:
    def program(L: Any) -> Any:
        m = plain(L.nn)
        held = m[0].weight
        kinds = []
        for step in (lambda: m.half(), lambda: m.double(), lambda: m.bfloat16(), lambda: m.float(),
                     lambda: m.to(L.float64), lambda: m.to("cpu", L.float32), lambda: m.cpu(),
                     lambda: m.type(L.float64), lambda: m.to(L.ones(1)),
                     lambda: m.to_empty(device="cpu"), lambda: m.share_memory()):  # fmt: skip
            assert step() is m
            kinds.append(str(m[0].weight.dtype).split(".")[-1])
            kinds.append(str(m[1].num_batches_tracked.dtype).split(".")[-1])
        m.compile()
        return kinds, m[0].weight is held, tuple(m(L.ones(3, 2))[0].shape) if False else None

    both(program)


def test_training_mode_and_gradients() -> None:
    def program(L: Any) -> Any:
        class Frozen(L.nn.BatchNorm1d):
            def train(self, mode: bool = True) -> Any:
                return super().train(False)

        m = L.nn.Sequential(L.nn.Linear(2, 2), Frozen(2))
        out = [m.train() is m, [x.training for x in m], m.eval().training]
        m[0].requires_grad_(False)
        m(L.ones(3, 2)).sum().backward()
        out += [[p.requires_grad for p in m.parameters()], m[1].bias.grad.tolist()]
        m.zero_grad(set_to_none=False)
        out += [m[1].bias.grad.tolist(), m[0].weight.grad]
        m.zero_grad()
        applied: list[str] = []
        m.apply(lambda x: applied.append(type(x).__name__))
        return [*out, m[1].bias.grad, applied]

    both(program)


# -- hooks ---------------------------------------------------------------------------------------
def test_forward_hooks() -> None:
    def call(L: Any, x: Any) -> Any:
        seen: list[str] = []

        class Scaled(L.nn.Module):
            def forward(self, x: Any, *, factor: float = 1.0) -> Any:
                return x * factor

        m = Scaled()
        m.register_forward_pre_hook(lambda mod, args: (args[0] + 1,))
        m.register_forward_pre_hook(
            lambda mod, args, kwargs: (args, {"factor": kwargs["factor"] * 2}), with_kwargs=True
        )
        m.register_forward_pre_hook(lambda mod, args: seen.append("first"), prepend=True)
        m.register_forward_hook(lambda mod, args, out: out * 3)
        handle = m.register_forward_hook(
            lambda mod, args, kwargs, out: seen.append(str(kwargs)), with_kwargs=True
        )
        m.register_forward_hook(lambda *a: seen.append("always"), always_call=True)
        first = m(x, factor=2.0)
        handle.remove()
        with pytest.raises(TypeError):
            m(x, factor="no")
        return first, m(x, factor=1.0), seen

    agree(call, numbers(2, 3))


def test_backward_hooks() -> None:
    def call(L: Any, x: Any) -> Any:
        seen: list[Any] = []
        m = filled(L, L.nn.Sequential(L.nn.Linear(3, 3), L.nn.Tanh(), L.nn.Linear(3, 2)))
        m[1].register_full_backward_pre_hook(lambda mod, g: (g[0] * 2,))
        m[1].register_full_backward_hook(
            lambda mod, gi, go: seen.append((gi[0].detach(), go[0].detach()))
        )
        m[0].register_full_backward_hook(lambda mod, gi, go: (gi[0] * 0.5,))
        m(x).sum().backward()
        return seen, x.grad, [p.grad for p in m.parameters()]

    agree(call, numbers(2, 3), second=False)


def test_hooks_of_all_modules() -> None:
    def program(L: Any) -> Any:
        seen: list[str] = []
        module = L.nn.modules.module
        handles = [
            module.register_module_forward_pre_hook(
                lambda m, a: seen.append("pre " + type(m).__name__)
            ),
            module.register_module_forward_hook(
                lambda m, a, o: seen.append("after " + type(m).__name__)
            ),
            module.register_module_full_backward_hook(
                lambda m, i, o: seen.append("back " + type(m).__name__)
            ),
        ]
        m = L.nn.Sequential(L.nn.Linear(2, 2), L.nn.ReLU())
        m(L.ones(1, 2, requires_grad=True)).sum().backward()
        for handle in handles:
            handle.remove()
        m(L.ones(1, 2))
        return seen

    both(program)
