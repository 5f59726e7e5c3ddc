"""base: what the nested tensors of both layouts have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from anadrome import Tensor
from anadrome.layouts import layout, strided
from anadrome.overriding import off
from anadrome.tabled import Tabled

#: Rows of uneven lengths, packed one after the other (``torch.jagged``).
jagged = layout("jagged")


class NestedTensor(Tabled):
    """A batch of tensors of uneven sizes (PyTorch: ``torch.nested``).

    Made by ``nested.nested_tensor`` and its kin. Its plain values are those of all components.
    """

    kind = "nested tensor"
    advice = "write it of each part of unbind(), or of nested.to_padded_tensor(x, padding)"

    @classmethod
    def of_file(cls, args: Any, state: Any) -> Any:
        """A jagged one (``torch.nested._internal.nested_tensor._rebuild_njt``)."""
        from .making import rebuilt_njt

        return rebuilt_njt(*args)

    def components(self) -> tuple[Tensor, ...]:
        """The parts, as views of the packed values."""
        raise NotImplementedError

    def to_padded_tensor(self, padding: Any, output_size: Any = None) -> Tensor:
        """A plain Tensor (``nested.to_padded_tensor``)."""
        from .making import to_padded_tensor

        return to_padded_tensor(self, padding, output_size)

    def values(self) -> Tensor:
        """The packed values."""
        return self.plain()

    def __repr__(self) -> str:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Tensor]:
        with off():
            return iter(self.components())


def whole(name: str) -> Callable[..., Any]:
    """A handler that refuses what has no single answer."""

    def refused(self: NestedTensor, *args: Any, **keywords: Any) -> Any:
        raise RuntimeError(
            f"{name} is not there for nested tensors, whose parts are of uneven sizes; take it of "
            "each part of unbind(), or of nested.to_padded_tensor(x, padding)"
        )

    return refused


#: What both layouts answer alike.
COMMON: dict[str, Callable[..., Any]] = {
    "is_nested": lambda self: True,
    "unbind": lambda input, dim=0: _unbound(input, dim),
    "__len__": lambda self: len(self.components()),
    "tolist": whole("tolist()"),
    "numpy": whole("numpy()"),
    "item": whole("item()"),
    "stride": whole("stride()"),
    "T": whole("T"),
}


def _unbound(self: NestedTensor, dim: int) -> tuple[Tensor, ...]:
    if dim != 0:
        raise RuntimeError(f"unbind(): of a nested tensor there is only dim=0, not {dim}")
    return self.components()


def axis(dim: int, ndim: int) -> int:
    """A dimension, counted from the front; IndexError for one that is not there."""
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got "
            f"{dim})"
        )
    return dim % ndim


__all__ = ["COMMON", "NestedTensor", "axis", "jagged", "strided", "whole"]
