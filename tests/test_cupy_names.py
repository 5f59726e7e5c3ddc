"""Every name of CuPy that the backend uses is in the CuPy that is installed; no GPU is needed."""

from __future__ import annotations

import ast
import functools
import importlib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "backends" / "cupy"


def dotted(node: ast.AST) -> str | None:
    """``a.b.c`` of an expression that is no more than that."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *parts[::-1]]) if isinstance(node, ast.Name) else None


def used(source: str) -> set[str]:
    """The full names below ``cupy`` and ``cupyx`` that a file uses, also by a local name."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                if a.name.partition(".")[0] in ("cupy", "cupyx"):
                    known[a.asname or a.name.partition(".")[0]] = (
                        a.name if a.asname else a.name.partition(".")[0]
                    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = dotted(node.value) or ""
            if value.startswith("cupy.") and "cupy" in known:
                known[node.targets[0].id] = value
    found = set(known.values())
    for node in ast.walk(tree):
        name = dotted(node) if isinstance(node, ast.Attribute) else None
        first, _, rest = (name or "").partition(".")
        if rest and first in known:
            found.add(f"{known[first]}.{rest}")
    return found


def names() -> set[str]:
    out: set[str] = set()
    for path in FOLDER.rglob("*.py"):
        out |= used(path.read_text(encoding="utf-8"))
    return out


def test_names_are_found_by_whatever_they_are_called() -> None:
    source = (
        "import cupy._core.x as y\nimport cupy\nr = cupy.cuda.runtime\nr.f()\ny.g\ncupy.sum(1).h"
    )
    found = {"cupy._core.x.g", "cupy.cuda.runtime.f", "cupy.sum"}
    assert found <= used(source) and not any(n.endswith(".h") for n in used(source))
    assert {"cupy.cuda.runtime.getDeviceCount", "cupy.RawKernel", "cupyx.empty_pinned"} <= names()


@pytest.fixture(scope="module")
def cupy() -> Any:
    return pytest.importorskip("cupy")


def test_each_is_there(cupy: Any) -> None:
    missing = []
    for name in sorted(names()):
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:cut]))
                break
            except ImportError:
                continue
        try:
            functools.reduce(getattr, parts[cut:], found)
        except AttributeError:
            missing.append(name)
    assert not missing, f"CuPy {cupy.__version__} lacks them"


def test_what_calls_and_arrays_need_is_there(cupy: Any) -> None:
    """What version 13 lacks, so that ``presence.OLDEST`` is 14."""
    import inspect

    assert hasattr(cupy.ndarray, "mT")
    assert "priority" in inspect.signature(cupy.cuda.Stream).parameters
    assert "copy" in inspect.signature(cupy.asarray).parameters
