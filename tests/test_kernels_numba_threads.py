"""Compiled kernels called by several threads at once, and in forked processes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_cases import calls

from anadrome import backend
from anadrome.backends.numba import team
from anadrome.backends.numba.kernels import common, products
from anadrome.backends.numpy import parallel

pytestmark = pytest.mark.numba

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "LARGE", 0)
    monkeypatch.setattr(team, "LARGE", 0)
    monkeypatch.setattr(products, "FEWEST", 0)
    monkeypatch.setattr(parallel, "LARGE", 0)
    monkeypatch.setattr(parallel, "threads", 2)


def results() -> list[Any]:
    """Of every kernel, on all its cases."""
    kernels = backend.get("numpy").kernels
    out = []
    for name, cases in calls().items():
        for args, keywords in cases:
            found = kernels[name](*args, **keywords)
            out += found if isinstance(found, tuple) else (found,)
    return out


def test_threads_do_not_meet(always: None) -> None:
    """Each has its own memory to work in; pieces of all of them share one pool."""
    alone = results()
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(lambda _: results(), range(8)):
            for a, b in zip(alone, together, strict=True):
                np.testing.assert_array_equal(a, b)


def in_fresh_python(code: str, *args: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


FORKED = """
import os, sys
import numpy as np
import anadrome as ad
from anadrome.backends.numba import team
from anadrome.backends.numba.kernels import common, products
from anadrome.backends.numpy import parallel
parallel.threads, parallel.LARGE, common.LARGE, team.LARGE, products.FEWEST = 2, 0, 0, 0, 0

def step():
    ad.manual_seed(0)
    model = ad.nn.Sequential(ad.nn.Conv2d(2, 4, 3), ad.nn.ReLU(), ad.nn.Flatten(), ad.nn.GELU())
    x = ad.randn(4, 2, 8, 8)
    loss = ad.nn.functional.cross_entropy(model(x), ad.zeros(4, dtype=ad.int64))
    loss.backward()
    return float(loss), float(model[0].weight.grad.sum())

expected = step()
"""

CHILDREN = """
import multiprocessing
def child(queue):
    queue.put(step())
context = multiprocessing.get_context("fork")
queue = context.Queue()
workers = [context.Process(target=child, args=(queue,)) for _ in range(3)]
for w in workers: w.start()
found = [queue.get(timeout=60) for _ in workers]
for w in workers: w.join()
print(all(f == expected for f in found), [w.exitcode for w in workers])
"""


@forks
def test_children_of_a_process_whose_threads_have_run_kernels() -> None:
    assert in_fresh_python(FORKED + CHILDREN).strip() == "True [0, 0, 0]"


LOADING = """
class Rows(ad.utils.data.Dataset):
    def __len__(self):
        return 6
    def __getitem__(self, i):
        return ad.nn.functional.softmax(ad.full((64, 32), float(i)), -1)
loader = ad.utils.data.DataLoader(Rows(), batch_size=2, num_workers=2)
seen = [float(batch.sum()) for batch in loader for _ in (step(),)]
print([round(s) for s in seen], step() == expected)
"""


@forks
def test_workers_of_a_loader_call_kernels_while_the_training_does() -> None:
    assert in_fresh_python(FORKED + LOADING).strip() == "[128, 128, 128] True"


COMPILING = """
import os, threading, time
import anadrome as ad
import anadrome.backends.numba.loops.mathematics
from numba.core.compiler_lock import global_compiler_lock as lock
begun = threading.Event()
def compiling():
    with lock:
        begun.set()
        time.sleep(1)
thread = threading.Thread(target=compiling)
thread.start()
begun.wait()
child = os.fork()
if not child:
    out = ad.nn.functional.softmax(ad.ones(256, 256), -1)
    os._exit(0 if abs(float(out.sum()) - 256) < 1e-3 else 1)
end = time.monotonic() + 60
while time.monotonic() < end:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        print("ended", os.waitstatus_to_exitcode(status))
        break
    time.sleep(0.05)
else:
    os.kill(child, 9)
    print("hangs")
thread.join()
"""


@forks
def test_a_child_forked_while_a_thread_compiles(tmp_path: Path) -> None:
    """It would wait for good for the compiler's lock, had the fork not waited for it."""
    assert in_fresh_python(COMPILING, NUMBA_CACHE_DIR=str(tmp_path)).strip() == "ended 0"
