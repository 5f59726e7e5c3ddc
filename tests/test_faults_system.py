"""Faults of the system: a full disk, a folder that cannot be written, a clock that jumps."""

from __future__ import annotations

import ast
import errno
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unprivileged import make_reachable

import anadrome as ad
from anadrome.errors import SerializationError
from anadrome.utils.data import DataLoader

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")

STATE = {"w": ad.arange(3000, dtype=ad.float32), "n": 3}
SUFFIXES = [".pt", ".safetensors"]


def child(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


# -- the disk ---------------------------------------------------------------------------------
LIMITED = """
import os, resource, signal, sys
import anadrome as ad
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, suffix = sys.argv[1], sys.argv[2]
path += suffix
ad.save({"w": ad.ones(5), "n": 1}, path)
good = open(path, "rb").read()
state = {"w": ad.arange(3000, dtype=ad.float32), "n": 3}
ad.save(state, path + ".whole" + suffix)
size = os.path.getsize(path + ".whole" + suffix)
os.unlink(path + ".whole" + suffix)
refused = 0
for limit in sorted({*range(0, size, max(size // 40, 1)), 1, 7, 8, 9, size - 1}):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        ad.save(state, path)
    except ad.errors.SerializationError as error:
        assert "File too large" in str(error) and path in str(error), error
        refused += 1
    else:
        raise AssertionError(limit)
    assert open(path, "rb").read() == good
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
ad.save(state, path)
assert ad.load(path)["n"] == 3
print(refused)
"""


@posix
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_is_full_after_any_number_of_bytes(suffix, tmp_path):
    """The system refuses to write on; the old file stays, and nothing beside it."""
    assert int(child(LIMITED, tmp_path / "weights", suffix)) > 30


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is full")
def test_a_file_object_on_a_full_device():
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as file:
        ad.save(STATE, file)
    assert caught.value.errno == errno.ENOSPC


READ_ONLY = """
import os, sys, tempfile
folder, suffix = sys.argv[1], sys.argv[2]
import anadrome as ad
path = os.path.join(folder, "weights" + suffix)
good = open(path, "rb").read()
with tempfile.TemporaryDirectory() as other:  # imports what is needed, while it can be read
    ad.save(ad.load(path), os.path.join(other, "weights" + suffix))
if os.getuid() == 0:  # whom no mode of a folder stops
    os.seteuid(65534)
try:
    ad.save({"w": ad.zeros(3)}, path)
except ad.errors.SerializationError as error:
    assert "Permission denied" in str(error) and path in str(error), error
else:
    raise AssertionError
assert open(path, "rb").read() == good
assert ad.load(path)["w"].tolist() == [1.0, 1.0]
"""


@posix
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_cannot_be_written(suffix, tmp_path):
    ad.save({"w": ad.ones(2)}, tmp_path / f"weights{suffix}")
    make_reachable(tmp_path)
    tmp_path.chmod(0o555)
    try:
        child(READ_ONLY, tmp_path, suffix)
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("place", ["missing/deep/w.pt", "file/w.pt", "."])
def test_a_place_where_no_file_can_be(place, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SerializationError, match="cannot write"):
        ad.save(STATE, tmp_path / place)


@posix
def test_the_demo_says_at_once_that_it_cannot_write():
    done = subprocess.run(
        [sys.executable, "-m", "anadrome", "demo", "--out", "/dev/null/results"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "cannot make the folder /dev/null/results: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


COMPILED = """
import os, sys
import numpy as np
import anadrome as ad
x = ad.tensor(np.linspace(-3, 3, 600_000, dtype=np.float32).reshape(600, 1000)).requires_grad_()
y = ad.nn.functional.gelu(ad.softmax(x, -1))
y.sum().backward()
assert x.grad.shape == (600, 1000)
"""


@pytest.mark.numba
@posix
def test_compiled_kernels_need_no_place_for_their_cache(tmp_path):
    """Where nothing can be kept on disk, each process compiles for itself."""
    place = tmp_path / "cache"
    place.write_text("a file where a folder should be")
    env = {**os.environ, "NUMBA_CACHE_DIR": str(place), "HOME": "/dev/null", "XDG_CACHE_HOME": ""}
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr[-2000:]


# -- the clock --------------------------------------------------------------------------------
@pytest.fixture(params=["backwards", "forwards", "to and fro"])
def jumping(request, monkeypatch):
    """The time of day goes wild; what only measures (monotonic, perf_counter) does not."""
    jumps = {"backwards": [-1e6], "forwards": [1e6], "to and fro": [1e9, -2e9]}[request.param]
    offsets = itertools.accumulate(itertools.cycle(jumps))
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + next(offsets))
    monkeypatch.setattr(time, "time_ns", lambda: int((true() + next(offsets)) * 1e9))


def slowly(batch):
    time.sleep(0.05)
    return batch


def test_a_clock_that_jumps(jumping, tmp_path):
    """Timeouts are those asked for, measured times are not negative, files are written."""
    loader = DataLoader(range(6), 2, num_workers=1, timeout=20, collate_fn=slowly)
    assert list(loader) == [[0, 1], [2, 3], [4, 5]]
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.3 seconds"):
        list(DataLoader(range(6), 2, num_workers=1, timeout=0.3, collate_fn=forever))
    assert time.monotonic() - start < 20
    w = ad.ones(50, 50, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)
    scheduler = ad.optim.lr_scheduler.StepLR(optimizer, 1)
    with ad.profiler.profile() as profile:
        (w @ w).sum().backward()
        optimizer.step()
        scheduler.step()
    rows = profile.key_averages()
    assert rows
    assert all(0 <= row.cpu_time_total < 60e6 for row in rows)  # microseconds
    ad.save({"w": w.detach()}, tmp_path / "w.pt")
    assert ad.load(tmp_path / "w.pt")["w"].shape == (50, 50)


def forever(batch):
    time.sleep(30)


#: Who may ask for the time of day, and why.
TIME_OF_DAY = {
    "plugins/profiler/schedules.py": "the name of a trace, as in PyTorch",
    "plugins/tensorboard/writer.py": "when an event was, as TensorBoard shows it",
}


def test_nobody_measures_with_the_time_of_day():
    found = set()
    for folder in ("core", "backends", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                called = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                if called and (node.value.id, node.attr) in {
                    ("time", "time"),
                    ("time", "time_ns"),
                    ("datetime", "now"),
                    ("datetime", "utcnow"),
                    ("datetime", "today"),
                }:
                    found.add(str(path.relative_to(ROOT)))
    assert found == set(TIME_OF_DAY)
