"""Files of every released version of the format are read, bit for bit.

``python tests/test_resume_versions.py FILE`` writes one of the present version. When the version
goes up, its file is added to ``tests/files`` and to ``VERSIONS``; the older ones stay as they are.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

import anadrome as ad
from anadrome import nn, tensor_file
from anadrome.plugins.resume.snapshot import VERSION
from anadrome.utils.data import DataLoader, TensorDataset

FILES = Path(__file__).parent / "files"
VERSIONS = [1]


def parts(start: float = 0.0) -> dict:
    """One part of each kind, from numbers that anybody can write down."""
    first, second = nn.Linear(2, 2), nn.BatchNorm1d(2)
    half = nn.Linear(2, 1, bias=False, dtype=ad.bfloat16)
    with ad.no_grad():
        first.weight.copy_(ad.tensor([[1.0, 0.5], [-0.25, 2.0]]) + start)
        first.bias.fill_(start)
        half.weight.fill_(start)
    adam = ad.optim.Adam(first.parameters(), lr=0.125)
    sgd = ad.optim.SGD([*second.parameters(), *half.parameters()], lr=0.5, momentum=0.5)
    schedulers = ad.optim.lr_scheduler
    data = TensorDataset(ad.arange(10))
    return {
        "model": {"first": first, "second": second, "half": half},
        "optimizer": [adam, sgd],
        "scheduler": [
            schedulers.ReduceLROnPlateau(adam, patience=1, factor=0.5),
            schedulers.SequentialLR(
                sgd,
                [schedulers.ConstantLR(sgd, 0.5), schedulers.MultiStepLR(sgd, [1, 1, 4])],
                [2],
            ),
        ],
        "scaler": ad.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2),
        "loader": DataLoader(data, 2, shuffle=True, generator=ad.Generator().manual_seed(3)),
        "generators": {"ours": ad.Generator().manual_seed(4), "python": random.Random(5)},
    }


def extra() -> dict:
    return {
        "best": float("inf"), "name": "é", 3: (1, None, True), "many": [0.1, -0.0, 2**70],
        "array": np.arange(3, dtype="uint16"), "number": np.float32(0.1),
        "complex": ad.tensor([1 + 2j], dtype=ad.complex128), "set": {1, 2}, "bytes": b"\x00\xff",
    }  # fmt: skip


def step(parts: dict) -> float:
    """Sums of few numbers and powers of two: the same on every machine."""
    model, optimizers, scaler = parts["model"], parts["optimizer"], parts["scaler"]
    x = ad.tensor([[1.0, -2.0], [0.5, 4.0]])
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss = model["first"](x).sum() + model["half"](x.bfloat16()).float().sum()
    loss = loss + model["second"].weight.sum()
    scaler.scale(loss).backward()
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    parts["scheduler"][0].step(1.0)
    parts["scheduler"][1].step()
    return loss.item()


def draws(parts: dict) -> list:
    own = parts["generators"]
    return [
        ad.rand(2).tolist(), random.random(), np.random.random(), own["python"].random(),
        ad.randint(100, (3,), generator=own["ours"]).tolist(),
    ]  # fmt: skip


def begun() -> tuple[dict, object]:
    """A training in the middle of an epoch."""
    ad.manual_seed(6)
    random.seed(7)
    np.random.seed(8)
    now = parts()
    batches = iter(now["loader"])
    for _ in range(2):
        next(batches)
        step(now)
    draws(now)
    return now, batches


def save(path: Path) -> None:
    now, batches = begun()
    ad.save_training(path, **now, step=2, extra=extra(), keep=1)
    del batches


def going_on(now: dict) -> list:
    out: list = [(step(now), draws(now)) for _ in range(3)]
    out += [optimizer.state_dict()["param_groups"] for optimizer in now["optimizer"]]
    out += [{k: v.tolist() for k, v in m.state_dict().items()} for m in now["model"].values()]
    out += [s.state_dict() for s in now["scheduler"]]
    return [*out, now["scaler"].get_scale()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_each_version_is_read_bit_for_bit(version):
    now = parts(start=9.0)
    state = ad.load_training(FILES / f"training_v{version}.safetensors", **now)
    assert (state.step, state.version) == (2, {1: "0.1.0"}[version])
    assert repr(state.extra) == repr(extra())
    got = going_on(now)
    left = [batch.tolist() for (batch,) in now["loader"]]
    then, batches = begun()
    assert going_on(then) == got
    assert [batch.tolist() for (batch,) in batches] == left
    assert len(left) == 3


def test_the_present_version_has_its_file():
    assert max(VERSIONS) == VERSION
    assert {f"training_v{v}.safetensors" for v in VERSIONS} == {p.name for p in FILES.iterdir()}


def test_the_layout_is_that_of_the_file_of_the_present_version(tmp_path):
    """A change of the layout is a new version."""
    save(tmp_path / "now")
    assert layout(tmp_path / "now") == layout(FILES / f"training_v{VERSION}.safetensors")


def layout(path: Path) -> dict:
    _, note = tensor_file.parse(path.name, path.read_bytes())
    training = note["training"]
    return {
        "keys": list(training),
        "parts": {name: keys(part) for name, part in training["parts"].items()},
        "random": keys(training["random"]),
        "extra": training["extra"],
    }


def keys(described: dict) -> list:
    return [key for key, _ in described["dict"]]


if __name__ == "__main__":
    save(Path(sys.argv[1]))
