"""The profiler's table and trace, and the search for the line that makes a NaN."""

from __future__ import annotations

import gzip
import json

import pytest

import anadrome as ad


def test_ops_are_counted_and_timed(tmp_path):
    with ad.profiler.profile(record_shapes=True) as prof, ad.profiler.record_function("block"):
        x = ad.ones(3, 4)
        y = (x.exp() + x.exp()).sum()
    assert y.item() > 0
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["aten::exp"].count == 2
    assert rows["block"].count == 1
    assert rows["block"].cpu_time_total >= rows["aten::exp"].cpu_time_total > 0
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    assert "block" in table.splitlines()[3]
    assert len(table.splitlines()) == 6
    assert "# of Calls" in table
    with pytest.raises(ValueError, match="cannot sort by 'nothing'"):
        prof.key_averages().table(sort_by="nothing")
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sorted(e["name"] for e in events) == sorted(e.name for e in prof.events())
    exp = next(e for e in events if e["name"] == "aten::exp")
    assert exp["ph"] == "X"
    assert exp["args"]["Input Dims"] == [[3, 4]]


def test_older_names_and_a_handler():
    seen = []
    with ad.autograd.profiler.profile(enabled=False) as off:
        ad.ones(2).exp()
    assert off.events() == []
    with ad.profiler.profile(
        activities=[ad.profiler.ProfilerActivity.CPU], on_trace_ready=seen.append
    ) as prof:
        ad.ones(2).exp()
        prof.step()
    assert seen == [prof]


def test_the_line_that_makes_a_nan_is_named():
    x = ad.tensor([0.0, 1.0], requires_grad=True)
    with ad.autograd.detect_anomaly():
        loss = (x.sqrt() * ad.tensor([0.0, 1.0])).sum()  # this line
        with pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values") as caught:
            loss.backward()
    assert "test_profiler.py" in str(caught.value)
    assert "this line" in str(caught.value) or "sqrt" in str(caught.value)
    y = (x.sqrt() * ad.tensor([0.0, 1.0])).sum()
    y.backward()  # off again


def test_it_can_be_switched_on_and_off():
    x = ad.tensor(0.0, requires_grad=True)
    ad.autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(RuntimeError, match="nan"):
            (x.sqrt() * 0).backward()
    finally:
        ad.autograd.set_detect_anomaly(False)
    (x.sqrt() * 0).backward()


def _windows(L, **settings):
    """What a loop of ten steps under a schedule hands to its handler: the ops of each window."""
    seen = []

    def handler(p):
        told = {e.key.removeprefix("aten::"): e.count for e in p.key_averages()}
        seen.append((p.step_num, told.get("exp"), told.get("the block")))

    plan = L.profiler.schedule(**settings)
    activities = [L.profiler.ProfilerActivity.CPU]
    with L.profiler.profile(activities=activities, schedule=plan, on_trace_ready=handler) as prof:
        for _ in range(10):
            with L.profiler.record_function("the block"):
                L.ones(3).exp()
            prof.step()
    return [plan(i).name for i in range(12)], seen


@pytest.mark.torch
@pytest.mark.parametrize(
    "settings",
    [
        {"wait": 1, "warmup": 1, "active": 2},
        {"wait": 1, "warmup": 1, "active": 2, "repeat": 1},
        {"wait": 0, "warmup": 0, "active": 3, "skip_first": 2},
        {"wait": 2, "warmup": 1, "active": 1, "repeat": 2, "skip_first_wait": 1},
        {"wait": 0, "warmup": 1, "active": 20},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_schedules_are_pytorchs(settings):
    torch = pytest.importorskip("torch")
    assert _windows(ad, **settings) == _windows(torch, **settings)


def test_a_schedule_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Invalid profiler schedule arguments"):
        ad.profiler.schedule(wait=1, warmup=1, active=0)


@pytest.mark.parametrize("zipped", [False, True])
def test_traces_for_tensorboard(tmp_path, zipped):
    handler = ad.profiler.tensorboard_trace_handler(str(tmp_path / "log"), "me", zipped)
    with ad.profiler.profile(on_trace_ready=handler):
        ad.ones(3).exp()
    (path,) = (tmp_path / "log").iterdir()
    assert path.name.startswith("me.")
    assert path.name.endswith(".pt.trace.json" + ".gz" * zipped)
    with (gzip.open if zipped else open)(path, "rt") as file:
        assert [e["name"] for e in json.load(file)["traceEvents"]] == ["aten::exp"]


def _rows(L):
    x, f = L.ones(4, 4), L.nn.functional
    images = L.ones(1, 1, 4, 4)
    with L.profiler.profile(activities=[L.profiler.ProfilerActivity.CPU], record_shapes=True) as p:
        L.mm(x, x).exp().sum()
        (x + 1) / (x * 2) - x**2
        f.linear(x, x, x[0]).max(1)
        f.cross_entropy(f.relu(x), L.zeros(4, dtype=L.int64))
        f.max_pool2d(f.conv2d(images, images[..., :1, :1]), 2)
        f.layer_norm(L.cat([x, x]), (4,)).softmax(-1).to(L.float64).mean()
        x[None][L.tensor([0])]
    return p


@pytest.mark.torch
def test_rows_have_pytorchs_names():
    torch = pytest.importorskip("torch")
    ours, theirs = (_rows(L).key_averages() for L in (ad, torch))
    assert len(ours) > 20
    assert {row.key for row in ours} - {row.key for row in theirs} == set()
    counts = {row.key: row.count for row in theirs}
    for row in ours:
        if row.key in ("aten::mm", "aten::exp", "aten::div", "aten::softmax", "aten::index"):
            assert row.count == counts[row.key]


@pytest.mark.torch
def test_rows_by_shapes():
    torch = pytest.importorskip("torch")

    def grouped(L):
        rows = _rows(L).key_averages(group_by_input_shape=True)
        assert "[4, 4]" in rows.table(sort_by="self_cpu_time_total")
        return [row.input_shapes for row in rows if row.key == "aten::exp"]

    assert grouped(ad) == grouped(torch) == [[[4, 4]]]


def test_a_profile_and_its_events_are_shown_as_their_table():
    """As PyTorch's older `autograd.profiler.profile`, which programs print as it is."""
    prof = ad.autograd.profiler.profile()
    assert str(prof) == "<unfinished profile>"
    with prof:
        ad.ones(2).exp()
        assert str(prof) == "<unfinished profile>"
    assert str(prof) == str(prof.events()) == prof.events().table()
    assert [line.split()[-1] for line in str(prof).splitlines() if "aten::" in line] == ["1"]
    assert str(prof.key_averages()) == prof.key_averages().table() == prof.table()


def test_what_is_not_measured_is_nothing_and_moves_no_row():
    with ad.profiler.profile(profile_memory=True) as prof:
        ad.ones(2).exp()
    rows = prof.key_averages()
    for name in ("self_cpu_memory_usage", "cuda_time_total", "self_device_time_total"):
        assert rows.table(sort_by=name) == rows.table()
        assert getattr(rows[0], name) == 0
    assert not hasattr(rows[0], "cpu_memory")
