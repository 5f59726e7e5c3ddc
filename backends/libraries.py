"""libraries: PyTorch's switches for libraries that are not used here; accepted, without effect.

Serves ``torch.backends.mkl``, ``mkldnn``, ``openmp``, ``opt_einsum`` and others.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from typing import Any

enabled = False
strategy: str | None = None
deterministic = False
allow_tf32 = True
VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2


def is_available() -> bool:
    """False: array libraries bring their own."""
    return False


def get_cpu_capability() -> str:
    """PyTorch's word for the widest instructions of this processor; DEFAULT if nothing tells.

    Programs choose by it between formulas: torchvision resizes bytes as bytes where it is AVX2.
    """
    if platform.machine() in ("aarch64", "arm64"):
        return "DEFAULT"
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="ignore") as file:
            known = {w for line in file if line.startswith("flags") for w in line.split()}
    except OSError:  # another system than Linux
        return "DEFAULT"
    names = {"AVX512": "avx512f avx512bw avx512dq avx512vl fma", "AVX2": "avx2 fma"}
    return next((n for n, needed in names.items() if known.issuperset(needed.split())), "DEFAULT")


def set_flags(*args: Any, **keywords: Any) -> tuple[()]:
    """Accepted; what was set before, which is nothing."""
    return ()


@contextlib.contextmanager
def flags(*args: Any, **keywords: Any) -> Iterator[None]:
    """Accepted."""
    yield


class verbose(contextlib.nullcontext[None]):
    """Accepted: nothing is printed."""
