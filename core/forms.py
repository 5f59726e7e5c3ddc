"""forms: the in-place form of a function that is made of ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import modes
from .backend import by_type
from .dtypes import as_dtype, bool_
from .errors import ArgumentError, DtypeError
from .inplace import assign, check_writable
from .looking import answered
from .tensor import Tensor, wrap


def inplace_composite(function: Callable[..., Any], name: str | None = None) -> Any:
    """The in-place form of a function that is made of ops."""
    name = name or function.__name__ + "_"

    def inplace(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        if "out" in keywords:
            raise ArgumentError(
                f"{name}() got an unexpected keyword argument 'out': it writes self"
            )
        check_writable(self)
        kind = keywords.get("dtype")
        if kind is not None and as_dtype(kind) is not self.dtype:
            raise DtypeError(
                f"{name}: input tensor dtype {self.dtype.name} and output tensor dtype "
                f"{as_dtype(kind).name} should match in place; use {name[:-1]}"
            )
        if name in ("cumsum_", "cumprod_") and self.dtype is not bool_:
            keywords["dtype"] = self.dtype  # integers are added up in their own type
        source = self
        if modes.is_grad_enabled():
            # The rules of its ops may save this Tensor: they keep what it held before the write.
            source = wrap(by_type[self._data.__class__].asarray(self._data))
            source._edge = self._gradient_edge()
        try:
            return assign(self, modes.as_given(function, (source, *args), keywords), name)
        except Exception as error:
            return answered(error)

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"In-place form of ``{name[:-1]}``; returns self."
    return inplace
