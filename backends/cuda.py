"""cuda: PyTorch's switches for the GPU; those for attention are accepted, without effect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from anadrome import settings
from anadrome.switches import switch


class _Matmul:
    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products may round their factors to TF32, on a GPU that has it."""
        return settings.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        settings.set_float32_matmul_precision("high" if allowed else "highest")

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _Matmul()


def is_built() -> bool:
    """Whether CUDA devices can be used at all: with CuPy they can."""
    return True


def flash_sdp_enabled() -> bool:
    """False: attention is one path here."""
    return False


def mem_efficient_sdp_enabled() -> bool:
    """False: attention is one path here."""
    return False


def math_sdp_enabled() -> bool:
    """True: attention is one path here."""
    return True


def enable_flash_sdp(enabled: bool) -> None:
    """Accepted."""
    switch(enabled, "enable_flash_sdp", "enabled")


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Accepted."""
    switch(enabled, "enable_mem_efficient_sdp", "enabled")


def enable_math_sdp(enabled: bool) -> None:
    """Accepted."""
    switch(enabled, "enable_math_sdp", "enabled")


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """Accepted."""
    yield


def _chosen(known: tuple[str, ...], backend: str | None) -> str:
    """Accept one of PyTorch's words for a library; "default" is what there is."""
    if backend is not None and backend not in known:
        raise RuntimeError(f"Unknown input value. Choose from: {', '.join(known)}.")
    return "default"


def preferred_linalg_library(backend: str | None = None) -> str:
    """Accepted: one library computes linear algebra here; "default" (PyTorch's name)."""
    return _chosen(("default", "cusolver", "magma"), backend)


def preferred_blas_library(backend: str | None = None) -> str:
    """Accepted: one library computes products here; "default" (PyTorch's name)."""
    return _chosen(("default", "cublas", "hipblas", "cublaslt", "hipblaslt", "ck"), backend)


def cudnn_sdp_enabled() -> bool:
    """False: attention is one path here."""
    return False


def enable_cudnn_sdp(enabled: bool) -> None:
    """Accepted."""
    switch(enabled, "enable_cudnn_sdp", "enabled")


def is_flash_attention_available() -> bool:
    """False: attention is one path here."""
    return False
