"""python -m anadrome: info, plugins, demo."""

from __future__ import annotations

import re

import pytest

from anadrome.__main__ import main


def test_info_names_versions_and_devices(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"anadrome \d+\.\d+\.\d+ \(\d+ ops\), Python 3\.", out)
    assert re.search(r"numpy \d", out)
    assert "backend numpy: devices cpu" in out
    assert "BLAS:" in out
    assert "cores:" in out


def test_plugins_lists_each_with_what_it_adds(capsys):
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"adam \S+  from anadrome \(anadrome\.plugins\.adam\)  loaded", out)
    assert "optim.AdamW" in out
    assert "backend cupy" in out
    assert "command demo" in out


def test_no_command_prints_help(capsys):
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nonsense"])
    assert stop.value.code == 2
    assert "nonsense" in capsys.readouterr().err
