"""Random programs with one fault in them: the sentinel names its line, whatever is around it."""

from __future__ import annotations

import linecache
import random

import pytest

import anadrome as ad
from anadrome.plugins.sentinel import files
from anadrome.plugins.sentinel.diagnosing import diagnose
from anadrome.plugins.sentinel.running import run

#: Statements that keep `x`, of shape (4, 4), finite and away from 0, and let every gradient pass.
HARMLESS = [
    "x = x * 0.5 + w",
    "x = (x @ w.T) / 4",
    "x = x.clamp(max=5.0).exp().clamp(max=50.0) / 50 + w",
    "x = F.softplus(x) + w * 0.5",
    "x = x.sigmoid() + 0.1 * w",
    "x = x.T.contiguous() + w",
    "x = x.reshape(2, 8).reshape(4, 4) - w",
    "x = ad.cat([x[:2], w[2:] + x[2:]])",
    "x = F.layer_norm(x, (4,)) + w",
    "x = F.dropout(x, 0.25) + w",
    "x = x.clone().mul_(0.5).add_(w)",
    "x = ad.stack([x, w]).mean(dim=0)",
    "x = x.abs().sqrt().tanh() + w",
    "x = x + F.linear(x, w)",
    "x = x.cumsum(dim=0) * 0.25 + w",
    "x = ad.einsum('ij,jk->ik', x, w) * 0.3",
]
#: Faults in the forward: (statements, the number of the one to blame, its op).
FORWARD = [
    (["y = x - x.detach()", "x = x + (y.log() * y)"], 1, "log"),
    (["y = x - x.detach()", "x = x / y"], 1, "div"),
    (["y = (x.abs() + 1) * 1e30", "y = y * y", "x = x * y * 0.0"], 1, "mul"),
    (["y = (x.abs() + 1) * 500", "z = y.exp()", "x = x + z - z"], 1, "exp"),
    (["y = -(x.abs() + 1)", "x = x + y.sqrt()"], 1, "sqrt"),
]
#: Faults that only the backward shows.
BACKWARD = [
    (["y = x - x.detach()", "z = (y * y).sqrt()", "x = x + z"], 1, "sqrt"),
    (["y = x - x.detach()", "z = y.sqrt()", "x = x + ad.where(y > 0, z, 0.0)"], 1, "sqrt"),
    (["y = (x - x.detach()) + 1", "z = y.acos()", "x = x + z"], 1, "acos"),
]


def program(seed: int, faults):
    """The source of a step with one fault; the line to blame, and its op."""
    draw = random.Random(seed)
    before = ["x = x + w", *(draw.choice(HARMLESS) for _ in range(draw.randrange(6)))]
    after = [draw.choice(HARMLESS) for _ in range(draw.randrange(6))]
    fault, place, op = draw.choice(faults)
    loss = draw.choice(["x.sum()", "(x * x).mean()", "F.mse_loss(x, ad.zeros(4, 4))"])
    lines = ["def step(x, w):", *before, *fault, *after, f"loss = {loss}", "loss.backward()"]
    text = "\n    ".join(lines)
    return text, 1 + len(before) + place + 1, op


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("faults", [FORWARD, BACKWARD], ids=["forward", "backward"])
def test_the_line_is_named(seed, faults, tmp_path):
    text, line, op = program(seed, faults)
    name = f"<program {seed} {faults is FORWARD}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space = {"ad": ad, "F": ad.nn.functional}
    exec(compile(text, name, "exec"), space)
    w = (ad.rand(4, 4) + 0.5).requires_grad_()
    x = ad.rand(4, 4) + 0.5
    path = str(tmp_path / "step.safetensors")
    with pytest.raises(ad.NonFiniteError) as caught:
        ad.sentinel(file=path)(space["step"])(x, w)
    finding = caught.value.finding
    assert (finding.op, f":{line}," in finding.where) == (op, True), f"{text}\n{caught.value}"
    assert str(diagnose(run(*files.load(path), "numpy"))) == str(finding)
