"""Automatic mixed precision: each op in the precision that suits it, and a scale for the loss.

Reading order: `devices`, `around` (what is set), `lists` (what is other on the CPU), `autocasting`
(the mode), `switching` (asked and set without it), `functions` (custom autograd Functions); `ops`,
`settings` and `scaler` (loss scaling), `legacy` (its older names); `iteration` (what is known
between two updates), `result` (of a step), `history` and `summary` (of all), `underflow`; `guard`
(gradients that are still scaled).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from anadrome import Tensor, hookimpl

from . import guard

ANADROME_API = (1, 1)

_AUTOCASTING = f"{__name__}.autocasting"
_FUNCTIONS = f"{__name__}.functions"
_SCALER = f"{__name__}.scaler"
_SWITCHING = f"{__name__}.switching"
_SWITCHES = (
    "autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache "
    "get_autocast_cpu_dtype get_autocast_dtype get_autocast_gpu_dtype get_autocast_ipu_dtype "
    "get_autocast_xla_dtype is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled "
    "is_autocast_ipu_enabled is_autocast_xla_enabled set_autocast_cache_enabled "
    "set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype set_autocast_enabled "
    "set_autocast_gpu_dtype set_autocast_ipu_dtype set_autocast_ipu_enabled set_autocast_xla_dtype "
    "set_autocast_xla_enabled"
)


@hookimpl
def register_ops() -> None:
    """The two steps of loss scaling that change arrays."""
    from . import ops  # noqa: F401


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, the older ones below `cuda.amp` and `cpu.amp` among them."""
    return {
        "autocast": f"{_AUTOCASTING}:autocast",
        **{name: f"{_SWITCHING}:{name}" for name in _SWITCHES.split()},
        "amp.autocast": f"{_AUTOCASTING}:autocast",
        "amp.is_autocast_available": f"{__name__}.devices:is_autocast_available",
        "amp.custom_fwd": f"{_FUNCTIONS}:custom_fwd",
        "amp.custom_bwd": f"{_FUNCTIONS}:custom_bwd",
        "amp.OptState": f"{__name__}.iteration:OptState",
        "amp.GradScaler": f"{_SCALER}:GradScaler",
        "amp.StepResult": f"{__name__}.result:StepResult",
        "amp.ScaledGradientsWarning": f"{__name__}.guard:ScaledGradientsWarning",
        "amp.SkippedStepsWarning": f"{__name__}.summary:SkippedStepsWarning",
        "GradScaler": f"{_SCALER}:GradScaler",
        "cuda.amp.autocast": f"{_AUTOCASTING}:cuda_autocast",
        "cuda.amp.custom_fwd": f"{_FUNCTIONS}:cuda_custom_fwd",
        "cuda.amp.custom_bwd": f"{_FUNCTIONS}:cuda_custom_bwd",
        "cuda.amp.GradScaler": f"{__name__}.legacy:CudaGradScaler",
        "cpu.amp.autocast": f"{_AUTOCASTING}:cpu_autocast",
        "cpu.amp.GradScaler": f"{__name__}.legacy:CpuGradScaler",
    }


@hookimpl
@guard.listening
def around_backward(tensors: tuple[Tensor, ...]) -> AbstractContextManager[Any] | None:
    """Notice a backward from a scaled loss."""
    return guard.noticing(tensors)


@hookimpl
@guard.listening
def grad_ready(tensor: Tensor) -> None:
    """Mark the gradients that come from it."""
    guard.mark(tensor)


@hookimpl
@guard.listening
def before_step(optimizer: Any) -> None:
    """Warn when a step is about to be taken on such gradients."""
    guard.check(optimizer)
