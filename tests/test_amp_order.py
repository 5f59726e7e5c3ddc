"""Scale, unscale, clip, step, schedule in the right order: of which nothing is said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome.autograd import pending
from anadrome.nn.utils import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_
from anadrome.optim import lr_scheduler

INF = math.inf

CLIPS = {
    "clip_grad_norm_": lambda ps: clip_grad_norm_(ps, 1.0),
    "clip_grad_value_": lambda ps: clip_grad_value_(ps, 0.5),
    "clip_grads_with_norm_": lambda ps: clip_grads_with_norm_(ps, 1.0, ad.tensor(2.0)),
}


def setting(**options: Any) -> tuple[Any, Any, Any]:
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    return w, ad.optim.SGD([w], lr=0.5), ad.amp.GradScaler("cpu", init_scale=8.0, **options)


# -- clipping -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", CLIPS)
def test_clipping_scaled_gradients_is_an_error(name: str) -> None:
    w, _, scaler = setting()
    none = ad.ones(1, requires_grad=True)
    scaler.scale((w * w).sum()).backward()
    with pytest.raises(RuntimeError) as caught:
        CLIPS[name]([none, w])
    assert str(caught.value) == (
        f"{name}() on gradients that are still scaled (number 0, of shape (2,), is the first): "
        "they would be clipped to the wrong size. They are multiplied by GradScaler's scale: call "
        "`scaler.unscale_(optimizer)` after the last backward() and before this, then "
        "`scaler.step(optimizer)` and `scaler.update()`."
    )
    assert w.grad.tolist() == [16.0, 32.0], "nothing was written"


def test_the_right_order_clips_to_the_size_asked_for() -> None:
    w, optimizer, scaler = setting()
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    norm = clip_grad_norm_([w], 1.0)
    assert norm.item() == pytest.approx(math.sqrt(20.0))
    assert scaler.step(optimizer)
    np.testing.assert_allclose(w.tolist(), [1 - 1 / math.sqrt(20), 2 - 2 / math.sqrt(20)], 1e-5)


@pytest.mark.torch
def test_the_right_order_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")

    def trained(fw: Any) -> list[Any]:
        w = fw.tensor([1.0, -2.0, 3.0], requires_grad=True)
        optimizer = fw.optim.SGD([w], lr=0.25, momentum=0.5)
        scaler = fw.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        told = []
        for factor in (1.0, 1.0, INF, 1.0):
            optimizer.zero_grad()
            scaler.scale((w**3 * factor).sum()).backward()
            scaler.unscale_(optimizer)
            told.append(fw.nn.utils.clip_grad_norm_([w], 1.0).item())
            scaler.step(optimizer)
            scaler.update()
            told.append(w.detach().tolist())
        return told

    for a, b in zip(trained(ad), trained(torch)):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize(
    "way",
    ["disabled", "unscaled", "stepped", "updated", "zeroed", "none", "plain", "dropped", "grad",
     "by_hand", "by_data", "replaced"],
)  # fmt: skip
def test_clipping_anything_else_is_none(name: str, way: str) -> None:
    w, optimizer, scaler = setting(enabled=way != "disabled")
    loss = scaler.scale((w * w).sum())
    if way == "grad":  # nothing is accumulated: what becomes of it is the user's affair
        (g,) = ad.autograd.grad(loss, w)
        w.grad = g / scaler.get_scale()
    else:
        loss.backward()
    if way == "unscaled":
        scaler.unscale_(optimizer)
    elif way in ("stepped", "updated"):
        scaler.step(optimizer)
        if way == "updated":
            scaler.update()
    elif way == "zeroed":
        optimizer.zero_grad(set_to_none=False)
    elif way == "by_hand":
        w.grad.div_(scaler.get_scale())
    elif way == "by_data":
        w.grad.data.div_(scaler.get_scale())
    elif way == "replaced":
        w.grad = w.grad / scaler.get_scale()
    elif way in ("none", "plain", "dropped"):
        optimizer.zero_grad()
        if way == "dropped":
            del scaler, loss
        if way != "none":
            (w * w).sum().backward()
    CLIPS[name]([w])


def test_two_optimizers_one_of_which_is_unscaled() -> None:
    u, v = ad.ones(2, requires_grad=True), ad.ones(3, requires_grad=True)
    first = ad.optim.SGD([u], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(u.sum() + v.sum()).backward()
    scaler.unscale_(first)
    clip_grad_norm_([u], 1.0)
    with pytest.raises(RuntimeError, match=r"number 1, of shape \(3,\), is the first"):
        clip_grad_norm_([u, v], 1.0)


def test_another_model_that_knows_no_scaler() -> None:
    w, _, scaler = setting()
    other = ad.ones(2, requires_grad=True)
    scaler.scale((w * w).sum()).backward()
    (other * 2).sum().backward()
    clip_grad_norm_([other], 1.0)


def test_gradients_accumulated_over_several_backwards() -> None:
    w, optimizer, scaler = setting()
    for _ in range(3):
        scaler.scale((w * w).sum() / 3).backward()
        with pytest.raises(RuntimeError, match="still scaled"):
            clip_grad_norm_([w], 1.0)
    scaler.unscale_(optimizer)
    assert clip_grad_norm_([w], 100.0).item() == pytest.approx(math.sqrt(20.0))
    scaler.step(optimizer)
    scaler.update()
    # The next round starts from nothing; a second backward into what is unscaled is one too many.
    optimizer.zero_grad()
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.scale((w * w).sum()).backward()
    with pytest.raises(RuntimeError, match="still scaled"):
        clip_grad_norm_([w], 1.0)


def test_a_gradient_penalty_in_pytorchs_recipe() -> None:
    """https://pytorch.org/docs/stable/notes/amp_examples.html#gradient-penalty"""
    w, optimizer, scaler = setting()
    loss = (w**3).sum()
    scaled = ad.autograd.grad(scaler.scale(loss), w, create_graph=True)
    penalty = sum((g * (1.0 / scaler.get_scale())).pow(2).sum() for g in scaled).sqrt()
    scaler.scale(loss + penalty).backward()
    scaler.unscale_(optimizer)
    clip_grad_norm_([w], 1.0)
    assert scaler.step(optimizer)


