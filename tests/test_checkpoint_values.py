"""Checkpointing's self-test: what differs in the second run is found and named."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anadrome as ad
from anadrome import nn
from anadrome.plugins.checkpoint import comparing
from anadrome.utils.checkpoint import CheckpointError, checkpoint


def leaf(*shape: int, seed: int = 0) -> ad.Tensor:
    generator = ad.Generator().manual_seed(seed)
    return ad.randn(*shape, generator=generator).requires_grad_()


def second_run(change: Callable[[], Any], segment: Any, *args: Any, **options: Any) -> str:
    """The error of a backward before which ``change`` was made; empty if there was none."""
    loss = checkpoint(segment, *args, **options).sum()
    change()
    try:
        loss.backward()
    except CheckpointError as error:
        return str(error)
    return ""


class Settings:
    scale = 2.0


def scaled(x: ad.Tensor) -> ad.Tensor:
    h = x.sin()
    h = h * Settings.scale
    return h.exp().tanh()


@pytest.fixture
def rescale() -> Any:
    Settings.scale = 2.0
    yield lambda: setattr(Settings, "scale", 3.0)
    Settings.scale = 2.0


def test_a_global_that_changed_is_named_by_the_first_op_that_read_it(rescale: Any) -> None:
    x = ad.tensor([0.5, 1.0, 1.5, 2.0], requires_grad=True)
    text = second_run(rescale, scaled, x, determinism_check="values")
    assert text.startswith(
        "anadrome.utils.checkpoint: Recomputed values differ from those of the forward pass. The "
        "first to differ is the result of `mul` at tests/test_checkpoint_values.py:"
    )
    assert "`h = h * Settings.scale`, op 1 of the segment.\n" in text
    first, second = text.split("in the forward pass: ")[1].split("\n")[:2]
    doubled = (x.sin() * 2).tolist()[:3]
    assert first.startswith(f"[{', '.join(f'{v:.6g}' for v in doubled)}, …] (crc32 ")
    assert second.startswith("recomputed:          [1.43828, 2.52441, 2.99249, …] (crc32 ")
    assert "it may not depend on what changes in between (a global, a counter" in text


def test_without_the_values_it_is_not_found(rescale: Any) -> None:
    """What the check is for: the gradient of this is wrong, and nothing else would tell."""
    x = leaf(4)
    plain = scaled(x).sum()
    (expected,) = ad.autograd.grad(plain, x)
    assert second_run(rescale, scaled, x, determinism_check="none") == ""
    assert x.grad.tolist() != expected.tolist()


def test_by_default_one_call_in_61_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert comparing.ONE_IN == 61
    monkeypatch.setattr(comparing, "_turn", itertools.count().__next__)
    found = []
    for number in range(2 * 61 + 1):
        Settings.scale = 2.0
        text = second_run(lambda: setattr(Settings, "scale", 3.0), scaled, leaf(4))
        if text:
            assert "The first to differ is the result of `mul`" in text
            found.append(number)
    assert found == [0, 61, 122]


def written_through_data(layer: nn.Module) -> None:
    layer.weight.data[0, 0] += 1.0


def through_numpy(layer: nn.Module) -> None:
    layer.weight.detach().numpy()[0, 0] += 1.0


def rebound(layer: nn.Module) -> None:
    layer.weight = nn.Parameter(layer.weight.detach() + 1.0)


@pytest.mark.parametrize("change", [written_through_data, through_numpy, rebound])
def test_weights_that_changed_behind_the_version_counter(change: Any) -> None:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(nn.Tanh(), layer, nn.GELU())
    text = second_run(lambda: change(layer), model, leaf(2, 3), determinism_check="values")
    assert "The first to differ is the result of `linear` at " in text


@pytest.mark.parametrize(
    "draw",
    [lambda: random.random(), lambda: float(np.random.default_rng().random())],
    ids=["random", "numpy"],
)
def test_random_numbers_of_others(draw: Any) -> None:
    def segment(x: ad.Tensor) -> ad.Tensor:
        return (x * draw()).sin().exp()

    text = second_run(lambda: None, segment, leaf(3), determinism_check="values")
    assert "The first to differ is the result of `mul`" in text
    assert "random numbers of Python or NumPy" in text


def test_random_numbers_that_are_not_preserved() -> None:
    def segment(x: ad.Tensor) -> ad.Tensor:
        return (x * ad.rand(3)).sin().exp()

    options = {"determinism_check": "values", "preserve_rng_state": False}
    text = second_run(lambda: None, segment, leaf(3), **options)
    assert "With preserve_rng_state=False it draws other random numbers the second time." in text
    del options["preserve_rng_state"]
    assert second_run(lambda: None, segment, leaf(3), **options) == ""


@pytest.mark.parametrize("first", [True, False], ids=["train-eval", "eval-train"])
@pytest.mark.parametrize(
    "make",
    [lambda: nn.Dropout(0.5), lambda: nn.BatchNorm1d(4), lambda: nn.InstanceNorm1d(
        4, track_running_stats=True), lambda: nn.RReLU()],
    ids=["Dropout", "BatchNorm1d", "InstanceNorm1d", "RReLU"],
)  # fmt: skip
def test_a_training_flag_that_flipped_is_found_by_default(
    make: Any, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where no values are compared: the ops are others, or other numbers are drawn."""
    monkeypatch.setattr(comparing, "_turn", lambda: 1)
    model = nn.Sequential(nn.Linear(4, 4), make(), nn.Linear(4, 4), nn.Tanh()).train(first)
    x = leaf(3, 4) if not isinstance(model[1], nn.InstanceNorm1d) else leaf(2, 4, 4)
    loss = checkpoint(model, x).sum()
    model.train(not first)
    with pytest.raises(RuntimeError, match="recomput") as caught:
        loss.backward()
    text = str(caught.value)
    assert "saved metadata: {'op':" in text or "draws more random numbers than its first" in text


