"""converting: what becomes of a module's parameters where it is moved or cast.

PyTorch: ``torch.__future__``, whose two switches these are.
"""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from ..parameter import Parameter, is_lazy

__all__ = [
    "get_overwrite_module_params_on_conversion", "get_swap_module_params_on_conversion",
    "set_overwrite_module_params_on_conversion", "set_swap_module_params_on_conversion",
]  # fmt: skip

_overwrite = _swap = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether a module that is converted gets new parameters; else they get new memory."""
    global _overwrite
    _overwrite = value


def get_overwrite_module_params_on_conversion() -> bool:
    """What was set; False at first."""
    return _overwrite


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether parameters stay the objects that they are in any case.

    Also where a module is moved to or from a device without values, and in
    ``load_state_dict(assign=True)``.
    """
    global _swap
    _swap = value


def get_swap_module_params_on_conversion() -> bool:
    """What was set; False at first."""
    return _swap


def converted(parameter: Any, made: Tensor, grad: Tensor | None) -> Any:
    """The parameter with the memory ``made``: itself, or, as in PyTorch, a new one."""
    of_other_kind = parameter._backend.holds_values is not made._backend.holds_values
    if not _swap and (_overwrite or of_other_kind) and not is_lazy(parameter):
        new = Parameter(made, parameter.requires_grad)
        new.grad = grad
        return new
    parameter.data = made
    if parameter.grad is not None and grad is not None and grad is not parameter.grad:
        parameter.grad.data = grad
    return parameter
