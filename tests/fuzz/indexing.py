"""indexing: index expressions of every kind, read, written and differentiated, beside PyTorch.

A case is plain data drawn from a number, so that both libraries can be given it. Its outcome is
what was raised, or what was read, what the Tensor holds afterwards, and the gradients.
"""

from __future__ import annotations

import random
import warnings
from typing import Any, NamedTuple

import numpy as np

import anadrome as ad

from . import explained, oracle
from .draws import Drawn
from .explained import Reason

SHAPES = ((3, 4, 2), (4,), (2, 3), (3, 3), (1, 4), (), (0, 3), (2, 0), (1,), (2, 1, 3, 2), (5,))
DTYPES = ("float64", "float64", "float64", "float32", "int64", "bool", "complex128", "uint8")
ACTIONS = ("read", "read", "write", "write", "add", "view", "put")

Item = tuple[Any, ...]

#: What PyTorch refuses and anadrome takes, and the other way round.
LENIENT = (
    Reason("integers of any size are indices", r"indices must be long, int", "", "int16"),
    Reason("a mask of bytes is written through as it is read", r"only supports boolean masks"),
    Reason("what is written is cast, also where nothing is", r"source and destination dtypes"),
    Reason("a further ellipsis that stands for nothing", r"Dimension out of range", "",
           r"\('ellipsis',\).*(\('ellipsis',\)|'bool')"),
    Reason("of nothing, of which any value is written", r"indexing result of shape \[(\d+, )*0\b"),
    Reason("a gradient of what is written nowhere", r"Autograd not support dtype"),
    Reason("a mask of NumPy's behind an ellipsis", r"The shape of the mask", "",
           r"\('ellipsis',\).*'(bool|uint8)', 'np'"),
    Reason("dimensions of one more than there are", r"value tensor of shape \[1, "),
    Reason("a mask of no dimensions, written by index_put_", r"tensor of dimension \d \(got \d\)"),
)  # fmt: skip
STRICT = (
    Reason("each of several ellipses that stand for something", r"write it once"),
    Reason("a fraction is no index, in an array either", r"bool tensors, not (float|complex)"),
    Reason("of nothing, where PyTorch looks at no index", r"is out of bounds for dimension"),
    Reason("nothing is written, so PyTorch looks at no value", r"cannot be broadcast to indexing",
           "", r"\('bool', False"),
    Reason("a value of another type is no more written through a mask than through numbers",
           r"source and destination dtypes match", "", r"'bool'"),
    Reason("a complex number is not cut to a boolean", r"to type bool without overflow: 1j"),
    Reason("PyTorch counts a mask as one dimension if it is NumPy's",
           r"array of one boolean, which|too many indices for tensor", "", r"'(bool|uint8)', 'np'"),
)  # fmt: skip


