"""Times of statements and counts of operations, compared with PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome.utils.benchmark import Compare, Timer
from anadrome.utils.flop_counter import FlopCounterMode

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def flops(L: Any, call: Any) -> int:
    if L is ad:
        counter: Any = FlopCounterMode(display=False)
    else:
        from torch.utils.flop_counter import FlopCounterMode as Theirs

        counter = Theirs(display=False)
    with counter:
        call(L)
    return counter.get_total_flops()


PROGRAMS = {
    "linear": lambda L: L.nn.Linear(3, 5)(L.ones(2, 4, 3)).sum().backward(),
    "products": lambda L: (L.ones(2, 3) @ L.ones(3, 4), L.ones(5, 2, 3) @ L.ones(5, 3, 4)),
    "convolution": lambda L: L.nn.Conv2d(4, 6, 3, groups=2, stride=2)(L.ones(2, 4, 9, 9)),
    "its backward": lambda L: L.nn.Conv2d(4, 6, 3)(
        L.ones(2, 4, 8, 8, requires_grad=True)
    ).sum().backward(),
    "nothing": lambda L: (L.ones(3) * 2).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_counts(name: str) -> None:
    assert flops(ad, PROGRAMS[name]) == flops(torch, PROGRAMS[name])


def test_both_products_of_attention_are_counted() -> None:
    """PyTorch's fused kernel on the CPU is not counted."""
    q, k = ad.ones(2, 3, 5, 4), ad.ones(2, 3, 6, 4)
    found = flops(ad, lambda L: L.nn.functional.scaled_dot_product_attention(q, k, k))
    assert found == 2 * (2 * 2 * 3 * 5 * 6 * 4)


def test_counts_by_module(capsys: Any) -> None:
    model = ad.nn.Sequential(ad.nn.Linear(3, 4), ad.nn.ReLU(), ad.nn.Linear(4, 1))
    with FlopCounterMode(depth=2, custom_mapping={"relu": lambda x, out_val: 7}) as counter:
        model(ad.ones(2, 3))
    counts = counter.get_flop_counts()
    assert sum(counts["Sequential.0"].values()) == 48
    assert counts["Sequential.1"] == {"relu": 7}
    assert counter.get_total_flops() == sum(counts["Sequential"].values()) == 48 + 7 + 16
    table = capsys.readouterr().out
    assert "Sequential.2" in table and "67.61%" in table
    assert not ad.nn.Module._hooked


def clock(step: float) -> Any:
    """A clock that runs on by so much at each look."""
    now = [0.0]

    def look() -> float:
        now[0] += step
        return now[0]

    return look


def test_times() -> None:
    seen: list[int] = []
    timer = Timer("f(1)", globals={"f": seen.append}, timer=clock(0.5), label="calls")
    result = timer.timeit(10)
    assert len(seen) == 12  # two to warm up
    assert (result.number_per_run, result.raw_times, result.mean) == (10, [0.5], 0.05)


@pytest.mark.parametrize(
    "task",
    [
        {"label": "calls"},
        {"label": "calls", "sub_label": "few", "description": "ours", "num_threads": 2},
        {"setup": "x = 1"},
        {"setup": "x = 1\ny = 2"},
    ],
)
@pytest.mark.parametrize("times", [[0.5], [0.5, 0.6], [0.5, 0.6, 0.7, 0.72]])
def test_what_is_shown_of_times(task: dict[str, Any], times: list[float]) -> None:
    from torch.utils.benchmark import Measurement
    from torch.utils.benchmark.utils.common import TaskSpec

    spec = {"setup": "pass", "global_setup": "", "num_threads": 1} | task
    theirs = Measurement(10, times, TaskSpec("f(1)", **spec))
    ours = Timer("f(1)", **task)._measured(10, times)
    assert repr(ours).splitlines()[1:] == repr(theirs).splitlines()[1:]
    assert repr(ours).split(" at ")[0].endswith("Measurement object")


def test_runs_until_the_time_is_up() -> None:
    noted: list[Any] = []
    now = [0.0]

    def work() -> None:
        now[0] += 0.1

    timer = Timer("work()", globals={"work": work}, timer=lambda: now[0])
    result = timer.blocked_autorange(lambda n, t: noted.append(n), min_run_time=0.25)
    assert len(result.times) == len(noted) == 3
    assert result.median == pytest.approx(0.1) and result.iqr == pytest.approx(0.0)
    assert "Median: 100.00 ms" in repr(result)
    assert len(timer.adaptive_autorange(max_run_time=1.0).times) == 4


def test_threads_are_as_before() -> None:
    before = ad.get_num_threads()
    Timer("n.append(torch.get_num_threads())", globals={"n": (n := [])}, num_threads=2).timeit(2)
    assert n[-1] == 2
    assert ad.get_num_threads() == before


def test_what_is_timed_is_python() -> None:
    from torch.utils.benchmark import Timer as Theirs

    for module in (Timer, Theirs):
        with pytest.raises(ValueError):
            module(len)
        with pytest.raises(NotImplementedError):
            module("pass").autorange()
    with pytest.raises(ValueError, match="only statements in Python"):
        Timer("x", language="c++")


def test_a_table_of_times() -> None:
    results = [
        Timer("pass", timer=clock(t), label="add", sub_label=s, description=d).timeit(1)
        for s in ("small", "large")
        for d, t in (("ours", 0.002), ("theirs", 0.004))
    ]
    lines = str(Compare(results)).splitlines()
    assert " add " in lines[0]
    assert lines[1].replace("|", " ").split() == ["ours", "theirs"]
    assert lines[4].split() == ["large", "|", "2.0", "|", "4.0"]
    assert lines[-1] == "Times are in milliseconds (ms)."
