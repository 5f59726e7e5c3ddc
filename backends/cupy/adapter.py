"""adapter: CuPy as anadrome's backend."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cupy
import ml_dtypes
import numpy as np

from anadrome import Backend, device
from anadrome.dtypes import dtype
from anadrome.errors import DeviceError

from . import namespace, pending
from .kernels import KERNELS, OUT_KERNELS
from .random import Draws

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
#: What CuPy's atomic addition lacks, and what is added in its place.
_ADDED_AS: dict[Any, Any] = {
    np.dtype(np.int64): np.dtype(np.uint64),  # the same bits: addition wraps around
    **{half: np.dtype(np.float32) for half in _HALVES},
    **{np.dtype(k): np.dtype(np.int32) for k in (np.int8, np.int16, np.uint8, np.bool_)},
}


@functools.cache
def _numbered(index: int) -> device:
    return device("cuda", index)


class CupyBackend(Backend):
    """CuPy arrays on NVIDIA GPUs; products by cuBLAS. Work runs on CuPy's current device."""

    name = "cupy"
    device_types = ("cuda",)
    array_type = cupy.ndarray
    xp = namespace
    kernels = KERNELS
    out_kernels = OUT_KERNELS

    def native_dtype(self, d: dtype) -> Any:
        return np.dtype(ml_dtypes.bfloat16 if d.name == "bfloat16" else d.name)

    def asarray(self, data: Any, dtype: Any = None, device: device | None = None) -> Any:
        if device is None and isinstance(data, cupy.ndarray):
            with data.device:
                return cupy.array(data, dtype=dtype, copy=True)
        with self.placed(device):
            # Copying an array of another GPU goes straight across.
            return cupy.array(data, dtype=dtype, copy=True)

    def to_host(self, array: Any) -> Any:
        out = cupy.asnumpy(array)
        pending.settle()
        return out

    def device_of(self, array: Any) -> device:
        return _numbered(array.device.id)

    def synchronize(self, device: device | None = None) -> None:
        with self.placed(device):
            cupy.cuda.Device().synchronize()
        pending.settle()

    def number(self, value: Any, dtype: Any) -> Any:
        return value  # a kernel takes a Python number as its argument; an array would be a transfer

    def owns(self, array: Any) -> bool:
        return array.base is None

    def shares(self, a: Any, b: Any) -> bool:
        return bool(cupy.may_share_memory(a, b))

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        kind = target.dtype
        wide = _ADDED_AS.get(kind)
        if wide is None:
            cupy.add.at(target, index, source)
        elif wide.itemsize == kind.itemsize:
            cupy.add.at(target.view(wide), index, cupy.asarray(source, dtype=kind).view(wide))
        else:  # summed in the wider type, rounded once
            total = cupy.zeros(target.shape, dtype=wide)
            cupy.add.at(total, index, cupy.asarray(source).astype(wide))
            target += total.astype(kind)

    def require(self, holds: Any, error: Callable[[], Exception]) -> None:
        pending.require(holds, error)

    def generator(self, device: device | None = None) -> Any:
        return Draws(lambda: self.placed(device))

    def placed(self, device: device | None) -> AbstractContextManager[Any]:
        if device is None or device.index is None:
            return nullcontext()
        if device.index >= self.device_count():
            raise DeviceError(
                f"CUDA error: invalid device ordinal: there is no {str(device)!r}; the devices "
                f"here are {', '.join(f'cuda:{i}' for i in range(self.device_count()))}"
            )
        return cupy.cuda.Device(device.index)

    # -- devices ------------------------------------------------------------------------------
    def device_count(self) -> int:
        return int(cupy.cuda.runtime.getDeviceCount())

    def current_device(self) -> int:
        return int(cupy.cuda.Device().id)

    def set_current_device(self, index: int) -> None:
        self.placed(_numbered(index))  # raises for one that is not there
        cupy.cuda.Device(index).use()

    def device_name(self, index: int) -> str:
        self.placed(_numbered(index))
        return str(cupy.cuda.runtime.getDeviceProperties(index)["name"].decode())

    def describe(self) -> dict[str, str]:
        runtime = cupy.cuda.runtime
        out = {
            "cupy": cupy.__version__,
            "CUDA runtime": _version(runtime.runtimeGetVersion()),
            "CUDA driver": _version(runtime.driverGetVersion()),
        }
        for index in range(self.device_count()):
            facts = runtime.getDeviceProperties(index)
            out[f"cuda:{index}"] = (
                f"{self.device_name(index)}, {facts['totalGlobalMem'] / 2**30:.0f} GiB, "
                f"compute capability {facts['major']}.{facts['minor']}"
            )
        return out


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
