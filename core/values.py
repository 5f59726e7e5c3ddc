"""values: a Tensor's values on their way out: Python numbers, lists, NumPy arrays, text.

Nothing that leaves this way carries a gradient back.
"""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Number
from typing import TYPE_CHECKING, Any

from . import modes
from .errors import GraphError, NoValuesError, ShapeError
from .switches import truth

if TYPE_CHECKING:
    from .tensor import Tensor


class Values:
    """The part of ``Tensor`` that reads its values."""

    __slots__ = ()

    if TYPE_CHECKING:  # what Tensor has

        def __getattr__(self, name: str) -> Any: ...

    def numpy(self, *, force: bool = False) -> Any:
        """The values as a NumPy array; shares memory on the CPU.

        ``force=True``: of a Tensor that requires a gradient or is on another device too.
        """
        if truth(force, "numpy", "force"):
            return self.detach().cpu().numpy()
        if self._edge is not None and modes.is_grad_enabled():
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

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """The result of a NumPy function of this Tensor, as a Tensor (``np.sqrt(x)``)."""
        from .creation import as_tensor

        return as_tensor(array)

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
        backend = self._backend
        if not backend.holds_values:
            raise NoValuesError(f"Tensor.item() cannot be called on {self.device.type} tensors")
        return _number(backend.to_host(data).item())

    def tolist(self) -> Any:
        """The values as nested lists (a number for zero dimensions)."""
        modes.touch(self)
        host = self._backend.to_host(self._data)
        if self.dtype.itemsize == 2 and self.dtype.is_floating_point:  # bfloat16 has no tolist
            host = host.astype("float32")
        return host.tolist()

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

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        kind = self.dtype
        if kind.is_floating_point or kind.is_complex or self.numel() != 1:
            raise TypeError(
                "only integer tensors of a single element can be converted to an index, not "
                f"{kind.name} of shape {tuple(self.shape)}"
            )
        return int(self.item())

    def __contains__(self, element: Any) -> bool:
        from .tensor import Tensor

        if not isinstance(element, (Tensor, Number)):
            raise RuntimeError(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
                f"{type(element)}."
            )
        same: Any = self == element
        return bool(same.any().item())

    def __reversed__(self) -> Any:
        return self if self._data.ndim == 0 else self.flip(0)

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._data.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._data.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __format__(self, spec: str) -> str:
        if self._data.ndim == 0 and type(self).__name__ == "Tensor" and self._backend.holds_values:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        from .printing import tensor_repr

        return tensor_repr(self)  # type: ignore[arg-type]


def _number(value: Any) -> Any:
    """What an array library calls a Python number, as one (bfloat16's are not)."""
    return value if isinstance(value, (int, float, complex)) else float(value)
