"""What the CuPy backend says where CUDA cannot be used, and what to do about it."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import fake_cupy
import pytest

import anadrome as ad
from anadrome import backend, cuda
from anadrome.backends.cupy import presence
from anadrome.errors import BackendError


def put(monkeypatch: pytest.MonkeyPatch, **runtime: Any) -> Any:
    """The stand-in as ``cupy``, with a few of the runtime's functions replaced."""
    found = fake_cupy.modules()
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(presence, "_one_wheel", lambda: None)
    for name, function in runtime.items():
        setattr(found["cupy"].cuda.runtime, name, function)
    return found["cupy"]


def fails(status: int) -> Any:
    def function() -> int:
        raise fake_cupy.CUDARuntimeError(status)

    return function


def test_importing_anadrome_does_not_import_cupy() -> None:
    code = "import sys, anadrome as ad; ad.ones(2) + 1; print('cupy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr


def test_without_cupy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it raises ModuleNotFoundError
    monkeypatch.setattr(presence, "_one_wheel", lambda: None)
    with pytest.raises(BackendError, match=r'pip install "anadrome\[cuda12\]"'):
        presence.require_cupy()


def test_a_broken_cupy_is_named_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ImportError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(presence, "_one_wheel", lambda: None)
    monkeypatch.setattr(presence.importlib, "import_module", broken)
    with pytest.raises(BackendError, match="cannot be imported: libcudart.so.12"):
        presence.require_cupy()


@pytest.fixture
def unread() -> Iterator[None]:
    """Which wheels are installed has not been read, and is not remembered afterwards."""
    presence._wheels.cache_clear()
    yield
    presence._wheels.cache_clear()


@pytest.mark.usefixtures("unread")
def test_what_is_installed_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader with pinned memory asks at each batch whether there is a device."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    read = []
    monkeypatch.setattr(presence.metadata, "distributions", lambda: read.append(1) or [])
    for _ in range(3):
        with pytest.raises(BackendError, match="not installed"):
            presence.require_cupy()
    assert len(read) == 1


@pytest.mark.usefixtures("unread")
def test_two_wheels_of_cupy_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    dists = [
        types.SimpleNamespace(metadata={"Name": name}, version="14.2.0")
        for name in ("numpy", "cupy-cuda12x", "cupy-cuda13x")
    ]
    monkeypatch.setattr(presence.metadata, "distributions", lambda: dists)
    with pytest.raises(BackendError) as caught:
        presence.require_cupy()
    text = str(caught.value)
    assert "cupy-cuda12x 14.2.0 and cupy-cuda13x 14.2.0 are installed together" in text
    assert "pip uninstall -y cupy-cuda12x cupy-cuda13x" in text


def test_an_old_cupy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch).__version__ = "12.3.0"
    with pytest.raises(BackendError, match=r"CuPy 12\.3\.0 is too old: version 14"):
        presence.require_cupy()


def test_the_missing_standard_namespace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch)
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", None)
    with pytest.raises(BackendError, match="pip install array-api-compat"):
        presence.require_cupy()


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, getDeviceCount=fails(35), driverGetVersion=lambda: 0)
    with pytest.raises(BackendError, match="no NVIDIA driver is installed on this machine"):
        presence.require_cupy()


def test_an_old_driver_and_what_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, getDeviceCount=fails(35), driverGetVersion=lambda: 11040)
    with pytest.raises(
        BackendError, match=r"serves CUDA 11\.4, and this CuPy was built for CUDA 12\.9"
    ):
        presence.require_cupy()


@pytest.mark.parametrize("count", [fails(100), lambda: 0])
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, count: Any) -> None:
    put(monkeypatch, getDeviceCount=count)
    with pytest.raises(BackendError, match="no CUDA device is visible.*CUDA_VISIBLE_DEVICES"):
        presence.require_cupy()


def test_another_failure_of_cuda_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, getDeviceCount=fails(999))
    with pytest.raises(BackendError, match="CUDA cannot be initialised: cudaError 999"):
        presence.require_cupy()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise RuntimeError("libnvrtc.so.12 not found")

    put(monkeypatch).cuda.nvrtc.getVersion = missing
    with pytest.raises(BackendError, match=r"no CUDA compiler \(NVRTC\): libnvrtc.so.12"):
        presence.require_cupy()


def test_cuda_is_not_available_where_the_backend_cannot_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(presence, "_one_wheel", lambda: None)
    monkeypatch.delitem(backend._loaded, "cupy", raising=False)
    assert not cuda.is_available()
    assert cuda.device_count() == 0
    for call in (cuda.current_device, cuda.synchronize, lambda: ad.zeros(2, device="cuda")):
        with pytest.raises(BackendError, match="needs CuPy"):
            call()
