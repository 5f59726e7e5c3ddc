"""capture: a recorded step gives, bit for bit, what the step itself gives; or is refused."""

from __future__ import annotations

import math
import operator
import traceback
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import programs
import pytest
from hypothesis import given, settings

import anadrome as ad
from anadrome import nn, testing
from anadrome.errors import CaptureError
from anadrome.op import table
from anadrome.tensor import Tensor

Built = tuple[Callable[..., Any], list[Tensor]]


def batches(*shapes: tuple[int, ...], count: int = 3) -> list[list[Tensor]]:
    rng = np.random.default_rng(0)
    return [[ad.tensor(rng.normal(size=s).astype("float32")) for s in shapes] for _ in range(count)]


def images(count: int = 3) -> list[list[Tensor]]:
    rng = np.random.default_rng(0)
    return [
        [ad.tensor(rng.normal(size=(4, 1, 8, 8)).astype("float32")),
         ad.tensor(rng.integers(0, 10, size=4))]
        for _ in range(count)
    ]  # fmt: skip


def bits(value: Any) -> Any:
    """Everything in a nested result, as bytes."""
    if isinstance(value, Tensor):
        host = value._backend.to_host(value._data)
        return str(host.dtype), host.shape, host.tobytes()
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [bits(v) for v in value]
    return value


def state_of(tensors: list[Tensor]) -> Any:
    return bits(tensors), bits([t.grad for t in tensors])


def check_same(
    build: Callable[[], Any], data: list[list[Tensor]], *, calls: int = 6, then: Any = None
) -> ad.capture:
    """Eager and captured, side by side: results, parameters and gradients after each call."""
    ad.manual_seed(3)
    plain, own, *rest = build()
    ad.manual_seed(3)
    recorded, others, *other_rest = build()
    captured = ad.capture(recorded)
    ad.manual_seed(4)
    wanted = []
    for i in range(calls):
        out = bits(plain(*data[i % len(data)]))
        if then:
            then(*rest)
        wanted.append((out, state_of(own)))
    ad.manual_seed(4)
    for i in range(calls):
        out = bits(captured(*data[i % len(data)]))
        if then:
            then(*other_rest)
        assert (out, state_of(others)) == wanted[i], f"call {i}"
    assert captured.replays
    return captured


# -- the same numbers ---------------------------------------------------------------------------
def by_hand() -> Built:
    w = ad.randn(8, 1, requires_grad=True)
    b = ad.zeros(1, requires_grad=True)

    def step(x: Tensor, y: Tensor) -> Tensor:
        w.grad = b.grad = None
        loss = ((x.mm(w) + b - y) ** 2).mean()
        loss.backward()
        with ad.no_grad():
            w.sub_(w.grad * 0.1)
            b.sub_(b.grad * 0.1)
        return loss

    return step, [w, b]


def trained(make: Callable[[], Any], optimizer: Callable[..., Any], loss: Any = None,
            clip: float | None = None, to_none: bool = True) -> Callable[[], Built]:  # fmt: skip
    """A model with its optimizer, as a builder of steps."""

    def build() -> Any:
        model = make()
        updates = optimizer(model.parameters())
        criterion = loss or nn.MSELoss()

        def step(x: Tensor, y: Tensor) -> Any:
            updates.zero_grad(set_to_none=to_none)
            value = criterion(model(x), y)
            value.backward()
            norm = None
            if clip is not None:
                norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
            updates.step()
            return {"loss": value, "norm": norm}

        return step, [*model.parameters(), *model.buffers()], updates

    return build


def mlp(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), *middle, nn.Linear(16, 1))


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2), nn.GELU(), nn.Flatten(), nn.Linear(6, 10),
    )  # fmt: skip


def adam(params: Any) -> Any:
    return ad.optim.Adam(params, lr=1e-2)


def momentum(params: Any) -> Any:
    return ad.optim.SGD(params, lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True)


TRAINED = {
    "sgd": trained(mlp, lambda p: ad.optim.SGD(p, lr=0.1)),
    "the minimal loop": trained(mlp, adam),
    "momentum, zeroed in place": trained(mlp, momentum, to_none=False),
    "adamw, amsgrad": trained(mlp, lambda p: ad.optim.AdamW(p, amsgrad=True)),
    "clipping": trained(mlp, adam, clip=0.05),
    "dropout": trained(lambda: mlp(nn.Dropout(0.4)), adam),
    "layer norm, softmax": trained(lambda: mlp(nn.LayerNorm(16), nn.Softmax(-1)), adam),
}