class Case(NamedTuple):
    """``x[items] ...``; ``bare``: the only item is not put into a tuple."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    items: list[Item]
    bare: bool
    action: str
    value: Item
    value_dtype: str


def draw(number: int) -> Case:
    """Case ``number``."""
    rng = random.Random(f"index#{number}")
    shape = rng.choice(SHAPES)
    items = _items(rng, shape)
    bare = len(items) == 1 and rng.random() < 0.6
    dtype = rng.choice(DTYPES)
    action = rng.choice(ACTIONS)
    value = _value(rng, shape)
    if action == "put" and any(i[0] != "tensor" or i[-1] != "tensor" for i in items):
        action = "write"  # that takes Tensors only
    layout = rng.choice(("plain", "plain", "transposed", "strided", "of a view"))
    same = dtype if rng.random() < 0.7 else rng.choice(DTYPES)
    return Case(shape, dtype, layout, items, bare, action, value, same)


def _items(rng: random.Random, shape: tuple[int, ...]) -> list[Item]:
    """Mostly as many as there are dimensions, mostly within them."""
    out: list[Item] = []
    dims = list(shape)
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        n = dims[0] if dims else 2
        item, taken = _item(rng, n, tuple(dims))
        out.append(item)
        del dims[:taken]
    if rng.random() < 0.1:
        out.insert(rng.randrange(len(out) + 1), rng.choice(out))
    return out


def _item(rng: random.Random, n: int, rest: tuple[int, ...]) -> tuple[Item, int]:
    """One item, and how many dimensions it takes."""
    far = rng.random() < 0.04
    top = max(n, 1)

    def place() -> int:
        return rng.choice((n, -n - 1, 2**40)) if far else rng.randrange(-top, top)

    which = rng.randrange(16)
    if which < 3:
        bounds = [rng.choice((None, 0, 1, 2, -1, -2, n, n + 3, -n - 2)) for _ in range(2)]
        return (
            "slice",
            *bounds,
            rng.choice((None, None, 1, 2, 3, 0, -1) if far else (None, 1, 2)),
        ), 1
    if which < 6:
        return ("int", place(), rng.choice(("int", "int", "np", "tensor", "bool", "uint8"))), 1
    if which == 6:
        return ("none",), 0
    if which == 7:
        return ("ellipsis",), rng.randrange(len(rest) + 1)
    if which == 8:
        return ("bool", rng.random() < 0.7, rng.choice(("bool", "bool", "np", "tensor"))), 0
    if which == 9:
        return (
            "list",
            [place() for _ in range(rng.randrange(4))],
            rng.choice(("list", "range")),
        ), 1
    if which in (10, 11, 12):
        size = rng.choice(((2,), (3,), (1,), (2, 1), (1, 3), (2, 3), (0,), ()))
        values = [place() for _ in range(int(np.prod(size)))]
        kind = rng.choice(("int64", "int64", "int64", "int32", "int16", "float32", "uint8"))
        values = [v % 256 for v in values] if kind == "uint8" else values
        values = [v % 2**15 for v in values] if kind == "int16" and far else values
        values = [v % 2**31 for v in values] if kind == "int32" and far else values
        return ("tensor", values, size, kind, rng.choice(("tensor", "tensor", "np"))), 1
    if which in (13, 14):
        count = rng.randrange(1, len(rest) + 1) if rest else 0
        size = tuple(rest[:count]) if rng.random() < 0.9 else (n + 1,)
        values = [rng.random() < 0.5 for _ in range(int(np.prod(size)))]
        kind = rng.choice(("bool", "bool", "bool", "uint8"))
        return (
            "tensor",
            values,
            size,
            kind,
            rng.choice(("tensor", "tensor", "np", "nested")),
        ), count
    return ("odd", rng.choice(("text", "float", "dict", "nested", "type"))), 1


def _value(rng: random.Random, shape: tuple[int, ...]) -> Item:
    if rng.random() < 0.35:
        return ("number", rng.choice((0, 1, -2, 2.5, True, 1j, float("nan"), 2**40)))
    size = rng.choice(
        ((), (1,), (2,), (3,), shape, shape[1:], shape[2:], (1, *shape), (2, 1), (0,))
    )
    return ("tensor", size, rng.random() < 0.3)


def realised(L: Any, items: list[Item], bare: bool) -> Any:
    """The index in the terms of a library."""
    out = tuple(_real(L, item) for item in items)
    return out[0] if bare else out


def _real(L: Any, item: Item) -> Any:
    kind, *rest = item
    if kind == "slice":
        return slice(*rest)
    if kind == "none":
        return None
    if kind == "ellipsis":
        return Ellipsis
    if kind == "odd":
        odd = {"text": "a", "float": 1.5, "dict": {}, "nested": [[0], [0, 1]], "type": int}
        return odd[rest[0]]
    if kind == "list":
        values, form = rest
        return range(len(values)) if form == "range" else list(values)
    if kind == "tensor":
        values, size, dtype, form = rest
        array = np.array(values, dtype).reshape(size)
        if form == "np":
            return array
        return (
            array.tolist()
            if form == "nested"
            else L.tensor(array.tolist(), dtype=getattr(L, dtype)).reshape(size)
        )
    value, form = rest
    if form == "np":
        return np.bool_(value) if kind == "bool" else np.int64(value)
    if form in ("tensor", "uint8"):
        name = (
            "bool"
            if kind == "bool"
            else "uint8"
            if form == "uint8" and 0 <= value < 256
            else "int64"
        )
        return L.tensor(value, dtype=getattr(L, name))
    return value


def _made(L: Any, size: tuple[int, ...], dtype: str, start: int) -> Any:
    count = int(np.prod(size))
    x = (L.arange(count, dtype=L.float64) + start).reshape(size)
    return (x % 2 == 0) if dtype == "bool" else x.to(getattr(L, dtype))


def _laid_out(L: Any, x: Any, layout: str) -> Any:
    if layout == "transposed" and x.ndim > 1:
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "strided" and x.ndim:
        return L.stack([x, x], -1)[..., 0]
    if layout == "of a view":
        return L.cat([x[None], x[None]])[1]
    return x


def outcome(L: Any, case: Case) -> dict[str, Any]:
    """Do it; what came of it, as plain values."""
    leaf = _made(L, case.shape, case.dtype, 1)
    floating = case.dtype[:5] in ("float", "compl")
    if floating:
        leaf.requires_grad_()
    x = _laid_out(L, leaf * 1 if floating else leaf, case.layout)
    value = case.value[1]
    if case.value[0] == "tensor":
        value = _made(L, case.value[1], case.value_dtype, 100)
        if case.value[2] and case.value_dtype[:5] in ("float", "compl"):
            value.requires_grad_()
    index = realised(L, case.items, case.bare)
    y = None
    if case.action == "read":
        y = x[index]
    elif case.action == "write":
        x[index] = value
    elif case.action == "add":
        x[index] += value
    elif case.action == "view":
        y = x[index]
        y.mul_(3)
    else:
        x.index_put_(tuple(index) if isinstance(index, tuple) else (index,), value)
    out = {"x": x, "y": y}
    parts = [t for t in out.values() if t is not None and t.requires_grad]
    if parts:
        sum(
            [(t * t).abs().sum() if t.dtype.is_complex else (t * t).sum() for t in parts]
        ).backward()
    out |= {"of x": leaf.grad, "of value": getattr(value, "grad", None)}
    return {name: _plain(t) for name, t in out.items()}


def _plain(t: Any) -> Any:
    if t is None or not hasattr(t, "detach"):
        return t
    kind = str(t.dtype).rpartition(".")[2]
    t = t.detach()
    return kind, tuple(t.shape), np.asarray(t.resolve_conj().tolist()).reshape(tuple(t.shape))


def judged(number: int) -> tuple[Case, str]:
    """What is wrong with case ``number``; empty if nothing is."""
    import torch

    case = draw(number)
    ours, result = oracle.attempt(lambda: outcome(ad, case), Drawn([], {}, 0))
    if ours.kind not in (oracle.WORKED, oracle.REFUSED, oracle.BINDING):
        return case, str(ours)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs: Any = outcome(torch, case)
    except Exception as error:
        if ours.kind != oracle.WORKED or explained.reason(LENIENT, "", str(error), str(case)):
            return case, ""
        return case, f"only PyTorch refuses: {error}"
    if ours.kind != oracle.WORKED:
        known = explained.reason(STRICT, "", ours.text, str(case))
        return case, "" if known else f"only anadrome refuses: {ours.text}"
    for name, value in theirs.items():
        if name == "of value" and value is None and result[name] and not result[name][2].any():
            continue  # a gradient of zeros, of what is written nowhere
        if not _same(result[name], value):
            return case, f"{name}: {result[name]}, PyTorch's {value}"
    return case, ""


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None or not isinstance(b, tuple):
        return a is b or a == b
    return a[:2] == b[:2] and bool(np.allclose(a[2], b[2], equal_nan=True))
