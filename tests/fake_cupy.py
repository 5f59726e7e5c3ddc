"""NumPy in CuPy's clothes: enough of its interface to drive the CuPy backend without a GPU.

Arrays are a class of their own that knows a device, results are never scalars, and kernels written
in CUDA are played by the NumPy functions in ``PLAYED``, after the formulas they are named for.
"""

from __future__ import annotations

import ctypes
import math
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

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Array) and part.dtype == bool for part in parts):
            Waiting.note()
        return super().__getitem__(index)

    def __array_finalize__(self, parent: Any) -> None:
        self._device = getattr(parent, "_device", Device.current)

    def __setitem__(self, index: Any, value: Any) -> None:
        # CuPy copies on the device, where NumPy would ask a zero-dimensional array for its number.
        self.view(np.ndarray)[index] = value.view(np.ndarray) if isinstance(value, Array) else value

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array if isinstance(array, Array) else array.view(Array)  # `x += y` stays `x`

    @property
    def device(self) -> Device:
        return Device(self._device)

    @property
    def data(self) -> Any:  # type: ignore[override]
        """The pointer: of it there is the copy from the host only."""
        plain = self.view(np.ndarray)

        def copy(address: int, size: int, stream: Any) -> None:
            plain.view(np.uint8).reshape(-1)[:] = np.ctypeslib.as_array(
                (ctypes.c_uint8 * size).from_address(address)
            )

        return types.SimpleNamespace(copy_from_host_async=copy)

    def get(self, stream: Any = None) -> Any:
        if stream is None:  # on a stream of its own it waits for that alone
            Waiting.note()
        return np.array(self)

    def all(self, *args: Any, **keywords: Any) -> Any:
        return dressed(np.asarray(self).all(*args, **keywords))


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


def _word(size: int, seed: Any, number: Any) -> Any:
    i = np.arange(size, dtype=np.uint64)
    return np.choose((i & 3).astype(np.intp), philox(i >> 2, int(number), int(seed)))


def _unit(high: Any, low: Any) -> Any:
    return ((high >> 5) * 67108864.0 + (low >> 6)) / 9007199254740992.0


def _pair(size: int, seed: Any, number: Any) -> Any:
    i = np.arange(size, dtype=np.uint64)
    w = philox(i >> 1, int(number), int(seed))
    return np.where(i & 1, w[2], w[0]), np.where(i & 1, w[3], w[1])


def _normal(size: int, seed: Any, number: Any, kind: Any) -> Any:
    i = np.arange(size, dtype=np.uint64)
    w = [x.astype(np.float64) for x in philox(i >> 1, int(number), int(seed))]
    whole = 2.0**32
    if kind == np.float64:
        words = philox(i >> 1, int(number), int(seed))
        radius = np.sqrt(-2 * np.log(1 - _unit(words[0], words[1])))
        turn = 2 * math.pi * _unit(words[2], words[3])
    else:
        radius, turn = np.sqrt(-2 * np.log((w[0] + 0.5) / whole)), 2 * math.pi * w[1] / whole
    return (radius * np.where(i & 1, np.sin(turn), np.cos(turn))).astype(kind)


_erf = np.vectorize(math.erf, otypes=[float])
_CDF = lambda x: 0.5 * (1 + _erf(x / math.sqrt(2)))


