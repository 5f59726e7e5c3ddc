"""jagged: components that differ in the length of one dimension, packed along it."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor
from anadrome.size import sized
from anadrome.tabled import InFile

from .base import NestedTensor, axis
from .dense import spread
from .ragged import Ragged

_THERE = "torch.nested._internal.nested_tensor"


class Jagged(NestedTensor):
    """Components packed one after the other along the dimension in which they differ.

    ``at``: that dimension of the packed values; of the nested tensor it is the next one.
    """

    ragged: Ragged
    at: int

    @classmethod
    def of(cls, packed: Tensor, ragged: Ragged, at: int = 0) -> Any:
        """A nested tensor of packed values that nobody else holds."""
        made: Any = cls.made_of(packed)
        made.ragged, made.at = ragged, at
        return made

    def like(self, plain: Tensor) -> Any:
        return Jagged.of(plain, self.ragged, self.at)

    def components(self) -> tuple[Tensor, ...]:
        return tuple(self.plain().split(list(self.ragged.lengths), self.at))

    def sizes(self) -> Size:
        """The shape, with the uneven size as an object."""
        inner = list(self.plain().shape)
        inner[self.at] = self.ragged  # type: ignore[call-overload]
        return sized(Size, (len(self.ragged.lengths), *inner))

    def against(self, other: Any) -> Any:
        if isinstance(other, Jagged):
            if other.ragged is not self.ragged or other.at != self.at:
                raise RuntimeError(
                    f"cannot compute value by value with nested tensors of shapes "
                    f"{tuple(self.sizes())} and {tuple(other.sizes())}, whose offsets differ; make "
                    "one with nested_tensor_from_jagged(values, offsets=the other's offsets())"
                )
            return other.plain()
        if isinstance(other, NestedTensor):
            raise RuntimeError("a jagged nested tensor and a strided one do not go together")
        ndim = self.plain().ndim + 1
        if other.ndim + 1 < ndim - self.at or not other.ndim:
            return other
        if other.ndim > ndim:
            raise RuntimeError(f"a tensor of {other.ndim} dimensions beside a nested one of {ndim}")
        shape = [1] * (ndim - other.ndim) + list(other.shape)
        return spread(other.reshape(shape), self.ragged, self.at)

    def packed_in_order(self, memory_format: Any = None) -> bool:
        """Whether the packed values lie in memory one component after the other."""
        packed = self.plain()
        return math.prod(packed.shape[: self.at]) == 1 and packed.is_contiguous()

    # -- what only nested tensors have
    def offsets(self) -> Tensor:
        """Where each component begins among them, and the end."""
        return self.ragged.offsets

    def lengths(self) -> None:
        """None: there is nothing between the components."""
        return None

    def in_file(self) -> InFile:
        told: dict[str, Any] = {
            "values": self.plain().detach(),
            "offsets": self.ragged.offsets,
            "lengths": None,
            "_ragged_idx": self.at + 1,
            "_metadata_cache": {},
            "requires_grad": self.requires_grad,
        }
        function, kind = InFile(f"{_THERE} _rebuild_njt"), InFile(f"{_THERE} NestedTensor")
        return InFile("torch._tensor _rebuild_from_type_v2", (function, kind, (told,), {}))

    def __repr__(self) -> str:
        graph = f", grad_fn={self.grad_fn!r}" if self.grad_fn is not None else ""
        graph = graph or (", requires_grad=True" if self.requires_grad else "")
        shown = f"size={tuple(self.sizes())}, offsets={self.ragged.offsets}"
        contiguous = f"contiguous={self.packed_in_order()}"
        return f"NestedTensor({shown}{graph}, {contiguous})"


def packing(components: list[Tensor], at: int = 0, ragged: Ragged | None = None) -> Any:
    """A nested tensor of components."""
    if ragged is None:
        ragged = Ragged([c.shape[at] for c in components], device=components[0].device)
    return Jagged.of(ad.cat(components, at), ragged, at)


def even_dim(self: Jagged, dim: int, name: str, also: bool = False) -> int:
    """A dimension as one of the packed values; ``also``: it may be the uneven one."""
    dim = axis(dim, self.plain().ndim + 1)
    if dim == 0 or (dim - 1 == self.at and not also):
        which = "on dim=0" if dim == 0 else "on the ragged dim"
        raise RuntimeError(f"{name}(): not supported for NestedTensor {which}")
    return dim - 1
