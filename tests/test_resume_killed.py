"""A training that is killed again and again ends as one that was left alone, bit for bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "resume_program.py"
#: How many cases there are; those below ALWAYS are run each time.
CASES = 100
ALWAYS = 3
#: Nothing else is left behind.
LEFT = ["final.safetensors", "run.safetensors", "run.safetensors.1"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(folder):
    """Train to the end; returns the step it went on from."""
    process = start(folder)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert not err, err  # no warning of a damaged file
    return int(out.split()[1])


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    """The final state of a training that nothing happened to, and how long each of it took."""
    folder = tmp_path_factory.mktemp("alone")
    made = time.monotonic()
    process = start(folder)
    assert process.stdout.readline() == "from 0\n"
    begun = time.monotonic()
    assert process.wait() == 0, process.stderr.read()
    ended = time.monotonic()
    process.stdout.close()
    process.stderr.close()
    return (folder / "final.safetensors").read_bytes(), begun - made, ended - begun


def cases():
    marks = {True: (), False: pytest.mark.nightly}
    return [pytest.param(i, marks=marks[i < ALWAYS]) for i in range(CASES)]


@pytest.mark.parametrize("case", cases())
def test_a_training_killed_at_random_moments_ends_bit_for_bit_the_same(case, left_alone, tmp_path):
    """Weights, averages, losses, optimizer, schedule, scale, loader and random numbers."""
    wanted, beginning, duration = left_alone
    draw = random.Random(case)
    kills, most = 0, draw.randint(1, 3)
    while kills < most:
        if case % 2:  # in one of the calls that a save makes, a write half done among them
            process = start(tmp_path, "any", draw.randint(1, 600))
        else:  # from outside, in the beginning or the training
            process = start(tmp_path)
            if case % 4:
                process.stdout.readline()
            time.sleep(draw.uniform(0, duration if case % 4 else beginning + duration))
            process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        if process.returncode == 0:  # it was at the end before that
            if kills:
                break
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
            continue
        assert process.returncode == -signal.SIGKILL, err
        kills += 1
    finished(tmp_path)
    assert (tmp_path / "final.safetensors").read_bytes() == wanted
    assert sorted(p.name for p in tmp_path.iterdir()) == LEFT


#: In the third save, at the earliest.
CALLS = [("open", 6), ("write", 100), ("fsync", 5), ("link", 3), ("replace", 4), ("unlink", 3)]


@pytest.mark.parametrize(("name", "number"), CALLS, ids=[name for name, _ in CALLS])
def test_a_kill_in_a_call_of_every_kind_loses_no_earlier_save(name, number, left_alone, tmp_path):
    process = start(tmp_path, name, number)
    process.communicate()
    # On a slow disk saves in the background give way to later ones, and few keep the file before.
    assert process.returncode == -signal.SIGKILL or (name == "link" and process.returncode == 0)
    assert finished(tmp_path) >= 8
    assert (tmp_path / "final.safetensors").read_bytes() == left_alone[0]
    # Killed in its last save, it leaves to the next one to give the file before its number.
    there = {p.name for p in tmp_path.iterdir()}
    assert {*LEFT[:2]} < there <= {*LEFT, "run.safetensors.0"}
