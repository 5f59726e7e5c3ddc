"""values: a Tensor's values on their way out: Python numbers, lists, NumPy arrays, text.

Nothing that leaves this way carries a gradient back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import modes
from .errors import GraphError, ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor


class Values:
    """The part of ``Tensor`` that reads its values."""

    __slots__ = ()

    if TYPE_CHECKING:  # what Tensor has

        def __getattr__(self, name: str) -> Any: ...

    def numpy(self) -> Any:
        """The values as a NumPy array; shares memory on the CPU."""
        if self._edge is not None:
            raise GraphError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        if self.device.type != "cpu":
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to "
                "copy the tensor to host memory first."
            )
        modes.touch(self)
        return self._backend.to_host(self._data)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        host = self.numpy()
        if dtype is not None and host.dtype != dtype:
            return host.astype(dtype)
        return host.copy() if copy else host

    def item(self) -> Any:
        """The single value, as a Python number. It leaves the graph: no gradient flows back."""
        modes.touch(self)
        data = self._data
        size = 1
        for n in data.shape:
            size *= n
        if size != 1:
            raise ShapeError(
                f"a Tensor with {size} elements cannot be converted to Scalar; index one element, "
                "or reduce with .sum() or .mean() first"
            )
        return self._backend.to_host(data).item()

    def tolist(self) -> Any:
        """The values as nested lists (a number for zero dimensions)."""
        modes.touch(self)
        return self._backend.to_host(self._data).tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise GraphError(
                f"Boolean value of Tensor with {'no' if not self.numel() else 'more than one'} "
                "value is ambiguous; use .any(), .all() or compare shapes"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    __index__ = __int__

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._data.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self._data.ndim == 0 else str(self)

    def __repr__(self) -> str:
        from .printing import tensor_repr

        return tensor_repr(self)  # type: ignore[arg-type]
