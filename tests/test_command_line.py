"""python -m anadrome: info, plugins, demo."""

from __future__ import annotations

import re

import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome.__main__ import main


def test_info_names_versions_and_devices(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"anadrome \d+\.\d+\.\d+ \(\d+ ops\), Python 3\.", out)
    assert re.search(r"numpy \d", out)
    assert "backend numpy: devices cpu" in out
    assert "BLAS:" in out
    assert "cores:" in out
    assert re.search(r"kernels, anadrome\.backends\.numpy\.kernels: activation \d+, ", out)


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def gpu(request):
    if request.param == "stand-in":
        request.getfixturevalue("fake")
    return request.param


def test_info_names_the_gpu_and_its_fast_paths(gpu, capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "backend cupy: devices cuda" in out and "CUDA driver: " in out
    assert re.search(r"cuda:0: .+, \d+ GiB, compute capability \d+\.\d", out)
    assert "products: cuBLAS, TF32 off" in out
    (line,) = re.findall(r"kernels, anadrome\.backends\.cupy\.kernels: (.+)", out)
    families = dict(entry.split() for entry in line.split(", "))
    assert families["updates"] == "2" and families["scaling"] == "2"
    assert int(families["clipping"]) == 4 and {"activation", "softmax", "norms"} <= set(families)
    if gpu == "stand-in":
        assert "cuda:1: Imagined GPU, 8 GiB" in out
        ad.set_float32_matmul_precision("high")
        ad.use_deterministic_algorithms(True)
        try:
            main(["info"])
        finally:
            ad.set_float32_matmul_precision("highest")
            ad.use_deterministic_algorithms(False)
        out = capsys.readouterr().out
        assert "TF32 allowed" in out and "sums at places that repeat: in order" in out


def test_plugins_lists_each_with_what_it_adds(capsys):
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"adam \S+  from anadrome \(anadrome\.plugins\.adam\)  loaded", out)
    assert re.search(r"^    anadrome\.optim: Adam, AdamW, Adamax", out, re.MULTILINE)
    assert re.search(r"^    hook: around_backward, before_step, grad_ready$", out, re.MULTILINE)
    assert "    backend: cupy" in out
    assert "    command: demo" in out
    assert max(map(len, out.splitlines())) <= 100


def test_no_command_prints_help(capsys):
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nonsense"])
    assert stop.value.code == 2
    assert "nonsense" in capsys.readouterr().err