@pytest.mark.parametrize("name", TRAINED)
def test_training(name: str) -> None:
    check_same(TRAINED[name], batches((16, 8), (16, 1)))


def test_by_hand() -> None:
    check_same(by_hand, batches((16, 8), (16, 1)))


def test_convolutions() -> None:
    check_same(trained(conv, momentum, nn.CrossEntropyLoss(label_smoothing=0.1)), images())


def test_a_scheduler_between_the_calls() -> None:
    def build() -> Any:
        step, tensors, updates = TRAINED["the minimal loop"]()
        return step, tensors, ad.optim.lr_scheduler.StepLR(updates, 2, 0.3)

    check_same(build, batches((16, 8), (16, 1)), calls=8, then=lambda s: s.step())


def test_a_scheduler_inside_the_step() -> None:
    def build() -> Any:
        step, tensors, updates = TRAINED["sgd"]()
        schedule = ad.optim.lr_scheduler.StepLR(updates, 2, 0.3)

        def both(x: Tensor, y: Tensor) -> Any:
            out = step(x, y)
            schedule.step()
            return out

        return both, tensors

    check_same(build, batches((16, 8), (16, 1)), calls=8)


def test_gradients_that_are_not_zeroed_accumulate() -> None:
    def build() -> Built:
        w = ad.randn(8, 1, requires_grad=True)

        def step(x: Tensor, y: Tensor) -> None:
            ((x @ w - y) ** 2).mean().backward()

        return step, [w]

    check_same(build, batches((16, 8), (16, 1)))


def test_a_gradient_of_a_gradient() -> None:
    def build() -> Built:
        w = ad.randn(8, 1, requires_grad=True)

        def step(x: Tensor, y: Tensor) -> Any:
            w.grad = None
            loss = ((x @ w - y) ** 3).mean()
            (slope,) = ad.autograd.grad(loss, w, create_graph=True)
            (loss + (slope * slope).sum()).backward()
            with ad.no_grad():
                w.sub_(w.grad * 0.001)
            return loss, slope

        return step, [w]

    check_same(build, batches((16, 8), (16, 1)))


def test_random_numbers_go_on() -> None:
    def build() -> Built:
        w = ad.randn(8, 8, requires_grad=True)

        def step(x: Tensor) -> Tensor:
            w.grad = None
            kept = ad.bernoulli(ad.full((16, 8), 0.5))
            loss = ((x @ w * kept + ad.randn(8) * 0.1) ** 2).mean()
            loss.backward()
            return loss

        return step, [w]

    captured = check_same(build, batches((16, 8)))
    (x,) = batches((16, 8))[0]
    assert captured(x).item() != captured(x).item()


def test_a_seed_inside_the_step() -> None:
    def step(x: Tensor) -> Tensor:
        ad.manual_seed(5)
        return x + ad.randn(3)

    captured = ad.capture(step)
    first, *others = [captured(ad.zeros(3)) for _ in range(4)]
    assert captured.replays
    assert all(bits(o) == bits(first) for o in others)


def test_a_checkpoint_draws_the_same_mask_again() -> None:
    def build() -> Any:
        from anadrome.utils.checkpoint import checkpoint

        model = mlp(nn.Dropout(0.5))
        updates = adam(model.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            updates.zero_grad()
            loss = ((checkpoint(model, x, use_reentrant=False) - y) ** 2).mean()
            loss.backward()
            updates.step()
            return loss

        return step, list(model.parameters())

    check_same(build, batches((16, 8), (16, 1)))


def test_autocast_inside_the_step() -> None:
    def build() -> Any:
        model = mlp()
        updates = adam(model.parameters())

        def step(x: Tensor, y: Tensor) -> Tensor:
            updates.zero_grad()
            with ad.amp.autocast("cpu", dtype=ad.bfloat16):
                loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            updates.step()
            return loss

        return step, list(model.parameters())

    check_same(build, batches((16, 8), (16, 1)))


def test_views_and_writes() -> None:
    def build() -> Built:
        w = ad.randn(8, 8, requires_grad=True)
        average = ad.zeros(8)

        def step(x: Tensor) -> Any:
            w.grad = None
            h = (x @ w).clone()
            h[:, 0] = 1.0
            h[:, 1:3].mul_(2.0)
            z = ad.zeros(16, 8)
            z += h
            z.view(-1)[5] = 3.0
            both = ad.cat([h, z], 1)[:, ::2].transpose(0, 1)
            loss = (both.reshape(-1) ** 2).mean() + both[ad.tensor([0, 1, 1])].sum() * 0.1
            loss.backward()
            with ad.no_grad():
                average.mul_(0.9).add_(h.mean(0))
                average[ad.tensor([1, 2])] = 0.5
            return loss, average

        return step, [w, average]

    check_same(build, batches((16, 8)))


def _all_tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in _all_tensors(v)] if isinstance(value, (tuple, list)) else []


