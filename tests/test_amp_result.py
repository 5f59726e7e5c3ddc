"""What ``scaler.step`` answers: which parameters overflowed, and at which node, when asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import strict_backend
from overflowing import INF, NAN, iteration, layers

import anadrome as ad
from anadrome import nn, sites
from anadrome.autograd import finite
from anadrome.plugins.amp import iteration as iteration_module
from anadrome.utils.checkpoint import checkpoint


# -- a step ---------------------------------------------------------------------------------------
def test_a_taken_step_says_so_and_nothing_else() -> None:
    result = iteration(*layers())
    assert (result.stepped, result.skipped) == (True, False)
    assert (result.parameters, result.first, result.node, result.node_parameters) == (
        [], None, None, [],
    )  # fmt: skip
    assert str(result) == "the step was taken"


def test_a_skipped_step_names_the_parameters_and_the_node() -> None:
    model, optimizer, scaler = layers()
    result = iteration(model, optimizer, scaler, INF)
    assert (result.stepped, result.skipped, bool(result)) == (False, True, False)
    # In forward order; the factor is above the third layer's own gradient.
    assert result.parameters == [
        "first.weight", "first.bias", "second.weight", "second.bias", "third.weight",
    ]  # fmt: skip
    assert result.first == "third.weight"
    assert result.node.node == "AddmmBackward0"
    assert result.node_parameters == ["third.weight", "third.bias"]
    text = str(result)
    assert text.startswith(
        "the step was skipped: infinity or NaN in the gradient of `first.weight`, `first.bias`, "
        "`second.weight`, `second.bias` and 1 more, of which the backward came to `third.weight` "
        "first. It came from AddmmBackward0 ("
    )
    assert "return self.third(h)" in text
    assert text.endswith("of its input 1; the op uses `third.weight`, `third.bias`")


def test_the_node_is_the_first_of_that_very_backward() -> None:
    """A value that is finite in the forward, and overflows in the middle of the backward."""
    model, optimizer, scaler = layers(init_scale=2.0**100)
    with ad.no_grad():
        model.second.weight.mul_(0.0)
        model.second.bias.mul_(0.0)
    result = iteration(model, optimizer, scaler, 1e12)
    assert result.skipped
    assert result.node.node == "MulBackward0"
    assert "h = h * factor  # the line" in sites.describe(result.node.site)
    assert result.node.kind == "inf"
    assert "third.weight" not in result.parameters
    assert "third.bias" not in result.parameters
    assert result.first == "second.weight" or result.first == "second.bias"


@pytest.mark.parametrize("named", ["optimizer", "nothing"])
def test_names_without_a_model(named: str) -> None:
    model, _, _ = layers()
    given = model.named_parameters() if named == "optimizer" else model.parameters()
    optimizer = ad.optim.SGD([{"params": list(given)}], lr=1e-3)
    scaler = ad.amp.GradScaler("cpu")
    result = iteration(model, optimizer, scaler, INF)
    if named == "optimizer":
        assert result.first == "third.weight"
    else:
        assert result.first == "parameter 4 of group 0, shape (1, 2)"


def test_groups_are_numbered_and_parameters_without_a_gradient_counted() -> None:
    a, b, c = (ad.ones(n, requires_grad=True) for n in (1, 2, 3))
    optimizer = ad.optim.SGD([{"params": [a]}, {"params": [b, c]}], lr=0.1)
    scaler = ad.amp.GradScaler("cpu")
    scaler.scale(((c * INF).sum() + a).sum()).backward()
    result = scaler.step(optimizer)
    assert result.parameters == ["parameter 1 of group 1, shape (3,)"]
    assert "in the gradient of parameter 1 of group 1, shape (3,). It came from" in str(result)


def test_clipping_afterwards_does_not_hide_which_one_it_was() -> None:
    """The norm of an infinity makes NaN of every gradient; the report is of those before."""
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([("u", u), ("v", v)], lr=0.1)
    scaler = ad.amp.GradScaler("cpu")
    scaler.scale((u * NAN + v).sum()).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_([u, v], 1.0)
    assert math.isnan(v.grad.item())
    result = scaler.step(optimizer)
    assert result.parameters == ["u"]
    optimizer.zero_grad()
    scaler.update()
    assert result.parameters == ["u"], "still to be read when the gradients are gone"


def test_each_optimizer_gets_its_own_node() -> None:
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
    first, second = ad.optim.SGD([("u", u)], lr=1.0), ad.optim.SGD([("v", v)], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale((u * INF).sum()).backward()
    scaler.scale((v.log() * INF).sum()).backward()
    one, two = scaler.step(first), scaler.step(second)
    assert (one.parameters, one.node.node) == (["u"], "MulBackward0")
    assert (two.parameters, two.node.node) == (["v"], "MulBackward0")
    assert "u * INF" in sites.describe(one.node.site)
    assert "v.log() * INF" in sites.describe(two.node.site)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_segment_belongs_to_the_scaled_backward(reentrant: bool) -> None:
    model, optimizer, scaler = layers()
    x = ad.ones(4, 2, requires_grad=True)
    y = checkpoint(lambda x: model(x, INF), x, use_reentrant=reentrant)
    scaler.scale(y.sum()).backward()
    with pytest.raises(RuntimeError, match="still scaled"):
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    result = scaler.step(optimizer)
    assert result.first == "third.weight"
    assert result.node.node == "AddmmBackward0"
    assert result.node_parameters == ["third.weight", "third.bias"]


def test_iterations_that_never_end_are_not_watched_for_ever() -> None:
    """Without update() nothing piles up."""
    w = ad.ones(1, requires_grad=True)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0)
    for _ in range(iteration_module._WATCHED + 3):
        scaler.scale(w.sum()).backward()
    assert len(scaler._iteration.watched) == iteration_module._WATCHED
    scaler.scale((w * INF).sum()).backward()
    assert scaler.step(ad.optim.SGD([("w", w)], lr=1.0)).parameters == ["w"]


def test_a_sum_over_several_backwards_has_no_node() -> None:
    w = ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([("w", w)], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=1.0)
    for _ in range(2):
        scaler.scale((w * 3e38).sum()).backward()
    result = scaler.step(optimizer)
    assert result.parameters == ["w"]
    assert result.node is None
    assert str(result).endswith(
        "No node made it: look at what is done to gradients outside of backward"
    )


# -- when a backward is watched -------------------------------------------------------------------
@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Which iterations looked at a gradient."""
    looks: list[Any] = []
    look = finite.watch._look

    def counted(self: Any, *args: Any) -> None:
        looks.append(args)
        look(self, *args)

    monkeypatch.setattr(finite.watch, "_look", counted)
    yield looks
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("track", "watched"),
    [
        # A trial is: the first, after the growth that follows three good ones, after a skip.
        ("trial", [True, False, False, True, False, True, True, False]),
        ("always", [True] * 8),
        ("never", [False] * 8),
    ],
)
def test_backwards_are_watched_while_the_scale_is_on_trial(
    track: str, watched: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer, scaler = layers(growth_interval=3, track_overflow=track)
    seen, nodes = [], []
    for factor in (1.0, 1.0, 1.0, 1.0, INF, INF, 1.0, 1.0):
        with counting(monkeypatch) as looks:
            result = iteration(model, optimizer, scaler, factor)
        seen.append(bool(looks))
        nodes.append(result.node is not None)
    assert seen == watched
    unknown = {"trial": [5], "always": [4, 5], "never": []}[track]
    assert [i for i, known in enumerate(nodes) if known] == unknown


def test_a_trial_is_known_from_a_loaded_state_and_after_a_step_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, optimizer, scaler = layers(growth_interval=4)
    state = scaler.state_dict()
    seen = []
    for good, steps in ((0, True), (0, True), (2, False), (None, True), (None, True)):
        if good is not None:
            scaler.load_state_dict({**state, "_growth_tracker": good})
        with counting(monkeypatch) as looks:
            optimizer.zero_grad()
            scaler.scale(model(ad.ones(4, 2)).sum()).backward()
        seen.append(bool(looks))
        scaler.unscale_(optimizer)
        if steps:
            scaler.step(optimizer)
        scaler.update()
    # Two good ones were loaded, a third was not stepped, the fourth is followed by growth.
    assert seen == [True, True, False, False, True]


def test_an_overflow_out_of_the_blue_still_names_the_parameters() -> None:
    model, optimizer, scaler = layers()
    iteration(model, optimizer, scaler)
    result = iteration(model, optimizer, scaler, INF)
    assert result.first == "third.weight"
    assert result.node is None
    assert str(result).endswith(
        "not watched, so the node is not known: `result.locate(loss)` finds it"
    )
    again = iteration(model, optimizer, scaler, INF)
    assert again.node is not None, "the next one is watched"


def test_locate_finds_the_node_of_a_backward_that_was_not_watched() -> None:
    def overflow(track: str) -> Any:
        """A scale at which the middle of the backward overflows, and the forward does not."""
        setting = layers(init_scale=2.0**100, track_overflow=track)
        with ad.no_grad():
            setting[0].third.weight.fill_(1.0)
            setting[0].second.weight.zero_()
            setting[0].second.bias.zero_()
        return *setting, iteration(*setting, 4e8)  # at half of that scale it does not overflow

    (other, _, _, told), (model, _, _, result) = overflow("always"), overflow("never")
    assert result.node is None
    before = [(p.grad, p.grad.numpy().tobytes()) for p in model.parameters()]
    found = result.locate(lambda: model(ad.ones(4, 2), 4e8).sum())
    assert found is result.node
    assert (found.node, found.input, found.site) == (
        told.node.node, told.node.input, told.node.site,
    )  # fmt: skip
    assert found.node == "MulBackward0"
    assert result.node_parameters == told.node_parameters
    assert len(list(other.parameters())) == 6, "alive until here"
    for p, (grad, data) in zip(model.parameters(), before):
        assert p.grad is grad
        assert grad.numpy().tobytes() == data
    calls: list[int] = []
    assert result.locate(lambda: calls.append(1)) is found
    assert told.locate(lambda: calls.append(1)) is told.node
    assert not calls, "known already"


def test_locate_where_nothing_is_to_be_found() -> None:
    model, optimizer, scaler = layers(track_overflow="never")
    assert iteration(model, optimizer, scaler).locate(lambda: 1 / 0) is None, "a step taken"
    result = iteration(model, optimizer, scaler, INF)
    assert result.locate(lambda: model(ad.ones(4, 2)).sum()) is None, "another batch"
    with ad.no_grad():
        found = result.locate(lambda: model(ad.ones(4, 2), INF).sum())
    assert found is not None
    assert found.node == "AddmmBackward0"


def test_other_backwards_are_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    w = ad.ones(1, requires_grad=True)
    scaler = ad.amp.GradScaler("cpu")
    with counting(monkeypatch) as looks:
        (w * 2).sum().backward()
        ad.amp.GradScaler("cpu", enabled=False).scale((w * 2).sum()).backward()
        assert not looks
        scaler.scale((w * 2).sum()).backward()
        assert looks


def test_what_track_overflow_and_warn_after_take() -> None:
    with pytest.raises(
        ValueError, match=r"track_overflow is one of \('trial', 'always', 'never'\)"
    ):
        ad.amp.GradScaler("cpu", track_overflow="sometimes")
    with pytest.raises(ValueError, match="warn_after must be at least 1, or None, not 0"):
        ad.amp.GradScaler("cpu", warn_after=0)


# -- devices --------------------------------------------------------------------------------------
def test_only_step_waits_until_the_result_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    strict_backend.load()
    w = ad.ones(3, device="strict").requires_grad_()
    optimizer = ad.optim.SGD([("w", w)], lr=0.5)
    scaler = ad.amp.GradScaler("strict", init_scale=8.0, growth_interval=1)
    reads: list[str] = []
    cls = type(w.detach().mul(1.0)._data)
    backend = ad.backend.get("strict")

    def reading(name: str, real: Any) -> Any:
        def read(*args: Any) -> Any:
            reads.append(name)
            return real(*args)

        return read

    for name in ("__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(cls, name, reading(name, getattr(cls, name)))
    monkeypatch.setattr(backend, "to_host", reading("to_host", backend.to_host))

    def waits(call: Any) -> tuple[Any, int]:
        reads.clear()
        out = call()
        return out, len(reads)

    for factor in (1.0, INF, 1.0, INF):
        optimizer.zero_grad()
        loss = (w * factor).sum()
        assert waits(lambda loss=loss: scaler.scale(loss).backward())[1] == 0
        assert waits(lambda: scaler.unscale_(optimizer))[1] == 0
        result, count = waits(lambda: scaler.step(optimizer))
        assert count == 1
        assert waits(scaler.update)[1] == 0
    found, count = waits(lambda: result.parameters)
    assert (found, count) == (["w"], 1)
    assert waits(lambda: (result.parameters, result.first))[1] == 0, "read once"
    assert result.node.node == "MulBackward0"
    assert [change.scale for change in scaler.summary().changes] == [16.0, 8.0, 16.0, 8.0]


def test_two_devices() -> None:
    strict_backend.load()
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, device="strict").requires_grad_()
    optimizer = ad.optim.SGD([("u", u), ("v", v)], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale((u + (v * INF).to("cpu")).sum()).backward()
    result = scaler.step(optimizer)
    assert result.parameters == ["v"]
    scaler.update()
    assert scaler.get_scale() == 1.0
