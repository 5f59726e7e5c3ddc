"""autograd: the public face of the engine (PyTorch: ``torch.autograd``)."""

from __future__ import annotations

from ..modes import (
    enable_grad,
    inference_mode,
    no_grad,
    saved_tensors_hooks,
    set_grad_enabled,
)
from . import functional, graph
from .anomaly import detect_anomaly, set_detect_anomaly
from .entry import backward, grad
from .function import Function, FunctionCtx, once_differentiable
from .grad_mode import set_multithreading_enabled
from .gradcheck import gradcheck, gradgradcheck
from .variable import Variable

__all__ = [
    "Function",
    "FunctionCtx",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "saved_tensors_hooks",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
