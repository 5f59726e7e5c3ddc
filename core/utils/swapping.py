"""swapping: two Tensors trade places, for everybody who holds one of them."""

from __future__ import annotations

import copyreg
import weakref
from typing import Any

from ..errors import ArgumentError, GraphError
from ..tensor import Tensor


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Exchange what two Tensors are: class, memory, history, gradient and attributes.

    PyTorch: ``torch.utils.swap_tensors``. Raises RuntimeError for a Tensor to which there are weak
    references, or in whose gradient a living graph ends.

    >>> import anadrome as ad
    >>> layer = ad.nn.Linear(2, 1)
    >>> held = layer.weight
    >>> ad.utils.swap_tensors(layer.weight, ad.nn.Parameter(ad.zeros(1, 2)))
    >>> held
    Parameter containing:
    tensor([[0., 0.]], requires_grad=True)
    """
    pair = (t1, t2)
    for name, t in zip(("t1", "t2"), pair):
        _check(name, t)
    if set(copyreg._slotnames(type(t1))) != set(copyreg._slotnames(type(t2))):  # type: ignore[attr-defined]
        raise GraphError("Cannot swap t1 and t2 if they have different slots")
    for t in pair:  # a graph that has kept it says so, instead of computing with the other
        t._shared_writes().bump()
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1._data, t2._data = t2._data, t1._data
    t1._edge, t2._edge = t2._edge, t1._edge
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__
    for t, was in ((t1, t2), (t2, t1)):  # a base knows its views, and a view its base
        views = t._shared_writes().views
        if t._base is not None:
            views[:] = [weakref.ref(t) if ref() is was else ref for ref in views]
        for view in [ref() for ref in views]:
            if view is not None and view._base is was:
                view._base = t


def _check(name: str, t: Any) -> None:
    if not isinstance(t, Tensor):
        raise ArgumentError(f"swap_tensors(): {name} must be Tensor, not {type(t).__name__}")
    if t._base is None and weakref.getweakrefs(t):
        raise GraphError(f"Cannot swap {name} because it has weakref associated with it")
    if t._accumulator is not None and t._accumulator() is not None:
        raise GraphError(
            f"Cannot swap {name}: a graph that is still there ends in its gradient; make sure you "
            "are not holding references to what was computed from it"
        )
