"""The page that lists PyTorch's names as covered, partly or not."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import anadrome as ad
from anadrome.plugins.run import coverage

DOCS = Path(__file__).resolve().parent.parent / "docs"

#: The namespaces that the page must have.
WANTED = (
    "torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.optim",
    "torch.optim.lr_scheduler", "torch.utils.data", "torch.linalg", "torch.fft", "torch.special",
    "torch.distributions", "torch.func", "torch.autograd", "torch.nn.init", "torch.nn.utils",
    "torch.cuda", "torch.amp", "torch.nested", "torch.masked", "torch.cpu", "torch.sparse",
    "torch.signal.windows", "torch.nn.utils.prune", "torch.nn.attention",
    "torch.nn.attention.flex_attention", "torch.distributions.constraints",
    "torch.distributions.transforms", "torch.futures", "torch.serialization", "torch.library",
)  # fmt: skip


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"_{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def states(namespace: str) -> dict[str, str]:
    return {row.name: row.state for row in coverage.rows(namespace)}


def test_the_page_has_every_namespace_and_every_name():
    page = script("coverage").on_page_markdown((DOCS / "coverage.md").read_text(encoding="utf-8"))
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    assert set(WANTED) <= set(sections)
    for namespace, names in coverage.names().items():
        listed = re.findall(r"`(\w+)`", re.sub(r"\(no [^)]*\)", "", sections[namespace]))
        assert set(names) <= set(listed), namespace
        assert f"| [{namespace}](#" in page


def test_a_name_is_covered_when_it_is_there():
    found = states("torch.nn.functional")
    assert found["relu"] == coverage.COVERED
    assert found["scaled_grouped_mm"] == coverage.NOT
    assert states("torch.Tensor")["backward"] == coverage.COVERED
    assert states("torch")["conv_tbc"] == coverage.NOT


def test_a_name_that_is_there_is_covered_though_its_neighbours_have_advice():
    found = states("torch.library")
    assert found["custom_op"] == coverage.COVERED
    assert found["triton_op"] == coverage.NOT


def test_a_name_that_pytorch_lists_and_lacks_is_no_name():
    def there() -> None:
        """One that is there."""

    there.__module__ = "torch.made"
    place = types.ModuleType("torch.made")
    vars(place).update(__all__=["there", "gone"], there=there)
    assert script("torch_names").public_names("torch.made", place) == ["there"]


def test_what_is_missing_of_a_name_is_said(monkeypatch):
    def rot90(input: Any, k: int = 1) -> None:
        """One that lacks an argument."""

    monkeypatch.setattr(ad, "rot90", rot90, raising=False)
    row = next(row for row in coverage.rows("torch") if row.name == "rot90")
    assert row == coverage.Row("rot90", coverage.PARTLY, "no `dims`")
    assert "`rot90` (no `dims`)" in "\n".join(coverage.table("torch"))


def test_counts_add_up():
    for namespace, names in coverage.names().items():
        assert sum(coverage.counts(namespace).values()) == len(names)


@pytest.mark.torch
def test_the_list_is_that_of_the_installed_pytorch():
    torch = pytest.importorskip("torch")
    if torch.__version__.split("+")[0] != coverage.torch_version():
        pytest.skip(f"the list is of PyTorch {coverage.torch_version()}")
    # In a process of its own: parts of PyTorch that a test imported would be listed too.
    made = subprocess.run(
        [sys.executable, str(DOCS / "_torch_names.py")],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    stored = Path(sys.modules[coverage.__name__].__file__ or "").with_name("torch_names.txt")
    assert made.stdout == stored.read_text(encoding="utf-8")
