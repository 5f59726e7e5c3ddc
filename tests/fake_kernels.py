"""CuPy's raw kernels, without a GPU: their CUDA source is compiled for the CPU and run there.

``cuda_on_cpu/cuda.h`` gives the compiler CUDA's words, ``cuda_on_cpu/threads.cpp`` runs the threads
of a block as fibers. What was compiled is kept in the folder for temporary files. What a GPU leaves
undefined is an error: barriers not reached by all, arguments of the wrong size, writes beyond an
array's end; and what is read there is NaN.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import math
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent / "cuda_on_cpu"
#: Who runs first: threads and blocks in their order, the other way round, or (2 and more) mixed.
ORDER = [0]
#: C++ for CuPy's names of element types.
TYPES = {
    "bool": "bool", "int8": "signed char", "uint8": "unsigned char", "int16": "short",
    "uint16": "unsigned short", "int32": "int", "uint32": "unsigned int", "int64": "long long",
    "uint64": "unsigned long long", "float16": "__half", "bfloat16": "__nv_bfloat16",
    "float32": "float", "float64": "double",
}  # fmt: skip
_GUARD = 8192
#: Checks that the compiler builds in; ``threads.cpp`` hears of what they find.
_CHECKS = "-fsanitize=alignment,bounds,signed-integer-overflow,integer-divide-by-zero"


class CompileException(Exception):
    """``cupy.cuda.compiler.CompileException``."""


@functools.cache
def compiler() -> str | None:
    """A C++ compiler, if there is one."""
    return next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)


@functools.cache
def _folder() -> Path:
    out = Path(tempfile.gettempdir()) / f"anadrome-cuda-on-cpu-{os.getuid()}"
    out.mkdir(mode=0o700, exist_ok=True)
    return out


@functools.cache
def _built(source: str, options: tuple[str, ...] = ()) -> Path:
    """The shared library of a source."""
    compile_ = [
        str(compiler()), "-c", "-O1", "-std=c++17", "-fPIC", "-w", "-fno-strict-aliasing",
        "-fvisibility=hidden", "-ffp-contract=off", "-U_FORTIFY_SOURCE", *options,
    ]  # fmt: skip
    header = (HERE / "cuda.h").read_text()
    key = hashlib.sha256("\0".join([header, source, *compile_]).encode()).hexdigest()[:32]
    out = _folder() / f"{key}.so"
    if not out.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as scratch:
            text, part, made = (str(Path(scratch, f"kernel.{end}")) for end in ("cpp", "o", "so"))
            Path(text).write_text(source)
            for command in (
                [*compile_, f"-I{HERE}", text, "-o", part],
                [compile_[0], "-shared", part, "-o", made],
            ):
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise CompileException(done.stderr)
            os.replace(made, out)  # whole, whoever else makes it now
    return out


@functools.cache
def loaded(source: str, options: tuple[str, ...] = ()) -> Any:
    """The library of a source, which has ``cuda.h``'s words."""
    threads()
    # The interpreter's lock is held: one kernel at a time.
    return ctypes.PyDLL(str(_built(source, (_CHECKS, *options))))


@functools.cache
def threads() -> Any:
    """What runs the threads, for the kernels' libraries to link with."""
    text = (HERE / "threads.cpp").read_text()
    out = ctypes.PyDLL(str(_built(text, ("-O2", "-fvisibility=default"))), mode=ctypes.RTLD_GLOBAL)
    out.cuda_mistake.restype = ctypes.c_char_p
    return out


#: Headers that CUDA's compiler finds; ``cuda.h`` has what is used of them.
_INCLUDE = re.compile(r"^\s*#\s*include\s*<(cuda_\w+\.h|cupy/.*|math_constants\.h)>.*$", re.M)
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\('
)
_DYNAMIC = re.compile(r"extern\s+__shared__\s+([\w\s]+?)\s+(\w+)\s*\[\s*\]\s*;")


def _translated(code: str, names: tuple[str, ...]) -> str:
    """The source with ``cuda.h`` before it, and behind it how each kernel is called."""
    code = _DYNAMIC.sub(r"\1* \2 = (\1*)cuda_dynamic_shared();", _INCLUDE.sub("", code))
    calls = [f"CUDA_ON_CPU({i}, {name})" for i, name in enumerate(names)]
    code = code.replace('extern "C" __global__', "__global__")
    return "\n".join(['#include "cuda.h"', "#line 1", code, *calls, ""])


class RawModule:
    """``cupy.RawModule``: compiled when a function is first asked for."""

    def __init__(
        self, *, code: str, options: Any = (), name_expressions: Any = None, backend: str = "nvrtc"
    ) -> None:
        self.code, self.options = code, tuple(o for o in options if o.startswith("-D"))
        self.names = tuple(_KERNEL.findall(code)) + tuple(name_expressions or ())

    def compile(self) -> None:
        loaded(_translated(self.code, self.names), self.options)

    def get_function(self, name: str) -> RawKernel:
        out = RawKernel.__new__(RawKernel)
        out.name, out.module = name, self
        return out