@pytest.mark.parametrize("name", sorted(n for n, o in table.items() if o.samples))
def test_every_op(name: str) -> None:
    """Forward, backward and the backward of that, on the op's samples."""
    op = table[name]
    for sample in op.samples[:3]:
        drawn = [testing.make_args(sample, dtype="float32", seed=n)[0] for n in range(4)]
        places = [i for i, a in enumerate(drawn[0]) if isinstance(a, Tensor)]

        def step(*tensors: Tensor, sample: Any = sample, places: Any = places, first: Any = drawn[0]) -> Any:  # fmt: skip
            args = list(first)
            for i, t in zip(places, tensors):
                args[i] = t.clone()
                if t.dtype.is_floating_point and not op.mutates:
                    args[i].requires_grad_()
            out = _all_tensors(op.call(*args, **sample.keywords))
            if op.mutates:
                return [args[i] for i in places]
            leaves = [args[i] for i in places if args[i].requires_grad]
            ends = [o for o in out if o.requires_grad]
            if not ends or not leaves:
                return out
            grads = ad.autograd.grad(
                sum((e * e).sum() for e in ends), leaves, create_graph=True, allow_unused=True
            )
            squares = [(g * g).sum() for g in grads if g is not None and g.requires_grad]
            second = ad.autograd.grad(sum(squares), leaves, allow_unused=True) if squares else ()
            return out, grads, second

        captured = ad.capture(lambda *tensors, step=step: step(*tensors))
        for args in drawn:
            tensors = [args[i] for i in places]
            assert bits(captured(*tensors)) == bits(step(*tensors))
        assert captured.replays


def _played(program: programs.Program, leaves: list[Tensor]) -> Any:
    """A random program of the framework's own, as a step."""
    values = list(leaves)
    for step in program.steps:
        count, function = programs.OPS.get(step.name) or programs.WRITES[step.name]
        operands = [values[-1 - p % len(values)] for p in step.picks[:count]]
        if step.name in programs.WRITES:
            made = values[len(leaves) :] or [leaves[0] * 1.0]
            operands[0] = made[-1 - step.picks[0] % len(made)]
        values.append(function(ad, *operands, step.number))
    made = values[len(leaves) :]
    shown = [v.detach().clone() for v in made]
    loss = sum((v * (0.5 + 0.1 * i)).sum() for i, v in enumerate(made[-3:]))
    if not loss.requires_grad:
        return shown
    grads = ad.autograd.grad(loss, leaves, create_graph=program.twice, allow_unused=True)
    squares = [(g * g).sum() for g in grads if g is not None and g.requires_grad]
    if not program.twice or not squares:
        return shown, grads
    return shown, grads, ad.autograd.grad(sum(squares), leaves, allow_unused=True)


@pytest.mark.parametrize("backend", ["numpy", "strict"])
@settings(max_examples=25)
@given(program=programs.programs(writes=True))
def test_random_programs(backend: str, program: programs.Program) -> None:
    device = "strict" if backend == "strict" else None
    rng = np.random.default_rng(program.seed)
    data = [
        [ad.tensor(rng.normal(size=s), device=device) for s in programs.SHAPES] for _ in range(3)
    ]

    def step(*inputs: Tensor) -> Any:
        with ad.device(device or "cpu"):
            return _played(program, [x.clone().requires_grad_() for x in inputs])

    try:
        wanted = [bits(step(*inputs)) for inputs in data]
    except (RuntimeError, IndexError):
        return
    captured = ad.capture(step)
    assert [bits(captured(*inputs)) for inputs in data] == wanted
    assert captured.replays


# -- arguments and results ----------------------------------------------------------------------
Pair = namedtuple("Pair", ("first", "second"))


