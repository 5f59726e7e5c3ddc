"""Autocast on the CPU as in PyTorch: states, statistics, options in other types than the rest."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from oracle import numbers

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def drawn(L: Any, kind: str, *shape: int, seed: int = 0, requires_grad: bool = False) -> Any:
    values = L.tensor(numbers(*shape, seed=seed).tolist())
    return values.to(getattr(L, kind)).requires_grad_(requires_grad)


def told(*found: Any) -> Any:
    return [(str(x.dtype).rpartition(".")[2], x.detach().float().tolist()) for x in found]


def cell(L: Any, name: str) -> Any:
    made = getattr(L.nn, name)(3, 2)
    with L.no_grad():
        for i, p in enumerate(made.parameters()):
            p.copy_(drawn(L, "float32", *p.shape, seed=i))
    return made


@pytest.mark.parametrize("given", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell", "RNNCell"])
def test_a_cell_keeps_the_type_of_its_state(name: str, given: str) -> None:
    def program(L: Any) -> Any:
        layer = cell(L, name)
        state = drawn(L, given, 4, 2, seed=6, requires_grad=True)
        hx = (drawn(L, given, 4, 2, seed=5), state) if name == "LSTMCell" else state
        with L.autocast("cpu"):
            first = layer(drawn(L, given, 4, 3, seed=4), hx)
            second = layer(drawn(L, given, 4, 3, seed=7), first)
            alone = layer(drawn(L, given, 4, 3, seed=7))
        out = [*first, *second, *alone] if name == "LSTMCell" else [first, second, alone]
        sum(x.float().square().sum() for x in out).backward()
        return told(*out), [(str(p.grad.dtype).rpartition(".")[2]) for p in layer.parameters()]

    (ours, grads), (theirs, wanted) = program(ad), program(torch)
    assert grads == wanted
    for (a, values), (b, expected) in zip(ours, theirs, strict=True):
        assert a == b
        for row, other in zip(values, expected):  # a unit in the last place of a product, at most
            assert row == pytest.approx(other, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell", "RNNCell"])
def test_a_cell_of_half_precision_rounds_between_its_operations(name: str, kind: str) -> None:
    def program(L: Any) -> Any:
        layer = cell(L, name).to(getattr(L, kind))
        x = drawn(L, kind, 4, 3, seed=4, requires_grad=True)
        out = layer(x)
        out = out if name == "LSTMCell" else (out,)
        return told(*out)

    assert program(ad) == program(torch)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("weights", [None, "float32"])
@pytest.mark.parametrize(
    ("kind", "statistics"),
    [("float32", "bfloat16"), ("float32", "float64"), ("float16", "bfloat16")],
)
def test_running_statistics_of_instance_norm_are_of_any_type(
    kind: str, statistics: str, weights: str | None, own: bool
) -> None:
    def program(L: Any) -> Any:
        x = drawn(L, kind, 2, 3, 5)
        mean = drawn(L, statistics, 3, seed=1)
        var = drawn(L, statistics, 3, seed=2).abs() + 0.5
        weight = None if weights is None else drawn(L, weights, 3, seed=3)
        out = L.nn.functional.instance_norm(x, mean, var, weight, weight, own)
        return [str(out.dtype).rpartition(".")[2], *told(mean, var)], out.detach().float()

    (ours, out), (theirs, wanted) = program(ad), program(torch)
    assert ours[0] == theirs[0]
    tight = 1e-6 if statistics == "float64" else 1e-2
    for (a, values), (b, expected) in zip(ours[1:], theirs[1:]):
        assert a == b
        assert values == pytest.approx(expected, rel=tight)
    assert out.flatten().tolist() == pytest.approx(wanted.flatten().tolist(), abs=4e-3)


@pytest.mark.parametrize("a", ["float32", "float64"])
@pytest.mark.parametrize("b", ["float32", "float64", "bfloat16", "float16"])
def test_a_triangular_solution_is_of_the_type_of_the_matrix(a: str, b: str) -> None:
    def program(L: Any) -> Any:
        matrix = (drawn(L, "float64", 3, 3) + 4 * L.eye(3, dtype=L.float64)).to(getattr(L, a))
        right = drawn(L, b, 3, 2, seed=1, requires_grad=True)
        with L.autocast("cpu"):
            out = L.linalg.solve_triangular(matrix, right, upper=True)
        out.sum().backward()
        return [str(x.dtype).rpartition(".")[2] for x in (out, right.grad)], out.flatten().tolist()

    (kinds, values), (wanted, expected) = program(ad), program(torch)
    assert kinds == wanted
    assert values == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("kind", "weights"),
    [("float32", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32")],
)
def test_a_linear_loss_with_options_is_left_alone(kind: str, weights: str, reduction: str) -> None:
    def program(L: Any, plain: bool) -> Any:
        x = drawn(L, kind, 6, 3, requires_grad=True)
        w = drawn(L, weights, 5, 3, seed=1, requires_grad=True)
        options = None if plain else L.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
        with L.autocast("cpu"):
            out = L.nn.functional.linear_cross_entropy(
                x, w, L.tensor([0, 1, 2, 3, 4, 0]), reduction=reduction, options=options
            )
        out.sum().backward()
        found = [str(t.dtype).rpartition(".")[2] for t in (out, x.grad, w.grad)]
        return found, out.detach().float().flatten().tolist()

    for plain in (True, False):
        (kinds, values), (wanted, expected) = program(ad, plain), program(torch, plain)
        assert kinds == wanted
        tight = 1e-5 if kind == "float32" and not plain else 1e-2
        assert values == pytest.approx(expected, rel=tight)


def test_options_that_cannot_be_followed_are_told() -> None:
    for L in (ad, torch):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            L.nn.functional.linear_cross_entropy(
                L.ones(2, 3), L.ones(4, 3), L.tensor([0, 1]), label_smoothing=0.1,
                options=L.nn.LinearCrossEntropyOptions(batch_chunk_size=1),
            )  # fmt: skip
        assert any("options" in str(w.message) for w in caught)
