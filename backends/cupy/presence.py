"""presence: whether CuPy and a GPU can be used here and, if not, what to do about it."""

from __future__ import annotations

import importlib
from functools import cache
from importlib import metadata
from typing import Any

from anadrome.errors import BackendError

#: CuPy's oldest major version with bfloat16, weak Python numbers and ``.mT``.
OLDEST = 14
_INSTALL = (
    'install it with `pip install "anadrome[cuda12]"`, or "anadrome[cuda13]" where `nvidia-smi` '
    "shows CUDA 13"
)
_NO_DEVICE, _OLD_DRIVER = 100, 35  # cudaError_t


def require_cupy() -> Any:
    """CuPy's module if it works here; BackendError with what is wrong and what to do if not."""
    _one_wheel()
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise _broken(error) from error
        raise BackendError(
            f"device 'cuda' needs CuPy, which is not installed; {_INSTALL}"
        ) from None
    except Exception as error:
        raise _broken(error) from error
    if int(cupy.__version__.split(".")[0]) < OLDEST:
        raise BackendError(
            f"CuPy {cupy.__version__} is too old: version {OLDEST} or later is needed; {_INSTALL}"
        )
    try:
        importlib.import_module("array_api_compat.cupy")
    except ImportError as error:
        raise BackendError(
            "device 'cuda' needs array-api-compat beside CuPy; install it with "
            "`pip install array-api-compat`"
        ) from error
    _devices(cupy)
    _compiler(cupy)
    return cupy


@cache
def _wheels() -> list[str]:
    """Those installed. Read once: a program may ask for its devices at each batch."""
    found = {
        f"{name.lower()} {dist.version}"
        for dist in metadata.distributions()
        if (name := dist.metadata["Name"] or "").lower() == "cupy"
        or name.lower().startswith(("cupy-cuda", "cupy-rocm"))
    }
    return sorted(found)


def _one_wheel() -> None:
    """Each of CuPy's wheels brings the same package ``cupy``; two of them overwrite each other."""
    found = _wheels()
    if len(found) > 1:
        names = " ".join(f.split()[0] for f in found)
        raise BackendError(
            f"{' and '.join(found)} are installed together and overwrite each other's files; run "
            f"`pip uninstall -y {names}` and then {_INSTALL}"
        )


def _broken(error: BaseException) -> BackendError:
    return BackendError(
        f"CuPy is installed but cannot be imported: {str(error).strip() or type(error).__name__}. "
        f"Uninstall it and {_INSTALL}"
    )


def _devices(cupy: Any) -> None:
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise _no_device(runtime, error) from error
    if count == 0:
        raise BackendError(_NO_GPU)


_NO_GPU = (
    "no CUDA device is visible: `nvidia-smi` lists the GPUs there are, and the environment "
    "variable CUDA_VISIBLE_DEVICES can hide them. Use device 'cpu' meanwhile"
)


def _no_device(runtime: Any, error: Any) -> BackendError:
    status = getattr(error, "status", None)
    if status == _NO_DEVICE:
        return BackendError(_NO_GPU)
    if status == _OLD_DRIVER:
        driver, built = runtime.driverGetVersion(), runtime.runtimeGetVersion()
        if not driver:
            return BackendError(
                "no NVIDIA driver is installed on this machine, so device 'cuda' cannot be used; "
                "install the driver, or use device 'cpu'"
            )
        return BackendError(
            f"the NVIDIA driver is too old: it serves CUDA {_version(driver)}, and this CuPy was "
            f"built for CUDA {_version(built)}. Update the driver, or install a CuPy that was "
            f"built for CUDA {driver // 1000}: {_INSTALL}"
        )
    return BackendError(f"CUDA cannot be initialised: {error}")


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _compiler(cupy: Any) -> None:
    """CuPy compiles its kernels when they are first used; without the compiler nothing works."""
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        raise BackendError(
            f"CuPy finds no CUDA compiler (NVRTC): {error}. Its libraries come along when you "
            + _INSTALL
        ) from error
