"""NumPy in CuPy's clothes: enough of its interface to drive the CuPy backend without a GPU.

Arrays are a class of their own that knows a device, results are never scalars, and kernels written
in CUDA are compiled for the CPU and run (``fake_kernels``), for which a C++ compiler is needed.
"""

from __future__ import annotations

import ctypes
import types
from typing import Any

import numpy as np
from fake_cuda import (
    CUDARuntimeError,
    Device,
    Event,
    MemoryHook,
    OutOfMemoryError,
    Pool,
    Stream,
    Waiting,
)
from fake_expressions import ElementwiseKernel, ReductionKernel
from fake_kernels import CompileException, RawKernel, RawModule


def _waits(name: str) -> Any:
    method = getattr(np.ndarray, name)

    def waiting(self: Any, *args: Any) -> Any:
        Waiting.note()
        return method(self.view(np.ndarray), *args)

    return waiting


class Array(np.ndarray):
    """Like ``cupy.ndarray``: on a device, and never turned into a scalar."""

    _device = 0
    __bool__ = _waits("__bool__")
    __int__ = _waits("__int__")
    __float__ = _waits("__float__")
    __index__ = _waits("__index__")
    item = _waits("item")
    tolist = _waits("tolist")
    nonzero = _waits("nonzero")  # how much there is decides the shape of the result

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        out = keywords.get("out", ())
        on_this_device((*inputs, *out))
        plain = [np.asarray(x) if isinstance(x, Array) else x for x in inputs]
        if not out:
            return dressed(getattr(ufunc, method)(*plain, **keywords))
        keywords["out"] = tuple(np.asarray(x) for x in out)
        getattr(ufunc, method)(*plain, **keywords)
        return out[0] if len(out) == 1 else out

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Array) and part.dtype == bool for part in parts):
            Waiting.note()
        chosen = [part for part in parts if isinstance(part, Array)]
        if chosen:
            on_this_device((self, *chosen))
        return super().__getitem__(index)

    def astype(self, *args: Any, **keywords: Any) -> Any:
        on_this_device((self,))
        return super().astype(*args, **keywords)

    def __array_finalize__(self, parent: Any) -> None:
        self._device = getattr(parent, "_device", Device.current)

    def __setitem__(self, index: Any, value: Any) -> None:
        # CuPy copies on the device, where NumPy would ask a zero-dimensional array for its number.
        on_this_device((self, value))
        self.view(np.ndarray)[index] = value.view(np.ndarray) if isinstance(value, Array) else value

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array if isinstance(array, Array) else array.view(Array)  # `x += y` stays `x`

    @property
    def device(self) -> Device:
        return Device(self._device)

    @property
    def data(self) -> Any:  # type: ignore[override]
        """The pointer: its address, and the copy from the host."""
        plain = self.view(np.ndarray)

        def copy(address: int, size: int, stream: Any) -> None:
            plain.view(np.uint8).reshape(-1)[:] = np.ctypeslib.as_array(
                (ctypes.c_uint8 * size).from_address(address)
            )

        return types.SimpleNamespace(ptr=plain.ctypes.data, copy_from_host_async=copy)

    def get(self, stream: Any = None) -> Any:
        if stream is None:  # on a stream of its own it waits for that alone
            Waiting.note()
        return np.array(self)

    def all(self, *args: Any, **keywords: Any) -> Any:
        return dressed(np.asarray(self).all(*args, **keywords))


def on_this_device(values: Any) -> None:
    """CuPy's refusal, where the devices cannot read each other's memory."""
    for value in values:
        if isinstance(value, (tuple, list)):
            on_this_device(value)
        elif isinstance(value, Array) and value._device != Device.current:
            raise ValueError(
                f"Array device must be same as the current device: array device = {value._device} "
                f"while current = {Device.current}"
            )


def dressed(value: Any) -> Any:
    """A result as CuPy would give it: an array on the current device."""
    if isinstance(value, (tuple, list)):
        return tuple(dressed(v) for v in value)
    if isinstance(value, (np.ndarray, np.generic)):
        out = np.asarray(value).view(Array)
        out._device = Device.current
        return out
    return value


def philox(position: Any, number: int, seed: int) -> list[Any]:
    """Philox 4x32-10 after the paper: four 32-bit words for each position."""
    low = 0xFFFFFFFF
    position = np.asarray(position, np.uint64)
    c = [position & low, position >> 32, np.uint64(number & low), np.uint64(number >> 32)]
    k = [seed & low, seed >> 32]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ k[0], b & low, (a >> 32) ^ c[3] ^ k[1], a & low]
        k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
    return [np.broadcast_to(word, position.shape) for word in c]


