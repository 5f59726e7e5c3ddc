"""aten: PyTorch's own ops by the names of ``torch.ops.aten`` that no function has here.

``slice``, ``_to_copy`` and kin; ``view_copy`` and all whose name says that a view is copied; and
those of a namespace, as ``linalg_norm``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..nn import functional
from ..tensor import Tensor


def _slice(
    self: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    return self[(slice(None),) * (dim % self.dim()) + (slice(start, end, step),)]


def _to_copy(self: Tensor, *, non_blocking: bool = False, **options: Any) -> Tensor:
    given = {name: options[name] for name in ("dtype", "device") if options.get(name) is not None}
    return self.to(**given, copy=True, non_blocking=non_blocking)  # type: ignore[attr-defined,no-any-return]


def _index(self: Tensor, indices: Any) -> Tensor:
    return self[tuple([slice(None) if i is None else i for i in indices])]


def _over_one_dim(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(self: Tensor, dim: int, half_to_float: bool) -> Tensor:
        return function(self.float() if half_to_float else self, dim)  # type: ignore[attr-defined]

    return call


_OWN: dict[str, Callable[..., Any]] = {
    "slice": _slice,
    "_to_copy": _to_copy,
    "index": _index,
    "alias": lambda self: self.view_as(self),
    "lift": lambda self: self,
    "lift_fresh": lambda self: self,
    "copy": lambda self, src, non_blocking=False: self.clone().copy_(src),
    "zero": lambda self: self.clone().zero_(),
    "_unsafe_view": lambda self, size: self.view(size),
    "_softmax": _over_one_dim(functional.softmax),
    "_log_softmax": _over_one_dim(functional.log_softmax),
    "sym_size": lambda self, dim=None: self.size() if dim is None else self.size(dim),
    "sym_stride": lambda self, dim=None: self.stride() if dim is None else self.stride(dim),
    "sym_numel": lambda self: self.numel(),
    "sym_storage_offset": lambda self: self.storage_offset(),
}


def function_of(name: str) -> Callable[..., Any] | None:
    """The function that an op of this name is, or None."""
    import anadrome

    if name in _OWN:
        return _OWN[name]
    for place in (anadrome, functional, Tensor):
        function: Any = getattr(place, name, None)
        if function is not None:
            return function  # type: ignore[no-any-return]
    if name.endswith("_copy"):
        view = function_of(name.removesuffix("_copy"))
        return None if view is None else _copying(view)
    package, _, rest = name.partition("_")
    if package in ("linalg", "special", "fft"):
        return getattr(getattr(anadrome, package), rest, None)
    return None


def _copying(view: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        out = view(*args, **options)
        return out.clone() if isinstance(out, Tensor) else [part.clone() for part in out]

    return call
