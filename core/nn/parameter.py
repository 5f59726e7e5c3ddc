"""parameter: the Tensors that a Module owns."""

from __future__ import annotations

from typing import Any

from ..errors import GraphError
from ..tensor import LEAF, Tensor, wrap

_new = object.__new__


class Parameter(Tensor):
    """A Tensor that a Module counts among its parameters (PyTorch: ``torch.nn.Parameter``).

    It shares the memory of ``data``, is outside data's graph, and requires a gradient unless told
    not to. Raises RuntimeError for an integer Tensor that is to require a gradient.

    >>> import anadrome as ad
    >>> ad.nn.Parameter(ad.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        out = _alias(cls, data)
        if requires_grad:
            kind = out.dtype
            if not (kind.is_floating_point or kind.is_complex):
                raise GraphError(
                    "Only Tensors of floating point and complex dtype can require gradients, not "
                    f"{kind.name}; write Parameter(data, requires_grad=False), or data.float()"
                )
            out._edge = LEAF
        return out

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        found = memo.get(id(self))
        if found is None:
            copied = self._backend.asarray(self._data)
            found = memo[id(self)] = type(self)(wrap(copied), self.requires_grad)
        return found

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A Tensor that a Module keeps and saves but does not train (PyTorch: ``torch.nn.Buffer``).

    ``persistent``: whether it is part of the Module's ``state_dict``.
    """

    __slots__ = ()
    persistent = True

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        out = _alias(cls, data)
        out.persistent = persistent
        return out

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        out: Any = super().__deepcopy__(memo)
        out.persistent = self.persistent
        return out


def _alias(cls: type, data: Any) -> Any:
    """The memory of ``data`` as a Tensor of a subclass."""
    if data is None:
        from ..creation import empty

        data = empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{cls.__name__}() takes a Tensor, not {type(data).__name__}; write "
            f"{cls.__name__}(anadrome.tensor(...))"
        )
    out: Any = _new(cls)
    out._data = data._data
    out._edge = None
    if data._writes is not None or data._edge is not None:
        out._writes = data._shared_writes()
    return out
