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
