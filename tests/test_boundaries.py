"""Who may import what, read from the sources; and how long a file may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARRAY_LIBRARIES = {
    "numpy", "cupy", "torch", "jax", "scipy", "numba", "ml_dtypes", "array_api_compat",
    "array_api_strict", "sklearn", "matplotlib",
}  # fmt: skip
#: Longest file, in lines. A file is one idea; this is how much of one a reader holds.
LIMIT = 400


def sources(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts)


def package_of(path: Path) -> list[str]:
    """The dotted package a file is in, as it is when installed."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = ["anadrome", *parts[1:]] if parts[0] == "core" else ["anadrome", *parts]
    return parts[:-1]


def imports(path: Path) -> Iterator[tuple[str, str | None, int]]:
    """(module, name, line) of each import, wherever in the file; relative ones made absolute."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = package_of(path)
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            for alias in node.names:
                yield base, alias.name, node.lineno


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


@pytest.mark.parametrize("path", sources("core"), ids=lambda p: str(p.relative_to(ROOT)))
def test_core_imports_no_array_library_plugin_or_backend(path: Path) -> None:
    for module, name, line in imports(path):
        assert module.split(".")[0] not in ARRAY_LIBRARIES, f"{where(path, line)}: {module}"
        full = f"{module}.{name}" if name else module
        for forbidden in ("anadrome.plugins", "anadrome.backends"):
            assert not full.startswith(forbidden), f"{where(path, line)}: {full}"


@pytest.mark.parametrize("path", sources("backends"), ids=lambda p: str(p.relative_to(ROOT)))
def test_backends_import_no_plugin_and_no_other_backend(path: Path) -> None:
    own = ".".join(package_of(path)[:3])
    for module, name, line in imports(path):
        full = f"{module}.{name}" if name else module
        assert not full.startswith("anadrome.plugins"), f"{where(path, line)}: {full}"
        if full.startswith("anadrome.backends"):
            assert full.startswith(own), f"{where(path, line)}: {full}"


@pytest.mark.parametrize("path", sources("plugins"), ids=lambda p: str(p.relative_to(ROOT)))
def test_plugins_import_public_names_only(path: Path) -> None:
    own = ".".join(package_of(path)[:3])
    for module, name, line in imports(path):
        full = f"{module}.{name}" if name else module
        if not full.startswith("anadrome") or full.startswith(own):
            continue
        place = f"{where(path, line)}: {full}"
        assert not full.startswith("anadrome.backends"), place
        assert not full.startswith("anadrome.plugins"), f"{place}: another plugin"
        assert not any(part.startswith("_") for part in full.split(".")), f"{place} is private"


@pytest.mark.parametrize("path", sources("plugins"), ids=lambda p: str(p.relative_to(ROOT)))
def test_plugins_touch_no_private_attribute_of_a_tensor(path: Path) -> None:
    """``x._data`` is core's and the backends' business."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in ("_data", "_edge", "_writes", "_base"):
            raise AssertionError(f"{where(path, node.lineno)}: {node.attr}")


@pytest.mark.parametrize(
    "path",
    [p for f in ("core", "backends", "plugins", "tests", "examples", "benchmarks")
     for p in sources(f)],
    ids=lambda p: str(p.relative_to(ROOT)),
)  # fmt: skip
def test_no_file_is_long(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LIMIT, f"{lines} lines: one file, one idea; split it"


def test_tests_find_their_helpers_however_pytest_is_started() -> None:
    """The repository's root is on the path of `python -m pytest` and of xdist's workers only."""
    for path in (ROOT / "tests").glob("*.py"):
        for module, _, line in imports(path):
            assert module.split(".")[0] != "tests", f"{where(path, line)}: {module}"


def test_reading_order_names_every_module() -> None:
    """The docstring of ``anadrome`` is the way through core: nothing may be missing from it."""
    import anadrome

    named = set(re.findall(r"``([a-z_]+)/?``", anadrome.__doc__ or ""))
    there = {p.stem for p in (ROOT / "core").glob("*.py")} - {"__init__", "__main__"}
    there |= {p.name for p in (ROOT / "core").iterdir() if (p / "__init__.py").exists()}
    assert there - named == set(), "not in the reading order of core/__init__.py"
    assert named - there == set(), "in the reading order, but not there"


def test_the_checks_find_something(tmp_path: Path) -> None:
    """The reader of imports sees relative, nested and renamed ones."""
    path = ROOT / "plugins" / "amp" / "x.py"
    text = "def f():\n    from ...backends import numpy as np\n    import anadrome._x\n"
    real = tmp_path / "x.py"
    real.write_text(text)
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            package = package_of(path)
            found.append(".".join([*package[: len(package) - node.level + 1], node.module or ""]))
    assert found == ["anadrome.backends"]
