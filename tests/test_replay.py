"""Replay files: what a step did, run again on any backend; and files that are no such thing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
import strict_backend
from test_backend_cupy import fake  # noqa: F401

import anadrome as ad
from anadrome.__main__ import main
from anadrome.errors import SerializationError
from anadrome.nn import functional as F
from anadrome.plugins.sentinel import files
from anadrome.plugins.sentinel.diagnosing import diagnose
from anadrome.plugins.sentinel.running import run

# Other backends' arrays warn of what is injected here.
pytestmark = pytest.mark.filterwarnings("ignore:.* encountered in .*:RuntimeWarning")

nn = ad.nn
NAN = float("nan")


class Net(nn.Module):
    """Something of everything that a trace has to write down."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(7, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.scale = nn.Parameter(ad.ones(8))
        self.last = nn.Linear(8, 7)

    def forward(self, tokens):
        x = self.tokens(tokens)[:, 1:, :].mean(dim=1)
        x = F.relu(self.norm(x), inplace=True)
        x = self.drop(x + 1.0) * self.scale
        x = ad.where(x >= 0, x.sqrt(), 0.0)
        return self.last(x.clamp(max=3.0))


@pytest.fixture
def saved(tmp_path):
    """A file of a step that was hit, and the error."""
    model = Net()
    optimizer = ad.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "step.safetensors"

    @ad.sentinel(file=str(path))
    def step(tokens, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens), labels)
        loss.backward()
        optimizer.step()

    with pytest.raises(ad.NonFiniteError) as caught:
        step(ad.randint(0, 7, (6, 4)), ad.randint(0, 7, (6,)))
    assert f"anadrome replay {path}" in str(caught.value)
    assert caught.value.file == str(path)
    return str(path), caught.value


def test_the_file_gives_the_same_finding_again(saved, capsys):
    path, error = saved
    assert main(["replay", path]) == 1
    printed = capsys.readouterr().out
    assert str(error.finding) in printed
    assert error.finding.op == "sqrt" and "run on numpy" in printed


