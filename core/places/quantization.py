"""quantization: modules that programs put in for PyTorch's quantized types (``torch.ao``).

There are no such types here, so these do what they do in PyTorch until a model is converted: they
pass on what they get.
"""

from __future__ import annotations

from typing import Any

from ..nn.modules.module import Module
from .missing import QUANTIZED
from .nothing import nothing

__all__ = ["DeQuantStub", "FakeQuantizeBase", "ObserverBase", "QuantStub", "QuantWrapper"]

#: What programs ask of each module of a model: whether it looks on, or rounds.
FakeQuantizeBase, ObserverBase = (
    nothing(name, QUANTIZED, Module) for name in ("FakeQuantizeBase", "ObserverBase")
)


class QuantStub(Module):
    """Passes on its input (``torch.ao.quantization.QuantStub``)."""

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Any) -> Any:
        """The input."""
        return x


class DeQuantStub(QuantStub):
    """Passes on its input (``torch.ao.quantization.DeQuantStub``)."""


class QuantWrapper(Module):
    """A module between two stubs (``torch.ao.quantization.QuantWrapper``)."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.add_module("quant", QuantStub())
        self.add_module("dequant", DeQuantStub())
        self.add_module("module", module)
        self.train(module.training)

    def forward(self, X: Any) -> Any:
        """What the module gives."""
        return self.dequant(self.module(self.quant(X)))
