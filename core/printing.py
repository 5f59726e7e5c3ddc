"""printing: a Tensor as PyTorch prints it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tensor import Tensor

options: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
) -> None:
    """Digits, size from which to abbreviate, items kept at each edge, characters a line."""
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    options.update({k: v for k, v in given.items() if v is not None})


def tensor_repr(t: Tensor) -> str:
    """``tensor([1., 2.], grad_fn=<MulBackward0>)``."""
    from .dtypes import get_default_dtype

    prefix = "tensor("
    data = t.data
    if t.numel() == 0 and t.ndim != 1:
        body = "[]"
    else:
        body = _body(data, len(prefix))
    suffixes = []
    if t.numel() == 0 and t.ndim != 1:
        suffixes.append(f"size={tuple(t.shape)}")
    if t.device.type != "cpu":
        suffixes.append(f"device='{t.device}'")
    if t.dtype is not get_default_dtype() and t.dtype.name not in ("int64", "bool"):
        suffixes.append(f"dtype={t.dtype!r}")
    if t.grad_fn is not None:
        suffixes.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    return prefix + ", ".join([body, *suffixes]) + ")"


def _body(t: Tensor, indent: int) -> str:
    short = t.numel() > options["threshold"]
    values = _edges(t) if short else t
    kind = t.dtype
    flat = values.reshape(-1)
    if kind.is_complex:
        items = [_complex(v) for v in flat.tolist()]
    elif kind.is_floating_point:
        items = _floats(flat.to(_wide()).tolist())
    else:
        items = [str(v) for v in flat.tolist()]
    width = max((len(s) for s in items), default=0)
    texts = iter([s.rjust(width) for s in items])
    if t.ndim == 0:
        return items[0]
    return _nested(tuple(t.shape), texts, indent, short, width)


def _wide() -> Any:
    from .dtypes import float64

    return float64


def _edges(t: Tensor) -> Tensor:
    """The corners that an abbreviated print shows."""
    from .ops.joining import cat

    edge = options["edgeitems"]
    for dim, n in enumerate(t.shape):
        if n > 2 * edge:
            t = cat([t.narrow(dim, 0, edge), t.narrow(dim, n - edge, edge)], dim)
    return t


def _floats(values: list[float]) -> list[str]:
    finite = [v for v in values if math.isfinite(v)]
    nonzero = [abs(v) for v in finite if v]
    precision = options["precision"]
    whole = all(v == int(v) for v in finite)
    big, small = max(nonzero, default=0.0), min(nonzero, default=0.0)
    if whole:
        if big >= 10**8 or (small and big / small > 1000 and big >= 10**8):
            return [f"{v:.{precision}e}" for v in values]
        return [f"{v:.0f}." if math.isfinite(v) else str(v) for v in values]
    if small and (big / small > 1000 or big > 10**8 or small < 1e-4):
        return [f"{v:.{precision}e}" for v in values]
    return [f"{v:.{precision}f}" for v in values]


def _complex(v: complex) -> str:
    p = options["precision"]
    return f"{v.real:.{p}f}{'+' if v.imag >= 0 or math.isnan(v.imag) else '-'}{abs(v.imag):.{p}f}j"


def _nested(shape: tuple[int, ...], texts: Any, indent: int, short: bool, width: int) -> str:
    edge = options["edgeitems"]
    n = shape[0]
    cut = short and n > 2 * edge
    count = 2 * edge if cut else n
    if len(shape) == 1:
        items = [next(texts) for _ in range(count)]
        per_line = max(1, (options["linewidth"] - indent) // (width + 2))
        if cut:
            items.insert(edge, "...".rjust(min(3, width) if width < 3 else 3))
        lines = [items[i : i + per_line] for i in range(0, len(items), per_line)] or [[]]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
    rows = [_nested(shape[1:], texts, indent + 1, short, width) for _ in range(count)]
    if cut:
        rows.insert(edge, "...")
    separator = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + separator.join(rows) + "]"
