"""Tangents carried along a computation, compared with PyTorch's forward mode."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad
from anadrome.autograd import forward_ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

RNG = np.random.default_rng(3)
X, V, W = (RNG.normal(size=(3, 4)) for _ in range(3))

FUNCTIONS = {
    "elementwise": lambda L, x, w: (x * w).tanh() + x.exp(),
    "product": lambda L, x, w: x @ w.mT,
    "reduced": lambda L, x, w: L.logsumexp(x * w, 1),
    "indexed": lambda L, x, w: x[1:, [0, 2]] * 2,
    "softmax": lambda L, x, w: L.nn.functional.softmax(x, -1) * w,
    "in place": lambda L, x, w: (x * 1).mul_(w).add_(x),
    "itself": lambda L, x, w: x,
    "linear": lambda L, x, w: x.sum(0) * 3,
}


def both(call):
    """The same program in both libraries, to plain numbers."""
    out = []
    for L, fw in ((ad, forward_ad), (torch, torch.autograd.forward_ad)):
        found = call(L, fw)
        out.append([None if t is None else t.detach().numpy() for t in found])
    for ours, theirs in zip(*out, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tangents(name):
    def program(L, fw):
        w = L.tensor(W)
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            out = FUNCTIONS[name](L, x, w)
            first, again = fw.unpack_dual(out), fw.unpack_dual(out)
            assert (first.tangent == again.tangent).all()
            return [*first, fw.unpack_dual(w).tangent, fw.unpack_dual(x).tangent]

    both(program)


def test_a_tangent_of_another_precision():
    def program(L, fw):
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X, dtype=L.float64), L.tensor(V, dtype=L.float32))
            return [fw.unpack_dual(x.exp() * x).tangent]

    both(program)


def test_two_duals_and_what_depends_on_neither():
    def program(L, fw):
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            y = fw.make_dual(L.tensor(W), L.tensor(X))
            return [
                fw.unpack_dual(x * y).tangent,
                fw.unpack_dual(y.sin()).tangent,
                fw.unpack_dual(L.ones(2) * 3).tangent,
                fw.unpack_dual(x.detach() * 2).tangent,
                fw.unpack_dual((x > 0).to(L.float64)).tangent,
            ]

    both(program)


def test_a_gradient_beside_and_of_the_tangent():
    """Reverse mode through what forward mode gave."""

    def program(L, fw):
        w = L.tensor(W, requires_grad=True)
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            primal, tangent = fw.unpack_dual((x * w).square().sum())
            (of_tangent,) = L.autograd.grad(tangent, w, retain_graph=True)
            (of_primal,) = L.autograd.grad(primal, w)
        return [of_tangent, of_primal]

    both(program)


def test_a_module_with_tangents_of_its_parameters():
    def program(L, fw):
        model = L.nn.Linear(4, 2, dtype=L.float64)
        with L.no_grad():
            for p in model.parameters():
                p.fill_(0.5)
        with fw.dual_level():
            for name, p in list(model.named_parameters()):
                delattr(model, name)
                setattr(model, name, fw.make_dual(p, L.ones_like(p)))
            return fw.unpack_dual(model(L.tensor(X)).tanh())

    both(program)


def test_levels_are_closed_and_do_not_nest():
    for L, fw in ((ad, forward_ad), (torch, torch.autograd.forward_ad)):
        with fw.dual_level():
            x = fw.make_dual(L.tensor(X), L.tensor(V))
            with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported"):
                fw.enter_dual_level()
        assert fw.unpack_dual(x).tangent is None
        with pytest.raises(RuntimeError, match="no level exists, make sure to enter_dual_level"):
            fw.make_dual(L.tensor(X), L.tensor(V))
        with pytest.raises(RuntimeError):
            fw.exit_dual_level()
        with fw.dual_level(), pytest.raises(RuntimeError, match="was not the last one"):
            fw.exit_dual_level(level=1)


@pytest.mark.parametrize(
    ("primal", "tangent", "kind", "text"),
    [
        ([1, 2], [1.0, 2.0], ValueError, "Expected primal to be floating point or complex"),
        ([1.0, 2.0], [1, 2], ValueError, "Expected tangent to be floating point or complex"),
        ([1.0, 2.0], [1.0], RuntimeError, "has a different size than that of"),
    ],
)
def test_bad_duals(primal, tangent, kind, text):
    for L, fw in ((ad, forward_ad), (torch, torch.autograd.forward_ad)):
        with fw.dual_level(), pytest.raises(kind, match=text):
            fw.make_dual(L.tensor(primal), L.tensor(tangent))


def test_without_recording_there_is_an_error_and_no_wrong_answer():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(ad.tensor(X), ad.tensor(V))
        with ad.no_grad(), pytest.raises(RuntimeError, match="recording is off here"):
            forward_ad.unpack_dual(x * x)
