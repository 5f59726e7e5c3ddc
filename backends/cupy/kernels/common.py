"""common: what kernels take, how their CUDA source is compiled, and how rows get their threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import ml_dtypes
import numpy as np

from ..source import INCLUDES, ROWS, WIDE

#: From what has run an op until now to the op's kernel.
Maker = Callable[[Callable[..., Any]], Callable[..., Any]]

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
#: The element types that kernels take, and CUDA's names for them.
NAMES = {
    F32: "float", F64: "double", np.dtype(np.float16): "__half",
    np.dtype(ml_dtypes.bfloat16): "__nv_bfloat16",
}  # fmt: skip
#: A pointer to nothing, where an array may be missing.
NULL = np.uint64(0)


def elementwise(name: str, inputs: str, body: str, preamble: str = "") -> Any:
    """A kernel from arrays of one element type ``T`` to one ``out``, whatever their strides."""
    return cupy.ElementwiseKernel(
        inputs, "T out", body, f"anadrome_{name}", preamble=WIDE + preamble
    )


def floating(x: Any) -> bool:
    """Whether it is an array of an element type that the kernels take."""
    return getattr(x, "dtype", None) in NAMES


def alike(x: Any, *others: Any) -> bool:
    """Whether they are arrays of one element type that the kernels take."""
    return floating(x) and all(getattr(other, "dtype", None) == x.dtype for other in others)


def wide(dtype: Any) -> Any:
    """What an element type is computed in."""
    return F64 if dtype == F64 else F32


class Source:
    """A family's CUDA source; compiled for an element type when that is first met."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.made: dict[Any, Any] = {}

    def kernel(self, name: str, dtype: Any, pack: int = 1) -> Any:
        """The kernel for arrays of a dtype whose threads read ``pack`` elements at once."""
        key = (name, dtype, pack)
        found = self.made.get(key)
        if found is None:
            code = self.code(dtype, pack)
            found = self.made[key] = cupy.RawKernel(code, name, options=("-std=c++17",))
        return found

    def code(self, dtype: Any, pack: int) -> str:
        """The source as it is compiled."""
        defined = f"typedef {NAMES[dtype]} T;\n#define PACK {pack}\n"
        return INCLUDES + defined + ROWS + self.text

    def over_rows(self, name: str, arrays: Any, rows: int, width: int, *rest: Any) -> None:
        """Run a kernel over the rows of ``arrays``, the first of which are rows of ``width``.

        Its parameters are the arrays, how many rows and how many packs in a row, and ``rest``.
        """
        first = arrays[0]
        pack = 16 // first.itemsize
        if width % pack or not aligned(16, *arrays):
            pack = 1
        packs = width // pack
        threads, lines = threads_for(packs)
        self.kernel(name, first.dtype, pack)(
            (-(-rows // lines),),
            (threads, lines),
            (*arrays, np.int64(rows), np.int32(packs), *rest),
        )

    def over_elements(self, name: str, dtype: Any, count: int, *args: Any, pack: int = 1) -> None:
        """Run a kernel with a thread for each of ``count`` elements, or packs."""
        self.kernel(name, dtype, pack)((-(-count // ELEMENTS),), (ELEMENTS,), args)


#: Threads of a block where each has an element of its own.
ELEMENTS = 256


def threads_for(packs: int) -> tuple[int, int]:
    """How many threads a row gets, and how many rows a block: short rows have a warp each."""
    if packs <= 256:
        return 32, 4
    threads = 64
    while threads < 1024 and threads * 4 < packs:
        threads *= 2
    return threads, 1


def aligned(size: int, *arrays: Any) -> bool:
    """Whether all that are there begin at a multiple of ``size`` bytes."""
    return not any(a.data.ptr % size for a in arrays if a is not NULL)


def rows_of(x: Any, dim: int = -1) -> tuple[int, int] | None:
    """How many rows along ``dim``, and how long; None for what the kernels do not take."""
    if not floating(x) or not x.ndim or not x.size or dim not in (-1, x.ndim - 1):
        return None
    width = x.shape[-1]
    return x.size // width, width