def test_the_nth_result_of_an_op_is_named() -> None:
    order = [0, 1, 2, 3]

    def segment(x: ad.Tensor) -> ad.Tensor:
        return (x * ad.tensor(order)[:, None].float()).max(0).values.exp()

    x = ad.tensor([[1.0, 2.0], [4.0, 3.0], [0.0, 1.0], [3.0, 3.0]], requires_grad=True)
    text = second_run(order.reverse, segment, x, determinism_check="values")
    assert "The first to differ is the result of `mul` at" in text
    assert "[0, 0, 4, …]" in text
    assert "[3, 6, 8, …]" in text

    bound = [1.0, 5.0]
    text = second_run(
        lambda: bound.pop(0),
        lambda x: ad.cat([x, x * 0.0 + bound[0]]).max(0).values.exp().sin(),
        x,
        determinism_check="values",
    )
    assert "The first to differ is the result of `add` at" in text

    class Twice(ad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: ad.Tensor) -> Any:
            ctx.save_for_backward(x)
            return x * 2.0, x * Settings.scale

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b + 0.0 * ctx.saved_tensors[0]

    Settings.scale = 2.0
    text = second_run(
        lambda: setattr(Settings, "scale", 3.0),
        lambda x: sum(Twice.apply(x)).exp(),
        leaf(3),
        determinism_check="values",
    )
    Settings.scale = 2.0
    assert "The first to differ is the result number 1 of `TwiceBackward` at" in text


KINDS = (ad.float32, ad.float64, ad.float16, ad.bfloat16, ad.complex64)


@given(
    kind=st.sampled_from(KINDS),
    shape=st.sampled_from([(), (0,), (3,), (2, 3), (4, 1, 2)]),
    values=st.lists(
        st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf")]),
        min_size=8, max_size=8,
    ),
    strided=st.booleans(),
)  # fmt: skip
def test_equal_bits_are_equal(kind: Any, shape: Any, values: Any, strided: bool) -> None:
    """NaN, infinities, signed zeros, half precision, empty and strided results: no false alarm."""
    count = int(np.prod(shape))
    x = ad.tensor(values[:count]).reshape(shape).to(kind).requires_grad_()

    def segment(x: ad.Tensor) -> ad.Tensor:
        h = x * 1.0
        if strided and h.ndim:
            h = h.transpose(0, -1)[..., ::2].expand(2, *h.transpose(0, -1)[..., ::2].shape)
        return (h * h).sin() * h

    out = checkpoint(segment, x, determinism_check="values")
    out.abs().float().sum().backward()


def test_a_sign_of_zero_is_a_difference() -> None:
    zero = [0.0]
    text = second_run(
        lambda: zero.__setitem__(0, -0.0),
        lambda x: (x * zero[0]).exp().sin(),
        ad.ones(3, requires_grad=True),
        determinism_check="values",
    )
    assert "[0, 0, 0] (crc32 " in text
    assert "[-0, -0, -0] (crc32 " in text


def test_a_captured_step_compares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at values would end the capture."""
    monkeypatch.setattr(comparing, "_turn", lambda: 0)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh())

    def build(around: Any) -> Any:
        made = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh())
        made.load_state_dict(model.state_dict())

        def step(x: ad.Tensor) -> ad.Tensor:
            made.zero_grad()
            loss = around(made, x).square().sum()
            loss.backward()
            return loss

        return made, step

    plain, step = build(lambda f, x: f(x))
    mine, saving = build(lambda f, x: checkpoint(f, x, determinism_check="values"))
    captured = ad.capture(saving)
    for i in range(4):
        x = ad.randn(6, 4, generator=ad.Generator().manual_seed(i))
        assert captured(x).item() == step(x).item()
    assert captured.replays
    for (name, a), b in zip(mine.state_dict().items(), plain.state_dict().values()):
        assert a.tolist() == b.tolist(), name
    for p, q in zip(mine.parameters(), plain.parameters()):
        assert p.grad.tolist() == q.grad.tolist()
