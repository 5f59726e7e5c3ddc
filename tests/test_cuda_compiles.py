"""The kernels' sources compile with CUDA's own compiler, for two generations; no GPU is needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True)


def test_with_nvrtc() -> None:
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("needs CuPy")
    if run("-c", "import cupy; cupy.cuda.nvrtc.getVersion()").returncode:
        pytest.skip("needs CUDA's compiler (NVRTC) beside CuPy")
    done = run(str(HERE / "compiling_cuda.py"), "80", "90")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 100
