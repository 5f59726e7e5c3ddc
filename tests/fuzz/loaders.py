"""loaders: what reads bytes or states that somebody else may have written, fed with damaged ones.

Each loader takes bytes. It must read them, or refuse them by an error of ours; and one that changes
something must change all of it or nothing. ``test_loaders`` feeds them what hypothesis draws,
``atheris_loaders`` what libFuzzer finds by coverage.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import os
import random
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import anadrome as ad
from anadrome import tensor_file
from anadrome.errors import SerializationError
from anadrome.plugins.demo import table
from anadrome.plugins.demo.errors import DemoError
from anadrome.plugins.sentinel import command

from . import oracle, pools
from .draws import Drawn


class Loader(NamedTuple):
    """One way in. ``seeds``: good inputs to start from; ``errors``: what a refusal has to be."""

    name: str
    feed: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    errors: type[Exception] = Exception


class Told(Exception):
    """A command has refused its file, in words."""


def judged(loader: Loader, data: bytes) -> oracle.Outcome:
    """Feed a loader; what came of it."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            loader.feed(data)
    except Told:
        return oracle.Outcome(oracle.REFUSED)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        outcome = oracle.judged(error, Drawn([], {}, 0))
        if outcome.kind == oracle.REFUSED and not isinstance(error, loader.errors):
            said = f"{type(error).__name__} in place of {loader.errors.__name__}: {error}"
            return oracle.Outcome(oracle.LEAKED, loader.name, said)
        return outcome
    return oracle.Outcome(oracle.WORKED)


@contextlib.contextmanager
def unsealed() -> Iterator[None]:
    """Leave out the checksum, so that damage gets further than to it."""
    verify = tensor_file._verify
    tensor_file._verify = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        tensor_file._verify = verify


@functools.cache
def _folder() -> str:
    return tempfile.mkdtemp(prefix="fuzz-")


def _path(name: str, data: bytes | None = None) -> str:
    path = os.path.join(_folder(), name)
    if data is not None:
        with open(path, "wb") as file:
            file.write(data)
    return path


def _written(write: Callable[[str], object], name: str) -> bytes:
    path = _path(name)
    write(path)
    with open(path, "rb") as file:
        return file.read()


# -- files of tensors ---------------------------------------------------------------------------
_STATE = {"w": ad.ones(2, 3), "n": {"a": [ad.arange(3), 2.5, None]}, "h": ad.ones(2).half()}


def _safetensors() -> list[bytes]:
    flat = {"w": ad.ones(2, 3), "b": ad.zeros(3, dtype=ad.bfloat16)}
    return [_written(lambda p, s=s: ad.save(s, p), "s.safetensors") for s in (_STATE, flat)]


def _load(data: bytes) -> object:
    return ad.load(io.BytesIO(data))


def _load_unsealed(data: bytes) -> object:
    with unsealed():
        return _load(data)


@functools.cache
def _archives() -> list[bytes]:
    states = (_STATE, ad.nn.Linear(2, 3).state_dict(), [ad.ones(2).expand(3, 2), {1, 2}, b"x"])
    return [_written(lambda p, s=s: ad.save(s, p), "s.pt") for s in states]


def _pickles() -> list[bytes]:
    whole = zipfile.ZipFile(io.BytesIO(_archives()[0]))
    return [whole.read(name) for name in whole.namelist() if name.endswith("data.pkl")]