def test_nested_arguments_and_results() -> None:
    def step(batch: dict[str, Any], scale: float, *, pair: Pair) -> Any:
        total = batch["x"] * scale + batch["more"][0] + pair.second
        return {
            "total": total,
            "pair": Pair(total.sum(), [total, 7]),
            "none": None,
            "f": (1.5, "a"),
        }

    captured = ad.capture(step)
    for n in range(4):
        x = ad.full((2,), float(n))
        found = captured({"x": x, "more": (x * 2,)}, 0.5, pair=Pair(1, x * 3))
        assert found["total"].tolist() == [5.5 * n] * 2
        assert type(found["pair"]) is Pair
        assert found["pair"].first.item() == 11.0 * n
        assert found["pair"].second[1] == 7
        assert found["none"] is None
        assert found["f"] == (1.5, "a")
    assert captured.replays


def test_arguments_by_name_in_any_order() -> None:
    captured = ad.capture(lambda x, y: x - y)
    a, b = ad.tensor(5.0), ad.tensor(3.0)
    assert [captured(a, b).item(), captured(y=b, x=a).item(), captured(a, y=b).item()] == [2.0] * 3
    assert captured.replays
    assert captured(y=a, x=b).item() == -2.0


def test_names_that_the_program_uses_itself() -> None:
    captured = ad.capture(lambda v1, wrap, current, x_: v1 * 2 + wrap * 3 + current * 5 + x_ * 7)
    ones = [ad.tensor(float(10**n)) for n in range(4)]
    assert {captured(*ones).item() for _ in range(4)} == {7532.0}
    assert captured.replays


def test_what_was_passed_or_held_comes_back_as_itself() -> None:
    w = ad.ones(2, requires_grad=True)
    captured = ad.capture(lambda x: (x, w, x.add_(1)))
    for n in range(4):
        x = ad.full((2,), float(n))
        found = captured(x)
        assert found[0] is x and found[1] is w
        assert x.tolist() == [n + 1.0] * 2
        assert x._version == 1


def test_results_are_outside_the_graph() -> None:
    w = ad.ones(2, requires_grad=True)
    captured = ad.capture(lambda x: x * w)
    for _ in range(4):
        out = captured(ad.ones(2))
        assert not out.requires_grad
    kept = captured(ad.ones(2))
    captured(ad.full((2,), 9.0))
    assert kept.tolist() == [1.0, 1.0]  # a replay makes new arrays


def test_gradients_of_an_input() -> None:
    captured = ad.capture(lambda x: (x**3).sum().backward())
    for n in range(5):
        x = ad.full((2,), float(n)).requires_grad_()
        captured(x)
        assert x.grad.tolist() == [3.0 * n * n] * 2
    assert captured.replays


def test_a_method_and_a_callable_object() -> None:
    class Trainer:
        scale = 2.0

        @ad.capture
        def step(self, x: Tensor) -> Tensor:
            return x * self.scale

        def __call__(self, x: Tensor) -> Tensor:
            return x + 1

    trainer = Trainer()
    assert [trainer.step(ad.tensor(float(n))).item() for n in range(4)] == [0.0, 2.0, 4.0, 6.0]
    captured = ad.capture(trainer)
    assert [captured(ad.tensor(float(n))).item() for n in range(4)] == [1.0, 2.0, 3.0, 4.0]


def test_a_captured_step_inside_another() -> None:
    inner = ad.capture(lambda x: x * 2)
    for _ in range(3):
        inner(ad.tensor(1.0))
    assert inner.replays
    outer = ad.capture(lambda x: inner(x) + 1)
    assert [outer(ad.tensor(float(n))).item() for n in range(4)] == [1.0, 3.0, 5.0, 7.0]
    assert "* 2" in str(outer.program) or "mul" in str(outer.program)
    assert inner(ad.tensor(4.0)).item() == 8.0


# -- what changes from call to call ---------------------------------------------------------------
def test_live_values_are_asked_for_again() -> None:
    source = iter(range(1, 100))
    asked: list[int] = []

    def fresh() -> float:
        asked.append(next(source))
        return float(asked[-1])

    def step(x: Tensor) -> Tensor:
        rate = ad.modes.live(fresh)
        return x * (1 - rate) + x * (rate**2 / 2)

    captured = ad.capture(step)
    found = [captured(ad.tensor(2.0)).item() for _ in range(6)]
    assert found == [2 * (1 - r) + r * r for r in range(1, 7)]
    assert captured.replays
    assert asked == [1, 2, 3, 4, 5, 6]


