"""Compiles the CuPy backend's kernels with CUDA's own compiler (NVRTC), for which no GPU is needed.

``python compiling_cuda.py ARCHITECTURE…`` prints how many there are; CuPy must be installed.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import cupy
import numpy as np
from cupy._core import core
from cupy.cuda import nvrtc

import anadrome.backends.cupy

#: CuPy's own words for the element types, which its kernels of an expression are compiled with.
EXPRESSION_TYPES = ("float", "double", "float16", "bfloat16")
_HALVES = ("cupy/float16.cuh", "cupy/bfloat16.cuh")


def modules() -> Iterator[Any]:
    package = anadrome.backends.cupy
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(found.name)


def raw(source: Any) -> Iterator[str]:
    """A family's source, for each element type, with and without packs."""
    from anadrome.backends.cupy.kernels.common import NAMES

    for dtype in NAMES:
        for pack in (1, 16 // dtype.itemsize):
            yield source.code(dtype, pack)


def walking(walk: Any) -> Iterator[str]:
    """One launch for many arrays, for each element type, and of float32 with half gradients."""
    from anadrome.backends.cupy.kernels.common import NAMES
    from anadrome.backends.cupy.kernels.many import types

    single = np.dtype(np.float32)
    for kind in NAMES:
        for param in {kind, kind if kind.itemsize == 8 else single}:
            yield walk.code(types(kind, P=param, C=single, N=kind))


def expression(kernel: Any) -> Iterator[str]:
    """A kernel of an expression, about as CuPy writes it out, for each element type."""
    generic = any(p.dtype is None for p in kernel.params[:-2])
    for kind in EXPRESSION_TYPES if generic else ("float",):
        parameters, reads = [], []
        for p in kernel.in_params + kernel.out_params:
            const = "const " if p in kernel.in_params else ""
            if p.raw:
                parameters.append(f"CArray<{p.ctype}, 1, true, true> {p.name}")
            else:
                parameters.append(f"{const}{p.ctype}* _{p.name}")
                reads.append(f"{const}{p.ctype}& {p.name} = _{p.name}[i];")
        yield "\n".join(
            [f"#include <{name}>" for name in (*core._cupy_header_list, *_HALVES)]
            + [f"typedef {kind} T;", kernel.preamble]
            + [f'extern "C" __global__ void {kernel.name}({", ".join(parameters)}) {{']
            + ["ptrdiff_t i = (ptrdiff_t)blockIdx.x * blockDim.x + threadIdx.x;", *reads]
            + [kernel.operation + ";", "}"]
        )


def compiled(code: str, options: tuple[str, ...]) -> None:
    program = nvrtc.createProgram(code, "kernel.cu", (), ())
    try:
        nvrtc.compileProgram(program, options)
    except nvrtc.NVRTCError as error:
        raise SystemExit(f"{code}\n{nvrtc.getProgramLog(program)}\n{error}") from None
    finally:
        nvrtc.destroyProgram(program)


def main(architectures: list[str]) -> None:
    from anadrome.backends.cupy.kernels import common, many

    options = tuple(core.assemble_cupy_compiler_options(("-std=c++17",)))
    count = 0
    for module in modules():
        for thing in vars(module).values():
            codes: Any = ()
            if isinstance(thing, cupy.ElementwiseKernel):
                codes = expression(thing)
            elif isinstance(thing, common.Source):
                codes = raw(thing)
            elif isinstance(thing, many.Walk):
                codes = walking(thing)
            for code in codes:
                for architecture in architectures:
                    compiled(code, (*options, f"-arch=sm_{architecture}"))
                    count += 1
    print(count)


if __name__ == "__main__":
    main(sys.argv[1:])
