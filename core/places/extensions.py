"""extensions: ``torch.utils.cpp_extension``, which compiles nothing here and says so when called.

Programs import it beside code in Python that takes over where compiling fails.
"""

from __future__ import annotations

from .nothing import nothing

_ADVICE = "write a kernel of a backend (docs/backends.md) in Python or with CuPy"

CUDA_HOME: str | None = None
ROCM_HOME: str | None = None

load = nothing("load", _ADVICE)
load_inline = nothing("load_inline", _ADVICE)
BuildExtension = nothing("BuildExtension", _ADVICE)
CppExtension = nothing("CppExtension", _ADVICE)
CUDAExtension = nothing("CUDAExtension", _ADVICE)


def is_ninja_available() -> bool:
    """False: nothing is compiled."""
    return False