def _tanh_inner(x: Any) -> Any:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _tanh_slope(x: Any) -> Any:
    t = np.tanh(_tanh_inner(x))
    inner = math.sqrt(2 / math.pi) * (1 + 0.134145 * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


#: What each kernel computes. Of random ones: (size, seed, number, ...); others get float64 arrays.
PLAYED: dict[str, Any] = {
    "words": lambda size, seed, number: _word(size, seed, number).astype(np.uint32),
    "uniform32": lambda size, seed, number: ((_word(size, seed, number) >> 8) / 16777216.0).astype(
        np.float32
    ),
    "uniform64": lambda size, seed, number: _unit(*_pair(size, seed, number)),
    "normal32": lambda size, seed, number: _normal(size, seed, number, np.float32),
    "normal64": lambda size, seed, number: _normal(size, seed, number, np.float64),
    "integers": lambda size, seed, number, low, span: np.array(
        [
            int(low) + ((int(a) << 32 | int(b)) * int(span) >> 64)
            for a, b in zip(*_pair(size, seed, number))
        ],
        np.int64,
    ),
    "keep": lambda size, seed, number, limit: _word(size, seed, number) < limit,
    "erf": _erf,
    "gelu": lambda x: x * _CDF(x),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(_tanh_inner(x))),
    "gelu_slope": lambda g, x: g * (_CDF(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
    "gelu_tanh_slope": lambda g, x: g * _tanh_slope(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "threshold": lambda g, y: np.where(y <= 0, 0, g),
    "ordered_add": lambda places, order, source, count, target: _ordered_add(
        places, order, source, target
    ),
    "dropout": lambda x, seed, number, limit, scale: np.where(
        _word(x.size, seed, number).reshape(x.shape) < limit, x * float(scale), 0
    ),
}


class ElementwiseKernel:
    """``cupy.ElementwiseKernel``, played by name."""

    def __init__(self, inputs: str, outputs: str, body: str, name: str, preamble: str = "") -> None:
        self.function = PLAYED[name.removeprefix("anadrome_")]
        self.generic = "T out" in outputs
        self.writes = outputs.startswith("raw")
        self.kinds = [part.split()[0] for part in inputs.split(",")]

    def __call__(self, *args: Any, size: int | None = None) -> Any:
        if self.writes:
            assert len(args) == len(self.kinds) + 1
            self.function(*args)
            return args[-1]
        assert len(args) == len(self.kinds)
        if not self.generic:
            return dressed(self.function(size, *args))
        first = np.asarray(args[0])
        assert first.dtype.kind == "f" or first.dtype.name == "bfloat16"
        plain = [
            np.asarray(a).astype(float) if kind == "T" else a for a, kind in zip(args, self.kinds)
        ]
        return dressed(np.asarray(self.function(*plain)).astype(first.dtype))


#: Functions whose results have a shape that depends on values.
_COUNTING = {"nonzero", "flatnonzero", "argwhere", "unique", "unique_values", "unique_inverse"}


def _ordered_add(places: Any, order: Any, source: Any, target: Any) -> None:
    """One sum a run of equal places, in their order, in the wide type."""
    wide = np.float64 if target.dtype == np.float64 else np.float32
    plain = target.view(np.ndarray)
    sums: dict[int, Any] = {}
    for place, number in zip(np.asarray(places), np.asarray(order)):
        sums[int(place)] = sums.get(int(place), plain[place].astype(wide)) + wide(source[number])
    for place, total in sums.items():
        plain[place] = total


def _wrapped(function: Any, name: str) -> Any:
    if isinstance(function, type) or not callable(function):
        return function

    def run(*args: Any, **keywords: Any) -> Any:
        if name in _COUNTING:
            Waiting.note()
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
        np.add.at(target.view(np.ndarray), index, np.asarray(source))


def _matmul(a: Any, b: Any) -> Any:
    """As cuBLAS: half precision is accumulated in float32."""
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
    )  # fmt: skip
    cupy.__dict__.update(
        __version__="14.2.0",
        __path__=[],
        ndarray=Array,
        add=_Add(),
        matmul=_matmul,
        ElementwiseKernel=ElementwiseKernel,
        asnumpy=lambda a: a.get() if isinstance(a, Array) else np.array(a),
        may_share_memory=lambda a, b: np.may_share_memory(a, b),
        cuda=types.SimpleNamespace(
            Device=Device, Event=Event, Stream=Stream, runtime=runtime,
            nvrtc=types.SimpleNamespace(getVersion=lambda: (12, 9)),
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
