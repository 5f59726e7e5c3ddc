"""written: what optimizers that were written for PyTorch import from its ``optim.optimizer``.

They ask for the paths on which PyTorch itself computes an update: here it is always the plain one,
a parameter at a time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .. import modes
from ..dtypes import dtype, float32, float64, get_default_dtype
from ..tensor import Tensor

__all__ = [
    "ParamsT", "_default_to_fused_or_foreach", "_disable_dynamo_if_unsupported", "_dispatch_sqrt",
    "_get_capturable_supported_devices", "_get_scalar_dtype", "_get_value", "_params_t",
    "_stack_if_compiling", "_to_scalar", "_use_grad_for_differentiable", "_view_as_real",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
_params_t = ParamsT  # the name that PyTorch 2.0 had


def _use_grad_for_differentiable(func: F) -> F:
    """A ``step`` that records for gradients exactly if its optimizer is ``differentiable``."""

    @functools.wraps(func)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        with modes.set_grad_enabled(self.defaults["differentiable"]):
            return func(self, *args, **kwargs)

    return step  # type: ignore[return-value]


def _default_to_fused_or_foreach(
    params: list[Tensor], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Neither: PyTorch's choice on a CPU."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """Where a step counter may be a Tensor of the device."""
    return ["cuda"]


def _disable_dynamo_if_unsupported(single_tensor_fn: Any = None) -> Callable[[F], F]:
    """The function itself: nothing is compiled."""
    return lambda func: func


def _get_value(x: Any) -> Any:
    """The number that a Tensor of one element holds."""
    return x.item() if isinstance(x, Tensor) else x


def _stack_if_compiling(x: Any) -> Any:
    """The value itself: nothing is compiled."""
    return x


def _dispatch_sqrt(x: Any) -> Any:
    """The square root of a Tensor or a number."""
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


def _to_scalar(x: Any) -> Any:
    """An option without dimensions."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() != 0 else x


def _get_scalar_dtype(is_fused: bool | None = None) -> dtype:
    """The type of a step counter."""
    return float64 if get_default_dtype() is float64 and not is_fused else float32


def _view_as_real(params: list[Tensor], *state_and_grads: list[Tensor]) -> None:
    """Accepted for real parameters; TypeError for complex ones, whose parts are copies here."""
    if any(p.is_complex() for p in params):
        raise TypeError(
            "this optimizer writes into the real and imaginary parts of complex parameters, which "
            "are copies here; use one of anadrome.optim, or parameters that are real"
        )
