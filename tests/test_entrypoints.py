"""Entry points are found as ``importlib.metadata`` finds them, without importing it."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from anadrome.entrypoints import EntryPoint, entry_points


def made(folder: Path, name: str, text: str, metadata: str = "") -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "METADATA").write_text(metadata, encoding="utf-8")
    (folder / name / "entry_points.txt").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("group", ["anadrome", "pytest11", "console_scripts", "nobody.has.this"])
def test_as_the_standard_library_finds_them(group: str) -> None:
    found = {(p.name, p.value) for p in entry_points(group)}
    # Without the extras that an entry point may ask for, which we do not look at.
    wanted = {(p.name, p.value.partition(" [")[0]) for p in metadata.entry_points(group=group)}
    assert found == wanted


def test_name_and_version_of_the_distribution() -> None:
    (numpy,) = [p for p in entry_points("anadrome") if p.name == "numpy"]
    assert (numpy.distribution, numpy.version) == ("anadrome", metadata.version("anadrome"))


def test_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(
        tmp_path / "a",
        "My_Plugin-2.0.dist-info",
        "[g]\nx = m:new\n",
        "Name: my-plugin\nVersion: 2.0\n\nVersion: of the text\n",
    )
    made(tmp_path / "b", "my.plugin-1.0.dist-info", "[g]\nx = m:old\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "b")])
    assert entry_points("g") == [EntryPoint("x", "m:new", "my-plugin", "2.0")]


def test_odd_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# a note\n[other]\nx = no\n\n[g]\n ; a note\nx=os.path:join [extra]\n\n[last]\ny = no\n"
    made(tmp_path, "p-1.dist-info", text)
    (tmp_path / "q-1.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing")])
    (point,) = entry_points("g")
    assert (point.name, point.load()) == ("x", __import__("os").path.join)


def test_archives_are_left_to_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    archive = tmp_path / "p.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("p-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: p\nVersion: 1\n")
        file.writestr("p-1.dist-info/entry_points.txt", "[g]\nx = m\n")
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert entry_points("g") == [EntryPoint("x", "m", "p", "1")]


def test_importing_anadrome_does_not_import_it() -> None:
    code = "import sys, anadrome; sys.exit('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
