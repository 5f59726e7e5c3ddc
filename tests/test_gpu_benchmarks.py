"""`python -m benchmarks gpu`: the whole command on the stand-in, with tiny models."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import __main__ as benchmarks
from benchmarks import environment
from benchmarks.gpu import command, needs, suite, training, writing
from benchmarks.gpu.sides import Side
from benchmarks.registry import DEVICE_EXPERIMENTS, DeviceSession

# ruff: noqa: F811


@pytest.fixture(autouse=True)
def _here(monkeypatch: Any) -> None:
    monkeypatch.setattr(environment, "prepare", lambda: None)  # NumPy is there already
    monkeypatch.setattr(needs, "absent", lambda modules: [])


class HostSide(Side):
    """A framework on the CPU, with a clock and a memory that are made up."""

    held = 2e6

    def __init__(self, fw: Any, compiled: bool = False) -> None:
        super().__init__(fw, "cpu", compiled)

    def made(self, model: Any) -> Any:
        return model

    def synchronize(self) -> None:
        """The CPU does not run ahead."""

    def mark(self) -> float:
        return time.perf_counter()

    def between(self, start: float, end: float) -> float:
        return 1e3 * (end - start)

    def peak(self, run: Any) -> float:
        run()
        return 3.0

    def rise(self, run: Any) -> float:
        run()
        return 1.0

    def release(self) -> None:
        """Nothing is cached."""


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    out = tmp_path / "report"
    code = benchmarks.main(["gpu", "--out", str(out), "--tiny", *arguments])
    return code, json.loads((out / "gpu.json").read_text()), (out / "gpu.md").read_text()


def alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(environment, "installed", lambda name: name != "torch")


def test_the_whole_run(fake: Any, tmp_path: Path, monkeypatch: Any) -> None:
    alone(monkeypatch)
    code, data, text = run(tmp_path, "--no-tests", "--quick")
    assert code == 0, text
    assert {row["name"] for row in data["checks"]} == set(DEVICE_EXPERIMENTS)
    assert not any(row["failed"] for row in data["checks"])
    assert data["machine"]["gpu"] == "Imagined GPU" and data["machine"]["CUDA driver"] == "12.8"
    assert data["machine"]["cupy"] == "14.2.0" and data["plan"]["rounds"] == 1
    steps = [row for row in data["checks"] if row["measure"] == "step"]
    times = [row["ours"]["median"] for row in steps]
    assert len(times) == 3 and all(t > 0 and t % 1.5 == 0 for t in times)  # imagined marks
    assert text.startswith("# Imagined GPU, 20") and "PyTorch is not installed" in text
    assert "these figures mean nothing" in text and "gpt-checkpoint" in text


@pytest.mark.torch
def test_beside_pytorch(fake: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import torch

    import anadrome as ad

    sides = {"ours": Side(ad), "eager": HostSide(torch), "compiled": HostSide(torch, True)}
    session = DeviceSession(sides, command.TRIAL, training.TINY, [])
    rows = [row for entry in DEVICE_EXPERIMENTS.values() for row in entry.run(session)]
    measures = {(row.name, row.measure) for row in rows}
    for name in ("gpt-step", "resnet18", "classifier"):
        assert (name, "step over PyTorch eager") in measures
        assert (name, "step over torch.compile") in measures
        assert (name, "peak memory over PyTorch eager") in measures
    assert ("gpt-autocast", "PyTorch eager: speed-up") in measures
    assert ("gpt-checkpoint", "anadrome: cheap ops: time added") in measures
    assert {row.at_most for row in rows} == {None, 1.3, 1.5, 1.2, 1.1, 35.0, 10.0}
    assert {row.at_least for row in rows} == {None, 1.8, 40.0, 50.0, 20.0}
    found = writing.facts(session)
    assert found["torch CUDA"] == torch.version.cuda
    text = writing.markdown(session, rows, suite.Outcome(passed=3), found)
    assert "3 passed, 0 failed, 0 skipped" in text


@pytest.mark.torch
@pytest.mark.parametrize("build", ["gpt", "resnet18", "digits"])
def test_both_frameworks_train_the_same_model(build: str) -> None:
    import torch

    import anadrome as ad

    counts = []
    for fw in (ad, torch):
        made: list[Any] = []
        side = HostSide(fw)
        side.made = lambda model: made.append(model) or model  # type: ignore[method-assign]
        rest = (False,) if build == "gpt" else ()
        what = getattr(training, build)(side, training.TINY, *rest)
        first = float(what.step().item())
        assert float(what.step().item()) != first
        counts.append([tuple(p.shape) for p in made[0].parameters()])
    assert counts[0] == counts[1]


def test_the_gpt_has_124_million_parameters() -> None:
    sizes = training.FULL
    width = sizes.width
    block = 12 * width * width + 13 * width
    tables = (sizes.vocabulary + sizes.length) * width
    assert round((sizes.layers * block + tables + 2 * width) / 1e6) == 124
    import anadrome as ad
    from benchmarks.gpu import models

    small = training.TINY
    model = models.gpt(ad, layers=2, width=8, heads=2, length=6, vocabulary=11)
    count = sum(p.numel() for p in model.parameters())
    assert count == 2 * (12 * 64 + 13 * 8) + (small.vocabulary + small.length) * 8 + 16


def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: Any) -> None:
    import anadrome as ad

    if ad.cuda.is_available():
        pytest.skip("there is one")
    assert command.main(["--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: no GPU can be used: ") and "cupy" in told.lower()
    assert not list(tmp_path.iterdir())


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(needs, "absent", lambda modules: list(modules.values())[:2])
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "run `pip install -e . numpy` first" in capsys.readouterr().err
    outcome = suite.run(tmp_path, 1.0)
    assert outcome.told() == (
        "0 passed, 0 failed, 0 skipped; not run: `pip install pytest pytest-xdist` first"
    )
    assert not outcome.good


def test_what_fails_is_in_the_report(fake: Any, tmp_path: Path, monkeypatch: Any) -> None:
    alone(monkeypatch)
    monkeypatch.setattr(training, "resnet18", lambda *args: 1 / 0)
    report = (
        '<testsuite><testcase classname="tests.test_x" name="a"/>'
        '<testcase classname="tests.test_x" name="b"><failure/></testcase>'
        '<testcase classname="tests.test_x" name="c"><skipped/></testcase></testsuite>'
    )

    def pytest_runs(arguments: Any, **options: Any) -> Any:
        assert arguments[1:5] == ["-m", "pytest", "-m", "gpu"]
        xml = next(a for a in arguments if a.startswith("--junitxml="))
        Path(xml.removeprefix("--junitxml=")).write_text(report)
        return subprocess.CompletedProcess(arguments, 1)

    monkeypatch.setattr(subprocess, "run", pytest_runs)
    code, data, text = run(tmp_path, "--quick", "resnet18", "classifier")
    assert code == 1
    assert [row["failed"] for row in data["checks"] if row["name"] == "resnet18"] == [True]
    assert not any(row["failed"] for row in data["checks"] if row["name"] == "classifier")
    assert "ZeroDivisionError" in text and "1 passed, 1 failed, 1 skipped" in text
    assert "- failed: `tests.test_x::b`" in text and data["tests"]["failed"] == 1


@pytest.mark.parametrize("ending", ["timeout", "no report", "usage"])
def test_how_the_tests_may_end(tmp_path: Path, monkeypatch: Any, ending: str) -> None:
    def pytest_runs(arguments: Any, **options: Any) -> Any:
        if ending == "timeout":
            raise subprocess.TimeoutExpired(arguments, 2.0)
        if ending == "usage":
            (tmp_path / "tests.xml").write_text("<testsuite/>")
        return subprocess.CompletedProcess(arguments, 4)

    monkeypatch.setattr(subprocess, "run", pytest_runs)
    outcome = suite.run(tmp_path, 2.0)
    want = {
        "timeout": "not over after 2 s, see tests.txt",
        "no report": "pytest ended with status 4 and no report, see tests.txt",
        "usage": "pytest ended with status 4, see tests.txt",
    }
    assert outcome.note == want[ending] and not outcome.good


def test_a_loss_that_is_nan_is_no_time(fake: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import anadrome as ad

    alone(monkeypatch)
    nan = training.Training(lambda: ad.tensor(float("nan")), lambda: None)
    monkeypatch.setattr(training, "digits", lambda *args: nan)
    code, data, _ = run(tmp_path, "--no-tests", "classifier")
    assert code == 1 and "the loss of ours is nan" in data["checks"][0]["note"]


def test_wrong_arguments(tmp_path: Path, capsys: Any) -> None:
    for arguments in ([], ["--out", str(tmp_path), "nothing"], ["--out", "x", "--rounds", "0"]):
        with pytest.raises(SystemExit) as caught:
            command.main(arguments)
        assert caught.value.code == 2
    assert "nothing named 'nothing'; there are: gpt-step, gpt-autocast" in capsys.readouterr().err
