"""scans: PyTorch's running combinations with a function (``torch._higher_order_ops``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..border import enclose_functions
from ..namespace import cat, flip, stack
from .trees import tree_flatten, tree_unflatten

__all__ = ["associative_scan"]


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """All running combinations along ``dim`` of Tensors, or of a tree of them.

    ``combine_fn(a, b)`` combines two trees like ``xs`` and is associative; it gets slices of many
    places at once, so it works element by element (``combine_mode="pointwise"``) or, with
    ``"generic"``, is mapped over the places by ``func.vmap``. The number of calls grows with the
    logarithm of the length. ValueError where the lengths differ.

    >>> import anadrome as ad
    >>> from anadrome._higher_order_ops import associative_scan
    >>> associative_scan(lambda a, b: a * b, ad.tensor([1, 2, 3, 4]), dim=0)
    tensor([ 1,  2,  6, 24])
    """
    leaves, spec = tree_flatten(xs)
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either be 'pointwise' or 'generic': {combine_mode!r}")
    if len({x.shape[dim] for x in leaves}) != 1:
        raise ValueError(
            f"All xs leaves must have the same length along dim {dim}: "
            f"{[x.shape[dim] for x in leaves]}"
        )
    if combine_mode == "generic":
        from ..func import vmap

        combine_fn = vmap(combine_fn)
    leaves = [x.movedim(dim, 0) for x in leaves]
    leaves = [flip(x, (0,)) for x in leaves] if reverse else leaves

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        return tree_flatten(combine_fn(tree_unflatten(a, spec), tree_unflatten(b, spec)))[0]

    out = _scanned(combine, leaves)
    out = [flip(x, (0,)) for x in out] if reverse else out
    return tree_unflatten([x.movedim(0, dim) for x in out], spec)


def _scanned(combine: Callable[[Any, Any], list[Any]], xs: list[Any]) -> list[Any]:
    """Those of the pairs first; each place between two of them then takes one more step."""
    count = len(xs[0])
    if count < 2:
        return xs
    odd = _scanned(combine, combine([x[: count - 1 : 2] for x in xs], [x[1::2] for x in xs]))
    first = [x[:1] for x in xs]
    if count < 3:
        return [cat([a, b]) for a, b in zip(first, odd)]
    later = [x[2::2] for x in xs]
    even = combine([o[: len(n)] for o, n in zip(odd, later)], later)
    even = [cat([a, b]) for a, b in zip(first, even)]
    return [_interleaved(e, o) for e, o in zip(even, odd)]


def _interleaved(even: Any, odd: Any) -> Any:
    paired = stack([even[: len(odd)], odd], 1).reshape(2 * len(odd), *even.shape[1:])
    return cat([paired, even[len(odd) :]])


enclose_functions(globals())