def test_a_live_call_that_returns_nothing_is_made_each_time() -> None:
    calls: list[int] = []
    captured = ad.capture(lambda x: (ad.modes.live(lambda: calls.append(1)), x + 1)[1])
    for _ in range(5):
        captured(ad.tensor(1.0))
    assert len(calls) == 5


def test_other_gradients_at_the_start_are_recorded_anew() -> None:
    w = ad.ones(2, requires_grad=True)
    captured = ad.capture(lambda x: (w * x).sum().backward())
    x = ad.tensor([1.0, 3.0])
    for n in range(1, 6):
        captured(x)
        assert w.grad.tolist() == [1.0 * n, 3.0 * n]
    assert captured.replays
    w.grad = None
    for n in range(1, 6):
        captured(x)
        assert w.grad.tolist() == [1.0 * n, 3.0 * n]


def test_other_modes_around_are_recorded_anew() -> None:
    w = ad.ones(3, 3)
    captured = ad.capture(lambda x: x @ w)
    x = ad.full((3, 3), 1.001)
    for _ in range(4):
        assert captured(x).dtype is ad.float32
    with ad.amp.autocast("cpu", dtype=ad.bfloat16):
        for _ in range(4):
            assert captured(x).dtype is ad.bfloat16
    with ad.no_grad():
        assert captured(x).dtype is ad.float32


def test_writes_are_counted() -> None:
    step, tensors = by_hand()
    captured = ad.capture(step)
    x, y = batches((16, 8), (16, 1))[0]
    for _ in range(4):
        captured(x, y)
    assert captured.replays
    stale = (tensors[0] * tensors[0]).sum()
    captured(x, y)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*test_capture\.py"):
        stale.backward()


# -- the program ----------------------------------------------------------------------------------
def program_of(step: Callable[..., Any], *inputs: Tensor) -> Any:
    captured = ad.capture(step)
    for _ in range(3):
        captured(*inputs)
    assert captured.replays
    return captured.program


def test_the_program_reads_well() -> None:
    weight = ad.ones(2, 2, requires_grad=True)
    model = nn.Linear(2, 2)

    def step(x: Tensor) -> Tensor:
        weight.grad = None
        out = model(ad.tanh(x @ weight))
        out.sum().backward()
        return out

    captured = ad.capture(step)
    assert repr(captured) == "<captured step step, not recorded yet>"
    captured(ad.ones(2, 2))
    text = str(captured)
    assert text.startswith("# captured step step\n# x ")
    assert "# weight        parameter, float32 (2, 2)" in text
    assert "# model_weight  parameter, float32 (2, 2)" in text
    line = step.__code__.co_firstlineno + 2
    first, second = text.splitlines()[5:7]
    assert first.split() == ["1", "v1", "=", "mm(x,", "weight)", "#", first.split()[-1]]
    assert first.endswith(f"test_capture.py:{line}")
    assert second.split()[1:4] == ["v2", "=", "tanh(v1)"]
    assert "weight.grad = v" in text
    assert text.splitlines()[-1].split()[1:] == ["return", "wrap(v3)"]


def test_what_nobody_needs_is_left_out() -> None:
    def step(x: Tensor) -> Tensor:
        ad.exp(x)
        scratch = ad.zeros(2)
        scratch += x
        return x * 2

    program = program_of(step, ad.ones(2))
    assert len(program.lines) == 2


def test_what_is_always_the_same_is_computed_once() -> None:
    def step(x: Tensor) -> Tensor:
        return x + (ad.arange(3) * 2.0).sum()

    program = program_of(step, ad.ones(2))
    assert len(program.lines) == 2
    assert [told for told in program.legend.values() if told.startswith("constant")] == [
        "constant, float32 6.0"
    ]


def test_a_constant_that_is_written_is_made_each_time() -> None:
    def step(x: Tensor) -> Tensor:
        total = ad.zeros(2)
        doubled = total * 2.0  # before the write
        view = total[:1]
        view += x[:1]
        return total + doubled

    captured = ad.capture(step)
    for n in range(5):
        assert captured(ad.full((2,), float(n))).tolist() == [float(n), 0.0]
    assert captured.replays


