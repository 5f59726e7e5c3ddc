"""The writer in the background: what it blocks, what it tells, and who else is there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import pytest

import anadrome as ad
from anadrome.plugins.resume import rotation, saving

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX")


class Gate:
    """Stands for a slow disk: a write waits until it is let through."""

    def __init__(self, monkeypatch):
        self.begun = threading.Semaphore(0)
        self.free = threading.Semaphore(0)
        self.written = []
        self.error = None
        self.real = rotation.write
        monkeypatch.setattr(rotation, "write", self.write)

    def write(self, target, pieces, keep):
        self.begun.release()
        assert self.free.acquire(timeout=20)
        if self.error is not None:
            raise self.error
        self.written.append(threading.current_thread())
        self.real(target, pieces, keep)

    def let(self, count=1):
        for _ in range(count):
            self.free.release()


@pytest.fixture
def gate(monkeypatch):
    return Gate(monkeypatch)


def step_in(path):
    return ad.load_training(path, model=ad.nn.Linear(2, 1)).step


def test_a_save_returns_while_the_disk_is_slow(gate, tmp_path):
    """And the file holds the values of that moment, whatever training does to them meanwhile."""
    model = ad.nn.Linear(2, 1)
    before = model.weight.tolist()
    extra = {"losses": [1.0], "x": ad.ones(2)}
    saver = ad.TrainingSaver(tmp_path / "run")
    saver.save(model=model, step=1, extra=extra)
    assert gate.begun.acquire(timeout=20)  # it is being written
    with ad.no_grad():
        model.weight.add_(1.0)
    extra["losses"].append(2.0)
    extra["x"].add_(1)
    assert not (tmp_path / "run").exists()
    gate.let()
    saver.wait()
    assert gate.written[0] is not threading.main_thread()
    fresh = ad.nn.Linear(2, 1)
    state = ad.load_training(tmp_path / "run", model=fresh)
    assert fresh.weight.tolist() == before
    assert state.extra["losses"] == [1.0]
    assert state.extra["x"].tolist() == [1.0, 1.0]


def test_the_newest_of_those_that_wait_is_written(gate, tmp_path):
    model = ad.nn.Linear(2, 1)
    saver = ad.TrainingSaver(tmp_path / "run")
    saver.save(model=model, step=1)
    assert gate.begun.acquire(timeout=20)
    for step in (2, 3, 4):
        saver.save(model=model, step=step)
    gate.let(2)
    saver.close()
    assert len(gate.written) == 2
    assert step_in(tmp_path / "run") == 4
    assert step_in(tmp_path / "run.1") == 1


def test_a_save_at_once_is_written_after_one_in_the_background(gate, tmp_path):
    path = tmp_path / "run"
    model = ad.nn.Linear(2, 1)
    ad.save_training(path, model=model, step=1, background=True)
    assert gate.begun.acquire(timeout=20)
    early = []

    def later():
        early.append(gate.begun.acquire(blocking=False))
        gate.let(2)

    threading.Timer(0.1, later).start()
    ad.save_training(path, model=model, step=2)
    assert early == [False]
    assert step_in(path) == 2
    assert step_in(tmp_path / "run.1") == 1


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), KeyboardInterrupt()])
def test_where_no_thread_can_be_had(tmp_path, monkeypatch, error):
    """It is written at once; and an interrupt there leaves nothing to wait for."""

    def start(self):
        raise error

    saver = ad.TrainingSaver(tmp_path / "run")
    monkeypatch.setattr(threading.Thread, "start", start)
    if isinstance(error, RuntimeError):
        saver.save(model=ad.nn.Linear(2, 1), step=3)
    else:
        with pytest.raises(KeyboardInterrupt):
            saver.save(model=ad.nn.Linear(2, 1), step=2)
    monkeypatch.undo()
    if isinstance(error, KeyboardInterrupt):
        saver.close()
        saver.save(model=ad.nn.Linear(2, 1), step=3)
    saver.close()
    assert step_in(tmp_path / "run") == 3


def test_no_memory_for_the_copy(tmp_path, monkeypatch):
    def take(*_, **__):
        raise MemoryError

    model = ad.nn.Linear(2, 1)
    with ad.TrainingSaver(tmp_path / "run") as saver:
        saver.save(model=model, step=1)
        saver.wait()
        with monkeypatch.context() as patch:
            patch.setattr(saving, "take", take)
            with pytest.warns(ad.SaveWarning, match="MemoryError.*training goes on"):
                saver.save(model=model, step=2)
        saver.save(model=model, step=3)
    assert step_in(tmp_path / "run") == 3


def test_a_missing_package_is_told_at_the_first_save(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for save in (
        lambda path: ad.save_training(path, model=ad.nn.Linear(2, 1)),
        lambda path: ad.save({"x": ad.ones(1)}, f"{path}.safetensors"),
    ):
        with pytest.raises(RuntimeError, match=r'pip install "anadrome\[safetensors\]"'):
            save(tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_warnings_are_of_the_users_line(tmp_path):
    path = tmp_path / "run"
    for _ in range(2):
        ad.save_training(path, model=ad.nn.Linear(2, 1))
    path.write_bytes(b"x")
    with pytest.warns(ad.SaveWarning) as told:
        ad.load_training(path, model=ad.nn.Linear(2, 1))
    assert told[0].filename == __file__


def test_load_waits_for_what_is_being_written(gate, tmp_path):
    path = tmp_path / "run"
    ad.save_training(path, model=ad.nn.Linear(2, 1), step=5, background=True)
    threading.Timer(0.05, gate.let).start()
    assert step_in(path) == 5


def test_a_failure_is_told_at_the_next_call_and_training_goes_on(gate, tmp_path):
    path = tmp_path / "run"
    model = ad.nn.Linear(2, 1)
    gate.let(1)
    saver = ad.TrainingSaver(path)
    saver.save(model=model, step=1)
    saver.wait()
    gate.error = OSError(28, "No space left on device")
    gate.let(1)
    saver.save(model=model, step=2)
    saver._settle()
    gate.error = None
    gate.let(1)
    with pytest.warns(ad.SaveWarning, match="No space left on device.*training goes on"):
        saver.save(model=model, step=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saver.close()  # the last one was written
    assert step_in(path) == 3


def test_close_raises_if_the_last_save_was_not_written(gate, tmp_path):
    model = ad.nn.Linear(2, 1)
    gate.let(9)
    with ad.TrainingSaver(tmp_path / "run") as saver:
        saver.save(model=model, step=1)
        saver.wait()
    gate.error = OSError(28, "No space left on device")
    with pytest.raises(ad.errors.SerializationError, match="No space left on device"), saver:
        saver.save(model=model, step=2)
    saver.close()  # it was told
    # An error in training is the one to see.
    with pytest.raises(ZeroDivisionError), saver:
        saver.save(model=model, step=2)
        raise ZeroDivisionError


def test_a_failure_of_the_very_first_is_an_error_at_the_next_call(gate, tmp_path):
    gate.error = OSError(28, "No space left on device")
    gate.let(9)
    saver = ad.TrainingSaver(tmp_path / "run")
    saver.save(model=ad.nn.Linear(2, 1), step=1)
    saver._settle()
    with pytest.raises(ad.errors.SerializationError, match="No space left on device"):
        saver.save(model=ad.nn.Linear(2, 1), step=2)


def run(code, *arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, timeout=60,
    )  # fmt: skip


SLOW = """
import sys, os, time, anadrome as ad
from anadrome.plugins.resume import rotation, saving
real = rotation.write
def slow(*args):
    time.sleep(0.3)
    real(*args)
