"""Every example runs, and shows the numbers it promises."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("[0-9]*.py"))


def run(number: str) -> dict:
    (path,) = (p for p in EXAMPLES if p.name.startswith(number))
    spec = importlib.util.spec_from_file_location(f"example_{number}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs_and_returns_numbers(path, capsys):
    shown = run(path.name[:2])
    assert isinstance(shown, dict)
    assert shown
    assert capsys.readouterr().out.strip()


def test_there_are_ten():
    assert len(EXAMPLES) == 10


def test_minimal_loop_learns():
    shown = run("09")
    losses = next(v for v in shown.values() if isinstance(v, list) and len(v) >= 10)
    assert all(math.isfinite(x) for x in losses)
    assert losses[-1] < losses[0]


def test_a_resumed_training_is_the_same():
    shown = run("10")
    assert shown["the same"] == 1.0
    assert shown["resumed"] == shown["whole"]
