"""printing: a Tensor as PyTorch prints it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .border import enclose_functions

if TYPE_CHECKING:
    from .tensor import Tensor

#: The options of each profile: digits, size from which to abbreviate, items kept at each edge,
#: characters a line, and whether numbers are in scientific notation (None: where it helps).
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


class __PrinterOptions:
    """The same options as attributes (PyTorch's ``torch._tensor_str.PRINT_OPTS``)."""


PRINT_OPTS: Any = __PrinterOptions()
PRINT_OPTS.__dict__ = options


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How Tensors print (``torch.set_printoptions``).

    ``precision``: digits; ``threshold``: number of elements from which to abbreviate;
    ``edgeitems``: items kept at each edge; ``linewidth``: characters a line; ``profile``:
    "default", "short" or "full"; ``sci_mode``: scientific notation, always or never.

    >>> import anadrome as ad
    >>> ad.set_printoptions(precision=2)
    >>> ad.tensor([1.12345])
    tensor([1.12])
    >>> ad.set_printoptions(profile="default")
    """
    if profile is not None:
        options.update(_PROFILES[profile])
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    options.update({k: v for k, v in given.items() if v is not None})
    options["sci_mode"] = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as ``set_printoptions`` takes them."""
    return dict(options)


@contextlib.contextmanager
def printoptions(**given: Any) -> Iterator[None]:
    """Other options inside (``torch.printoptions``)."""
    before = get_printoptions()
    set_printoptions(**given)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(t: Tensor) -> str:
    """``tensor([1., 2.], grad_fn=<MulBackward0>)``."""
    from .nn.parameter import Buffer, Parameter
    from .tensor import Tensor as plain
    from .tensor import wrap

    level = getattr(t._data.__class__, "level", 0)
    if level:  # inside a `vmap`
        dim = 0 if t._data.mapped else None
        return f"BatchedTensor(lvl={level}, bdim={dim}, value={wrap(t._data.array)!r})"
    name = "tensor" if type(t) in (plain, Parameter, Buffer) else type(t).__name__
    prefix = name + "("
    body = _tensor_str(t.detach(), len(prefix)) if t._backend.holds_values else "..."
    return _add_suffixes(prefix + body, _suffixes(t), len(prefix))


def _suffixes(t: Tensor) -> list[str]:
    from .dtypes import get_default_dtype, of_python

    out = []
    usual = [get_default_dtype()]
    if t.device.type != "cpu":
        out.append(f"device='{t.device}'")
    seen = t.numel() if t._backend.holds_values else 0
    shape_is_told = options["edgeitems"] if seen else t._backend.holds_values and t.ndim == 1
    if not shape_is_told:
        out.append(f"size={tuple(t.shape)}")
    if seen:  # of nothing, and of no values, no kind can be seen
        usual += [of_python(1), of_python(True), of_python(1j)]
    if t.dtype not in usual:
        out.append(f"dtype={t.dtype!r}")
    if t.grad_fn is not None:
        out.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        out.append("requires_grad=True")
    return out


def _add_suffixes(text: str, suffixes: list[str], indent: int, force_newline: bool = False) -> str:
    used = len(text) - text.rfind("\n") + 1
    parts = [text]
    for suffix in suffixes:
        if force_newline or used + len(suffix) + 2 > options["linewidth"]:
            force_newline = False
            parts.append(",\n" + " " * indent + suffix)
            used = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            used += len(suffix) + 2
    return "".join(parts) + ")"


def _tensor_str(t: Tensor, indent: int) -> str:
    if not t.numel():
        return "[]"
    short = t.numel() > options["threshold"]
    shape = tuple(t.shape)
    if short:
        t = _edges(t)
    if t.dtype.is_complex:
        values = t.tolist()
        flat = t.reshape(-1).tolist()
        real = _Format([z.real for z in flat], floating=True)
        imaginary = _Format([z.imag for z in flat], floating=True)
        return _nested(values, shape, indent, short, _Complex(real, imaginary))
    floating = t.dtype.is_floating_point
    if floating and t.dtype.itemsize < 4:
        t = t.float()
    form = _Format(t.reshape(-1).tolist(), floating)
    return _nested(t.tolist(), shape, indent, short, form)


def _edges(t: Tensor) -> Tensor:
    """The corners that an abbreviated print shows."""
    from .ops.joining import cat

    edge = options["edgeitems"]
    for dim, n in enumerate(t.shape):
        if n > 2 * edge:
            t = cat([t.narrow(dim, 0, edge), t.narrow(dim, n - edge, edge)], dim)
    return t


class _Format:
    """One way to write all the numbers of a Tensor, and the width that this takes."""

    def __init__(self, values: list[Any], floating: bool) -> None:
        self.floating = floating
        self.whole = True
        self.scientific = False
        self.width = 1
        self.digits = options["precision"]
        if not floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        seen = [v for v in values if v and math.isfinite(v)]
        if not seen:
            return
        sizes = [abs(v) for v in seen]
        self.whole = all(v == math.ceil(v) for v in seen)
        self.scientific = (
            (max(sizes) / min(sizes) > 1000.0 or max(sizes) > 1.0e8 or min(sizes) < 1.0e-4)
            if options["sci_mode"] is None
            else options["sci_mode"]
        )
        self.width = max(len(self(v)) for v in seen)

    def __call__(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{self.digits}e}"
        elif self.whole:
            text = f"{value:.0f}." if math.isfinite(value) else str(value)
        else:
            text = f"{value:.{self.digits}f}"
        return text.rjust(self.width)


class _Complex:
    """Real and imaginary parts, each in its own format."""

    def __init__(self, real: _Format, imaginary: _Format) -> None:
        self.real = real
        self.imaginary = imaginary
        self.width = real.width + imaginary.width + 1

    def __call__(self, value: complex) -> str:
        imaginary = (self.imaginary(value.imag) + "j").lstrip()
        sign = "" if imaginary[0] in "+-" else "+"
        return self.real(value.real) + sign + imaginary


def _nested(values: Any, shape: tuple[int, ...], indent: int, short: bool, form: Any) -> str:
    if not shape:
        return form(values)
    edge = options["edgeitems"]
    cut = short and shape[0] > 2 * edge
    if len(shape) == 1:
        items = [form(v) for v in values]
        if cut:
            items = [*items[:edge], " ..." if edge else "...", *items[edge:]]
        per_line = max(1, (options["linewidth"] - indent) // (form.width + 2))
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [_nested(v, shape[1:], indent + 1, short, form) for v in values]
    if cut:
        rows.insert(edge, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(rows) + "]"


enclose_functions(globals())
