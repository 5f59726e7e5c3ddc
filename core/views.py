"""views: tensors that share memory, and what happens to the graph when one of them is written.

A view knows its base and the ops that lead from the base to it. After a write in place through any
of them the base has a new history, and every living view's history becomes "this view of that
base".
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

from . import modes
from .backend import by_type
from .graph import Edge
from .tensor import Tensor

_PRUNE_AT = 64


def track(view: Tensor, of: Tensor, call: Callable[..., Any], keywords: dict[str, Any]) -> None:
    """Note that ``view`` is ``call(of, **keywords)``, if it really shares its memory.

    One of nothing has none to share, and counts as a view: what is written into it has a gradient.
    """
    data = of._data
    if not by_type[data.__class__].shares(view._data, data) and 0 not in view._data.shape:
        return
    if modes.inference_met:  # whether values may enter a graph is a fact of their memory
        view._inference = of._inference
    base = of._base
    if base is None:
        base = of
    view._base = base
    view._view_path = (*of._view_path, (call, keywords))
    writes = base._writes
    if writes is None:
        writes = base._shared_writes()
    view._writes = writes
    if view._edge is not None:
        view._edge[0].watch(view._edge[1], writes)
    living = writes.views
    living.append(weakref.ref(view))
    if len(living) >= _PRUNE_AT and len(living) & (len(living) - 1) == 0:
        living[:] = [ref for ref in living if ref() is not None]


def relay(source: Tensor, copy: Tensor, call: Callable[..., Any], keywords: dict[str, Any]) -> None:
    """Make ``copy``, which is ``call(source, **keywords)``, a view: both in the memory of the copy.

    For a result that an array library laid out otherwise than row by row. Only where nobody else
    has its memory, be it a Tensor, an array that was given out or a graph: they would part.
    """
    if not _alone(source):
        return
    modes.touch(source)
    source._data = source._backend.xp.reshape(copy._data, source._data.shape)
    track(copy, source, call, keywords)


def _alone(holder: Any) -> bool:
    """Whether nothing but this Tensor has its array, nor the memory that the array lies in."""
    if _getrefcount(holder._data) > _ALONE:
        return False
    if getattr(holder._data, "base", None) is None:
        return True
    return _getrefcount(holder._data.base) <= _ALONE and holder._data.base.base is None


_getrefcount = getattr(sys, "getrefcount", id)  # without it: as if it were shared


class _Probe:
    """What has its array alone: how many references there are then."""

    def __init__(self) -> None:
        self._data = object()


_probe = _Probe()
_ALONE = _getrefcount(_probe._data) if hasattr(sys, "getrefcount") else -1


def follow(path: Any, base: Any) -> Any:
    """The view of ``base`` that ``path`` describes; ``base`` may be an array or a Tensor."""
    for call, keywords in path:
        base = call(base, **keywords)
    return base


def refresh(base: Tensor) -> None:
    """Give every living view of ``base`` a history that starts at the base's present one."""
    writes = base._writes
    if writes is None:
        return
    for ref in list(writes.views):
        view = ref()
        if view is None or view._base is not base:
            continue
        with modes.enable_grad():
            regraft(view, follow(view._view_path, base)._edge)


def regraft(tensor: Tensor, edge: Edge | None) -> None:
    """Give a Tensor that was written another place in the graph; there it retains its gradient."""
    tensor._edge = edge
    if tensor._retains_grad and not tensor.is_leaf:
        tensor._retain()
