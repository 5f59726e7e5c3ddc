"""functorch_levels: what packages ask below ``func.vmap`` (``torch._C._functorch`` and kin).

There a Tensor inside of a map is one whose array hides a dimension (``func/batched.py``); these
functions show it, hide it, and say whether there is one.
"""

from __future__ import annotations

from typing import Any

from ..backend import by_type
from ..func.batched import batching
from ..func.mapping import _at_level, _Enter, _left
from ..func.tree import spread
from ..tensor import Tensor, wrap
from .trees import tree_flatten, tree_unflatten

__all__ = [
    "Tensor", "get_unwrapped", "is_batchedtensor", "maybe_get_bdim", "maybe_get_level",
    "tree_flatten", "tree_unflatten",
]  # fmt: skip


def maybe_get_level(tensor: Tensor) -> int:
    """The map that a Tensor is inside of, counted from 1; -1 for none."""
    return getattr(tensor._data.__class__, "level", 0) or -1


def is_batchedtensor(tensor: Any) -> bool:
    """Whether a Tensor hides the dimension of a map."""
    return isinstance(tensor, Tensor) and maybe_get_level(tensor) > 0


def maybe_get_bdim(tensor: Tensor) -> int:
    """The dimension that is hidden, which is the first here; -1 for none."""
    return 0 if is_batchedtensor(tensor) and tensor._data.mapped else -1


def get_unwrapped(tensor: Tensor) -> Tensor:
    """The values with the hidden dimension shown first, of a Tensor inside of a map."""
    if not is_batchedtensor(tensor):
        raise RuntimeError("get_unwrapped(): the Tensor is not inside of a vmap")
    return wrap(tensor._data.array)


def _add_batch_dim(tensor: Tensor, batch_dim: int, level: int) -> Tensor:
    inner = _at_level(tensor, level - 1)
    cls = batching(by_type[inner._data.__class__], level).array_type
    return _Enter.apply(inner, cls, batch_dim % tensor.dim())  # type: ignore[no-any-return]


def _remove_batch_dim(tensor: Tensor, level: int, batch_size: int, out_dim: int) -> Tensor:
    inner = tensor
    while maybe_get_level(inner) >= level:
        inner = get_unwrapped(inner)
    cls = batching(by_type[inner._data.__class__], level).array_type
    return _left(tensor, out_dim, cls, batch_size)  # type: ignore[no-any-return]


def _maybe_remove_batch_dim(
    name: str, batched_output: Any, vmap_level: int, batch_size: int, out_dim: int | None
) -> Any:
    if out_dim is None:
        if is_batchedtensor(batched_output):
            raise ValueError(f"vmap({name}): out_dim is None, but the output was mapped")
        return batched_output
    if not isinstance(batched_output, Tensor):
        raise ValueError(
            f"vmap({name}): must only return Tensors, got {type(batched_output).__name__}"
        )
    return _remove_batch_dim(batched_output, vmap_level, batch_size, out_dim)


def _broadcast_to_and_flatten(tree: Any, treespec: Any) -> list[Any]:
    return list(spread(tree, treespec.unflatten(range(treespec.num_leaves)), "vmap: in_dims"))


def _get_name(func: Any) -> str:
    return getattr(func, "__name__", None) or repr(func)
