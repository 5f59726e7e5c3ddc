"""many: one launch for many arrays, whatever their number and sizes.

Their addresses go to the device as a table, by way of a page-locked buffer of CuPy's, so that
nobody waits. A block of threads works on one piece of one array, and finds in two further tables
which: these depend on sizes alone, and are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import cupy
import numpy as np

from .common import NAMES

#: Elements of a piece, and threads that share them.
PIECE, THREADS = 8192, 256
_SOURCE = """
#include <cuda_fp16.h>
#include <cuda_bf16.h>
%(types)s
extern "C" __global__ void %(name)s(
    const unsigned long long* table, const long long* sizes, const int* owners, const int* pieces,
    int count, %(parameters)s) {
  const int t = owners[blockIdx.x];
  const long long begin = pieces[blockIdx.x] * %(piece)dLL;
  const long long end = begin + %(piece)d < sizes[t] ? begin + %(piece)d : sizes[t];
  %(before)s
  for (long long i = begin + threadIdx.x; i < end; i += blockDim.x) {
    %(body)s
  }
  %(after)s
}
"""


class Walk:
    """A kernel that walks along the elements ``i`` of piece ``begin`` to ``end`` of array ``t``.

    ``table[k * count + t]`` is the address of array ``t`` of column ``k``. ``parameters`` are those
    besides the tables; the source uses the types that ``types`` names.
    """

    def __init__(
        self, name: str, parameters: str, body: str, before: str = "", after: str = ""
    ) -> None:
        self.name = f"anadrome_{name}"
        self.parts = {"parameters": parameters, "body": body, "before": before, "after": after}
        self._made: dict[Any, Any] = {}

    def code(self, aliases: tuple[tuple[str, str], ...]) -> str:
        """The source, for names of types and what they stand for."""
        return _SOURCE % {
            **self.parts,
            "name": self.name,
            "piece": PIECE,
            "types": "\n".join(f"typedef {known} {alias};" for alias, known in aliases),
        }

    def made(self, aliases: tuple[tuple[str, str], ...]) -> Any:
        """The kernel for them, compiled when it is first launched."""
        found = self._made.get(aliases)
        if found is None:
            found = self._made[aliases] = cupy.RawKernel(self.code(aliases), self.name)
        return found


def types(kind: Any, **more: Any) -> tuple[tuple[str, str], ...]:
    """``G``, the element type of the arrays, ``W``, in which it is computed, and others by name."""
    wide = "double" if kind == np.float64 else "float"
    return (("G", NAMES[kind]), ("W", wide), *((name, NAMES[k]) for name, k in more.items()))


def column(kind: str, name: str, number: int) -> str:
    """C++ for the pointer to this block's array of a column."""
    return f"{kind}* {name} = ({kind}*)table[{number} * count + t];"


def count_of(arrays: Sequence[Any]) -> int:
    """How many blocks of threads serve the arrays."""
    return sum(-(-a.size // PIECE) for a in arrays)


def launch(kernel: Any, columns: Sequence[Sequence[Any]], *arguments: Any) -> None:
    """Run it on columns of arrays that have a row in common; the first column's sizes count.

    A column may be made of whole numbers instead. The arrays must be in one piece of memory, those
    of a row in the same order.
    """
    first = columns[0]
    place = (int(cupy.cuda.Device().id), int(cupy.cuda.get_current_stream().ptr))
    sizes, owners, pieces = _pieces(tuple(a.size for a in first), place)
    if owners.size == 0:
        return
    addresses = [a if isinstance(a, int) else a.data.ptr for entries in columns for a in entries]
    table = cupy.asarray(np.array(addresses, np.uint64))
    kernel(
        (owners.size,), (THREADS,),
        (table, sizes, owners, pieces, np.int32(len(first)), *arguments),
    )  # fmt: skip


@functools.lru_cache(maxsize=64)
def _pieces(sizes: tuple[int, ...], place: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Sizes, and by block the array and which piece of it; on a device, made on a stream."""
    counts = [-(-size // PIECE) for size in sizes]
    owners = np.repeat(np.arange(len(sizes), dtype=np.int32), counts)
    pieces = np.concatenate([np.arange(n, dtype=np.int32) for n in counts] or [owners])
    return cupy.asarray(np.array(sizes, np.int64)), cupy.asarray(owners), cupy.asarray(pieces)


def in_one_order(row: Sequence[Any], read: int | None = None) -> tuple[Any, ...] | None:
    """The arrays of a row, in one piece of memory and the same order; None if that cannot be.

    The one that is only ``read`` is copied if need be; the others are written, and stay.
    """
    for order, flag in (("C", "c_contiguous"), ("F", "f_contiguous")):
        fits = [bool(getattr(a.flags, flag)) for a in row]
        if all(fit for i, fit in enumerate(fits) if i != read):
            return tuple(
                a if fit else cupy.array(a, copy=True, order=order) for a, fit in zip(row, fits)
            )
    return None
