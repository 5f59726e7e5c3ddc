"""adapter: NumPy as anadrome's backend."""

from __future__ import annotations

import functools
import os
import warnings
from typing import Any

import ml_dtypes
import numpy as np

from anadrome import Backend, device
from anadrome.dtypes import dtype

from . import blas, halves, memory, namespace, parallel, scatter
from .kernels import HALF_KERNELS, KERNELS, OUT_KERNELS, strided
from .kernels.common import HALVES, WIDE_BLOCK

_CPU = device("cpu")

# 1/0 is inf and log(-1) is NaN, and like PyTorch we leave it at that. NumPy warns on behalf of the
# innermost Python frame, and that is one of ours; the user's own NumPy goes on warning. (Changing
# ``np.errstate`` instead would cost more than a small op does.)
warnings.filterwarnings(
    "ignore", message=".* encountered in .*", category=RuntimeWarning, module=r"anadrome\b"
)

memory.keep()


class NumpyBackend(Backend):
    """NumPy arrays on the CPU; products by the BLAS that NumPy was built with."""

    name = "numpy"
    device_types = ("cpu",)
    at_hand = True
    array_type = np.ndarray
    scalar_types = (
        np.float32, np.float64, np.float16, np.bool_, np.int64, np.int32, np.int16, np.int8,
        np.uint8, np.uint16, np.uint32, np.uint64, np.complex64, np.complex128,
        ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz,
        ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz, halves.Factor,
    )  # fmt: skip
    xp = namespace
    kernels = KERNELS
    out_kernels = OUT_KERNELS
    half_kernels = HALF_KERNELS
    block = WIDE_BLOCK
    gathered_below = 16384
    halves_by_ops = True
    # Each zero-dimensional result pays for it.
    from_scalar = staticmethod(np.asarray)  # type: ignore[assignment]

    def native_dtype(self, d: dtype) -> Any:
        return np.dtype(d.name)  # those of ml_dtypes, too

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        if dtype is namespace.FLOAT8_E4M3:
            return namespace.astype(np.array(data), dtype)
        try:
            return np.array(data, dtype=dtype)
        except TypeError:  # bfloat16 takes no integers of more than 64 bits
            if dtype != ml_dtypes.bfloat16:
                raise
            return np.array(data, np.float64).astype(dtype)

    def to_host(self, array: Any) -> Any:
        return array

    def device_of(self, array: Any) -> device:
        return _CPU

    def number(self, value: Any, dtype: Any) -> Any:
        # A zero-dimensional array is half the price of a Python number as ufunc operand. It is
        # shared by all calls with this number, hence read-only.
        try:
            out = np.array(value, dtype)
        except TypeError:  # bfloat16 takes no integers of more than 64 bits
            out = np.array(float(value), dtype)
        except OverflowError:  # such as -1 beside uint8, where PyTorch's numbers wrap round
            out = np.array(value % 2**64, np.uint64).astype(dtype)
        out.flags.writeable = False
        return out

    def factor(self, value: Any, dtype: Any) -> Any:
        out = self.number(value, dtype)
        return halves.factor(out, value) if dtype in HALVES else out

    def owns(self, array: Any) -> bool:
        return array.base is None

    def shares(self, a: Any, b: Any) -> bool:
        return np.may_share_memory(a, b)

    def memory_of(self, array: Any) -> Any:
        return strided.memory_of(array)

    def part_of(self, whole: Any, memory: Any, array: Any) -> Any:
        if whole.strides != memory.strides or not array.size:
            return None
        return strided.part_of(whole, strided.place_in(memory, array), array.shape, array.dtype,
                               array.strides)  # fmt: skip

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        scatter.scatter_add(target, index, source)

    @functools.cached_property
    def addresses(self) -> dict[str, int]:  # type: ignore[override]
        return blas.addresses()

    def side_by_side(self, function: Any, count: int, size: int, *, products: bool = False) -> None:
        if not products:
            parallel.side_by_side(function, count, size)
        else:
            blas.side_by_side(function, count, size)

    @property
    def threads(self) -> int:
        return parallel.threads

    def alone(self) -> Any:
        return blas.alone()

    def generator(self, device: Any = None) -> Any:
        from .random import Draws

        return Draws()

    def configure(self, setting: str, value: Any) -> None:
        if setting == "threads":
            parallel.threads = value
        elif setting == "crowded":
            blas.crowded = value

    def describe(self) -> dict[str, str]:
        config: Any = np.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return {
            "numpy": np.__version__,
            "BLAS": f"{blas.get('name', '?')} {blas.get('version', '')}".strip(),
            "cores": str(os.cpu_count()),
            **{
                v: os.environ[v]
                for v in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_THREAD_TIMEOUT")
                if v in os.environ
            },
        }
