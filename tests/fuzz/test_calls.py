"""Every public callable with bad arguments: it works, or an error of ours says what is wrong."""

from __future__ import annotations

import os
import resource
import warnings
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import anadrome as ad

from . import (
    against_torch,
    draws,
    lenient,
    oracle,
    planted,
    report,
    runner,
    samples,
    strict,
    surface,
    worker,
)
from .surface import Target

#: How many calls a change is judged by; the same ones each time.
CALLS = 6000
#: And each of the nightly runs, other ones each.
NIGHTLY = 6000


@pytest.fixture(autouse=True)
def _time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANADROME_FUZZ_SECONDS", "30")  # beside other tests


def told(records: list[dict[str, Any]]) -> str:
    return "\n".join(report.told(*found) for found in report.findings(records))


def test_bad_arguments_are_refused() -> None:
    records = runner.run(0, CALLS)
    assert len(records) == CALLS
    assert not report.findings(records), told(records)
    kinds = {r["kind"] for r in records}
    assert kinds >= {oracle.WORKED, oracle.REFUSED, oracle.BINDING}
    share = sum(r["kind"] == oracle.WORKED for r in records) / CALLS
    assert share > 0.2, "calls that never work find nothing"


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_other_bad_arguments_are_refused(part: int) -> None:
    records = runner.run(10**6 + part * NIGHTLY, NIGHTLY)
    assert not report.findings(records), told(records)


@pytest.fixture(scope="module")
def _bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Less memory than a mistake would take, and a folder of its own, for this process goes on."""
    here = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + worker.MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
    os.chdir(here)


@pytest.mark.usefixtures("_bounded")
@settings(suppress_health_check=list(HealthCheck), print_blob=True)
@given(target=st.sampled_from(surface.targets()), seed=st.randoms(use_true_random=False))
def test_what_hypothesis_draws(target: Target, seed: Any) -> None:
    call = draws.call_of(target, seed)
    words = oracle.told(target, call)
    outcome, result = oracle.called(target, call)
    outcome = oracle.followed(target, call, outcome, result, seed)
    worker.restore()
    assert outcome.kind not in oracle.FINDINGS, f"{words}\n{outcome}"


def test_every_kind_of_finding_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANADROME_FUZZ_SECONDS", "1")
    monkeypatch.setattr(runner, "PATIENCE", 4.0)
    names = [t.path.partition(".")[2] for t in planted.targets()]
    records = runner.run(0, len(names), "planted.")
    assert len(records) == len(names)  # it goes on after each
    found = {r["start"].split(".")[1].split("#")[0]: r["kind"] for r in records}
    assert found.pop("swells") in (oracle.LEAKED, oracle.NO_MEMORY)
    assert found == {
        "leaks": oracle.LEAKED,
        "asserts": oracle.LEAKED,
        "hangs": oracle.HUNG,
        "crashes": oracle.CRASHED,
        "sleeps": oracle.HUNG,
    }


def test_memory_is_for_those_who_ask_for_it() -> None:
    asked = draws.Drawn([2**40], {}, 1)
    not_asked = draws.Drawn([3, "a", ad.ones(2)], {}, 1)
    error = MemoryError()
    assert oracle.judged(error, asked).kind == oracle.NO_MEMORY
    assert oracle.judged(error, not_asked).kind == oracle.LEAKED


def test_a_lost_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("sin", "planted", lambda x: ad.sin(x.detach()))
    monkeypatch.setattr(samples, "differentiable", lambda _: frozenset([0]))
    call = draws.Drawn([ad.ones(2, requires_grad=True)], {}, 1)
    outcome = oracle.followed(target, call, *oracle.called(target, call), None)
    assert outcome.kind == oracle.DETACHED


def test_differentiable_is_learnt_from_good_calls() -> None:
    by_name = {t.path: t for t in surface.targets()}
    assert samples.differentiable(by_name["mul"]) == {0, 1}
    assert samples.differentiable(by_name["argmax"]) == set()
    assert samples.differentiable(by_name["nn.functional.cross_entropy"]) == {0}


def test_the_surface_is_whole() -> None:
    families: dict[str, int] = {}
    for t in surface.targets():
        families[t.family] = families.get(t.family, 0) + 1
    assert sum(families.values()) > 1500
    for family in ("Tensor", "anadrome", "nn", "nn.functional", "linalg", "fft", "optim",
                   "optim.lr_scheduler", "utils.data", "distributions", "func", "autograd", "amp",
                   "utils.checkpoint", "nn.init", "nn.utils"):  # fmt: skip
        assert families[family] >= 5, family
    for path, why in surface.LEFT_OUT.items():
        assert surface.lookup(path) is not None and why, path


@pytest.mark.torch
def test_results_are_those_of_torch() -> None:
    records = runner.run(0, CALLS // 2, torch=True)
    alone = report.unexplained(records)
    assert not alone, "\n".join(alone)
    compared = [r for r in records if r.get("torch") == against_torch.SAME]
    assert len(compared) > 0.2 * len(records)
    refused = [r for r in records if against_torch.why(r) is not None]
    assert len(refused) > 0.01 * len(records), "nothing is judged"


@pytest.mark.torch
@pytest.mark.nightly
@pytest.mark.parametrize("part", range(5))
def test_other_results_are_those_of_torch(part: int) -> None:
    alone = report.unexplained(runner.run(10**6 + part * NIGHTLY, NIGHTLY, torch=True))
    assert not alone, "\n".join(alone)


def test_a_refusal_without_a_reason_is_found() -> None:
    record = {"start": "sin#1", "call": "sin('x')"}
    for head in against_torch.TABLES:
        assert report.unexplained([{**record, "torch": f"{head}: there is no such rule"}])
    reasons = [*lenient.LENIENT, *strict.STRICT]
    assert not [r.why for r in reasons if not (r.words or r.given)]  # none covers everything
    assert against_torch.why({**record, "torch": "same"}) is None


@pytest.mark.torch
def test_a_wrong_result_is_found() -> None:
    import torch

    assert against_torch.difference(ad.ones(2), torch.ones(2)) == ""
    for wrong in (
        ad.zeros(2),
        ad.ones(3),
        ad.ones(2).double(),
        ad.ones(2, requires_grad=True),
        1.0,
    ):
        assert against_torch.difference(wrong, torch.ones(2))
    assert against_torch.difference((ad.ones(2),), (torch.ones(2), torch.ones(2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert against_torch.difference(ad.tensor(float("nan")), torch.tensor(float("nan"))) == ""
