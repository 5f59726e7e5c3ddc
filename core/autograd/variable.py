"""variable: ``Variable``, which has been another name for a Tensor since PyTorch 0.4."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


class _IsTensor(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_IsTensor):
    """``Variable(tensor, requires_grad=False)``: the same values as a leaf (``torch.autograd``).

    >>> import anadrome as ad
    >>> ad.autograd.Variable(ad.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        out = data.detach()
        return out.requires_grad_() if requires_grad else out
