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
from anadrome.backend import MemoryInfo
from anadrome.dtypes import BARE, dtype
from anadrome.errors import DeviceError
from anadrome.op import table

from . import (
    attention,
    convolution,
    epilogues,
    graphs,
    memory,
    namespace,
    pending,
    pinned,
    precision,
    scatter,
)
from .direct import KERNELS, OUT_KERNELS
from .placement import where_they_are
from .random import Draws


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
    unsupported_dtypes = frozenset(d.name for d in BARE if d.is_floating_point)

    #: Whether sums must come in the same order each time.
    deterministic = False

    def __init__(self) -> None:
        memory.install()
        #: Whether there is another device than the current one.
        self.several = namespace.several = self.device_count() > 1
        if self.several:
            self.out_kernels = {n: where_they_are(kernel) for n, kernel in OUT_KERNELS.items()}
        if not graphs.LIBRARY.why:
            self.kernels = dict(KERNELS)
            for family in (attention, convolution):
                self.kernels |= family.kernels(lambda name: self.composed(table[name]))

    def implementation(self, op: Any) -> Callable[..., Any]:
        found = super().implementation(op)
        return where_they_are(found) if self.several else found

    def native_dtype(self, d: dtype) -> Any:
        return np.dtype(ml_dtypes.bfloat16 if d.name == "bfloat16" else d.name)

    def asarray(self, data: Any, dtype: Any = None, device: device | None = None) -> Any:
        if device is None and isinstance(data, cupy.ndarray):
            with data.device:
                return cupy.array(data, dtype=dtype, copy=True)
        with self.placed(device):
            # Copying an array of another GPU goes straight across.
            return cupy.array(data, dtype=dtype, copy=True)

    def receive(self, host: Any, device: device | None = None, wait: bool = True) -> Any:
        with self.placed(device):
            return pinned.received(host, wait)

    def pin(self, host: Any) -> Any:
        return pinned.copied(host)

    def is_pinned(self, host: Any) -> bool:
        return pinned.holds(host)

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
        (scatter.in_order if self.deterministic else scatter.atomically)(target, index, source)

    def assign(self, target: Any, index: Any, value: Any) -> None:
        if self.deterministic:
            scatter.assign_last(target, index, value)
        else:
            target[index] = value

    def configure(self, setting: str, value: Any) -> None:
        if setting == "deterministic":
            self.deterministic = graphs.deterministic = value
        elif setting == "matmul_precision":
            precision.allow_tf32(value != "highest")

    def require(self, holds: Any, error: Callable[[], Exception]) -> None:
        pending.require(holds, error)

    def arriving(self, value: Any) -> pending.OnItsWay:
        return pending.OnItsWay(value)

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
        return str(self.device_properties(index)["name"])

    def device_properties(self, index: int) -> dict[str, Any]:
        self.placed(_numbered(index))
        facts = cupy.cuda.runtime.getDeviceProperties(index)
        return {
            "name": facts["name"].decode(),
            "total_memory": int(facts["totalGlobalMem"]),
            "major": int(facts["major"]),
            "minor": int(facts["minor"]),
            "multi_processor_count": int(facts["multiProcessorCount"]),
        }

    # -- memory and streams -------------------------------------------------------------------
    def memory_info(self, index: int) -> MemoryInfo:
        return memory.info(index)

    def reset_peak_memory(self, index: int) -> None:
        memory.reset_peak(index)

    def release_memory(self) -> None:
        memory.release()

    def stream(self, index: int, priority: int) -> Any:
        with cupy.cuda.Device(index):
            # As PyTorch's: it does not wait for the default stream.
            return cupy.cuda.Stream(non_blocking=True, priority=priority)

    def current_stream(self, index: int, default: bool = False) -> Any:
        return cupy.cuda.Stream.null if default else cupy.cuda.get_current_stream(index)

    def event(self, timing: bool, blocking: bool) -> Any:
        return cupy.cuda.Event(block=blocking, disable_timing=not timing)

    def elapsed(self, start: Any, end: Any) -> float:
        return float(cupy.cuda.get_elapsed_time(start, end))

    def describe(self) -> dict[str, str]:
        runtime = cupy.cuda.runtime
        out = {
            "cupy": cupy.__version__,
            "CUDA runtime": _version(runtime.runtimeGetVersion()),
            "CUDA driver": _version(runtime.driverGetVersion()),
        }
        for index in range(self.device_count()):
            facts = self.device_properties(index)
            out[f"cuda:{index}"] = (
                f"{facts['name']}, {facts['total_memory'] / 2**30:.0f} GiB, "
                f"compute capability {facts['major']}.{facts['minor']}"
            )
        out["products"] = f"cuBLAS, TF32 {'allowed' if precision.allowed() else 'off'}"
        out["bias of a linear layer"] = epilogues.described()
        out["convolution"] = graphs.described("windows, and products by cuBLAS")
        out["attention"] = graphs.described("products and a softmax")
        sums = "in order" if self.deterministic else "as they come (atomic)"
        out["sums at places that repeat"] = sums
        return out


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
