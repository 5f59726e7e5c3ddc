"""The sentinel finds the op whose derivative was not finite, and the masked branch."""

from __future__ import annotations

import inspect
import math

import pytest
from faults_named import found, line_of

import anadrome as ad

NAN = math.nan


@pytest.mark.parametrize(
    ("name", "value", "safe"),
    [
        ("sqrt", 0.0, "1.0"),
        ("log", 0.0, "1.0"),
        ("rsqrt", 0.0, "1.0"),
        ("reciprocal", 0.0, "1.0"),
        ("acos", 1.0, "0.0"),
        ("atanh", 1.0, "0.0"),
        ("acosh", 1.0, "2.0"),
        ("log1p", -1.0, "0.0"),
        ("logit", 1.0, "0.5"),
    ],
)
def test_the_masked_branch(name, value, safe):
    function = getattr(ad, name)
    ordinary = 1.5 if name == "acosh" else 0.5
    w = ad.tensor([value, ordinary], requires_grad=True)

    def step():
        y = function(w)  # fault
        y = ad.where(w != value, y, 0.0)  # mask
        y.sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op, finding.masked) == ("backward", name, True)
    assert finding.where.startswith(line_of("fault"))
    assert finding.mask.startswith(line_of("mask"))
    assert f"safe = where(mask, x, {safe})" in str(finding)
    assert f"where(mask, {name}(safe), 0.0)" in str(finding)

    def rewritten():
        safe_w = ad.where(w != value, w, float(safe))
        ad.where(w != value, function(safe_w), 0.0).sum().backward()

    assert "zero_grad()` first" in str(found(rewritten))  # the NaN are still in w.grad
    w.grad = None
    ad.sentinel(file=None)(rewritten)()


@pytest.mark.parametrize(
    "masking",
    [
        lambda y, keep: y.masked_fill(~keep, 0.0),
        lambda y, keep: y * keep,
        lambda y, keep: y[keep],
        lambda y, keep: (y + 1) * keep.float(),
    ],
    ids=["masked_fill", "times", "index", "later"],
)
def test_the_masked_branch_by_other_masks(masking):
    w = ad.tensor([0.0, 4.0], requires_grad=True)

    def step():
        y = w.sqrt()  # fault
        y = masking(y, w > 0)
        y.sum().backward()

    finding = found(step).finding
    _, start = inspect.getsourcelines(masking)
    assert finding.masked and finding.op == "sqrt"
    assert f"test_sentinel_gradients.py:{start}," in finding.mask
    assert finding.where.startswith(line_of("fault"))


def test_the_masked_branch_of_a_quotient():
    a, b = ad.ones(2, requires_grad=True), ad.tensor([0.0, 2.0], requires_grad=True)

    def step():
        ad.where(b > 0, a / b, 0.0).sum().backward()

    finding = found(step).finding
    assert finding.masked and finding.op == "div"
    assert "safe = where(mask, y, 1.0)" in str(finding)
    assert "where(mask, x / safe, 0.0)" in str(finding)


def test_an_overflow_on_the_way_is_not_the_masked_branch():
    """1 / (1 + exp(x)) is 0 for a large x, its gradient 0 times infinity; nothing is masked."""
    w = ad.tensor([200.0, 1.0], requires_grad=True)

    def step():
        e = w.exp()  # fault
        (2.0 / (1.0 + e) * ad.tensor([3.0, 4.0])).sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op, finding.masked) == ("forward", "exp", False)
    assert finding.where.startswith(line_of("fault"))


def test_an_infinity_that_came_in_is_not_the_masked_branch():
    """A clamp leaves it out, and its gradient is NaN; but the division made it."""
    w = ad.tensor([0.0, 1.0], requires_grad=True)

    def step():
        x = 1.0 / w  # fault
        x.exp().clamp(max=50.0).sum().backward()

    finding = found(step).finding
    assert (finding.op, finding.masked) == ("div", False)
    assert finding.where.startswith(line_of("fault"))


def test_an_infinite_derivative_is_not_the_masked_branch():
    w = ad.tensor([0.0, 4.0], requires_grad=True)

    def step():
        loss = w.sqrt().sum()  # fault
        loss.backward()

    finding = found(step).finding
    assert (finding.phase, finding.op, finding.masked) == ("backward", "sqrt", False)
    assert finding.where.startswith(line_of("fault"))
    assert "eps" in str(finding) and finding.result.inf == 1


def test_a_root_written_as_a_power():
    w = ad.tensor([0.0, 4.0], requires_grad=True)

    def step():
        ad.where(w > 0, w**0.5, 0.0).sum().backward()

    error = found(step)
    assert error.finding.masked and "pow(safe)" in str(error)


def test_a_gradient_of_a_gradient():
    w = ad.zeros(3, requires_grad=True)

    def step(x):
        y = (w * x).sum().sqrt()  # fault
        (g,) = ad.autograd.grad(y, w, create_graph=True)
        (g * g).sum().backward()

    finding = found(step, ad.ones(3)).finding
    assert (finding.phase, finding.op) == ("backward", "sqrt")
    assert finding.where.startswith(line_of("fault"))


def test_gradients_that_overflow_when_they_meet():
    w = ad.tensor([0.0], requires_grad=True, dtype=ad.float16)

    def step():
        (w * 40000.0 + w * 40000.0).sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op) == ("backward", "a sum of gradients (add)")
    assert (finding.result.inf, finding.inputs[0][1].high) == (1, 40000.0)


def test_a_function_of_the_users_own():
    class Spoils(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g / (x - x)

    w = ad.ones(3, requires_grad=True)

    def step():
        y = Spoils.apply(w)  # fault
        y.sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op) == ("backward", "Spoils")
    assert finding.where.startswith(line_of("fault"))
    assert "made by div" in str(finding)


def test_a_function_that_leaves_the_ops():
    class Foreign(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return ad.tensor(g.numpy() * NAN)

    w = ad.ones(3, requires_grad=True)

    def step():
        y = Foreign.apply(w) * 3  # fault
        y.sum().backward()

    finding = found(step).finding
    assert finding.op == "the backward of Foreign"
    assert finding.where.startswith(line_of("fault"))
    assert "outside anadrome's ops" in str(finding)
