"""grad_mode: what is switched on around code, under ``torch.autograd.grad_mode``."""

from __future__ import annotations

from ..modes import Scope, State, enable_grad, inference_mode, no_grad, set_grad_enabled
from ..switches import switch

__all__ = [
    "enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled",
]  # fmt: skip


class set_multithreading_enabled(Scope):
    """Accepted: a backward runs on one thread (``torch.autograd.set_multithreading_enabled``)."""

    def __init__(self, mode: bool) -> None:
        self.mode = switch(mode, "set_multithreading_enabled", "mode")

    def change(self, state: State) -> State:
        return state
