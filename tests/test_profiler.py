"""The profiler's table and trace, and the search for the line that makes a NaN."""

from __future__ import annotations

import json

import pytest

import anadrome as ad


def test_ops_are_counted_and_timed(tmp_path):
    with ad.profiler.profile(record_shapes=True) as prof, ad.profiler.record_function("block"):
        x = ad.ones(3, 4)
        y = (x.exp() + x.exp()).sum()
    assert y.item() > 0
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["exp"].count == 2
    assert rows["block"].count == 1
    assert rows["block"].cpu_time_total >= rows["exp"].cpu_time_total > 0
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    assert "block" in table.splitlines()[3]
    assert len(table.splitlines()) == 6
    assert "# of Calls" in table
    with pytest.raises(ValueError, match="cannot sort by 'nothing'"):
        prof.key_averages().table(sort_by="nothing")
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert sorted(e["name"] for e in events) == sorted(e.name for e in prof.events())
    exp = next(e for e in events if e["name"] == "exp")
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
