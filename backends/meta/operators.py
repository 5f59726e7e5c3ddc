"""operators: Python's operators over arrays of no values, and NumPy's functions called with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import MetaArray
from .shapes import elementwise, product

_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
_COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
_UNARY = {"neg": np.negative, "pos": np.positive, "invert": np.invert, "abs": np.absolute}


def _of(ufunc: Any) -> Callable[..., Any]:
    return lambda *operands: elementwise(ufunc, operands)


def _reflected(ufunc: Any) -> Callable[..., Any]:
    return lambda self, other: elementwise(ufunc, (other, self))


def _in_place(ufunc: Any) -> Callable[..., Any]:
    def method(self: MetaArray, other: Any) -> MetaArray:
        self.check_written(elementwise(ufunc, (self, other)).shape)
        return self

    return method


def _called(self: MetaArray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    return elementwise(ufunc, inputs, kwargs) if method == "__call__" else NotImplemented


for _name, _ufunc in (_BINARY | _COMPARISONS | _UNARY).items():
    setattr(MetaArray, f"__{_name}__", _of(_ufunc))
for _name, _ufunc in _BINARY.items():
    setattr(MetaArray, f"__r{_name}__", _reflected(_ufunc))
    setattr(MetaArray, f"__i{_name}__", _in_place(_ufunc))
setattr(MetaArray, "__matmul__", product)  # noqa: B010
setattr(MetaArray, "__array_ufunc__", _called)  # noqa: B010
