"""views: tensors that share memory, and what happens to the graph when one of them is written.

A view knows its base and the ops that lead from the base to it. After a write in place through any
of them the base has a new history, and every living view's history becomes "this view of that
base".
"""

from __future__ import annotations

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
