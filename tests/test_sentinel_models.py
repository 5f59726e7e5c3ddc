"""The sentinel in models: dropout, batch norm, attention, clipping, checkpoints."""

from __future__ import annotations

import inspect
import math

import pytest
from faults_named import found, line_of

import anadrome as ad
from anadrome.nn import functional as F
from anadrome.utils.checkpoint import checkpoint

nn = ad.nn
INF = math.inf


class Net(nn.Module):
    """Dropout, batch norm, a write in place; and a root at places that dropout made zero."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 16)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.5)
        self.scale = nn.Parameter(ad.ones(16))
        self.last = nn.Linear(16, 1)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)), inplace=True)
        x = self.drop(x + 1.0) * self.scale
        x = x.sqrt()
        return self.last(x)


def test_dropout_makes_the_same_op_bad_again():
    model = Net()
    draws = []
    model.drop.register_forward_hook(lambda m, args, out: draws.append(out.detach().clone()))

    def step(x):
        model(x).sum().backward()

    finding = found(step, ad.randn(8, 4)).finding
    assert (finding.op, finding.phase) == ("sqrt", "backward")
    assert finding.module == "model (Net)"
    first, again = draws
    assert (first == again).all()


def test_the_replay_leaves_no_trace():
    """Statistics were updated once, gradients and parameters and generator are as at the hit."""
    model = Net()
    optimizer = ad.optim.Adam(model.parameters())
    twin = Net()
    twin.load_state_dict(model.state_dict())

    def step(net, x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    x = ad.randn(8, 4)
    state = ad.get_rng_state()
    found(step, model, x)
    after = ad.get_rng_state()
    ad.set_rng_state(state)
    twin(x).sum().backward()
    assert (ad.get_rng_state() == after).all()
    for (name, ours), theirs in zip(model.state_dict().items(), twin.state_dict().values()):
        assert (ours == theirs).all(), name
    for ours, theirs in zip(model.parameters(), twin.parameters()):
        assert ours.grad.isnan().tolist() == theirs.grad.isnan().tolist()
        assert ours.grad.nan_to_num().tolist() == theirs.grad.nan_to_num().tolist()
    assert not optimizer.state


def test_a_model_of_attention():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(8)
            self.qkv = nn.Linear(8, 24)
            self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
            self.register_buffer("future", ad.ones(5, 5).triu(1) == 1)

        def forward(self, x):
            q, k, v = self.qkv(self.norm(x)).split(8, dim=-1)
            scores = (q @ k.transpose(-2, -1)).masked_fill(self.future, -INF)
            x = x + F.softmax(scores, dim=-1) @ v
            return x + self.mlp(x)

    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(11, 8)
            self.blocks = nn.Sequential(Block(), Block())
            self.head = nn.Linear(8, 11)

        def forward(self, tokens):
            return self.head(self.blocks(self.tokens(tokens)))

    model = Language()
    optimizer = ad.optim.AdamW(model.parameters())
    tokens = ad.randint(0, 11, (2, 6))
    guard = ad.sentinel(file=None)

    @guard
    def step(tokens):
        optimizer.zero_grad()
        logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, 11), tokens[:, 1:].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    for _ in range(3):
        assert math.isfinite(step(tokens).item())
    with ad.no_grad():
        model.blocks[1].mlp[0].bias[3] = INF
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ad.NonFiniteError) as caught:
        step(tokens)
    assert caught.value.finding.op == "model.blocks.1.mlp.0.bias"
    assert all((a == b).all() for a, b in zip(before, model.parameters()))  # nothing was written


def test_clipping_does_not_hide_the_origin():
    """An infinite norm makes every gradient NaN: the op that began it is named all the same."""
    w = ad.tensor([1.0, 4.0], requires_grad=True)
    other = ad.ones(3, requires_grad=True)
    optimizer = ad.optim.SGD([w, other], lr=0.1)

    @ad.sentinel(file=None)
    def step():
        optimizer.zero_grad()
        loss = w.sqrt().sum() + other.sum()  # fault
        loss.backward()
        nn.utils.clip_grad_norm_([w, other], 1.0)
        optimizer.step()

    step()
    w.data.copy_(ad.tensor([0.0, 4.0]))
    with pytest.raises(ad.NonFiniteError) as caught:
        step()
    finding = caught.value.finding
    assert "seen before the optimizer's step" in finding.what
    assert finding.op == "sqrt" and finding.where.startswith(line_of("fault"))


def test_a_checkpointed_segment():
    w = ad.tensor([0.0, 4.0], requires_grad=True)

    def segment(x):
        y = x * 2
        return ad.where(x > 0, y.sqrt(), 0.0)  # fault

    def step():
        checkpoint(segment, w).sum().backward()

    finding = found(step).finding
    lines, start = inspect.getsourcelines(segment)
    assert (finding.op, finding.masked) == ("sqrt", True)
    assert f"test_sentinel_models.py:{start + len(lines) - 1}," in finding.where


def test_a_value_that_a_checkpoint_recomputed():
    w = ad.tensor([200.0], requires_grad=True)

    def segment(x):
        return 2.0 / (1.0 + x.exp())  # fault

    def step():
        checkpoint(segment, w).sum().backward()

    finding = found(step).finding
    lines, start = inspect.getsourcelines(segment)
    assert (finding.phase, finding.op) == ("forward", "exp")
    assert f"test_sentinel_models.py:{start + len(lines) - 1}," in finding.where
