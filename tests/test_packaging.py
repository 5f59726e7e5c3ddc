"""pyproject.toml says the truth: every package is listed, every entry point loads."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest

import anadrome
from anadrome import manager

ROOT = Path(__file__).resolve().parent.parent


def project() -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pytest.skip("reads pyproject.toml with tomllib, which is new in Python 3.11")


def packages() -> set[str]:
    """Every package in the repository, by the name it has when installed."""
    found = set()
    for folder, prefix in (("core", "anadrome"), ("backends", "anadrome.backends"),
                           ("plugins", "anadrome.plugins")):  # fmt: skip
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([prefix, *inner]))
    return found


def test_every_package_is_listed() -> None:
    listed = project()["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages()


def test_every_folder_of_modules_is_a_package() -> None:
    for folder in ("core", "backends", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


def test_entry_points_load() -> None:
    declared = project()["project"]["entry-points"]["anadrome"]
    for name, target in declared.items():
        assert import_module(target).__name__ == target
        plugin = manager.plugins[name]
        assert plugin.error is None, f"{name}: {plugin.error}"
        assert plugin.adds, f"plugin {name} adds nothing"


def test_every_bundled_plugin_and_backend_is_an_entry_point() -> None:
    declared = set(project()["project"]["entry-points"]["anadrome"].values())
    for folder in ("backends", "plugins"):
        for init in (ROOT / folder).glob("*/__init__.py"):
            assert f"anadrome.{folder}.{init.parent.name}" in declared


def test_installed_entry_points_are_those_declared() -> None:
    declared = project()["project"]["entry-points"]["anadrome"]
    installed = {p.name: p.value for p in metadata.entry_points(group="anadrome")}
    assert declared.items() <= installed.items(), "reinstall: pip install -e ."


def test_version_and_console_script() -> None:
    info = project()["project"]
    assert info["version"] == anadrome.__version__ == metadata.version("anadrome")
    module, _, function = info["scripts"]["anadrome"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_required_dependencies_are_those_imported() -> None:
    """Nothing is needed at import that a plain install does not bring."""
    names = {re.split(r"[<>=\[ ]", d)[0] for d in project()["project"]["dependencies"]}
    assert names == {"numpy", "ml_dtypes", "pluggy"}
    code = (
        "import sys, anadrome; anadrome.ones(2).sum()\n"
        "top = {m.partition('.')[0] for m in sys.modules}\n"
        "bad = top & {'cupy', 'scipy', 'matplotlib', 'hypothesis', 'torch', 'sklearn', 'tqdm',"
        " 'safetensors', 'pytest'}\n"
        "assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_typed() -> None:
    assert (ROOT / "core" / "py.typed").exists()
    assert "py.typed" in project()["tool"]["setuptools"]["package-data"]["anadrome"]


def test_supported_pythons_are_classified() -> None:
    info = project()["project"]
    assert info["requires-python"] == ">=3.10"
    for minor in range(10, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in info["classifiers"]
