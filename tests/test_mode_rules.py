"""``Mode.sees_rules``: a mode that sees the ops of the rules; nothing else is different."""

from __future__ import annotations

import pytest

import anadrome as ad
from anadrome.nn import functional as F


class Seen(ad.Mode):
    """Notes the names of the ops that it sees."""

    def __init__(self, rules: bool = True) -> None:
        self.sees_rules = rules
        self.ops: list[str] = []

    def intercept(self, op, args, kwargs):
        self.ops.append(op.op.name)
        return op(*args, **kwargs)


def loss_of(x, w):
    y = F.softmax(x @ w, dim=-1)[:, 1:] * 2.0
    return (y - x[:, 1:]).pow(2).mean() + F.layer_norm(x, (4,)).abs().sum()


def inputs():
    ad.manual_seed(0)
    return ad.randn(5, 4, requires_grad=True), ad.randn(4, 4, requires_grad=True)


def test_the_ops_of_rules_are_seen():
    x, w = inputs()
    with Seen() as seen:
        loss = loss_of(x, w)
        forward = len(seen.ops)
        loss.backward()
    assert "mm" in seen.ops[forward:] and "index_backward" in seen.ops[forward:]
    x, w = inputs()
    with Seen(rules=False) as blind:
        loss_of(x, w).backward()
    assert blind.ops == seen.ops[:forward]


@pytest.mark.parametrize("how", ["backward", "grad", "inputs", "seed"])
def test_the_gradients_are_the_same_and_have_no_graph(how):
    def gradients(mode):
        x, w = inputs()
        with mode:
            loss = loss_of(x, w)
            if how == "grad":
                return ad.autograd.grad(loss, (x, w))
            if how == "inputs":
                loss.backward(inputs=[w])
                assert x.grad is None
                return (w.grad,)
            loss.backward(ad.tensor(2.0) if how == "seed" else None)
            return x.grad, w.grad

    plain, seen = gradients(Seen(rules=False)), gradients(Seen())
    for a, b in zip(plain, seen):
        assert (a == b).all()
        assert type(b) is ad.Tensor and not b.requires_grad


def test_saved_values_are_freed_all_the_same():
    x, w = inputs()
    with Seen():
        loss = loss_of(x, w)
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
