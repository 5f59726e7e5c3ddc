"""capture: how a captured step is called, what it asks for anew, and how its program reads."""

from __future__ import annotations

import gc
import linecache
import operator
import traceback
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from captures import batches, by_hand, replayed

import anadrome as ad
from anadrome import nn, sites
from anadrome.tensor import Tensor

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
    captured = ad.capture(lambda v1, wrap, current, x_: wrap * 3 + v1 * 2 + current * 5 + x_ * 7)
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


@pytest.mark.parametrize("dtype", [ad.float32, ad.int64])
@pytest.mark.parametrize("kind", [int, float, bool])
def test_a_live_number_of_any_kind_is_an_operand(dtype: Any, kind: Any) -> None:
    values = iter(range(1, 7))
    captured = ad.capture(lambda x: x * ad.modes.live(lambda: kind(next(values))) + 1)
    x = ad.tensor([3, 5], dtype=dtype)
    found = [captured(x) for _ in range(6)]
    assert captured.replays
    for step, result in enumerate(found, 1):
        wanted = x * kind(step) + 1
        assert result.dtype is wanted.dtype and result.tolist() == wanted.tolist()


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


def test_gradients_zeroed_outside_until_they_are_not() -> None:
    w = ad.ones(2, requires_grad=True)
    captured = ad.capture(lambda x: (w * x).sum().backward())
    x = ad.tensor([1.0, 3.0])
    for _ in range(4):
        w.grad = None
        captured(x)
        assert w.grad.tolist() == [1.0, 3.0]
    assert captured.replays
    for n in range(2, 6):
        captured(x)
        assert w.grad.tolist() == [1.0 * n, 3.0 * n]


def test_gradients_forgotten_at_the_end_of_the_step() -> None:
    w = ad.ones(2, requires_grad=True)

    def step(x: Tensor) -> Tensor:
        (w * x).sum().backward()
        out = w.grad * 1.0
        w.grad = None
        return out

    captured = ad.capture(step)
    x = ad.tensor([1.0, 3.0])
    for _ in range(4):
        assert captured(x).tolist() == [1.0, 3.0]
        assert w.grad is None
    assert captured.replays
    w.grad = ad.ones(2)
    assert captured(x).tolist() == [2.0, 4.0]


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
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*_program\.py"):
        stale.backward()


# -- the program ----------------------------------------------------------------------------------
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
    first, second = [t for t in text.splitlines() if not t.startswith("#")][:2]
    assert first.split()[:5] == ["1", "v1", "=", "mm(x,", "weight)"]
    assert first.endswith(f"test_capture_program.py:{line}")
    assert second.split()[1:4] == ["v2", "=", "tanh(v1)"]
    assert "weight.grad = v" in text
    assert text.splitlines()[-1].split()[1:] == ["return", "wrap(v3)"]


def test_what_nobody_needs_is_left_out() -> None:
    def step(x: Tensor) -> Tensor:
        ad.exp(x)
        scratch = ad.zeros(2)
        scratch += x
        return x * 2

    program = replayed(step, ad.ones(2)).program
    assert len(program.lines) == 2


def test_what_is_always_the_same_is_computed_once() -> None:
    def step(x: Tensor) -> Tensor:
        return x + (ad.arange(3) * 2.0).sum()

    program = replayed(step, ad.ones(2)).program
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
    program = replayed(lambda x: ad.exp(ad.tanh(ad.sin(x))), ad.ones(2)).program
    source = program.source
    assert source.index("\n    del v1\n") < source.index("v3 = exp(v2)")
    assert "del v3" not in source


def test_an_error_in_a_replay_shows_the_instruction() -> None:
    rows = ad.ones(3, 2)
    captured = ad.capture(lambda i: nn.functional.embedding(i, rows) * 2)
    for _ in range(3):
        captured(ad.tensor([0, 2]))
    with pytest.raises(IndexError, match="out of range") as info:
        captured(ad.tensor([0, 3]))
    text = "".join(traceback.format_exception(info.value))
    assert "<anadrome capture" in text
    assert "v1 = embedding(rows, i, padding_idx=None)  #" in text


def test_checks_outside_ops_are_made_in_replays() -> None:
    captured = ad.capture(lambda i: nn.functional.one_hot(i, 3))
    for n in range(4):
        assert captured(ad.tensor([n % 3])).tolist() == np.eye(3, dtype=int)[[n % 3]].tolist()
    assert captured.replays
    with pytest.raises(RuntimeError, match="a check of the captured step failed on the new data"):
        captured(ad.tensor([3]))


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


def test_a_program_that_is_freed_while_pythons_cache_of_lines_is_walked():
    """As it may be by the garbage collector; the cache is tidied by the next program."""

    def captured():
        step = ad.capture(lambda x: x * 2.0)
        step(ad.ones(2))
        return step

    known = set(linecache.cache)
    step = captured()
    (name,) = (n for n in linecache.cache.keys() - known if n.startswith("<anadrome"))
    del step
    gc.collect()
    assert name in linecache.cache
    kept = captured()
    assert name not in linecache.cache and name not in sites.known
    del kept
