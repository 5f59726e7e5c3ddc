"""Faults: a process that forks, before and after the framework was used, and amid its threads."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback

import numpy as np
import pytest

import anadrome as ad
from anadrome import graph, random
from anadrome.backends.numpy import blas, parallel

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="a system that forks"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]
SECONDS = 30


def in_child(function):
    """What ``function`` returns in a forked child, as text; an error if it hangs or raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        signal.alarm(SECONDS)
        try:
            os.write(writing, repr(function()).encode())
            os._exit(0)
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"status {status}: {text}"
    return text


def training(size=4):
    ad.manual_seed(1)
    net = ad.nn.Sequential(ad.nn.Linear(size, size), ad.nn.Dropout(0.3), ad.nn.GELU())
    optimizer = ad.optim.Adam(net.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        net(ad.ones(size, size)).square().mean().backward()
        optimizer.step()
    return [float(p.sum()) for p in net.parameters()]


@pytest.mark.parametrize("size", [4, 600], ids=["small", "in threads"])
def test_a_child_trains_as_its_parent_does(size, monkeypatch):
    """Also where the parent has a pool of threads, which the child has not."""
    monkeypatch.setattr(parallel, "threads", 3)
    expected = training(size)
    if size > 100:
        assert parallel._pool is not None
    assert in_child(lambda: training(size)) == repr(expected)
    assert training(size) == expected  # and the parent goes on


def test_a_child_draws_what_its_parent_would():
    """The same stream, as in PyTorch: who wants others seeds them, as a DataLoader's workers do."""
    ad.manual_seed(5)
    ad.rand(3)
    text = in_child(lambda: (ad.rand(3).tolist(), ad.randperm(5).tolist()))
    assert text == repr((ad.rand(3).tolist(), ad.randperm(5).tolist()))
    assert in_child(lambda: ad.manual_seed(7) and ad.rand(2).tolist()) != repr(ad.rand(2).tolist())


def test_a_graph_of_the_parent_runs_backward_in_the_child():
    x = ad.full((3,), 2.0).requires_grad_()
    loss = (x**3).sum()

    def backward():
        loss.backward()
        return x.grad.tolist()

    assert in_child(backward) == repr([12.0] * 3)
    assert x.grad is None
    loss.backward()
    assert x.grad.tolist() == [12.0] * 3


@pytest.mark.parametrize(
    "lock", [graph.accumulate_lock, random._lock, blas._lock], ids=["gradients", "random", "blas"]
)
def test_a_lock_that_another_thread_holds(lock):
    """The fork waits until it is free, so the child finds it free; all three are always so."""
    held, release = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    threading.Timer(0.3, release.set).start()
    start = time.monotonic()
    assert in_child(lambda: (lock.locked(), len(training()))) == "(False, 2)"
    assert time.monotonic() - start > 0.2
    thread.join()
    assert not lock.locked()


def test_forks_amid_threads_that_train():
    """Fifty children, each born at some moment of three threads' work."""
    expected = repr(training())
    stop = threading.Event()
    w = ad.ones(8, requires_grad=True)

    def work():
        while not stop.is_set():
            (w * ad.rand(8)).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            assert in_child(training) == expected
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert np.isfinite(w.grad.numpy()).all()
