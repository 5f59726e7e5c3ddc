"""The team that shares compiled loops: each number is given out once, whoever takes part."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from anadrome import backend
from anadrome.backends.numba import team as teams
from anadrome.backends.numpy import blas, parallel

pytestmark = pytest.mark.numba


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Shares even the smallest loop among three threads."""
    monkeypatch.setattr(teams, "LARGE", 0)
    monkeypatch.setattr(teams, "CORES", 3)
    monkeypatch.setattr(parallel, "threads", 3)
    return teams.Team(backend.get("numpy"))


@pytest.fixture(scope="module")
def loops() -> Any:
    """Compiled: counts how often each number is given out; and each row."""
    import numba

    from anadrome.backends.numba.loops.team import share, share_rows

    compiled = numba.njit(nogil=True)

    @compiled
    def mark(times, first, last):
        for i in range(first, last):
            times[i] += 1

    @compiled
    def marks(address, parts, times, bites):
        share(address, mark, (times,), len(times), parts, bites)

    @compiled
    def add(x, out, factor):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] += x[i, j] * factor

    @compiled
    def added(address, parts, x, out, factor):
        share_rows(address, add, (x, out), (factor,), parts)

    return marks, added


@pytest.mark.parametrize("bites", [1, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_each_number_is_given_out_once(count: int, bites: int, team: Any, loops: Any) -> None:
    times = np.zeros(count, np.int64)
    for _ in range(300):
        loops[0](*team(count), times, bites)
    np.testing.assert_array_equal(times, 300)


def test_rows_of_arrays_that_do_not_lie_end_to_end(team: Any, loops: Any) -> None:
    x = np.arange(120.0).reshape(10, 12)
    out = np.zeros((20, 8))[::2]
    loops[1](*team(x.size), x[:, 2:10], out, 0.5)
    np.testing.assert_array_equal(out, x[:, 2:10] / 2)


def test_threads_that_lead_at_once(team: Any, loops: Any) -> None:
    """One is helped, the others do theirs alone."""
    counted = [np.zeros(200_001, np.int64) for _ in range(4)]

    def lead(times: Any) -> None:
        for _ in range(100):
            loops[0](*team(200_001), times, 4)

    threads = [threading.Thread(target=lead, args=(times,)) for times in counted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for times in counted:
        np.testing.assert_array_equal(times, 100)


def test_there_are_never_more_than_cores(team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "threads", 1000)
    assert team(100)[1] == 3
    monkeypatch.setattr(teams, "CORES", 1000)
    monkeypatch.setattr(teams._Team, "ready", lambda *_: None)
    assert team(100)[1] == teams.MEMBERS


def asleep() -> list[int]:
    current = teams._team
    assert current is not None
    return [int(current.asleep[m.number]) for m in current.members]


def test_they_sleep_when_nothing_comes_and_wake_for_the_next_loop(team: Any, loops: Any) -> None:
    times = np.zeros(100, np.int64)
    for turn in range(1, 4):
        loops[0](*team(100), times, 4)
        end = time.monotonic() + 20
        while not all(asleep()) and time.monotonic() < end:
            time.sleep(0.01)
        assert all(asleep())
        np.testing.assert_array_equal(times, turn)
    team(100)
    assert not all(asleep()[:2])


def test_they_sleep_when_others_are_about_to_want_their_cores(
    team: Any, loops: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teams, "PATIENCE", 1000)
    monkeypatch.setattr(teams, "_team", None)
    times = np.zeros(100, np.int64)
    loops[0](*team(100), times, 4)
    current = teams._team
    assert current is not None
    done: list[slice] = []
    end = time.monotonic() + 20
    while not all(asleep()) and time.monotonic() < end:
        team.spread(done.append, 3, 1)
        time.sleep(0.01)
    assert all(asleep())
    assert done[0] == slice(0, 3)
    loops[0](*team(100), times, 4)
    np.testing.assert_array_equal(times, 2)
    current.end()


def test_members_take_part(team: Any, loops: Any) -> None:
    """A loop that takes long is not left to the caller: the others' processors have worked."""
    large = np.zeros(2**22, np.int64)
    own = whole = 0.0
    for _ in range(30):
        start, all_of_us = time.thread_time(), time.process_time()
        loops[0](*team(large.size), large, 4)
        own += time.thread_time() - start
        whole += time.process_time() - all_of_us
    assert whole > 1.2 * own


def test_blas_is_kept_out_of_short_passes_once_there_is_a_team(
    team: Any, loops: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blas, "crowded", False)
    assert blas.brief() is not blas.alone()
    monkeypatch.setattr(teams, "_team", None)
    team(100)
    assert blas.brief() is blas.alone()


ENDING = """
import numpy as np, anadrome as ad
from anadrome.backends.numba import team
from anadrome.backends.numpy import parallel
parallel.threads, team.CORES, team.LARGE, team.PATIENCE = 3, 3, 0, 60
x = ad.ones(300, 300)
print(float(ad.nn.functional.softmax(x, -1).sum()))
"""


def test_a_program_ends_while_they_wait() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert abs(float(done.stdout) - 300) < 1e-2
