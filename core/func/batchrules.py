"""batchrules: the families of ops that run over a whole batch at once.

A rule takes the op, the class of the batched arrays, the arrays and the metadata. It raises
``Undecided`` for a call that it does not cover.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend import by_type
from ..op import Op, table


class Undecided(Exception):
    """The rule does not cover this call."""


def _run(op: Op, arrays: Any, keywords: Any) -> Any:
    from ..align import class_of

    return op.implementations[class_of(arrays)](*arrays, **keywords)


def _call(name: str, *arrays: Any, **keywords: Any) -> Any:
    return _run(table[name], arrays, keywords)


def _raised(cls: Any, out: Any) -> Any:
    if out.__class__ is tuple:
        return tuple([cls(o) for o in out])
    return cls(out)


def _padded(array: Any, ndim: int) -> Any:
    """A mapped array whose examples have ``ndim`` dimensions: ones in front of theirs."""
    shape = array.array.shape
    missing = ndim - (len(shape) - 1)
    if not missing:
        return array.array
    return _call("reshape", array.array, shape=(shape[0], *[1] * missing, *shape[1:]))


def _aligned(cls: Any, arrays: Any) -> list[Any]:
    """Inner arrays that broadcast as the examples do."""
    ndim = max((a.ndim for a in arrays if hasattr(a, "ndim")), default=0)
    out = []
    for a in arrays:
        if isinstance(a, cls):
            a = _padded(a, ndim) if a.mapped else a.array
        out.append(a)
    return out


def _materialised(cls: Any, arrays: Any) -> list[Any]:
    """Every array with the batch as its first dimension; None stays."""
    size = next(a.array.shape[0] for a in arrays if isinstance(a, cls) and a.mapped)
    out: list[Any] = []
    for a in arrays:
        if a is None:
            out.append(a)
        elif isinstance(a, cls) and a.mapped:
            out.append(a.array)
        else:
            inner = a.array if isinstance(a, cls) else a
            if not hasattr(inner, "shape"):
                raise Undecided
            out.append(by_type[inner.__class__].xp.broadcast_to(inner, (size, *inner.shape)))
    return out


def _elementwise(function: Any, cls: Any, arrays: Any, keywords: Any) -> Any:
    if not any(isinstance(a, cls) and a.mapped for a in arrays):
        inner = [a.array if isinstance(a, cls) else a for a in arrays]
        out = function(*inner, **keywords)
        return cls(out, False)
    from ..align import as_array

    return cls(as_array(function(*_aligned(cls, arrays), **keywords)))


def _by_value(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    return _raised(cls, _run(op, _aligned(cls, arrays), keywords))


def _shifted(dim: Any, ndim: int) -> Any:
    """A dimension of an example, or several, as one of the batch."""
    if isinstance(dim, (tuple, list)):
        return tuple(_shifted(d, ndim) for d in dim)
    if not -ndim <= dim < ndim:
        raise Undecided  # a wrong one, or of a Tensor without dimensions
    return dim % ndim + 1


def _along(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    """Ops along dimensions that metadata names; None means all."""
    ndim = arrays[0].ndim
    inner = _materialised(cls, arrays)
    changed = dict(keywords)
    for name in ("dim", "dims", "dim0", "dim1"):
        if name not in changed:
            continue
        dim = changed[name]
        if dim is None and name == "dim" and ndim and "keepdim" in changed:
            changed[name] = tuple(range(1, ndim + 1))
            if op.name in ("argmax", "argmin", "median", "nanmedian"):
                raise Undecided
        elif dim is None or dim == ():
            raise Undecided
        else:
            changed[name] = _shifted(dim, ndim)
    if "shape" in changed:  # of what the result is scattered into
        changed["shape"] = (inner[0].shape[0], *changed["shape"])
    return _raised(cls, _run(op, inner, changed))


def _on_last(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    """Ops on the last dimensions, or on none in particular."""
    return _raised(cls, _run(op, _materialised(cls, arrays), keywords))


def _reshape(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    shape = tuple(int(n) for n in keywords["shape"])
    if -1 in shape:
        known = 1
        for n in shape:
            known *= n if n != -1 else 1
        if not known or math.prod(x.shape) % known or shape.count(-1) > 1:
            raise Undecided
        shape = tuple(math.prod(x.shape) // known if n == -1 else n for n in shape)
    return cls(_run(op, (x.array,), {"shape": (x.array.shape[0], *shape)}))


def _expand(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    shape = tuple(keywords["shape"])
    inner = _padded(x, len(shape))
    return cls(_run(op, (inner,), {"shape": (inner.shape[0], *shape)}))


def _permute(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    dims = _shifted(tuple(keywords["dims"]), x.ndim)
    return cls(_run(op, (x.array,), {"dims": (0, *dims)}))


def _t(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    if x.ndim < 2:
        return x
    if x.ndim > 2:
        raise Undecided
    return cls(_call("transpose", x.array, dim0=1, dim1=2))


def _squeeze(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    dim = keywords.get("dim")
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {d % max(x.ndim, 1) for d in dims}
    shape = [n for i, n in enumerate(x.shape) if not (i in gone and n == 1)]
    return cls(_call("reshape", x.array, shape=(x.array.shape[0], *shape)))


def _unsqueeze(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    dim = keywords["dim"]
    if not -x.ndim - 1 <= dim <= x.ndim:
        raise Undecided
    return cls(_run(op, (x.array,), {"dim": dim % (x.ndim + 1) + 1}))


def _sum_to_size(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    size = tuple(keywords["size"])
    count, ndim = x.array.shape[0], x.ndim
    padded = (count, *[1] * (ndim - len(size)), *size)
    out = _run(op, (x.array,), {"size": padded})
    return cls(_call("reshape", out, shape=(count, *size)))


def _matmul(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    a, b = arrays
    if not a.ndim or not b.ndim or keywords:
        raise Undecided
    rank = max(a.ndim, b.ndim, 2)
    sides = []
    for x, other in ((a, False), (b, True)):
        inner = x.array if isinstance(x, cls) else x
        mapped = isinstance(x, cls) and x.mapped
        if x.ndim == 1:
            inner = _call("unsqueeze", inner, dim=-1 if other else -2)
        if mapped and inner.ndim - 1 < rank:
            shape = inner.shape
            ones = [1] * (rank - (len(shape) - 1))
            inner = _call("reshape", inner, shape=(shape[0], *ones, *shape[1:]))
        sides.append(inner)
    out = _call("matmul", *sides)
    if b.ndim == 1:
        out = _call("squeeze", out, dim=-1)
    if a.ndim == 1:
        out = _call("squeeze", out, dim=-1 if b.ndim == 1 else -2)
    return cls(out, any(isinstance(x, cls) and x.mapped for x in (a, b)))


def _dot(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    product = _call("mul", *_aligned(cls, arrays))
    out = _call("sum", product, dim=(-1,), keepdim=False)  # of small integers int64
    return cls(by_type[out.__class__].xp.astype(out, product.dtype, copy=False))


def _linear(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    x, weight, bias = arrays
    out = _matmul(op, cls, (x, table["t"].implementations[cls](weight)), {})
    return out if bias is None else table["add"].implementations[cls](out, bias)


def _times(x: Any, factor: Any) -> Any:
    """In the type of ``x``: beside a number, arrays of bfloat16 become wider."""
    return by_type[x.__class__].xp.astype(x * factor, x.dtype, copy=False)


def _added(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    x, a, b = arrays
    beta, alpha = keywords["beta"], keywords["alpha"]
    if op.name == "addr":
        unsqueeze = table["unsqueeze"].implementations[cls]
        product = unsqueeze(a, dim=1) * unsqueeze(b, dim=0)
    else:
        product = _matmul(op, cls, (a, b), {})
    if op.name == "addbmm":
        product = table["sum"].implementations[cls](product, dim=(0,), keepdim=False)
    if alpha == 0 and op.name not in ("baddbmm", "addr"):
        product = table["fill"].implementations[cls](product, value=0)
    elif alpha != 1:
        product = _times(product, alpha)
    if beta == 0:  # whatever x holds
        return product
    return (x if beta == 1 else _times(x, beta)) + product


def _getitem(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    (x,) = arrays
    index = keywords["index"]
    parts = index if isinstance(index, tuple) else (index,)
    simple = all(p is None or p is Ellipsis or type(p) in (int, slice) for p in parts)
    if not simple:  # arrays: only one, where the place of its dimensions is certain
        arrays_at = [
            p for p in parts if not (p is None or p is Ellipsis or type(p) in (int, slice))
        ]
        if len(arrays_at) > 1 or any(type(p) is int for p in parts):
            raise Undecided
    return cls(_run(op, (x.array,), {"index": (slice(None), *parts)}))


def _index_select(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    x, index = arrays
    if isinstance(index, cls):
        if index.mapped:
            raise Undecided
        index = index.array
    dim = _shifted(keywords["dim"], x.ndim)
    return cls(_run(op, (x.array, index), {"dim": dim}))


def _embedding(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    weight, indices = arrays
    if isinstance(weight, cls):
        if weight.mapped:
            raise Undecided
        weight = weight.array
    return cls(_run(op, (weight, indices.array), keywords))


def _joined(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    ndim = max(a.ndim for a in arrays) + (op.name == "stack")
    inner = _materialised(cls, arrays)
    return cls(_run(op, inner, {"dim": _shifted(keywords["dim"], ndim)}))


def _folded(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    """The batch becomes part of the first dimension of all inputs, whose parameters are shared."""
    first = arrays[0]
    if not (isinstance(first, cls) and first.mapped) or first.ndim < 3:
        raise Undecided
    shape = first.array.shape
    inner = [_call("reshape", first.array, shape=(shape[0] * shape[1], *shape[2:]))]
    for a in arrays[1:]:
        if isinstance(a, cls):
            if a.mapped:
                raise Undecided
            a = a.array
        inner.append(a)
    changed = dict(keywords)
    if "shape" in changed:
        changed["shape"] = (shape[0] * shape[1], *tuple(changed["shape"])[1:])

    def unfolded(out: Any) -> Any:
        return cls(_call("reshape", out, shape=(shape[0], shape[1], *out.shape[1:])))

    out = _run(op, inner, changed)
    return tuple([unfolded(o) for o in out]) if out.__class__ is tuple else unfolded(out)


def _pairwise_loss(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    """A loss value by value, then its reduction within each example."""
    if any(a is None for a in arrays):
        raise Undecided
    each = _run(op, _aligned(cls, arrays), {**keywords, "reduction": "none"})
    if keywords["reduction"] == "none":
        return cls(each)
    dims = tuple(range(1, each.ndim))
    if not dims:
        return cls(each)
    name = {"mean": "mean", "sum": "sum"}[keywords["reduction"]]
    return cls(_call(name, each, dim=dims, keepdim=False))


class EachKey(tuple):
    """The key of a draw of which each example has its own part; the backward draws it again."""

    __slots__ = ()


def _drawn(op: Op, cls: Any, arrays: Any, keywords: Any) -> Any:
    """A draw for each example, where ``vmap`` was asked for that."""
    if not isinstance(keywords["key"], EachKey):
        raise Undecided  # the same for each
    inner = _materialised(cls, arrays)
    shape = keywords.get("shape")
    changed = {**keywords, "key": tuple(keywords["key"])}
    if shape is not None:
        changed["shape"] = (inner[0].shape[0], *shape)
    return cls(_run(op, inner, changed))


def _named(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Files of the table that have nothing but functions value by value.
_BY_VALUE_IN = _named("arithmetic elementwise errorfunction elementary pairs special")
_BY_VALUE = _named(
    "sigmoid logsigmoid softplus relu threshold_backward pieces_backward leaky_relu elu silu gelu "
    "gelu_backward hardtanh hardsigmoid hardswish hardshrink softshrink threshold mish real imag "
    "conj complex imaginary angle sgn to_dtype clone masked_fill fill"
)
_ALONG = _named(
    "sum mean prod all any logsumexp amax amin argmax argmin max_dim min_dim softmax log_softmax "
    "softmax_backward log_softmax_backward norm2 norm_p cumsum cumprod cummax cummin logcumsumexp "
    "var std median_dim nanmedian_dim sort argsort topk kthvalue mode flip gather scatter_into "
    "transpose"
)

#: Rules by the name of the op.
RULES: dict[str, Callable[..., Any]] = {
    "elementwise": _elementwise,
    **dict.fromkeys(_ALONG, _along),
    **dict.fromkeys(("tril", "triu"), _on_last),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv"), _matmul),
    **dict.fromkeys(("addmm", "addmv", "addr", "baddbmm", "addbmm"), _added),
    **dict.fromkeys(("cat", "stack"), _joined),
    **dict.fromkeys(("convolution", "conv_input", "max_pool", "avg_pool", "avg_pool_backward"),
                    _folded),
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), _pairwise_loss),
    "dot": _dot, "linear": _linear, "reshape": _reshape, "expand": _expand,
    "permute": _permute, "t": _t, "squeeze": _squeeze, "unsqueeze": _unsqueeze,
    "sum_to_size": _sum_to_size, "getitem": _getitem, "index_select": _index_select,
    "embedding": _embedding, "dropout": _drawn,
}  # fmt: skip


def rule_for(op: Op) -> Callable[..., Any] | None:
    """The rule of an op; None where each example is run by itself."""
    if op.name in RULES:
        return RULES[op.name]
    family = op.forward.__module__.removeprefix("anadrome.ops.")
    if op.name in _BY_VALUE or family in _BY_VALUE_IN:
        return _by_value
    return None
