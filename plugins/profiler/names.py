"""names: what PyTorch's profiles call an op (``aten::mm``)."""

from __future__ import annotations

from typing import Any

#: Where an op here is one of PyTorch's under another name, or some of them are one.
_OTHERS = {
    "cross_entropy": "cross_entropy_loss", "index_put_accumulate": "index_put_",
    "max_dim": "max", "median_dim": "median", "min_dim": "min", "nanmedian_dim": "nanmedian",
    "norm2": "linalg_vector_norm", "norm_p": "linalg_vector_norm", "pow_number": "pow",
    "pow_tensor": "pow", "scatter_value": "scatter", "to_dtype": "to",
}  # fmt: skip
#: Ops of any number of dimensions, which has a name of its own there.
_BY_DIMENSIONS = ("avg_pool", "max_pool")


def name_of(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """An op's name in a profile; an optimizer's own, which PyTorch has not, as it is."""
    name = op.__name__
    if op.op.mutates:
        return name
    if name == "getitem":
        name = _of_index(kwargs["index"] if "index" in kwargs else args[1])
    elif name in _BY_DIMENSIONS:
        name = f"{name}{args[0].ndim - 2}d"
    return f"aten::{_OTHERS.get(name, name)}"


def _of_index(index: Any) -> str:
    parts = index if isinstance(index, tuple) else (index,)
    if any(hasattr(part, "shape") for part in parts):
        return "index"
    if any(isinstance(part, slice) for part in parts):
        return "slice"
    return "unsqueeze" if all(p is None or p is Ellipsis for p in parts) else "select"