def test_a_constant_that_is_returned_is_made_each_time() -> None:
    captured = ad.capture(lambda x: ad.ones(2))
    for _ in range(5):
        out = captured(ad.ones(1))
        assert out.tolist() == [1.0, 1.0]
        out.zero_()


def test_intermediates_are_freed_after_their_last_use() -> None:
    program = program_of(lambda x: ad.exp(ad.tanh(ad.sin(x))), ad.ones(2))
    source = program.source.split("v1 = sin(x)")[1]
    assert source.index("del v1") < source.index("v3 = exp(v2)")
    assert "del v3" not in source


def test_an_error_in_a_replay_shows_the_instruction() -> None:
    step = lambda x, i: nn.functional.one_hot(i, 3) * x
    captured = ad.capture(step)
    x, i = ad.ones(3), ad.tensor([0, 1])
    for _ in range(3):
        captured(x, i)
    with pytest.raises((IndexError, RuntimeError)) as info:
        captured(x, ad.tensor([0, 7]))
    text = "".join(traceback.format_exception(info.value))
    assert "<anadrome capture" in text
    assert "one_hot(i" in text or "v1 = " in text


# -- what is refused ------------------------------------------------------------------------------
W = ad.ones(8, 1, requires_grad=True)
VALUE = r"cannot take a value out of a Tensor.*test_capture\.py:\d+, `.*Return the Tensor"
SIZES = r"as many elements as the data says.*test_capture\.py:\d+.*use `where\(\)`"
REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "item": (lambda x: x.sum().item(), VALUE),
    "item of what is held": (lambda x: x * W.detach().sum().item(), VALUE),
    "float": (lambda x: float(x.sum()), VALUE),
    "int": (lambda x: int(x.sum()), VALUE),
    "branch": (lambda x: x if x.sum() > 0 else -x, VALUE),
    "loop": (lambda x: [x for _ in range(x.sum().long())], VALUE),
    "max": (lambda x: max(x.sum(), x.mean()), VALUE),
    "tolist": (lambda x: x.tolist(), VALUE),
    "numpy": (lambda x: x.numpy(), VALUE),
    "array": (lambda x: np.asarray(x), VALUE),
    "print": (lambda x: print(x), VALUE),
    "format": (lambda x: f"{x.sum():.2f}", VALUE),
    "allclose": (lambda x: ad.allclose(x, x), VALUE),
    "math on a live value": (lambda x: x * math.sqrt(ad.modes.live(lambda: 2.0)), VALUE),
    "index by a live value": (lambda x: [1, 2][ad.modes.live(lambda: 1)], VALUE),
    "mask": (lambda x: x[x > 0], SIZES),
    "nonzero": (lambda x: ad.nonzero(x), SIZES),
    "where": (lambda x: ad.where(x > 0), SIZES),
    "masked_select": (lambda x: ad.masked_select(x, x > 0), SIZES),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_when_recorded(name: str) -> None:
    function, text = REFUSED[name]
    x = ad.ones(4, 8)
    with pytest.raises(CaptureError, match=f"(?s){text}"):
        ad.capture(function)(x)
    assert type(x._data) is type(W._data) is np.ndarray
    assert (x @ W).sum().item() == 32.0


def replayed(step: Callable[..., Any], *inputs: Any) -> ad.capture:
    captured = ad.capture(step)
    for _ in range(3):
        captured(*inputs)
    assert captured.replays
    return captured


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (ad.ones(3, 8), r"'x' has shape \(3, 8\).*captured with \(4, 8\).*smaller batch"),
        (ad.ones(4, 8, dtype=ad.float64), r"'x' has .*dtype float64.*with .*float32"),
        (2.0, r"captured with other arguments: \(x=Tensor\).*with \(x=2.0\)"),
        (ad.ones(4, 8, requires_grad=True) * 2, r"'x' was computed by `MulBackward0`.*detach\(\)"),
    ],
)  # fmt: skip
def test_refused_when_called(other: Any, text: str) -> None:
    captured = replayed(lambda x: x * 2, ad.ones(4, 8))
    with pytest.raises(CaptureError, match=f"(?s){text}"):
        captured(x=other)
    assert captured(ad.ones(4, 8)).shape == (4, 8)
    if not isinstance(other, float):
        with pytest.raises(CaptureError, match=f"(?s){text}"):
            captured(other)


