"""cudnn: PyTorch's switches for cuDNN, which convolutions go to where it is installed.

``enabled`` and ``deterministic`` are heeded; the others are accepted, without effect. Whether
factors of float32 may be rounded says ``set_float32_matmul_precision``, here too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from anadrome import backend
from anadrome.errors import BackendError

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether convolutions on the GPU can go to it: CuPy and ``nvidia-cudnn-frontend`` work."""
    return version() is not None


def version() -> int | None:
    """cuDNN's number, such as 91900; None where it cannot be used."""
    try:
        backend.get("cupy")
    except BackendError:
        return None
    from .cupy import graphs

    library = graphs.LIBRARY.opened()
    return None if library is None else int(library.backend_version())


@contextlib.contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> Iterator[None]:
    """The switches inside (``torch.backends.cudnn.flags``)."""
    given = {
        "enabled": enabled, "benchmark": benchmark, "benchmark_limit": benchmark_limit,
        "deterministic": deterministic, "allow_tf32": allow_tf32,
    }  # fmt: skip
    own = globals()
    before = {name: own[name] for name in given}
    own.update(given)
    try:
        yield
    finally:
        own.update(before)