def _load_pickle(data: bytes) -> object:
    """The instructions of a file's pickle, in an archive that is whole."""
    whole = zipfile.ZipFile(io.BytesIO(_archives()[0]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, data if name.endswith("data.pkl") else whole.read(name))
    return _load(out.getvalue())


# -- a training, and a replay ---------------------------------------------------------------------
def _training() -> tuple[dict[str, Any], list[Any]]:
    ad.manual_seed(0)
    model = ad.nn.Sequential(ad.nn.Linear(2, 3), ad.nn.BatchNorm1d(3))
    optimizer = ad.optim.Adam(model.parameters(), lr=0.1)
    scheduler = ad.optim.lr_scheduler.StepLR(optimizer, 2)
    model(ad.ones(4, 2)).sum().backward()
    optimizer.step()
    given = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    return given, [*model.state_dict().values(), *optimizer.state_dict()["state"][0].values()]


def _trainings() -> list[bytes]:
    def save(path: str) -> None:
        ad.save_training(path, **_training()[0], step=3, extra={"best": 0.5})

    return [_written(save, "t.safetensors")]


def _load_training(data: bytes) -> None:
    given, values = _training()
    before = [v.detach().clone() if isinstance(v, ad.Tensor) else v for v in values]
    keys = ad.get_rng_state()
    try:
        ad.load_training(_path("u.safetensors", data), **given)
    except BaseException:
        for old, new in zip(before, values):
            assert ad.equal(old, new) if isinstance(old, ad.Tensor) else old == new
        assert ad.equal(keys, ad.get_rng_state())
        raise


def _load_training_unsealed(data: bytes) -> None:
    with unsealed():
        _load_training(data)


def _replays() -> list[bytes]:
    def save(path: str) -> None:
        model = ad.nn.Linear(3, 2)

        def step(x: ad.Tensor) -> ad.Tensor:
            loss = ad.sqrt(model(x).sum() - 1e9)
            loss.backward()
            return loss

        with contextlib.suppress(ad.NonFiniteError):
            ad.sentinel(file=path)(step)(ad.ones(4, 3))

    return [_written(save, "r.safetensors")]


def _replay(data: bytes) -> None:
    quiet = io.StringIO()
    with unsealed(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        if command.run(parser.parse_args([_path("v.safetensors", data)])) == 2:
            raise Told


# -- tables, states, capsules -------------------------------------------------------------------
def _tables() -> list[bytes]:
    rows = [f"{i},{i * 0.5},{'ab'[i % 2]}" for i in range(24)]
    numbers = [f"{i};{i * 1.5:.3f};{i % 7 * 0.25}" for i in range(24)]
    return ["\n".join(["x,y,target", *rows]).encode(), "\n".join(["x;y;target", *numbers]).encode()]


def _load_table(data: bytes) -> object:
    return table.load_table(_path("t.csv", data), "target", 0)


def _random_of(data: bytes) -> random.Random:
    return random.Random(data)


def _hostile(state: Any, rng: random.Random, depth: int = 0) -> Any:
    """A state of which some places hold something else, are missing, or are named otherwise."""
    if rng.random() < 0.12:
        return pools.hostile(rng)
    if isinstance(state, dict) and depth < 4:
        out = {k: _hostile(v, rng, depth + 1) for k, v in state.items() if rng.random() > 0.05}
        if rng.random() < 0.15:
            out[rng.choice((None, 0, -1, 2.5, "other", "", ()))] = pools.hostile(rng)
        return out
    if isinstance(state, list) and depth < 4:
        return [_hostile(v, rng, depth + 1) for v in state]
    return state


def _load_states(data: bytes) -> None:
    """``load_state_dict`` of everything that has one, and a step with what was taken."""
    given, _ = _training()
    rng = _random_of(data)
    scaler = ad.amp.GradScaler("cpu")
    owner = rng.choice([*given.values(), scaler])
    state = _hostile(dict(owner.state_dict()), rng)
    owner.load_state_dict(state)
    if owner is given["optimizer"]:
        owner.step()


def _set_state(data: bytes) -> None:
    """``Generator.set_state``, and the draws that follow."""
    rng = _random_of(data)
    generator = ad.Generator()
    state = rng.choice((generator.get_state(), pools.tensor(rng), pools.hostile(rng)))
    if isinstance(state, ad.Tensor) and state.numel() and rng.random() < 0.5:
        state = ad.tensor([pools.integer(rng) % 2**63 for _ in range(rng.randrange(4))])
    generator.set_state(state)
    ad.rand(3, generator=generator)


class _Exporter:
    """Another library's array, as it should not be."""

    def __init__(self, rng: random.Random) -> None:
        self.array = rng.choice((np.ones(3), np.ones((2, 0))))
        self.rng = rng

    def __dlpack__(self, **keywords: Any) -> Any:
        if self.rng.random() < 0.5:
            return pools.hostile(self.rng)
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> Any:
        return (1, 0) if self.rng.random() < 0.6 else pools.hostile(self.rng)


def _from_dlpack(data: bytes) -> None:
    rng = _random_of(data)
    capsule = np.ones(3).__dlpack__()
    ad.from_dlpack(rng.choice((_Exporter(rng), pools.hostile(rng), capsule))).sum().item()
    if rng.random() < 0.3:
        ad.from_dlpack(capsule)  # which may be used up


def _seeds() -> list[bytes]:
    return [bytes([n]) for n in range(8)]


LOADERS = {
    loader.name: loader
    for loader in (
        Loader("safetensors", _load, _safetensors, SerializationError),
        Loader(
            "safetensors without the checksum", _load_unsealed, _safetensors, SerializationError
        ),
        Loader("PyTorch's archive", _load, _archives, SerializationError),
        Loader("PyTorch's pickle", _load_pickle, _pickles, SerializationError),
        Loader("training", _load_training, _trainings, SerializationError),
        Loader(
            "training without the checksum", _load_training_unsealed, _trainings, SerializationError
        ),
        Loader("replay", _replay, _replays),
        Loader("table", _load_table, _tables, DemoError),
        Loader("load_state_dict", _load_states, _seeds),
        Loader("Generator.set_state", _set_state, _seeds),
        Loader("from_dlpack", _from_dlpack, _seeds),
    )
}


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes with one to four things changed: flipped, cut, repeated, moved, numbers exchanged."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(out) + 1)
        to = min(len(out), at + rng.choice((1, 1, 2, 4, 8, 40)))
        which = rng.randrange(8)
        if which == 0 and out:
            out[min(at, len(out) - 1)] ^= 1 << rng.randrange(8)
        elif which == 1:
            out[at:to] = rng.randbytes(to - at)
        elif which == 2:
            del out[at:to]
        elif which == 3:
            out[at:at] = out[at:to]
        elif which == 4:
            del out[at:]
        elif which == 5:
            out[at:to] = rng.choice((b"\xff" * 8, b"\0" * 8, b"-1", b"9" * 19, b"1e999", b"NaN"))
        elif which == 6:
            other = rng.randrange(len(out) + 1)
            out[at:to] = out[other : other + (to - at)]
        else:
            out = _with_other_number(out, rng)
    return bytes(out)


def _with_other_number(data: bytearray, rng: random.Random) -> bytearray:
    """One of the numbers in the text of a header is another."""
    digits = [i for i, c in enumerate(data[:4096]) if 48 <= c < 58]
    if digits:
        at = rng.choice(digits)
        data[at : at + 1] = str(rng.choice((0, 1, 7, 99, 2**31, 2**63, -1))).encode()
    return data
