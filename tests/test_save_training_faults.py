"""A save that fails, at whatever call or byte, leaves the last good file, and training alive."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings

import pytest
from unprivileged import make_reachable

import anadrome as ad

CALLS = ("open", "write", "fsync", "fchmod", "link", "replace", "unlink", "listdir")
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX")


def model(value):
    out = ad.nn.Linear(3, 2)
    with ad.no_grad():
        out.weight.fill_(value)
    return out


def saved(path):
    """The value in the file that is found, damaged ones left out with an error."""
    out = model(-1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        state = ad.load_training(path, model=out)
    assert out.weight.tolist() == [[float(state.step)] * 3] * 2
    return state.step


def save(path, value, **options):
    ad.save_training(path, model=model(float(value)), step=value, **options)


class Disk:
    """Fails in one of the calls, or after some bytes."""

    def __init__(self, patch, code=errno.EIO):
        self.code = code
        self.count = self.bytes = 0
        self.fatal = self.room = None
        self.raised = None
        for name in CALLS:
            if hasattr(os, name):
                patch.setattr(os, name, self.watched(name, getattr(os, name)))

    def watched(self, name, function):
        def wrapper(*args, **keywords):
            self.count += 1
            if self.count == self.fatal:
                raise self.raised or OSError(self.code, os.strerror(self.code))
            if name == "write" and self.room is not None:
                if self.bytes == self.room:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                args = (args[0], memoryview(args[1])[: self.room - self.bytes])
            out = function(*args, **keywords)
            if name == "write":
                self.bytes += out
            return out

        return wrapper

    def reset(self, fatal=None, room=None):
        self.count = self.bytes = 0
        self.fatal, self.room = fatal, room


@pytest.fixture
def disk(monkeypatch):
    with monkeypatch.context() as patch:
        yield Disk(patch)


def full_at(disk, path, positions, size):
    for number, room in enumerate(positions, 3):
        disk.reset(room=room)
        with pytest.warns(ad.SaveWarning, match=r"cannot write .*run'?.*: No space left on device"):
            save(path, number)
        assert disk.bytes == room < size
        assert sorted(p.name for p in path.parent.iterdir()) == ["run", "run.1"]


def two_saves(disk, tmp_path):
    path = tmp_path / "run"
    save(path, 1)
    disk.reset()
    save(path, 2)
    return path, disk.bytes


def test_a_disk_that_is_full_after_some_bytes(disk, tmp_path):
    path, size = two_saves(disk, tmp_path)
    full_at(disk, path, [*range(0, size, 61), size - 1], size)
    disk.reset()
    assert saved(path) == 2
    save(path, 9)
    assert saved(path) == 9


@pytest.mark.nightly
def test_a_disk_that_is_full_after_any_number_of_bytes(disk, tmp_path):
    path, size = two_saves(disk, tmp_path)
    full_at(disk, path, range(size), size)
    assert saved(path) == 2


FAILURES = [
    (errno.EIO, None),
    (errno.EACCES, None),
    (errno.ENOSPC, None),
    (None, KeyboardInterrupt()),
    (None, MemoryError()),
]


@pytest.mark.parametrize(("code", "raised"), FAILURES, ids=[f"{c or r!r}" for c, r in FAILURES])
def test_a_failure_in_any_call_of_a_save(disk, tmp_path, code, raised):
    """Wherever it fails, the old file or the new one is there, whole; and the next save works."""
    path = tmp_path / "run"
    save(path, 1)
    save(path, 2)
    disk.reset()
    save(path, 3)
    total = disk.count
    assert total > 12
    last = 3
    for fatal in range(1, total + 3):
        disk.code, disk.raised = code, raised
        disk.reset(fatal=fatal)
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                save(path, last + 1)
            failed = bool(told)
            if told:
                assert told[0].category is ad.SaveWarning
                assert str(path) in str(told[0].message)
        except KeyboardInterrupt:
            failed = True
            assert raised is not None
        disk.reset()
        found = saved(path)
        assert found in ((last, last + 1) if failed else (last + 1,))
        save(path, found + 1)
        last = found + 1
        assert saved(path) == last
        left = sorted(p.name for p in tmp_path.iterdir())
        assert left == ["run", "run.1", "run.2"], f"after a failure in call {fatal}"


def test_without_an_earlier_file_a_failure_is_an_error(disk, tmp_path):
    disk.reset(room=100)
    with pytest.raises(ad.errors.SerializationError, match="No space left on device"):
        save(tmp_path / "run", 1)
    assert not list(tmp_path.iterdir())
    disk.reset()
    with pytest.raises(ad.errors.SerializationError, match=r"cannot write in '.*no/such'"):
        save(tmp_path / "no" / "such" / "run", 1)
    save(tmp_path / "run", 1)
    disk.reset(room=100)
    with pytest.raises(ad.errors.SerializationError, match="No space left on device"):
        save(tmp_path / "run", 2, on_error="raise")
    assert saved(tmp_path / "run") == 1


@posix
def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Content, then name, then folder: so a power cut leaves the old file or the new one."""
    calls = []
    real = {name: getattr(os, name) for name in ("write", "fsync", "replace", "open", "link")}

    def opened(path, *args, **keywords):
        out = real["open"](path, *args, **keywords)
        names[out] = "folder" if os.path.isdir(path) else "file"
        return out

    def renamed(old, new):
        calls.append(f"{os.path.basename(old)[:4]} is {os.path.basename(new)}")
        return real["replace"](old, new)

    names = {}
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(os, "write", lambda d, b: calls.append("write") or real["write"](d, b))
    monkeypatch.setattr(os, "fsync", lambda d: calls.append(f"sync {names[d]}"))
    monkeypatch.setattr(os, "link", lambda a, b: calls.append("link") or real["link"](a, b))
    for step in (1, 2):
        calls.clear()
        save(tmp_path / "run", step)
    assert [call for call in calls if call != "write"] == [
        "sync file", "link", ".run is run", "sync folder", "run. is run.1",
    ]  # fmt: skip
    assert "write" not in calls[calls.index("sync file") :]


