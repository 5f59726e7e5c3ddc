"""Tensors that PyTorch pickled, and its files from before the archives."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def things(L: Any) -> dict[str, Any]:
    return {
        "turned": L.arange(6.0).reshape(2, 3).t(),
        "part": L.arange(6)[2:5],
        "parameter": L.nn.Parameter(L.ones(2)),
        "frozen": L.nn.Parameter(L.ones(2), requires_grad=False),
        "half": L.tensor([1.5, 2.5], dtype=L.bfloat16),
        "number": L.tensor(3),
        "leaf": L.ones(2, requires_grad=True),
        "none": L.empty(0, 3),
        "truth": L.tensor([True, False]),
        "complex": L.tensor([1 + 2j]),
        "facts": [L.float16, L.device("cpu"), L.Size([1, 2])],
    }


def old_file(obj: Any) -> bytes:
    out = io.BytesIO()
    torch.save(obj, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def as_text(obj: Any) -> str:
    return repr(obj).replace("anadrome.", "torch.")


def test_an_old_file_is_read() -> None:
    data = old_file(things(torch))
    for options in ({}, {"weights_only": False}, {"map_location": "cpu"}):
        found = ad.load(io.BytesIO(data), **options)
        assert as_text(found) == as_text(things(torch)), options
        assert found["turned"].stride() == (1, 3)
        assert isinstance(found["parameter"], ad.nn.Parameter)
        assert not found["frozen"].requires_grad


def test_tensors_of_an_old_file_share_memory_where_they_did() -> None:
    whole = torch.arange(6.0)
    found = ad.load(io.BytesIO(old_file([whole, whole[2:]])))
    found[0][3] = 7.0
    assert found[1].tolist() == [2.0, 7.0, 4.0, 5.0]


def test_an_old_file_that_is_damaged_says_so() -> None:
    data = old_file({"w": torch.ones(3), "n": 1})
    for end in range(15, len(data)):
        with pytest.raises(RuntimeError, match=r"not whole|damaged|others than|too early|storage"):
            ad.load(io.BytesIO(data[:end]))


def test_an_old_file_runs_no_code() -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("run",)

    with pytest.raises(RuntimeError, match="builtins.print, which is neither a tensor"):
        ad.load(io.BytesIO(old_file([torch.ones(2), Evil()])))


READ = """
import pickle, sys, torch
found = pickle.load(open(sys.argv[1], "rb"))
assert type(found["turned"]) is torch.Tensor and found["turned"].stride() == (1, 3)
assert isinstance(found["module"], torch.nn.Linear)
assert isinstance(found["attributed"], torch.nn.Parameter) and found["attributed"].tag == "x"
print(found["module"](torch.ones(1, 2)).detach().sum().item())
del found["module"]
print(found)
"""


def test_pickles_of_tensors_and_modules_are_read_by_a_run_program(tmp_path: Path) -> None:
    held = things(torch)
    held["module"] = module = torch.nn.Linear(2, 3)
    torch.nn.init.constant_(module.weight, 0.5)
    torch.nn.init.zeros_(module.bias)
    held["attributed"] = torch.nn.Parameter(torch.ones(1))
    held["attributed"].tag = "x"
    (tmp_path / "held.pkl").write_bytes(pickle.dumps(held))
    (tmp_path / "read.py").write_text(READ)
    found = subprocess.run(
        [sys.executable, "-m", "anadrome", "run", "read.py", "held.pkl"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    del held["module"]
    assert found.stdout == f"3.0\n{held}\n"


def test_what_no_pickle_calls_is_not_there() -> None:
    from anadrome.places import flattening, rebuilding

    assert flattening._rebuild_tensor_v2 is rebuilding.called_by_pickles(
        "", "torch._utils", "_rebuild_tensor_v2"
    )
    for module in (flattening, rebuilding):
        with pytest.raises(AttributeError, match="no attribute '_rebuild_house'"):
            module._rebuild_house  # noqa: B018