def test_the_norm_of_scaled_gradients_may_be_asked_for() -> None:
    w, _, scaler = setting()
    scaler.scale((w * w).sum()).backward()
    assert ad.nn.utils.get_total_norm([w.grad]).item() == pytest.approx(8 * math.sqrt(20.0))


def test_a_plain_backward_inside_of_a_scaled_one_leaves_no_mark() -> None:
    w, _, scaler = setting()
    inner = ad.ones(1, requires_grad=True)
    y = w * 1.0

    @ad.enable_grad()
    def hook(g: Any) -> None:
        (inner * 2).sum().backward()

    y.register_hook(hook)
    scaler.scale(y.sum()).backward()
    clip_grad_norm_([inner], 1.0)
    with pytest.raises(RuntimeError, match="still scaled"):
        clip_grad_norm_([w], 1.0)


def test_marks() -> None:
    g = ad.ones(2)
    assert pending.remedy(g) is None
    pending.mark(g, "do this")
    assert pending.remedy(g) == "do this"
    assert pending.remedy(g.clone()) is None
    g[:1].zero_()  # through a view
    assert pending.remedy(g) is None
    pending.mark(g, "do that")
    assert pending.remedy(g) == "do that"


# -- schedulers -----------------------------------------------------------------------------------
def one_cycle(optimizer: Any) -> Any:
    return lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=20)


SCHEDULERS = {
    "LRScheduler": lambda o: Halving(o),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 1),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [1, 2]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=2),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.5),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.5**n),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 0.5),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 2, cycle_momentum=False),
    "OneCycleLR": one_cycle,
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ExponentialLR(o, 0.5), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ExponentialLR(o, 0.5), lr_scheduler.ExponentialLR(o, 0.9)], [2]
    ),
    "SWALR": lambda o: ad.optim.swa_utils.SWALR(o, swa_lr=0.01, anneal_epochs=3),
}


class Halving(lr_scheduler.LRScheduler):
    def get_lr(self) -> list[Any]:
        return [base * 0.5**self.last_epoch for base in self.base_lrs]


def test_no_scheduler_is_forgotten() -> None:
    assert set(lr_scheduler.__all__) <= set(SCHEDULERS)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_follows_the_steps_that_were_taken(name: str) -> None:
    """With skipped steps in between, the rates are those of a course that has none."""

    def course(factors: tuple[float, ...]) -> list[Any]:
        w = ad.ones(1, requires_grad=True)
        optimizer = ad.optim.SGD([w], lr=1.0, momentum=0.9)
        scheduler = SCHEDULERS[name](optimizer)
        scaler = ad.amp.GradScaler("cpu", init_scale=8.0)
        rates = []
        for factor in factors:
            optimizer.zero_grad()
            scaler.scale((w * factor).sum()).backward()
            result = scaler.step(optimizer)
            scaler.update()
            before = scheduler.get_last_lr(), scheduler.state_dict()
            metric = (1.0,) if name == "ReduceLROnPlateau" else ()
            scheduler.step(*metric, after=result)
            if result.skipped:
                assert (scheduler.get_last_lr(), scheduler.state_dict()) == before
            else:
                rates.append(scheduler.get_last_lr())
        return rates

    # The first step is skipped too: PyTorch's scheduler warns of the order then.
    plain = course((1.0,) * 5)
    assert course((INF, 1.0, INF, INF, 1.0, 1.0, 1.0, INF, 1.0)) == plain
    assert len({rate for rates in plain for rate in rates}) > 1, "a course that moves"


def test_a_result_is_a_condition_too() -> None:
    w, optimizer, scaler = setting()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for factor in (INF, 1.0):
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        if scaler.step(optimizer):
            scheduler.step()
        scaler.update()
    assert scheduler.get_last_lr() == [0.25]


@pytest.mark.parametrize("after", [None, 0.0, ad.tensor(0.0), [], "disabled"])
def test_what_other_steps_return_is_no_skip(after: Any) -> None:
    w, optimizer, _ = setting()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    w.sum().backward()
    if isinstance(after, str):
        after = ad.amp.GradScaler("cpu", enabled=False).step(optimizer)
    else:
        optimizer.step()
    scheduler.step(after=after)
    assert scheduler.get_last_lr() == [0.25]


def test_the_warning_of_the_order_says_what_to_write() -> None:
    w, optimizer, scaler = setting()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    scaler.scale((w * INF).sum()).backward()
    scaler.step(optimizer)
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`") as caught:
        scheduler.step()
    assert str(caught[0].message).endswith(
        "If the step was skipped, write `lr_scheduler.step(after=result)`."
    )
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["StepLR", "LRScheduler", "ReduceLROnPlateau"])
def test_the_warning_of_an_epoch_is_at_the_users_line(name: str) -> None:
    w, optimizer, _ = setting()
    scheduler = SCHEDULERS[name](optimizer)
    w.sum().backward()
    optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter in") as caught:
        scheduler.step(*((1.0,) if name == "ReduceLROnPlateau" else ()), epoch=2)
    assert caught[0].filename == __file__