class RawKernel:
    """``cupy.RawKernel``: called with a grid, a block and arguments."""

    def __init__(self, code: str, name: str, options: Any = (), **rest: Any) -> None:
        self.name, self.module = name, RawModule(code=code, options=options)

    def compile(self) -> None:
        self.module.compile()

    def __call__(self, grid: Any, block: Any, args: Any, shared_mem: int = 0) -> None:
        module = self.module
        if self.name not in module.names:
            raise KeyError(f"no kernel {self.name!r}; there are {module.names}")
        library = loaded(_translated(module.code, module.names), module.options)
        number = module.names.index(self.name)
        text = ctypes.create_string_buffer(1024)
        getattr(library, f"cuda_describe_{number}")(text)
        kinds = text.value.decode()
        if len(args) * 2 != len(kinds):
            raise TypeError(f"{self.name} takes {len(kinds) // 2} arguments, not {len(args)}")
        _on_this_device(args)
        given = Given()
        for place, argument in enumerate(args):
            kind, size = kinds[2 * place], ord(kinds[2 * place + 1]) - ord("0")
            given.add(f"{self.name}, argument {place}", argument, kind, size)
        launch = getattr(library, f"cuda_launch_{number}")
        launch.restype = ctypes.c_char_p
        sizes = [(ctypes.c_uint * 3)(*_three(which)) for which in (grid, block)]
        assert all(n > 0 for three in sizes for n in three), "invalid configuration argument"
        assert math.prod(sizes[1]) <= 1024 and shared_mem <= 48 * 1024, "too many resources"
        assert sizes[0][1] < 65536 and sizes[0][2] < 65536, "invalid configuration argument"
        failed = launch(given.pointers(), *sizes, ctypes.c_uint(shared_mem), ORDER[0])
        if failed:
            raise RuntimeError(f"{self.name}: {failed.decode()}")
        given.finish()


def _on_this_device(args: Any) -> None:
    from fake_cupy import on_this_device

    on_this_device(args)


def _three(size: Any) -> tuple[int, ...]:
    size = size if isinstance(size, (tuple, list)) else (size,)
    return (*map(int, size), 1, 1)[:3]


class Given:
    """A kernel's arguments as C sees them. Arrays lie between guards while it runs."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.copies: dict[tuple[int, int], Guarded] = {}

    def add(self, where: str, argument: Any, kind: str, size: int) -> None:
        value: Any
        if type(argument) is np.ndarray:
            raise TypeError(f"{where}: an array on the host")
        if isinstance(argument, np.ndarray):
            self._is(where, "an array", kind, "p")
            value = ctypes.c_void_p(self._guarded(where, argument))
        elif hasattr(argument, "ptr"):  # a MemoryPointer
            self._is(where, "a pointer", kind, "p")
            value = ctypes.c_void_p(argument.ptr)
        else:
            value = self._number(where, argument, kind, size)
        self.values.append(value)

    def _is(self, where: str, what: str, kind: str, wanted: str) -> None:
        if kind != wanted:
            raise TypeError(f"{where}: {what}, where the kernel has a parameter of kind {kind!r}")

    def _number(self, where: str, argument: Any, kind: str, size: int) -> Any:
        # Python's numbers are passed as 8 bytes, bool as one.
        known = {bool: np.bool_, int: np.int64, float: np.float64}.get(type(argument))
        number = np.asarray(argument if known is None else known(argument))
        own = "f" if number.dtype.kind == "f" and number.itemsize > 2 else (
            "s" if number.itemsize == 2 and number.dtype.kind not in "iub" else "i")  # fmt: skip
        if not (kind == "p" and number.dtype == np.uint64):  # an address
            self._is(where, f"{number.dtype}", kind, own)
        if number.itemsize != size:
            raise TypeError(f"{where}: {number.itemsize} bytes, the parameter has {size}")
        return ctypes.create_string_buffer(number.tobytes(), size)

    def _guarded(self, where: str, array: Any) -> int:
        plain = array.view(np.ndarray)
        if not plain.flags.c_contiguous:
            return plain.ctypes.data  # the pointer, as it is
        key = (plain.ctypes.data, plain.nbytes)
        if key not in self.copies:
            for start, size in self.copies:
                assert start >= key[0] + key[1] or key[0] >= start + size, f"{where}: overlaps"
            self.copies[key] = Guarded(plain, f"{where} {array.dtype}{list(array.shape)}")
        return self.copies[key].inside.ctypes.data

    def pointers(self) -> Any:
        return (ctypes.c_void_p * len(self.values))(*map(ctypes.addressof, self.values))

    def finish(self) -> None:
        for copy in self.copies.values():
            copy.finish()


class Guarded:
    """A copy of an array between guards, aligned as it is; what a kernel wrote is copied back."""

    def __init__(self, array: Any, where: str) -> None:
        self.array, self.where = array, where
        size = array.nbytes
        room = np.full(size + 2 * _GUARD + 64, 0xFF, np.uint8)
        start = _GUARD + (array.ctypes.data - room.ctypes.data - _GUARD) % 64
        self.before, self.inside, self.behind = np.split(room, [start, start + size])
        self.inside[:] = array.reshape(-1).view(np.uint8)
        self.old = self.inside.copy()

    def finish(self) -> None:
        changed = self.inside != self.old
        if changed.any():
            assert self.array.flags.writeable, f"{self.where}: written, and not to be written"
            self.array.reshape(-1).view(np.uint8)[changed] = self.inside[changed]
        whole = (self.before == 0xFF).all() and (self.behind == 0xFF).all()
        assert whole, f"{self.where}: written beyond its end"