def test_ops_are_listed(saved, capsys):
    path, _ = saved
    assert main(["replay", path, "--ops"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (embedding,) = [i for i, line in enumerate(lines) if "  embedding  " in line]
    (root,) = [i for i, line in enumerate(lines) if "  sqrt  " in line and "backward" not in line]
    assert embedding < root
    assert "test_replay.py:" in lines[root]
    assert any("backward  div" in line for line in lines[root:])


def test_on_the_strict_backend(saved):
    """Other arrays, other kernels, the same random numbers: the same op and line."""
    path, error = saved
    trace, arrays = files.load(path)
    finding = diagnose(run(trace, arrays, strict_backend.load()))
    assert (finding.op, finding.phase) == (error.finding.op, error.finding.phase)
    assert (finding.where, finding.module) == (error.finding.where, error.finding.module)
    assert finding.result.bad == error.finding.result.bad


def test_the_masked_branch_is_seen_again(tmp_path):
    w = ad.tensor([0.0, 4.0], requires_grad=True)
    path = str(tmp_path / "masked.safetensors")
    with pytest.raises(ad.NonFiniteError) as caught:
        ad.sentinel(file=path)(lambda: ad.where(w > 0, w.sqrt(), 0.0).sum().backward())()
    for name in ("numpy", strict_backend.load()):
        finding = diagnose(run(*files.load(path), name))
        assert str(finding) == str(caught.value.finding)
        assert finding.masked


def test_on_an_imagined_gpu(saved, fake):  # noqa: F811
    path, error = saved
    trace, arrays = files.load(path)
    seen = run(trace, arrays, fake.name)
    finding = diagnose(seen)
    assert (finding.op, finding.where) == (error.finding.op, error.finding.where)
    assert finding.result.bad == error.finding.result.bad  # dropout kept the same values


def test_a_process_that_knows_nothing_of_the_step(saved):
    path, error = saved
    ran = subprocess.run(
        [sys.executable, "-m", "anadrome", "replay", path], capture_output=True, text=True
    )
    assert ran.returncode == 1, ran.stderr
    assert f"First made by the backward of sqrt at {error.finding.where}" in ran.stdout


def test_what_does_not_come_again_is_told_as_it_was(tmp_path, capsys):
    """Half precision overflows where it was recorded; run with other numbers it does not."""
    w = ad.tensor([300.0], dtype=ad.float16, requires_grad=True)
    path = str(tmp_path / "half.safetensors")

    @ad.sentinel(file=path)
    def step():
        (w * w).sum().backward()

    with pytest.raises(ad.NonFiniteError):
        step()
    trace, arrays = files.load(path)
    arrays = {n: a * 0 for n, a in arrays.items()}
    files.save(path, trace, arrays)
    assert main(["replay", path]) == 0
    printed = capsys.readouterr().out
    assert "All is finite here. On numpy it was:" in printed and "Overflow: float16" in printed


def test_a_dtype_that_the_backend_lacks(tmp_path, capsys):
    w = ad.tensor([300.0], dtype=ad.float16, requires_grad=True)
    path = str(tmp_path / "half.safetensors")
    with pytest.raises(ad.NonFiniteError):
        ad.sentinel(file=path)(lambda: (w * w).sum().backward())()
    assert main(["replay", path, "--backend", strict_backend.load()]) == 2
    told = capsys.readouterr().err
    assert path in told and "has no float16" in told


def test_an_unknown_backend(saved, capsys):
    assert main(["replay", saved[0], "--backend", "abacus"]) == 2
    assert "no backend named 'abacus'" in capsys.readouterr().err


def test_an_op_of_a_plugin_that_is_not_there(saved):
    path, _ = saved
    trace, arrays = files.load(path)
    trace.calls[3].op, trace.calls[3].plugin = "third_party_op", "third_party"
    files.save(path, trace, arrays)
    with pytest.raises(SerializationError, match="op 'third_party_op' of the plugin 'third_party'"):
        files.load(path)


def test_a_replay_that_cannot_be_saved_is_no_second_error(tmp_path):
    w = ad.tensor([NAN], requires_grad=True)
    missing = str(tmp_path / "nowhere" / "step.safetensors")
    with pytest.raises(ad.NonFiniteError, match="could not be saved") as caught:
        ad.sentinel(file=missing)(lambda: w.sum().backward())()
    assert caught.value.finding is not None and caught.value.file is None


def test_a_name_of_another_format_is_refused(tmp_path):
    w = ad.tensor([NAN], requires_grad=True)
    with pytest.raises(ad.NonFiniteError, match=r"a file \*.safetensors, not"):
        ad.sentinel(file=str(tmp_path / "step.pt"))(lambda: w.sum().backward())()


def test_the_file_replaces_an_older_one(tmp_path):
    path = tmp_path / "step.safetensors"
    path.write_bytes(b"old")
    w = ad.tensor([NAN], requires_grad=True)
    with pytest.raises(ad.NonFiniteError):
        ad.sentinel(file=str(path))(lambda: w.sum().backward())()
    assert files.load(str(path))[0].roots
    assert sorted(os.listdir(tmp_path)) == ["step.safetensors"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o444


# -- hostile files ------------------------------------------------------------------------------
def refused(path: str, capsys) -> str:
    """What the command says of a file that is no replay: one line, which names it."""
    assert main(["replay", path]) == 2
    told = capsys.readouterr().err
    assert path in told and "Traceback" not in told
    return told


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated(saved, share, capsys):
    path, _ = saved
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(whole[: int(len(whole) * share)])
    refused(path, capsys)


def test_every_byte_flipped(saved, capsys):
    """One flipped bit at a time: the file is refused, by name, or holds the very step."""
    path, _ = saved
    step, values = files.load(path)
    with open(path, "rb") as file:
        whole = file.read()
    told = 0
    for place in range(0, len(whole), max(1, len(whole) // 300)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        with open(path, "wb") as file:
            file.write(damaged)
        try:
            trace, arrays = files.load(path)
        except SerializationError as refusal:
            assert path in str(refusal)
            told += 1
        else:
            assert trace == step
            assert {n: a.tobytes() for n, a in arrays.items()} == {
                n: a.tobytes() for n, a in values.items()
            }
    assert told > 290


def test_files_of_other_kinds(tmp_path, capsys):
    other = str(tmp_path / "weights.safetensors")
    ad.save({"w": ad.ones(2)}, other)
    assert "is no replay" in refused(other, capsys)
    torch_file = str(tmp_path / "weights.pt")
    ad.save({"w": ad.ones(2)}, torch_file)
    assert "is no replay" in refused(torch_file, capsys)
    text = tmp_path / "note.txt"
    text.write_text("hello")
    refused(str(text), capsys)
    refused(str(tmp_path / "missing.safetensors"), capsys)
    refused(str(tmp_path), capsys)


def changed(path: str, change) -> None:
    """Write the file anew with another trace, its checksum right."""
    content = ad.load(path)
    trace = json.loads(content["trace"])
    change(trace, content)
    if isinstance(content.get("trace"), str):
        content["trace"] = json.dumps(trace)
        content["crc32"] = files.checksum(content["trace"])
    ad.save(content, path)


HOSTILE = {
    "another version": lambda t, c: c.update(version=2),
    "no trace": lambda t, c: c.pop("trace"),
    "a trace that is no text": lambda t, c: c.update(trace=3),
    "calls that are none": lambda t, c: t.update(calls=3),
    "an op that is a path": lambda t, c: t["calls"][0].update(op="os.system"),
    "an op that writes": lambda t, c: t["calls"][0].update(op="adam_update"),
    "a value from nowhere": lambda t, c: t["calls"][0].update(args=[{"value": 999}]),
    "a value before its time": lambda t, c: t["calls"][0].update(
        args=[{"value": t["calls"][-1]["outputs"][0]}]
    ),
    "a value made twice": lambda t, c: t["calls"][1].update(outputs=t["calls"][0]["outputs"]),
    "an argument of no kind": lambda t, c: t["calls"][0].update(args=[{"exec": "import os"}]),
    "an argument of two kinds": lambda t, c: t["calls"][0].update(args=[{"a": 1, "b": 2}]),
    "a dtype that is none": lambda t, c: t["calls"][0].update(kwargs={"x": {"dtype": "float7"}}),
    "an array too few": lambda t, c: c["arrays"].popitem(),
    "an array besides": lambda t, c: c["arrays"].update({"999": ad.ones(1)}),
    "arrays that are none": lambda t, c: c.update(arrays={"0": 1}),
    "a node beyond the calls": lambda t, c: t["played"][0].update(end=10**9),
    "a node of no call": lambda t, c: t["played"][0].update(call=-1),
    "a root that is not there": lambda t, c: t.update(roots=[12345]),
    "too many arguments": lambda t, c: t["calls"][0].update(args=[1] * 1000),
    "a field of its own": lambda t, c: t["calls"][0].update(hook="print"),
    "a shape beyond all memory": lambda t, c: t["calls"].append(
        {**t["calls"][0], "op": "expand", "args": [{"value": t["calls"][0]["outputs"][0]}],
         "kwargs": {"size": {"tuple": [10**15, 10**3]}}, "outputs": [10**6], "drawn": None}
    ),
}  # fmt: skip


#: What is said of some of them; "damaged" of the others.
SAYS = {
    "version": "version 2",
    "a path": "needs the op 'os.system'",
    "writes": "writes in place",
    "no kind": "unknown kind 'exec'",
    "two kinds": "several kinds",
    "a dtype": "float7",
    "too many": "call 0",
    "beyond all memory": "failed on numpy",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(saved, name, capsys):
    path, _ = saved
    changed(path, HOSTILE[name])
    told = refused(path, capsys)
    assert next((said for key, said in SAYS.items() if key in name), "damaged") in told


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "[]", "\x00", '"' * 3])
def test_text_that_is_no_trace(saved, text, capsys):
    path, _ = saved
    ad.save({**ad.load(path), "trace": text, "crc32": files.checksum(text)}, path)
    refused(path, capsys)


def test_an_argument_nested_without_end(saved, capsys):
    path, _ = saved
    content = ad.load(path)
    deep = '{"tuple": [' * 900 + "1" + "]}" * 900
    start = content["trace"].index('"args": [') + len('"args": [')
    content["trace"] = content["trace"][:start] + deep + ", " + content["trace"][start:]
    content["crc32"] = files.checksum(content["trace"])
    ad.save(content, path)
    refused(path, capsys)