def test_refused_arguments_that_change() -> None:
    captured = ad.capture(lambda x, scale: x * scale)
    captured(ad.ones(2), 1.0)
    with pytest.raises(CaptureError, match=r"scale=1.0\).*test_capture\.py:\d+.*scale=2.0\)"):
        captured(ad.ones(2), 2.0)


def test_refused_two_tensors_where_one_was() -> None:
    x, y = ad.ones(2), ad.zeros(2)
    captured = replayed(lambda a, b: a + b, x, x)
    assert captured(y, y).tolist() == [0.0, 0.0]
    assert captured(x, y).tolist() == [1.0, 1.0]


def test_refused_a_parameter_whose_array_was_replaced() -> None:
    weight = ad.ones(2, requires_grad=True)
    captured = replayed(lambda x: x * weight, ad.ones(2))
    weight.data = ad.zeros(2)
    with pytest.raises(CaptureError, match=r"array of 'weight' was replaced.*copy_"):
        captured(ad.ones(2))
    with ad.no_grad():
        weight.fill_(3.0)


def test_refused_to_replace_an_array() -> None:
    weight = ad.ones(2, requires_grad=True)

    def step(x: Tensor) -> Tensor:
        weight.data = weight.data - x
        return weight * x

    captured = ad.capture(step)
    captured(ad.ones(2))
    with pytest.raises(CaptureError, match=r"replaces the array of weight; write into it in place"):
        captured(ad.ones(2))
    assert weight.tolist() == [-1.0, -1.0]


def test_refused_a_history_for_what_is_held() -> None:
    hidden = ad.zeros(2)
    weight = ad.ones(2, requires_grad=True)
    captured = ad.capture(lambda x: hidden.add_(x * weight))
    with pytest.raises(CaptureError, match=r"gives hidden a history.*detach"):
        for _ in range(3):
            captured(ad.ones(2))


def test_refused_a_tensor_kept_outside() -> None:
    losses: list[Tensor] = []

    def step(x: Tensor) -> None:
        losses.append((x * 2).sum())

    captured = ad.capture(step)
    captured(ad.ones(2))
    with pytest.raises(
        CaptureError, match=r"made at .*test_capture\.py:\d+.*kept outside.*return it"
    ):
        captured(ad.ones(2))
    assert [t.item() for t in losses] == [4.0, 4.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: 1.0 / n,
        lambda n: ad.tensor([1.0 * n, 2.0]),
        lambda n: ad.from_numpy(np.array([1.0 * n, 2.0], "float32")),
    ],
)
def test_refused_what_changes_unseen(make: Callable[[int], Any]) -> None:
    count = iter(range(1, 10))
    captured = ad.capture(lambda x: x * make(next(count)))
    captured(ad.ones(2))
    captured(ad.ones(2))
    with pytest.raises(CaptureError, match=r"another program in each call.*test_capture\.py.*live"):
        captured(ad.ones(2))


def test_an_error_of_the_step_is_passed_on() -> None:
    weight = ad.ones(3, 3, requires_grad=True)
    failing = [True]

    def step(x: Tensor) -> Tensor:
        out = x @ weight
        if failing:
            raise KeyError("mine")
        return out

    captured = ad.capture(step)
    with pytest.raises(KeyError, match="mine"):
        captured(ad.ones(2, 3))
    assert type(weight._data) is np.ndarray
    failing.clear()
    assert captured(ad.ones(2, 3)).tolist() == [[3.0] * 3] * 2
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        ad.capture(step)(ad.ones(2, 4))


def test_leftover_traced_arrays_are_real_again() -> None:
    kept: list[Tensor] = []

    def step(x: Tensor) -> None:
        kept.append(x * 2)
        x.sum().item()

    with pytest.raises(CaptureError):
        ad.capture(step)(ad.ones(2))
    assert type(kept[0]._data) is np.ndarray
    assert (kept[0] + 1).tolist() == [3.0, 3.0]


# -- traced values --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"])
def test_operators_of_live_values(name: str) -> None:
    function = getattr(operator, name)

    def step(x: Tensor) -> Tensor:
        value = ad.modes.live(lambda: 2.5)
        return x * function(value, 1.5) + function(4.0, value) + x * -abs(value)

    captured = ad.capture(step)
    wanted = 3.0 * function(2.5, 1.5) + function(4.0, 2.5) - 7.5
    for _ in range(4):
        assert captured(ad.tensor(3.0, dtype=ad.float64)).item() == pytest.approx(wanted, rel=1e-15)
    assert captured.replays
