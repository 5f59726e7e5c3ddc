"""The NumPy backend beside its kernels: views, warnings, threads."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from kernel_checks import KERNELS, check

import anadrome as ad
from anadrome.backends.numpy import parallel


def test_expand_is_a_read_only_view() -> None:
    x = np.arange(3.0)
    out = KERNELS["expand"](x, shape=(2, 3))
    assert np.may_share_memory(out, x) and not out.flags.writeable
    scalar = KERNELS["expand"](np.float32(2), shape=(2, 0, 3))
    assert scalar.shape == (2, 0, 3) and not scalar.flags.writeable
    one = np.ones(())
    out = KERNELS["expand"](one, shape=(4,))
    one[...] = 5
    assert out.tolist() == [5] * 4


@pytest.mark.parametrize("call", [
    lambda x: x.reshape(5), lambda x: x.expand(4, 4), lambda x: x.permute(0, 5),
    lambda x: x.transpose(0, 7),
])  # fmt: skip
def test_view_errors_name_the_op_and_the_shape(call: Any) -> None:
    with pytest.raises((RuntimeError, IndexError), match=r"float32 \(2, 3\)"):
        call(ad.zeros(2, 3))


@pytest.mark.parametrize("call", [
    lambda: ad.tensor([1.0, 0.0]) / ad.tensor([0.0, 0.0]),
    lambda: ad.log(ad.tensor([0.0, -1.0])),
    lambda: ad.exp(ad.tensor([1e4])),
    lambda: ad.sqrt(ad.tensor([-1.0])),
    lambda: ad.tensor([1e30]) * ad.tensor([1e30]),
    lambda: ad.tensor([math.nan]).to(ad.int64),
    lambda: ad.tensor([1e30]).half(),
    lambda: ad.tensor([math.inf]).softmax(0) if hasattr(ad.Tensor, "softmax") else None,
    lambda: ad.zeros(0).mean(),
])  # fmt: skip
def test_floating_point_events_warn_nobody(call: Any) -> None:
    """As in PyTorch; the filter is in place from the moment the backend is loaded."""
    with warnings.catch_warnings(record=True) as caught:
        call()
    assert not caught


def test_nor_does_a_backward() -> None:
    x = ad.tensor([0.0, -1.0], requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        ad.log(x).sum().backward()
        x.grad = None
        (1.0 / x).sum().backward()
    assert not caught


def test_the_backend_brings_its_filter_along() -> None:
    """In a fresh interpreter, where every other RuntimeWarning is an error."""
    code = (
        "import anadrome as ad, numpy as np, warnings\n"
        "x = ad.tensor([0.0, -1.0], requires_grad=True)\n"
        "(ad.log(x) / x).sum().backward()\n"
        "try: np.log(np.zeros(1))\n"
        "except RuntimeWarning: print('the user is warned')\n"
    )
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("the user is warned\n", "")


def test_the_users_own_numpy_still_warns() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.ones(1) / np.zeros(1)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "silu", "digamma", "erfinv"])
@pytest.mark.parametrize("more", [0, 5, -1])
def test_large_arrays_are_divided_among_threads(name: str, more: int, monkeypatch: Any) -> None:
    large = parallel.LARGE // (16 if name in ("digamma", "erfinv") else 1)
    size = large + more
    monkeypatch.setattr(parallel, "threads", 3)
    used: set[int] = set()
    ours = parallel._piece
    monkeypatch.setattr(
        parallel, "_piece", lambda *a: (used.add(threading.get_ident()), ours(*a))[1]
    )
    x = np.random.default_rng(0).normal(size=size).astype(np.float32).reshape(-1, 1)
    with warnings.catch_warnings(record=True) as caught:
        check(name, x, tolerance=4)
    assert not caught
    assert bool(used) == (more >= 0) and threading.get_ident() not in used


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch: Any) -> None:
    monkeypatch.setattr(parallel, "threads", 2)

    def broken(source: Any, target: Any) -> None:
        if source[0]:
            raise MemoryError("second half")

    x = np.zeros(parallel.LARGE)
    x[parallel.LARGE // 2] = 1
    with pytest.raises(MemoryError, match="second half"):
        parallel.fill(broken, x, x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_threads_work_in_a_forked_child() -> None:
    code = (
        "import os, numpy as np\n"
        "from anadrome.backends.numpy import parallel\n"
        "parallel.threads = 2\n"
        "tanh = parallel.divided(np.tanh)\n"
        "x = np.ones(parallel.LARGE)\n"
        "tanh(x)\n"
        "child = os.fork()\n"
        "if not child: os._exit(0 if tanh(x)[-1] == np.tanh(1.0) else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n", done.stderr


_STEPS = """
import resource
import numpy as np
import anadrome as ad

ad.ones(1)
def step():
    kept = [np.ones(2**24, np.uint8) for _ in range(8)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif("glibc" not in platform.libc_ver(), reason="glibc only")
@pytest.mark.parametrize("wish, kept", [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False)])
def test_what_a_step_frees_stays_for_the_next(wish: Any, kept: bool) -> None:
    """The system gives no page of 128 MiB again, unless the user said that it should."""
    run = subprocess.run(
        [sys.executable, "-c", _STEPS], capture_output=True, text=True, env=os.environ | wish
    )
    faults = int(run.stdout)
    assert (faults < 100) is kept, (faults, run.stderr)
