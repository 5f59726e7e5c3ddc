"""module_tracker: which modules are running now (``torch.utils.module_tracker``)."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from .. import engine
from ..autograd.graph import register_multi_grad_hook
from ..nn import Module
from ..nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from ..places.trees import tree_leaves
from ..tensor import Tensor


class ModuleTracker:
    """Inside, ``parents`` are the names of the modules that run, forward or backward.

    Names are those of the classes of the outermost modules, and below them as in ``state_dict``;
    "Global" is always there. ``is_bw``: whether a backward runs in this thread.

    >>> import anadrome as ad
    >>> from anadrome.utils.module_tracker import ModuleTracker
    >>> class Net(ad.nn.Module):
    ...     def forward(self, x):
    ...         print(sorted(tracker.parents))
    ...         return x
    >>> with ModuleTracker() as tracker:
    ...     y = Net()(ad.ones(1))
    ['Global', 'Net']
    """

    def __init__(self) -> None:
        self._running = {"Global"}
        self._names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._went_back = False
        self._handles: list[Any] = []

    @property
    def is_bw(self) -> bool:
        """Whether a backward runs in this thread."""
        frame: Any = sys._getframe(1)
        while frame is not None:
            if frame.f_code is engine.run.__code__:
                return True
            frame = frame.f_back
        return False

    @property
    def parents(self) -> set[str]:
        """The names of what runs."""
        if self._went_back and not self.is_bw:  # that backward is over
            self._running, self._went_back = {"Global"}, False
        return self._running

    def _name(self, module: Module) -> str:
        if module not in self._names:
            self._names[module] = type(module).__name__
        name = self._names[module]
        for part, child in module.named_children():
            if child not in self._names:
                self._names[child] = f"{name}.{part}"
                self._name(child)
        return name

    def _before(self, module: Module, inputs: Any) -> None:
        name = self._name(module)
        self.parents.add(name)
        self._when_gradients_come(inputs, lambda *g: self._running.discard(name))

    def _after(self, module: Module, inputs: Any, output: Any) -> None:
        name = self._name(module)
        self._running.discard(name)

        def enter(*gradients: Any) -> None:
            running = self.parents
            running.add(name)
            self._went_back = True

        self._when_gradients_come(output, enter)

    def _when_gradients_come(self, values: Any, call: Any) -> None:
        leaves = [x for x in tree_leaves(values) if isinstance(x, Tensor) and x.requires_grad]
        if leaves:
            self._handles.append(register_multi_grad_hook(leaves, call))

    def __enter__(self) -> ModuleTracker:
        self._handles.append(register_module_forward_pre_hook(self._before))
        self._handles.append(register_module_forward_hook(self._after))
        return self

    def __exit__(self, *exc: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