#: Those that copy from another device, or only look at an array in another way.
_ANYWHERE = {
    "array", "asarray", "ascontiguousarray", "reshape", "transpose", "permute_dims", "swapaxes",
    "moveaxis", "expand_dims", "squeeze", "broadcast_to", "broadcast_arrays", "ravel",
    "matrix_transpose", "ndim", "shape", "size", "result_type", "can_cast", "empty_like",
    "atleast_1d", "atleast_2d", "diagonal",
}  # fmt: skip
#: Functions whose results have a shape that depends on values.
_COUNTING = {"nonzero", "flatnonzero", "argwhere", "unique", "unique_values", "unique_inverse"}


def _wrapped(function: Any, name: str) -> Any:
    if isinstance(function, type) or not callable(function):
        return function

    def run(*args: Any, **keywords: Any) -> Any:
        if name in _COUNTING:
            Waiting.note()
        if name not in _ANYWHERE:
            on_this_device((*args, *keywords.values()))
        if name == "take":  # CuPy does not look whether an index is in range
            keywords["mode"] = "wrap"
        return dressed(function(*args, **keywords))

    return run


class _Module(types.ModuleType):
    """NumPy's names, with results dressed as CuPy's."""

    source: Any = np

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.source, name)
        if isinstance(found, types.ModuleType):  # `linalg`, `fft`
            inner = _Module(name)
            inner.source = found
            return inner
        return _wrapped(found, name)


class _Add:
    """``cupy.add``, whose ``at`` has atomic additions for some types only."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return dressed(np.add(*args, **keywords))

    def at(self, target: Any, index: Any, source: Any) -> None:
        assert target.dtype.name in ("float32", "float64", "int32", "uint32", "uint64"), (
            target.dtype
        )
        on_this_device((target, index, source))
        np.add.at(target.view(np.ndarray), index, np.asarray(source))


def _matmul(a: Any, b: Any) -> Any:
    """As cuBLAS: half precision is accumulated in float32."""
    on_this_device((a, b))
    if a.dtype.itemsize != 2:
        return dressed(np.matmul(a, b))
    return dressed(np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype))


def modules() -> dict[str, Any]:
    """What to put into ``sys.modules``."""
    cupy = _Module("cupy")
    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: Device.count,
        driverGetVersion=lambda: 12080,
        runtimeGetVersion=lambda: 12090,
        getDeviceProperties=lambda index: {
            "name": b"Imagined GPU", "totalGlobalMem": 8 * 2**30, "major": 9, "minor": 0,
            "multiProcessorCount": 132,
        },
    )  # fmt: skip
    pool, pinned = Pool(), Pool()
    runtime.memGetInfo = lambda: (pool.room - pool.total_bytes(), pool.room)
    allocator = [pool.malloc]
    MemoryHook.entered = []
    products = types.SimpleNamespace(
        COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=5, chosen={},
        set_compute_type=lambda kind, how: products.chosen.update({np.dtype(kind).name: how}),
        get_compute_type=lambda kind: products.chosen.get(np.dtype(kind).name, 1),
    )  # fmt: skip
    cupy.__dict__.update(
        __version__="14.2.0",
        __path__=[],
        ndarray=Array,
        add=_Add(),
        matmul=_matmul,
        ElementwiseKernel=ElementwiseKernel,
        ReductionKernel=ReductionKernel,
        RawKernel=RawKernel,
        RawModule=RawModule,
        asnumpy=lambda a: a.get() if isinstance(a, Array) else np.array(a),
        may_share_memory=lambda a, b: np.may_share_memory(a, b),
        cuda=types.SimpleNamespace(
            Device=Device, Event=Event, Stream=Stream, runtime=runtime,
            nvrtc=types.SimpleNamespace(getVersion=lambda: (12, 9)),
            compiler=types.SimpleNamespace(CompileException=CompileException),
            memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            MemoryHook=MemoryHook,
            get_allocator=lambda: allocator[0],
            set_allocator=lambda function: allocator.__setitem__(0, function),
            get_current_stream=lambda index=-1: Stream.current,
            get_elapsed_time=lambda a, b: b.at - a.at,
        ),
        get_default_memory_pool=lambda: pool,
        get_default_pinned_memory_pool=lambda: pinned,
    )  # fmt: skip
    standard = _Module("array_api_compat.cupy")
    core = types.ModuleType("cupy._core")
    core.__path__ = []
    core._routines_linalg = products  # type: ignore[attr-defined]
    cupy.__dict__["_core"] = core
    cupyx = types.ModuleType("cupyx")
    locked: dict[int, Any] = {}

    def empty_pinned(shape: Any, dtype: Any) -> Any:
        out = np.empty(shape, dtype)
        locked[out.ctypes.data] = out
        return out

    cupyx.empty_pinned = empty_pinned  # type: ignore[attr-defined]
    runtime.pointerGetAttributes = lambda address: types.SimpleNamespace(
        type=int(address in locked)
    )
    return {
        "cupy": cupy,
        "array_api_compat.cupy": standard,
        "cupy._core": core,
        "cupyx": cupyx,
        "cupy._core._routines_linalg": products,
    }
