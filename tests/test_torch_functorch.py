"""`functorch`, as the programs of its time use it, against the one that comes with PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
from oracle import agree, numbers

import anadrome as ad
from anadrome.places import functorch as ours

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("functorch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def of(L: Any) -> Any:
    return ours if L is ad else theirs


def norm(L: Any, shift: float = 0.0) -> Any:
    model = L.nn.Sequential(
        L.nn.Linear(3, 4, dtype=L.float64), L.nn.BatchNorm1d(4, dtype=L.float64), L.nn.Tanh()
    ).eval()
    with L.no_grad():
        for p in model.parameters():
            p.copy_(L.linspace(-1, 1, p.numel(), dtype=L.float64).reshape(p.shape) + shift)
    return model


X = numbers(5, 3)


def test_a_module_as_a_function_of_its_state() -> None:
    def program(L: Any, x: Any) -> Any:
        f, params, buffers = of(L).make_functional_with_buffers(norm(L))
        moved = of(L).jvp(lambda p: f(p, buffers, x), (params,), (params,))
        each = of(L).vmap(
            of(L).grad(lambda p, one: f(p, buffers, one[None]).sum()), in_dims=(None, 0)
        )(params, x)
        return [*moved, *each, L.tensor(len(buffers))]

    agree(program, X, second=False)


def test_a_module_as_a_function_of_its_parameters() -> None:
    def program(L: Any, x: Any) -> Any:
        model = norm(L)[0]
        f, params = of(L).make_functional(model)
        (f(params, x) ** 2).sum().backward()
        fixed = of(L).make_functional(model, disable_autograd_tracking=True)[1]
        flags = [params[0] is model.weight, params[0].requires_grad, fixed[0].requires_grad]
        return [*[p.grad for p in params], L.tensor(flags)]

    agree(program, X, second=False)


def test_an_ensemble() -> None:
    def program(L: Any, x: Any) -> Any:
        models = [norm(L, shift) for shift in (0.0, 0.5, 1.0)]
        f, params, buffers = of(L).combine_state_for_ensemble(models)
        return [*params, *buffers, of(L).vmap(f, in_dims=(0, 0, None))(params, buffers, x)]

    agree(program, X, second=False)


@pytest.mark.parametrize("library", [ad, torch])
def test_refusals(library: Any) -> None:
    tools, linear = of(library), library.nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="make_functional_with_buffers"):
        tools.make_functional(norm(library))
    for models in ([], [linear, library.nn.Linear(1, 1).eval()], [linear, library.nn.ReLU()]):
        with pytest.raises(RuntimeError, match="Expected a"):
            tools.combine_state_for_ensemble(models)


def test_a_hessian_needs_no_loop_over_its_rows(monkeypatch):
    from anadrome.func import jacobians

    weight = ad.randn(5, 3)
    looped, rows = [], jacobians._rows
    monkeypatch.setattr(jacobians, "_rows", lambda *a: (looped.append(a[0].shape), rows(*a))[1])
    call = lambda x: (weight @ (weight.T @ (weight @ x).tanh()).tanh()).sum()
    assert ad.func.hessian(call)(ad.ones(3)).shape == (3, 3)
    assert [shape for shape in looped if shape != ()] == []  # the scalar itself is one row
