"""Faults: a worker of a DataLoader that dies, stops or hangs, whenever it does."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import linecache
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import interrupting
import pytest

import anadrome as ad
from anadrome.utils.data import DataLoader, Dataset

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="signals, and /proc to look at"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]


class Numbers(Dataset):
    def __init__(self, how=None, at=7, size=20):
        self.how, self.at, self.size = how, at, size

    def __getitem__(self, i):
        if self.how is not None and i == self.at:
            self.how()
        return i

    def __len__(self):
        return self.size


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def terminated():
    os.kill(os.getpid(), signal.SIGTERM)


def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)


def crashes():
    ctypes.string_at(0)


def aborts():
    os.abort()


def leaves():
    os._exit(3)


def stops():
    os.kill(os.getpid(), signal.SIGSTOP)


def sleeps():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


def children():
    """Living and dead processes that this one has started."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(name))
    return set(found)


def left():
    """What a pass over a loader might leave behind."""
    gc.collect()
    shared = {name for name in os.listdir("/dev/shm") if f"mp-{os.getpid()}-" in name}
    return len(os.listdir("/proc/self/fd")), shared, children()


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    # Other tests run beside this one, and theirs come and go in the same folder.
    mine = f"/mp-{os.getpid()}"
    monkeypatch.setitem(multiprocessing.current_process()._config, "semprefix", mine)
    # Once, so that what multiprocessing itself keeps for good is there.
    for method in ("fork", "spawn"):
        list(DataLoader(Numbers(size=2), num_workers=1, multiprocessing_context=method))
    files, shared, processes = left()
    yield
    now = left()
    assert now[0] <= files
    assert now[1] <= shared
    assert now[2] <= processes


DEATHS = {
    killed: "is killed by signal: SIGKILL",
    terminated: "is killed by signal: SIGTERM",
    crashes: "is killed by signal: SIGSEGV",
    aborts: "is killed by signal: SIGABRT",
    leaves: "exited unexpectedly with exit code 3",
    interrupted: "exited unexpectedly with exit code 0",
}


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("how", DEATHS, ids=lambda f: f.__name__)
def test_a_worker_that_dies(how, method):
    """An error at once, that says which worker, how, and over which samples; then all is gone."""
    start = time.monotonic()
    loader = DataLoader(Numbers(how), 5, num_workers=2, multiprocessing_context=method)
    with pytest.raises(RuntimeError) as caught:
        list(loader)
    text = str(caught.value)
    assert text.startswith("DataLoader worker (pid ")
    assert DEATHS[how] in text
    assert "worker 1 of 2 (pid " in text
    assert "was at batch 1, indices [5, 6, 7, 8, 9]" in text
    assert "run with num_workers=0" in text
    assert time.monotonic() - start < 30
    healthy = DataLoader(Numbers(), 5, num_workers=2, multiprocessing_context=method)
    assert [b.tolist()[0] for b in healthy] == [0, 5, 10, 15]


@pytest.mark.parametrize("how", [stops, sleeps], ids=lambda f: f.__name__)
def test_a_worker_that_hangs(how):
    """With a timeout it is an error; a worker that is stopped or deaf is killed."""
    loader = DataLoader(Numbers(how), 5, num_workers=2, timeout=0.5)
    with pytest.raises(RuntimeError) as caught:
        list(loader)
    assert "DataLoader timed out after 0.5 seconds: no worker gave a batch" in str(caught.value)
    assert "worker 1 of 2 (pid " in str(caught.value)
    assert "was at batch 1, indices [5, 6, 7, 8, 9]" in str(caught.value)


def large(batch):
    return ad.zeros(4_000_000)


def test_a_worker_killed_while_it_sends():
    """Half a batch has come: it is an error, and never half a batch."""
    batches = iter(DataLoader(Numbers(), 5, num_workers=1, collate_fn=large, prefetch_factor=1))
    pid = batches._workers[0].process.pid
    deadline = time.monotonic() + 30
    while not batches._workers[0].results.poll() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # the pipe is full now, and the worker waits for us to read
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="is killed by signal: SIGKILL"):
        next(batches)


def test_workers_that_stay_and_were_killed_between_two_passes():
    loader = DataLoader(Numbers(), 5, num_workers=2, persistent_workers=True)
    assert len(list(loader)) == 4
    for worker in loader._iterator._workers:
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.join()
    assert [b.tolist()[0] for b in loader] == [0, 5, 10, 15]
    loader._iterator.close()


def test_ctrl_c_at_every_line_of_a_next():
    """A pass goes on with the right batch, or says that it has lost one: it never skips any."""
    expected = [[i, i + 1] for i in range(0, 20, 2)]

    def started():
        batches = iter(DataLoader(Numbers(), 2, num_workers=1, timeout=10))
        assert next(batches).tolist() == expected[0]
        return batches

    batches = started()
    count = interrupting.lines(lambda: next(batches))
    batches.close()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    went_on = 0
    try:
        for number in range(1, count + 1, max(count // 40, 1)):
            batches = started()
            got = []
            at, raised = interrupting.run(lambda b=batches, g=got: g.append(next(b)), number)
            if not raised or linecache.getline(at.place[0], at.place[2]).strip() == "return batch":
                batches.close()  # given already, as far as we are concerned
                continue
            try:
                rest = [b.tolist() for b in batches]
            except RuntimeError as error:
                assert "was interrupted while a batch was on its way" in str(error)
                assert batches.closed
            else:
                went_on += 1
                assert rest == expected[1:], number
    finally:
        signal.signal(signal.SIGINT, handler)
    assert went_on > 0


def test_the_parent_dies():
    """Its workers end with it, however it ends."""
    reading, writing = os.pipe()
    context = multiprocessing.get_context("fork")

    def parent():
        batches = iter(DataLoader(Numbers(), 2, num_workers=2, multiprocessing_context="fork"))
        next(batches)
        pids = [str(w.process.pid) for w in batches._workers]
        os.write(writing, (" ".join(pids) + "\n").encode())
        os.kill(os.getpid(), signal.SIGKILL)

    process = context.Process(target=parent)
    process.start()
    pids = [int(p) for p in os.read(reading, 100).split()]
    process.join()
    os.close(reading)
    os.close(writing)
    deadline = time.monotonic() + 20
    alive = pids
    while alive and time.monotonic() < deadline:
        alive = [p for p in alive if os.path.exists(f"/proc/{p}") and not zombie(p)]
        time.sleep(0.05)
    assert not alive
    process.close()


def zombie(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True
