"""The sentinel finds what made NaN or an infinity: faults are injected, the line must be right."""

from __future__ import annotations

import inspect
import math

import pytest

import anadrome as ad
from anadrome.nn import functional as F

nn = ad.nn
INF = math.inf
NAN = math.nan


def line_of(mark: str) -> str:
    """``test_sentinel.py:123``: the line of the calling test that ends in ``# mark``."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    lines, start = inspect.getsourcelines(frame.f_back.f_code)
    (number,) = [i for i, text in enumerate(lines) if text.rstrip().endswith(f"# {mark}")]
    return f"tests/test_sentinel.py:{start + number},"


def found(step, *args, **kwargs):
    """The error of a step under watch."""
    with pytest.raises(ad.NonFiniteError) as caught:
        ad.sentinel(file=None)(step)(*args, **kwargs)
    return caught.value


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


# -- gradients ----------------------------------------------------------------------------------
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
    lines, start = inspect.getsourcelines(masking)
    assert finding.masked and finding.op == "sqrt"
    assert f"test_sentinel.py:{start}," in finding.mask
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
        (2.0 / (1.0 + e)).sum().backward()

    finding = found(step).finding
    assert (finding.phase, finding.op, finding.masked) == ("forward", "exp", False)
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


# -- models -------------------------------------------------------------------------------------
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
    from anadrome.utils.checkpoint import checkpoint

    w = ad.tensor([0.0, 4.0], requires_grad=True)

    def segment(x):
        y = x * 2
        return ad.where(x > 0, y.sqrt(), 0.0)  # fault

    def step():
        checkpoint(segment, w).sum().backward()

    finding = found(step).finding
    lines, start = inspect.getsourcelines(segment)
    assert (finding.op, finding.masked) == ("sqrt", True)
    assert f"test_sentinel.py:{start + len(lines) - 1}," in finding.where


def test_a_value_that_a_checkpoint_recomputed():
    from anadrome.utils.checkpoint import checkpoint

    w = ad.tensor([200.0], requires_grad=True)

    def segment(x):
        return 2.0 / (1.0 + x.exp())  # fault

    def step():
        checkpoint(segment, w).sum().backward()

    finding = found(step).finding
    lines, start = inspect.getsourcelines(segment)
    assert (finding.phase, finding.op) == ("forward", "exp")
    assert f"test_sentinel.py:{start + len(lines) - 1}," in finding.where


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "complex64"])
def test_the_flag(dtype):
    from anadrome.plugins.sentinel.ops import all_finite

    kind = getattr(ad, dtype)
    large = {"float16": 6e4, "float64": 1e300}.get(dtype, 1e30)  # its square is no number
    fine = [ad.full((3, 4), large, dtype=kind), ad.zeros((), dtype=kind), ad.ones(5).half()]
    fine.append(ad.ones(4, 3, dtype=kind).T)
    assert all_finite(*fine).item() is True
    for bad in (INF, -INF, NAN):
        for place in range(4):
            values = [t.clone() for t in fine]
            values[place].reshape(-1)[-1:] = bad
            values[place] = (
                values[place] if place != 3 else values[place].T * ad.tensor(bad).to(kind)
            )
            assert all_finite(*values).item() is False
