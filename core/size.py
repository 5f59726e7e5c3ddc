"""size: a shape, as PyTorch's `torch.Size`."""

from __future__ import annotations

from typing import Any

from . import dtypes

#: ``sized(Size, numbers)`` does not look whether they are integers.
sized = tuple.__new__


def is_index(value: Any) -> bool:
    """Whether it is one integer: of Python's, NumPy's or a Tensor's, and no sequence of them."""
    return isinstance(value, int) or (
        hasattr(value, "__index__")
        and getattr(value, "ndim", 0) == 0
        and not isinstance(value, type)
    )


class Size(tuple):
    """A shape: a tuple of integers that prints as PyTorch's ``torch.Size``.

    >>> import anadrome as ad
    >>> ad.Size([2, 3]) + (4,)
    anadrome.Size([2, 3, 4])
    """

    __slots__ = ()

    def __new__(cls, sizes: Any = ()) -> Size:
        out = sized(cls, sizes)
        if all(n.__class__ is int for n in out):
            return out
        for i, n in enumerate(out):
            if not hasattr(n, "__index__"):
                raise TypeError(
                    f"Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')"
                )
        return sized(cls, [n.__index__() for n in out])

    def numel(self) -> int:
        """The product of the lengths."""
        size = 1
        for n in self:
            size *= n
        return size

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return sized(Size, found) if index.__class__ is slice else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Any:
        return Size(tuple.__add__(tuple(other), self))

    def __mul__(self, count: Any) -> Any:
        return sized(Size, tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"{dtypes.shown_as}.Size([{', '.join(map(str, self))}])"