rotation.write = slow
model = ad.nn.Linear(2, 1)
"""


@pytest.mark.parametrize("end", ["pass", "sys.exit(0)", "1 / 0", "raise KeyboardInterrupt"])
def test_python_ends_when_all_is_written(tmp_path, end):
    code = f"""{SLOW}
for i in (1, 2):
    ad.save_training("run", model=model, step=i, background=True)
{end}
"""
    run(code, cwd=tmp_path)
    assert step_in(tmp_path / "run") == 2


def test_what_nobody_asked_for_is_told_at_the_end(tmp_path):
    code = f"""{SLOW}
ad.save_training('run', model=model, step=1)
def full(*args): raise OSError(28, "No space left on device")
rotation.write = full
ad.save_training('run', model=model, step=2, background=True)
"""
    done = run(code, cwd=tmp_path)
    assert done.returncode == 0
    assert "SaveWarning" in done.stderr
    assert "No space left on device" in done.stderr
    assert step_in(tmp_path / "run") == 1


def test_a_relative_path_means_the_folder_of_the_moment(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    code = f"""{SLOW}
saver = ad.TrainingSaver("run")
saver.save(model=model, step=1)
os.chdir("elsewhere")
saver.save(model=model, step=2)
saver.close()
"""
    done = run(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert step_in(tmp_path / "run") == 2
    assert not list((tmp_path / "elsewhere").iterdir())


@posix
def test_a_fork_while_a_file_is_written(tmp_path):
    """The child neither waits nor writes; if it saves itself, it can."""
    code = f"""{SLOW}
