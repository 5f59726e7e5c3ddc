"""The sentinel finds the op that made NaN or infinity in a forward; the line must be right."""

from __future__ import annotations

import math

import pytest
from faults_named import found, line_of

import anadrome as ad
from anadrome.nn import functional as F
from anadrome.plugins.sentinel.ops import all_finite

nn = ad.nn
INF = math.inf
NAN = math.nan


def test_a_step_without_fault_is_left_alone():
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.5)
    guard = ad.sentinel(file=None)

    @guard
    def step(x, *, scale):
        """Its own."""
        optimizer.zero_grad()
        loss = (w * x * scale).sum()
        loss.backward()
        optimizer.step()
        return loss

    assert step.__doc__ == "Its own."
    assert step(ad.tensor([1.0, 1.0]), scale=2.0).item() == 6.0
    assert w.tolist() == [0.0, 1.0]
    before = guard.looks
    step(ad.tensor([1.0, 1.0]), scale=2.0)
    assert guard.looks == before + 1  # one flag a step


def test_log_of_zero():
    w = ad.tensor([0.5, 0.0], requires_grad=True)

    def step():
        p = w * 2
        entropy = p * p.log()  # fault
        entropy.sum().backward()

    error = found(step)
    finding = error.finding
    assert (finding.phase, finding.op) == ("forward", "log")
    assert finding.where.startswith(line_of("fault"))
    assert finding.inputs[0][1].low == 0.0 and finding.inputs[0][1].high == 1.0
    assert (finding.result.inf, finding.result.first) == (1, (1,))
    assert "log_softmax" in str(error)
    assert str(error).startswith("the loss is NaN, seen after the backward at ")


def test_zero_by_zero():
    a = ad.tensor([0.0, 1.0], requires_grad=True)

    def step():
        norm = a - a.detach()
        share = a / norm  # fault
        share.sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op) == ("forward", "div")
    assert finding.where.startswith(line_of("fault"))
    assert (finding.result.nan, finding.result.inf) == (1, 1)
    assert "divisor holds 0" in str(finding)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_overflow_in_half_precision(dtype):
    largest = {"float16": 300.0, "bfloat16": 1e20}[dtype]
    w = ad.tensor([largest, 1.0], dtype=getattr(ad, dtype), requires_grad=True)

    def step():
        square = w * w  # fault
        square.sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op) == ("forward", "mul")
    assert finding.where.startswith(line_of("fault"))
    assert finding.result.dtype == dtype and finding.result.inf == 1
    assert f"Overflow: {dtype}" in str(finding)


def test_overflow_under_autocast_names_the_module():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    with ad.no_grad():
        model[0].weight.fill_(1e4)

    def step(x):
        with ad.autocast("cpu", dtype=ad.float16):
            loss = model(x).float().mean()  # fault
        loss.backward()

    finding = found(step, ad.ones(2, 4) * 10).finding
    assert (finding.op, finding.module) == ("linear", "model.0 (Linear)")
    assert finding.where.startswith(line_of("fault"))
    assert finding.inputs[0][1].dtype == "float16"
    assert finding.inputs[0][1].high == 10.0
    assert "autocast" in str(finding)


def test_exp_overflows_in_float32():
    w = ad.tensor([100.0], requires_grad=True)

    def step():
        w.exp().log().backward()

    finding = found(step).finding
    assert (finding.op, finding.result.inf) == ("exp", 1)
    assert "logsumexp" in str(finding)


def test_overflow_in_float32():
    w = ad.tensor([1e30], requires_grad=True)

    def step():
        y = w * 1e20  # fault
        (y - y).sum().backward()

    finding = found(step).finding
    assert finding.op == "mul" and finding.where.startswith(line_of("fault"))
    assert "float32 ends at 3.4e+38" in str(finding) and "learning rate" in str(finding)


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float64", 1.5e308)])
def test_overflow_inside_an_op(dtype, large):
    """The sum of what layer norm sees is infinite, and the result NaN."""
    x = ad.tensor([[large, large, 0.0]], dtype=getattr(ad, dtype), requires_grad=True)

    def step():
        F.layer_norm(x, (3,)).sum().backward()

    finding = found(step).finding
    assert finding.op == "layer_norm" and finding.result.nan
    assert f"Overflow: {dtype} ends at " in str(finding)


def test_nan_in_the_batch():
    model = nn.Linear(3, 1)
    x = ad.ones(4, 3)
    x[2, 1] = NAN

    def step(batch, scale):
        loss = (model(batch["x"]) * scale).mean()
        loss.backward()

    finding = found(step, {"x": x, "label": ad.zeros(4)}, scale=2.0).finding
    assert (finding.phase, finding.op) == ("given", "batch_x (argument)")
    assert (finding.result.nan, finding.result.first) == (1, (2, 1))
    assert "how it was read" in str(finding)


def test_an_infinite_weight():
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    with ad.no_grad():
        model[2].weight[0, 1] = INF

    def step(x):
        model(x).mean().backward()

    finding = found(step, ad.ones(4, 3)).finding
    assert (finding.phase, finding.op) == ("given", "model.2.weight")
    assert finding.result.first == (0, 1)
    assert "learning rate" in str(finding)


def test_a_bad_value_that_is_masked_out_is_not_blamed():
    x = ad.tensor([NAN, 2.0])
    w = ad.tensor([0.0, 1.0], requires_grad=True)

    def step(x):
        x = ad.where(x == x, x, 0.0)
        (w / (x - 2)).sum().backward()  # fault

    finding = found(step, x).finding
    assert finding.op == "div"
    assert finding.where.startswith(line_of("fault"))


def test_infinities_put_there_on_purpose_are_not_blamed():
    """Attention: -inf in masked scores is meant; a row of them alone is the fault."""
    future = ad.ones(3, 3).triu(1) == 1
    scores = ad.randn(3, 3, requires_grad=True)

    def step(mask):
        masked = scores.masked_fill(mask, -INF)
        weights = F.softmax(masked, dim=-1)  # fault
        weights.sum().backward()

    ad.sentinel(file=None)(step)(future)
    everything = future | ad.tensor([[True], [False], [False]])
    finding = found(step, everything).finding
    assert (finding.phase, finding.op) == ("forward", "softmax")
    assert finding.where.startswith(line_of("fault"))
    assert "on purpose, by masked_fill" in str(finding)


def test_a_mask_that_is_added_is_not_blamed_either():
    mask = ad.full((2, 2), -INF)
    scores = ad.randn(2, 2, requires_grad=True)

    def step():
        F.softmax(scores + mask, dim=-1).sum().backward()

    finding = found(step).finding
    assert finding.op == "softmax"
    assert "on purpose" in str(finding)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "complex64"])
def test_the_flag(dtype):
    kind = getattr(ad, dtype)
    large = {"float16": 6e4, "float64": 1e300}.get(dtype, 1e30)  # its square is no number
    fine = [ad.full((3, 4), large, dtype=kind), ad.zeros((), dtype=kind), ad.ones(5).half()]
    fine.append(ad.ones(4, 3, dtype=kind).T)
    assert all_finite(*fine).item() is True
    for bad in (INF, -INF, NAN):
        for place in range(4):
            values = [t.clone() for t in fine]
            spoilt = ad.zeros(values[place].shape)
            spoilt[(-1,) * spoilt.ndim] = bad
            values[place] = values[place] + spoilt.to(values[place].dtype)
            assert all_finite(*values).item() is False