def in_a_child(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


TRIES = """
import sys, warnings, anadrome as ad
path = sys.argv[1]
model = ad.nn.Linear(3, 2)
def save(step):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ad.save_training(path, model=model, step=step)
    return [str(w.message) for w in told]
assert save(1) == []
before()
print(save(2))
assert ad.load_training(path, model=model).step == 1
after()
assert save(3) == []
assert ad.load_training(path, model=model).step == 3
"""


@posix
def test_a_read_only_folder(tmp_path):
    """Root may write anywhere: the child gives that up."""
    tmp_path.chmod(0o777)
    make_reachable(tmp_path)
    code = f"""
import os
folder = {str(tmp_path)!r}
import anadrome as ad, traceback, linecache, warnings
for _ in range(2):  # everything is imported while it may be read
    ad.save_training(folder + "/first", model=ad.nn.Linear(3, 2))
ad.load_training(folder + "/first", model=ad.nn.Linear(3, 2))
os.makedirs(folder + "/runs")
if os.getuid() == 0:
    os.chown(folder + "/runs", 65534, 65534)
    os.setuid(65534)
def before(): os.chmod(folder + "/runs", 0o555)
def after(): os.chmod(folder + "/runs", 0o755)
"""
    told = in_a_child(code + TRIES, tmp_path / "runs" / "run")
    assert "Permission denied; the file saved before is still there" in told


@posix
def test_a_file_that_may_not_grow(tmp_path):
    code = """
import resource
def before(): resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
def after(): resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
"""
    assert "File too large" in in_a_child(code + TRIES, tmp_path / "run")


@posix
def test_a_disk_that_is_really_full(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        code = f"""
import os
ballast = {str(tmp_path / "ballast")!r}
def before():
    try:
        with open(ballast, "wb", buffering=0) as file:
            while True: file.write(bytes(4096))
    except OSError: pass
def after(): os.unlink(ballast)
"""
        told = in_a_child(code + TRIES, tmp_path / "run")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert "No space left on device" in told


@posix
def test_two_processes_that_write_the_same_file(tmp_path):
    """Whoever reads meanwhile finds a whole file; and nothing else is left behind."""
    path = tmp_path / "run"
    code = """
import sys, anadrome as ad
model = ad.nn.Linear(50, 50)
for step in range(60):
    with ad.no_grad(): model.weight.fill_(step)
    ad.save_training(sys.argv[1], model=model, step=step, on_error="raise")
"""
    save(path, 0)
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    reads = 0
    probe = ad.nn.Linear(50, 50)
    while any(process.poll() is None for process in both):
        try:
            state = ad.load_training(path, model=probe)
        except ad.errors.SerializationError as error:
            assert "does not fit" in str(error)  # the very first file
            continue
        assert probe.weight.min().item() == probe.weight.max().item() == state.step
        reads += 1
    for process in both:
        assert process.returncode == 0, process.stderr.read()
        process.stderr.close()
    assert reads
    assert {p.name for p in tmp_path.iterdir()} <= {"run", "run.0", "run.1", "run.2"}