saver = ad.TrainingSaver("run")
saver.save(model=model, step=1)
saver.save(model=model, step=2)
pid = os.fork()
if pid == 0:
    saver.close()
    saver.target += "-child"
    saver.save(model=model, step=7)
    saver.close()
    sys.exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
saver.close()
"""
    done = run(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert step_in(tmp_path / "run-child") == 7
    assert step_in(tmp_path / "run") == 2


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "disk" / "file")  # which is not there yet
    for step in (1, 2):
        ad.save_training(link, model=ad.nn.Linear(2, 1), step=step)
    assert link.is_symlink()
    assert step_in(link) == 2
    assert sorted(p.name for p in (tmp_path / "disk").iterdir()) == ["file", "file.1"]


def test_rotation_keeps_as_many_as_asked_for(tmp_path):
    path = tmp_path / "run"
    model = ad.nn.Linear(2, 1)
    (tmp_path / "run.old").write_bytes(b"")  # somebody else's
    for step in range(1, 6):
        ad.save_training(path, model=model, step=step, keep=4)
    names = ["run", "run.1", "run.2", "run.3"]
    assert [step_in(tmp_path / name) for name in names] == [5, 4, 3, 2]
    ad.save_training(path, model=model, step=6, keep=2)
    assert [step_in(tmp_path / name) for name in names[:2]] == [6, 5]
    ad.save_training(path, model=model, step=7, keep=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run.old"]


def test_rotation_without_hard_links(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refused)
    for step in range(1, 5):
        ad.save_training(tmp_path / "run", model=ad.nn.Linear(2, 1), step=step)
    assert [step_in(tmp_path / name) for name in ("run", "run.1", "run.2")] == [4, 3, 2]


@posix
def test_permissions_stay(tmp_path):
    path = tmp_path / "run"
    before = os.umask(0o027)
    try:
        ad.save_training(path, model=ad.nn.Linear(2, 1))
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o600)
        ad.save_training(path, model=ad.nn.Linear(2, 1))
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"keep": 0}, "keep is how many files there are, at least 1, not 0"),
        ({"on_error": "ignore"}, "on_error is 'warn' or 'raise', not 'ignore'"),
        ({"step": 1.5}, "step is an int, not float"),
        ({"model": 3}, r"model is a int, which has no state_dict\(\)"),
        ({"model": {"a": None}}, r"model\['a'\] is a NoneType, which has no state_dict\(\)"),
        ({"generators": [3]}, r"generators\[0\]: int is not a generator of random numbers"),
    ],
)
def test_wrong_arguments(tmp_path, options, told):
    with pytest.raises((TypeError, ValueError), match=told):
        ad.save_training(tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())
