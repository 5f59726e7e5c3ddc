"""NVIDIA's packages that the CuPy backend uses, without a GPU: computed with NumPy.

Their functions have the packages' parameters, are given addresses as these are, and refuse what
the libraries refuse. ``test_cupy_libraries.py`` compares them with the packages where those are
installed.
"""

from __future__ import annotations

import types
from typing import Any

from fake_cublaslt import ComputeType, CublasLt
from fake_cudnn import Cudnn

VERSIONS = {"nvmath-python": "1.0.0", "nvidia-cudnn-frontend": "1.32.0"}


def modules() -> dict[str, Any]:
    """What to put into ``sys.modules``."""
    lt = CublasLt()
    bindings = types.SimpleNamespace(
        cublasLt=lt, cublas=types.SimpleNamespace(ComputeType=ComputeType)
    )
    whole = types.SimpleNamespace(bindings=bindings)
    return {"nvmath": whole, "nvmath.bindings": bindings, "cudnn": Cudnn()}
