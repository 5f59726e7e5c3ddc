"""batchviews: views with parameters of their own, of a whole batch at once.

They have to be rules: an op that is run example by example is stacked from its results, and what is
written into such a stack does not reach the memory that was looked at.
"""

from __future__ import annotations

from typing import Any

from ..op import Op
from .batchrules import _materialised, _on_last, _run, _shifted


def _diagonal(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    ndim = len(keywords["shape"]) if "shape" in keywords else x.ndim
    return _of_batch(op, cls, x, keywords, ndim, ("dim1", "dim2"))


def _windows(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    ndim = len(keywords["shape"]) if "shape" in keywords else x.ndim
    return _of_batch(op, cls, x, keywords, ndim, ("dimension",))


def _of_batch(op: Op, cls: Any, x: Any, keywords: Any, ndim: int, names: Any) -> Any:
    (inner,) = _materialised(cls, (x,))
    changed = {**keywords, **{name: _shifted(keywords[name], ndim) for name in names}}
    if "shape" in changed:  # of what a gradient is scattered into
        changed["shape"] = (inner.shape[0], *changed["shape"])
    return cls(_run(op, (inner,), changed))


def _strided(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    from ..ops.strided import compact, strides_of

    (x,) = arrays
    steps = strides_of(x.array) or compact(x.array.shape)
    own = None if tuple(steps) == compact(x.array.shape) else tuple(steps)
    changed = {
        "size": (x.array.shape[0], *keywords["size"]), "stride": (steps[0], *keywords["stride"]),
        "offset": keywords["offset"], "strides": own,
    }  # fmt: skip
    return cls(_run(op, (x.array,), changed))


#: Rules by the name of the op.
RULES = {
    "diagonal": _diagonal, "diagonal_backward": _diagonal, "unfold": _windows,
    "unfold_backward": _windows, "as_strided": _strided, "view_as_real": _on_last,
    "view_as_complex": _on_last,
}  # fmt: skip
