"""Saved values on disk: what the file holds, what goes wrong, and that nothing is left behind."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import anadrome as ad
from anadrome import nn
from anadrome.autograd.graph import save_on_disk
from anadrome.errors import AnadromeError


def size_of(context: Any) -> int:
    return os.fstat(context.spool.file.fileno()).st_size


def test_the_file_holds_what_the_graph_saves_and_shrinks_with_it(tmp_path: Path) -> None:
    x = ad.randn(256, requires_grad=True)
    context = save_on_disk(tmp_path)
    with context:
        y = (x * 2.0).sin().exp()
    assert context.spool is None  # less than min_bytes each
    context = save_on_disk(tmp_path, min_bytes=0)
    with context:
        y = (x * 2.0).sin().exp()
    assert size_of(context) == 2 * 1024  # of sin its input, of exp its output
    assert os.listdir(tmp_path) == [] or os.name == "nt"
    y.sum().backward(retain_graph=True)
    assert size_of(context) == 2 * 1024
    y.sum().backward()
    assert size_of(context) == 0
    with context:
        z = (x * 2.0).sin()
        dropped = (x * 3.0).sin()
        w = (x * 4.0).sin()
    assert size_of(context) == 3 * 1024
    del dropped
    assert context.spool.free == {1024: 1024}
    with context:
        v = (x * 5.0).sin()
    assert (size_of(context), context.spool.free) == (3 * 1024, {})
    del z, w, v
    assert size_of(context) == 0


def test_steps_do_not_make_it_grow(tmp_path: Path) -> None:
    ad.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.3))
    context = save_on_disk(tmp_path, min_bytes=0)
    sizes = set()
    handles = len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0
    for _ in range(20):
        with context:
            loss = model(ad.randn(6, 8)).square().sum()
        sizes.add(size_of(context))
        loss.backward()
        assert size_of(context) == 0
    assert len(sizes) == 1
    if handles:
        assert len(os.listdir("/dev/fd")) <= handles + 1


def test_a_region_given_back_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """As the garbage collector may do it: in the same thread, while the lock is held."""
    from anadrome.plugins.offload.spool import Spool

    spool = Spool(str(tmp_path))
    first, second = (spool.write(memoryview(bytes([i]) * 10)) for i in (1, 2))
    held = [first]
    del first

    class Bytes(bytes):
        pass

    file, write = spool.file, spool.file.write
    spool.file = type("File", (), {
        "seek": file.seek, "closed": False, "truncate": file.truncate, "readinto": file.readinto,
        "write": lambda self, raw: (held.clear(), write(raw))[1],
    })()  # fmt: skip
    third = spool.write(memoryview(b"3" * 10))
    assert (third.start, spool.free, spool.returned) == (20, {0: 10}, type(spool.returned)())
    assert (bytes(second.read()), bytes(third.read())) == (b"\2" * 10, b"3" * 10)


def test_threads_share_one_file(tmp_path: Path) -> None:
    context = save_on_disk(tmp_path, min_bytes=0)
    results: dict[int, bool] = {}

    def work(number: int) -> None:
        same = []
        for i in range(10):
            x = ad.randn(50, generator=ad.Generator().manual_seed(number * 100 + i))
            x.requires_grad_()
            with ad.autograd.graph.saved_tensors_hooks(context.pack, context.unpack):
                y = (x * number).sin().exp().sum()
            (g,) = ad.autograd.grad(y, x)
            (expected,) = ad.autograd.grad((x * number).sin().exp().sum(), x)
            same.append(g.tolist() == expected.tolist())
        results[number] = all(same)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == dict.fromkeys(range(1, 5), True)
    gc.collect()
    assert size_of(context) == 0


# -- what goes wrong ----------------------------------------------------------------------------
def test_a_full_disk_names_the_directory_and_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = ad.randn(64, requires_grad=True)
    context = save_on_disk(tmp_path, min_bytes=0)
    with context:
        before = (x * 2.0).sin()
    file = context.spool.file
    room = [100]

    class Full:
        """A file on a disk with 100 bytes left."""

        closed = False

        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

        def write(self, raw: Any) -> int:
            if not room[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken = file.write(raw[: room[0]])
            room[0] -= taken
            return taken

    context.spool.file = Full()
    with context, pytest.raises(OSError, match="could not write a value of 256 bytes") as caught:
        (x * 3.0).sin()
    assert isinstance(caught.value, AnadromeError)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert size_of(context) == 256
    before.sum().backward()
    assert x.grad.tolist() == (2 * (x.detach() * 2).cos()).tolist()
    context.spool.file = file
    with context:
        (x * 3.0).sin().sum().backward()
    assert size_of(context) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_real_limit_of_the_system(tmp_path: Path) -> None:
    program = """
        import resource, signal, sys
        import anadrome as ad
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        x = ad.ones(1000, requires_grad=True)
        context = ad.autograd.graph.save_on_disk(sys.argv[1], min_bytes=0)
        with context:
            a = (x * 2).sin()
            b = (x * 2).sin()
            try:
                (x * 2).sin()
            except OSError as error:
                assert error.filename == sys.argv[1], error
                assert "could not write a value of 4,000 bytes" in str(error), error
            else:
                raise AssertionError
        (a + b).sum().backward()
        assert ad.allclose(x.grad, 4 * (x * 2).cos())
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], check=True, timeout=60
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("way", ["end", "error", "kill"])
@pytest.mark.skipif(sys.platform == "win32", reason="files have names there")
def test_nothing_is_left_however_the_process_ends(tmp_path: Path, way: str) -> None:
    program = """
        import os, signal, sys
        import anadrome as ad
        x = ad.ones(5000, requires_grad=True)
        context = ad.autograd.graph.save_on_disk(sys.argv[1])
        with context:
            y = (x * 2).sin()
        assert os.fstat(context.spool.file.fileno()).st_size == 20_000
        if sys.argv[2] == "error":
            raise KeyError("mine")
        if sys.argv[2] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), way],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == {"end": 0, "error": 1, "kill": -9}[way], done.stderr
    assert "ignored" not in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["absent", "a file"])
def test_a_directory_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    where = tmp_path / "there"
    if kind == "a file":
        where.write_text("")
    x = ad.randn(64, requires_grad=True)
    context = save_on_disk(where, min_bytes=0)
    with context, pytest.raises(OSError, match="save_on_disk: could not write") as caught:
        (x * 3.0).sin()
    assert caught.value.filename == str(where)


@pytest.mark.parametrize("how", ["other bits", "cut short"])
def test_what_is_not_as_it_was_written_is_an_error(tmp_path: Path, how: str) -> None:
    x = ad.randn(64, requires_grad=True)
    context = save_on_disk(tmp_path, min_bytes=0)
    with context:
        y = (x * 3.0).sin()
    if how == "other bits":
        os.pwrite(context.spool.file.fileno(), b"\1", 100)
    else:
        os.ftruncate(context.spool.file.fileno(), 100)
    with pytest.raises(OSError, match=r"of shape \(64,\) was read back from .* with other bits"):
        y.sum().backward()


def test_an_error_in_the_forward_or_a_hook_gives_everything_back(tmp_path: Path) -> None:
    x = ad.randn(64, requires_grad=True)
    context = save_on_disk(tmp_path, min_bytes=0)
    with pytest.raises(KeyError), context:
        h = (x * 3.0).sin()
        raise KeyError("mine")
    del h
    gc.collect()
    assert size_of(context) == 0
    with context:
        h = (x * 3.0).sin()
        y = h.exp()

    def fails(grad: Any) -> None:
        raise KeyError("hook")

    h.register_hook(fails)
    with pytest.raises(KeyError):
        y.sum().backward()
    del h, y
    gc.collect()
    assert size_of(context) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_leaves_the_file_alone(tmp_path: Path) -> None:
    x = ad.randn(64, requires_grad=True)
    context = save_on_disk(tmp_path, min_bytes=0)
    with context:
        y = (x * 3.0).sin()
    child = os.fork()
    if not child:
        try:
            del y
            gc.collect()
            with context:
                z = (x * 3.0).sin()
            z.sum().backward()
            os._exit(0 if x.grad is not None else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert size_of(context) == 256
    y.sum().backward()
    assert x.grad.tolist() == (3 * (x.detach() * 3).cos()).tolist()
