"""forms: what PyTorch's functions take besides their arguments: ``out=``, and NumPy's names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import modes
from .backend import by_type
from .inplace import assign, check_writable
from .out import into
from .refusals import answer
from .tensor import Tensor, wrap

_ALIASES = (("axis", "dim"), ("keepdims", "keepdim"), ("x", "input"))


def form(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function ``out=``, and let ``axis``, ``keepdims`` stand for ``dim``, ``keepdim``.

    >>> import anadrome as ad
    >>> ad.ones(2, 3).sum(axis=1, keepdims=True).shape
    anadrome.Size([2, 1])
    """

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        out = None
        try:
            if not keywords:
                return function(*args)
            out = keywords.pop("out", None)
            for alias, name in _ALIASES:
                if alias in keywords and name not in keywords:
                    keywords[name] = keywords.pop(alias)
            result = function(*args, **keywords)
        except Exception as error:
            result = answer(function, error, args, keywords)
        return result if out is None else into(out, result, function.__name__)

    return call


def inplace_composite(function: Callable[..., Any], name: str | None = None) -> Any:
    """The in-place form of a function that is made of ops."""
    name = name or function.__name__ + "_"

    def inplace(self: Tensor, *args: Any, **keywords: Any) -> Tensor:
        check_writable(self)
        source = self
        if modes.is_grad_enabled():
            # The rules of its ops may save this Tensor: they keep what it held before the write.
            source = wrap(by_type[self._data.__class__].asarray(self._data))
            source._edge = self._gradient_edge()
        return assign(self, function(source, *args, **keywords), name)

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"In-place form of ``{name[:-1]}``; returns self."
    return inplace
