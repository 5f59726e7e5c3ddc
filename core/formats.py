"""formats: the order in which the dimensions of an array lie in memory (``torch.memory_format``).

An order names dimensions from the outermost to the innermost: (0, 2, 3, 1) is channels last. Arrays
whose library does not tell how they lie (no ``flags``) have none, and are left as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import backend as backends
from .layouts import channels_last, channels_last_3d, preserve_format
from .placement import at

_RANKS = {channels_last: 4, channels_last_3d: 5}

Order = tuple[int, ...]


def order_of(form: Any, ndim: int) -> Order:
    """The order that a memory format means; RuntimeError, as PyTorch's, for another rank."""
    rank = _RANKS.get(form)
    if rank is None:
        return tuple(range(ndim))
    if ndim != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {form.name} format")
    return (0, *range(2, ndim), 1)


def lies_in(array: Any, order: Order) -> bool:
    """Whether the elements lie in this order without gaps."""
    flags = getattr(array, "flags", None)
    if flags is None or (flags.c_contiguous and order == tuple(range(len(order)))):
        return True
    return bool(array.transpose(order).flags.c_contiguous)


def order_in(array: Any) -> Order | None:
    """The order of an array that has no gaps, but does not lie row by row; else None."""
    flags = getattr(array, "flags", None)
    if flags is None or flags.c_contiguous:
        return None
    order = tuple(sorted(range(array.ndim), key=lambda d: -array.strides[d]))
    return order if lies_in(array, order) else None


def copied(xp: Any, array: Any, order: Order) -> Any:
    """A copy that lies in this order."""
    turned = xp.permute_dims(array, order)
    memory = xp.asarray(xp.reshape(turned, (-1,)), copy=True)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return xp.permute_dims(xp.reshape(memory, turned.shape), back)


def arranged(array: Any, order: Order) -> Any:
    """The array if it lies in this order, or a copy that does."""
    if lies_in(array, order):
        return array
    with at(array):
        return copied(backends.by_type[array.__class__].xp, array, order)


def as_asked(array: Any, form: Any, template: Any) -> Any:
    """An array that was just made, in a memory format, or that of the array it is made like."""
    if form is None or form is preserve_format:
        order = None if template is None or template.ndim != array.ndim else order_in(template)
        return array if order is None else arranged(array, order)
    return arranged(array, order_of(form, array.ndim))


def keeping(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A convolution whose result has the channels last if those of image or weight are."""

    @functools.wraps(kernel)
    def call(x: Any, w: Any, *rest: Any, **how: Any) -> Any:
        out = kernel(x, w, *rest, **how)
        if x.flags.c_contiguous and w.flags.c_contiguous:
            return out
        order = (0, *range(2, out.ndim), 1)
        if out.ndim > 3 and any(order_in(a) == order for a in (x, w)):
            return arranged(out, order)
        return out

    return call
