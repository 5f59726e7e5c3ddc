"""A soak: many steps of a small model, with no growth of objects, open files, threads or memory.

``python -m benchmarks.soak`` is the same with a million steps of each kind.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KINDS = ["plain", "adam", "amp", "checkpoint", "loader", "capture", "faults"]

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc to look at")


def soak(kind, steps, tmp_path):
    report = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", kind, f"--steps={steps}", f"--json={report}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    (row,) = json.loads(report.read_text())
    assert row["steps"] >= steps
    assert row["objects"] == {}
    assert row["files"] == row["threads"] == 0
    assert row["bytes"] <= 2**20


def test_twenty_thousand_steps(tmp_path):
    soak("faults", 20_000, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_thousand_steps(kind, tmp_path):
    soak(kind, 100_000, tmp_path)


LEAKING = """
import sys
import anadrome
from benchmarks import soak

kept = []

def leaks(ad):
    step = soak.plain(ad)

    def stepped(number):
        step(number)
        if number % 100 == 0:
            kept.append([number])

    return stepped

soak.KINDS["plain"] = leaks
sys.exit(soak.main(["plain", "--steps", "12000"]))
"""


def test_a_leak_is_found():
    done = subprocess.run(
        [sys.executable, "-c", LEAKING], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert "'builtins.list': 60" in done.stdout
