"""``autograd.finite``: the node of a backward that made the first infinity or NaN."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import pytest
import strict_backend

import anadrome as ad
from anadrome import sites
from anadrome.autograd import finite

INF, NAN = float("inf"), float("nan")


def line(found: Any) -> str:
    """The text of the line that a finding names."""
    return sites.describe(found.site).split("`")[1]


def first_of(loss: Any, **options: Any) -> Any:
    with finite.watch() as watched:
        loss.backward(**options)
    return watched.first


def test_nothing_is_found_where_all_is_finite() -> None:
    x = ad.ones(3, requires_grad=True)
    assert first_of((x * x).sum()) is None


def test_the_node_that_made_it_not_those_it_went_on_through() -> None:
    x = ad.tensor([0.0, 4.0], requires_grad=True)
    y = x * 1.0
    root = y.sqrt()
    loss = (root * 2.0).sum()
    found = first_of(loss)
    assert (found.node, found.input, found.kind) == ("SqrtBackward0", 0, "inf")
    assert (found.shape, found.dtype) == ((2,), ad.float32)
    assert line(found) == "root = y.sqrt()"
    assert str(found).startswith("SqrtBackward0 (")
    assert str(found).endswith(": an infinity in the gradient (float32 (2,)) of its input 0")


def test_the_input_is_numbered() -> None:
    x = ad.tensor([2.0], requires_grad=True)
    y = ad.tensor([INF], requires_grad=True)
    found = first_of((x * y).sum())
    assert (found.node, found.input) == ("MulBackward0", 0)
    found = first_of((y * x).sum())
    assert (found.node, found.input) == ("MulBackward0", 1)


def test_a_nan_is_told_from_an_infinity() -> None:
    x = ad.tensor([0.0], requires_grad=True)
    assert first_of((x.sqrt() * 0).sum()).kind == "nan"
    assert first_of(x.sqrt().sum()).kind == "inf"


def test_rounding_to_half_precision_on_the_way() -> None:
    """What was sent was finite; in the float16 of what it belongs to it is not."""
    x = ad.tensor([1.0], dtype=ad.float16, requires_grad=True)
    y = x * 2
    wide = y * ad.tensor([1e6])
    found = first_of(wide.sum())
    assert (found.node, found.input, found.dtype) == ("MulBackward0", None, ad.float16)
    assert line(found) == "y = x * 2"
    assert str(found).endswith(
        "an infinity in the gradient (float16 (1,)) that arrived there, by rounding or in a sum"
    )


def test_a_sum_of_finite_gradients() -> None:
    x = ad.tensor([1.0], requires_grad=True)
    y = x * 1.0
    loss = (y * 3e38).sum() + (y * 3e38).sum()
    found = first_of(loss)
    assert (found.node, found.input) == ("MulBackward0", None)
    assert line(found) == "y = x * 1.0"


def test_the_seed() -> None:
    x = ad.tensor([1.0], requires_grad=True)
    found = first_of(x * 2.0, gradient=ad.tensor([NAN]))
    assert (found.node, found.input, found.kind) == ("MulBackward0", None, "nan")


def test_a_leaf_that_it_only_arrives_at() -> None:
    x = ad.tensor([1.0], dtype=ad.float16, requires_grad=True)
    found = first_of((x * ad.tensor([1e6])).sum())
    assert (found.node, found.input, found.site) == ("AccumulateGrad", None, None)


def test_a_slice_and_a_node_of_several_outputs() -> None:
    x = ad.tensor([0.0, 1.0], requires_grad=True)
    piece = x[:1]
    found = first_of(piece.sqrt().sum())
    assert found.node == "SqrtBackward0"
    values, _ = (x.sqrt() * 1.0).cummax(dim=0)  # a node of two outputs
    assert first_of(values.sum()).node == "SqrtBackward0"
    values, _ = (x * 1.0).cummax(dim=0)
    found = first_of(values, gradient=ad.tensor([INF, 1.0]))
    assert (found.node, found.input) == ("CummaxBackward0", None)


@pytest.mark.parametrize("way", ["create_graph", "grad", "inputs"])
def test_every_kind_of_backward(way: str) -> None:
    x = ad.tensor([0.0], requires_grad=True)
    loss = x.sqrt().sum()
    with finite.watch() as watched:
        if way == "grad":
            ad.autograd.grad(loss, x)
        elif way == "inputs":
            loss.backward(inputs=[x])
        else:
            loss.backward(create_graph=True)
    assert watched.first is not None
    assert watched.first.node == "SqrtBackward0"


def test_gradients_of_integers_and_complex_numbers() -> None:
    z = ad.tensor([1 + 1j], requires_grad=True)
    found = first_of((z * complex(INF, 0)).abs().sum())
    assert found.dtype is ad.complex64


def test_it_goes_on_over_several_backwards_and_ends_with_the_block() -> None:
    x = ad.tensor([0.0], requires_grad=True)
    watched = finite.watch()
    with watched:
        (x * 2).sum().backward()
    assert watched.first is None
    x.sqrt().sum().backward()  # outside
    assert watched.first is None
    with watched:
        (x.sqrt() * 3).sum().backward()
        x.log().sum().backward()
    assert watched.first is not None
    assert watched.first.node == "SqrtBackward0"


def test_watches_nest_and_leave_each_other_and_anomaly_mode_alone() -> None:
    x = ad.tensor([0.0], requires_grad=True)
    with finite.watch() as outer:
        with finite.watch() as inner:
            x.sqrt().sum().backward()
        with ad.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="returned nan values"):
            (x.sqrt() * 0).sum().backward()
    assert outer.first is not None
    assert inner.first is not None
    assert str(outer.first) == str(inner.first)


def test_anomaly_mode_sees_a_verbose_backward(capsys: pytest.CaptureFixture[str]) -> None:
    x = ad.tensor([0.0], requires_grad=True)
    with ad.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="returned nan values"):
        (x.sqrt() * 0).sum().backward(verbose=True)
    assert "SqrtBackward0" in capsys.readouterr().out


def test_another_thread_is_not_watched() -> None:
    x = ad.tensor([0.0], requires_grad=True)
    loss = x.sqrt().sum()
    with finite.watch() as watched:
        other = threading.Thread(target=loss.backward)
        other.start()
        other.join()
    assert watched.first is None
    assert x.grad.item() == INF


def test_the_gradients_are_what_they_are_without() -> None:
    """Holding on to what a node sent must not change what is taken, shared or summed in place."""
    drawn = np.random.default_rng(0).standard_normal((6, 6))

    def gradients(watching: bool) -> list[Any]:
        w = ad.tensor(drawn, requires_grad=True)
        y = w @ w.t()
        z = (y.tanh() + y[1:4].sum() * y + w).sum() + w.sum()
        for loss in (z, (w * w).sum()):
            if watching:
                with finite.watch():
                    loss.backward()
            else:
                loss.backward()
        return [w.grad.numpy().tobytes()]

    assert gradients(True) == gradients(False)


def test_the_leaves_that_the_op_uses_directly_cast_or_viewed() -> None:
    x = ad.tensor([[0.0, 1.0]], requires_grad=True)
    w = ad.ones(1, 2, requires_grad=True)
    h = (x * 1.0).sqrt() * w
    with ad.autocast("cpu", dtype=ad.float16):
        y = h.mm(w.t())
    found = first_of((y.float() * 1e30).sum())
    assert (found.node, found.dtype) == ("MmBackward0", ad.float16)
    assert [leaf is w for leaf in found.leaves] == [True]
    leaf = ad.tensor([1.0], dtype=ad.float16, requires_grad=True)
    found = first_of((leaf * ad.tensor([1e6])).sum())
    assert [each is leaf for each in found.leaves] == [True]
    far = w.sin().cos().sin().cos().sin()
    found = first_of((far * INF).sum())
    assert found.leaves == [], "too far away to be called its own"


def test_no_array_is_kept() -> None:
    x = ad.ones(3, requires_grad=True)
    loss = (x * ad.full((3,), 2.0)).sum()
    with finite.watch() as watched:
        (g,) = ad.autograd.grad(loss, x)
    array = weakref.ref(g._data)
    del g
    assert watched.first is None
    assert array() is None


def test_nothing_waits_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    strict_backend.load()
    x = ad.tensor([0.0, 1.0], device="strict", requires_grad=True)
    root = (x * 1.0).sqrt()
    loss = (root * 2.0).sum()
    cls = type(loss._data)

    def read(*_: Any) -> Any:
        raise AssertionError("a value was read back from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(cls, name, read)
    monkeypatch.setattr(ad.backend.get("strict"), "to_host", read)
    with finite.watch() as watched:
        loss.backward()
    with pytest.raises(AssertionError, match="read back"):
        _ = watched.first
    monkeypatch.undo()
    found = watched.first
    assert found is not None
    assert (found.node, found.input, found.kind) == ("SqrtBackward0", 0, None)
    assert line(found) == "root = (x * 1.0).sqrt()"
    assert "an infinity or NaN" in str(found)


def test_long_chains_on_a_device_and_two_backends_in_one_backward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict_backend.load()
    monkeypatch.setattr(finite, "_PACKED", 8)
    x = ad.tensor([0.0], requires_grad=True)
    here = x.sqrt()  # overflows, but is played last
    y = here.to("strict")
    for _ in range(30):
        y = y * 1.0
    bad = y.sqrt()
    found = first_of((bad * 1.0).sum())
    assert found.node == "SqrtBackward0"
    assert line(found) == "bad = y.sqrt()"


def test_a_captured_step_is_left_alone() -> None:
    w = ad.ones(2, requires_grad=True)

    @ad.capture
    def step(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sqrt().sum()
        loss.backward()
        return loss

    with finite.watch() as watched:
        for _ in range(4):
            step(ad.zeros(2))
    assert step.replays
    assert watched.first is None
