"""What ``backward`` and ``autograd.grad`` go through: lists, generators, modules' lists, dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scenarios

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def pair_of(L: Any) -> Any:
    return L.nn.ParameterList([L.nn.Parameter(L.arange(3.0) + i) for i in range(2)])


def loss_of(pair: Any) -> Any:
    return (pair[0] * pair[0] * pair[1]).sum()


def grad_of_parameters(L: Any) -> Any:
    layer = L.nn.Linear(2, 3)
    return L.autograd.grad(layer(L.ones(4, 2)).sum(), layer.parameters())


def grad_of_inputs(L: Any) -> Any:
    pair = pair_of(L)
    return [
        *L.autograd.grad(loss_of(pair), pair),
        *L.autograd.grad(loss_of(pair), (p for p in pair)),
        *L.autograd.grad(loss_of(pair), {"a": pair[0], "b": pair[1]}.values()),
    ]


def grad_of_outputs(L: Any) -> Any:
    pair = pair_of(L)
    return [
        *L.autograd.grad((p.sum() * 2 for p in pair), list(pair)),
        *L.autograd.grad([pair[0] * pair[1]], pair, iter([L.arange(3.0)])),
    ]


def backward_into(L: Any) -> Any:
    layer, pair = L.nn.Linear(2, 3), pair_of(L)
    layer(L.ones(4, 2)).sum().backward(inputs=layer.parameters())
    loss_of(pair).backward(inputs=pair)
    loss_of(pair).backward(inputs={"a": pair[0]})
    L.autograd.backward((p.sum() for p in pair), inputs={pair[1]})
    return layer.weight.grad, layer.bias.grad, [p.grad for p in pair]


def backward_from(L: Any) -> Any:
    pair = pair_of(L)
    L.autograd.backward(p.sum() for p in pair)
    L.autograd.backward(pair, grad_tensors=(L.ones(3) for _ in pair))
    return [p.grad for p in pair]


def grad_of_nothing(L: Any) -> Any:
    return L.autograd.grad(loss_of(pair_of(L)), iter([]))


def backward_into_nothing(L: Any) -> Any:
    loss_of(pair_of(L)).backward(inputs=iter([]))


SCENARIOS: list[Callable[[Any], Any]] = [
    grad_of_parameters, grad_of_inputs, grad_of_outputs, backward_into, backward_from,
    grad_of_nothing, backward_into_nothing,
]  # fmt: skip


@pytest.mark.parametrize("function", SCENARIOS, ids=lambda f: f.__name__)
def test_same_as_torch(function: Callable[[Any], Any]) -> None:
    scenarios.same(scenarios.told(function, ad), scenarios.told(function, torch))


def test_checkpoint_sequential_of_a_repeated_module() -> None:
    """A ModuleList is gone through, a Sequential's children are each once: PyTorch's rule."""
    from torch.utils.checkpoint import checkpoint_sequential as theirs

    from anadrome.utils.checkpoint import checkpoint_sequential

    for L, run in ((ad, checkpoint_sequential), (torch, theirs)):
        layer = L.nn.Linear(2, 2)
        x = L.ones(1, 2, requires_grad=True)
        out = run(L.nn.ModuleList([layer, layer]), 2, x, use_reentrant=False)
        assert out.tolist() == layer(layer(x)).tolist()
