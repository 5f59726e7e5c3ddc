"""telling: what NVIDIA's management library says of a device (``torch.cuda.utilization``, …).

It needs the package ``nvidia-ml-py``; ModuleNotFoundError says so where that is not installed.
"""

from __future__ import annotations

from typing import Any

from . import _index


def _handle(device: Any) -> tuple[Any, Any]:
    try:
        import pynvml
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "nvidia-ml-py does not seem to be installed or it can't be imported; write "
            "`pip install nvidia-ml-py`"
        ) from error
    pynvml.nvmlInit()
    return pynvml, pynvml.nvmlDeviceGetHandleByIndex(_index(device))


def utilization(device: Any = None) -> int:
    """In what part of the last moment kernels ran, in percent."""
    library, handle = _handle(device)
    return library.nvmlDeviceGetUtilizationRates(handle).gpu


def memory_usage(device: Any = None) -> int:
    """In what part of the last moment memory was read or written, in percent."""
    library, handle = _handle(device)
    return library.nvmlDeviceGetUtilizationRates(handle).memory


def device_memory_used(device: Any = None) -> int:
    """Bytes that all programs together hold."""
    library, handle = _handle(device)
    return library.nvmlDeviceGetMemoryInfo(handle).used


def temperature(device: Any = None) -> int:
    """Of the chip, in degrees Celsius."""
    library, handle = _handle(device)
    return library.nvmlDeviceGetTemperature(handle, 0)


def power_draw(device: Any = None) -> int:
    """In milliwatts."""
    library, handle = _handle(device)
    return library.nvmlDeviceGetPowerUsage(handle)


def clock_rate(device: Any = None) -> int:
    """Of the multiprocessors, in megahertz."""
    library, handle = _handle(device)
    return library.nvmlDeviceGetClockInfo(handle, 1)
