"""capture: a recorded step gives, bit for bit, what the step itself gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import programs
import pytest
from captures import Built, batches, bits, by_hand, check_same, images
from hypothesis import given, settings

import anadrome as ad
from anadrome import nn, testing
from anadrome.op import table
from anadrome.tensor import Tensor


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


@pytest.mark.parametrize("first", ["a", "b"])
def test_gradients_that_could_share_memory_do_not(first: str) -> None:
    """One array is the gradient of ``a``, and a view of it that of ``b``: each gets its own."""

    def build() -> Built:
        a, b, c = (ad.randn(3, 3, requires_grad=True) for _ in range(3))

        def step(weights: Tensor) -> Any:
            a.grad = b.grad = c.grad = None
            # Who was used first is delivered last.
            order = [a * 2.0, b * 2.0] if first == "a" else [b * 2.0, a * 2.0]
            ((a + b.t()) * weights).sum().backward()
            c.t().backward(weights)
            del order
            with ad.no_grad():
                for p in (a, b, c):
                    p.grad.mul_(3.0)

        def shift(p: Tensor) -> None:
            p.grad.detach().add_(1.0)

        handle = a.register_post_accumulate_grad_hook(shift)
        step.handle = handle  # type: ignore[attr-defined]
        return step, [a, b, c]

    data = batches((3, 3))
    before = bits(data)
    check_same(build, data)
    assert bits(data) == before


def _all_tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in _all_tensors(v)] if isinstance(value, (tuple, list)) else []


def _size(t: Tensor) -> Tensor:
    """The sum of the squares, of a complex Tensor's parts."""
    return (t.real**2 + t.imag**2).sum() if t.dtype.is_complex else (t * t).sum()


@pytest.mark.parametrize("name", sorted(n for n, o in table.items() if o.samples))
def test_every_op(name: str) -> None:
    """Forward, backward and the backward of that, on the op's samples."""
    op = table[name]
    for sample in op.samples[:2]:
        drawn = [testing.make_args(sample, dtype="float32", seed=n)[0] for n in range(3)]
        places = [i for i, a in enumerate(drawn[0]) if isinstance(a, Tensor)]

        def step(*tensors: Tensor, sample: Any = sample, drawn: Any = drawn) -> Any:
            args = list(drawn[0])
            places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
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
                sum(_size(e) for e in ends), leaves, create_graph=True, allow_unused=True
            )
            squares = [_size(g) for g in grads if g is not None and g.requires_grad]
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
