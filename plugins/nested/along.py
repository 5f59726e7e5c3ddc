"""along: what is computed along dimensions of a jagged tensor, and the layers of a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.nn import functional as F

from .base import NestedTensor, axis
from .dense import highest, lowest, padded, unpadded
from .jagged import Jagged, even_dim, packing


def _reduction(name: str, neutral: Callable[[Any], Any]) -> Callable[..., Any]:
    """Over even dimensions of the packed values; over the uneven one of padded ones."""

    def reduce(self: Jagged, dim: Any = None, keepdim: bool = False, **keywords: Any) -> Any:
        packed, call = self.plain(), getattr(ad, name)
        if isinstance(dim, Tensor):  # max and min of two
            return self.like(call(packed, self.against(dim)))
        if dim is None or dim == ():
            return call(packed, **keywords)
        several = isinstance(dim, (tuple, list))
        dims = [axis(d, packed.ndim + 1) for d in (dim if several else [dim])]
        uneven = self.at + 1
        if 0 in dims:
            if uneven not in dims:
                raise RuntimeError(
                    f"{name}(): not supported along the batch dimension but not the ragged "
                    "dimension for NestedTensor"
                )
            inner: Any = [d - 1 for d in dims if d]
            out = call(packed, dim=tuple(inner), keepdim=keepdim, **keywords)
            return out.unsqueeze(0) if keepdim else out
        if uneven in dims:
            if name == "mean":
                total = TABLE["sum"](self, dim, keepdim, **keywords)
                counts = self.ragged.offsets.diff().to(total.dtype)
                even = math.prod(packed.shape[d - 1] for d in dims if d != uneven)
                return total / (counts * even).reshape(-1, *[1] * (total.ndim - 1))
            whole_ = padded(packed, self.ragged, self.at, neutral(packed.dtype))
            return call(
                whole_, dim=tuple(dims) if several else dims[0], keepdim=keepdim, **keywords
            )
        inner = tuple(d - 1 for d in dims) if several else dims[0] - 1
        found = call(packed, dim=inner, keepdim=keepdim, **keywords)
        at = self.at - (0 if keepdim else sum(1 for d in dims if d < uneven))
        if isinstance(found, tuple):
            return type(found)(*[Jagged.of(f, self.ragged, at) for f in found])
        return Jagged.of(found, self.ragged, at)

    return reduce


def _along(name: str, neutral: Callable[[Any], Any]) -> Callable[..., Any]:
    """What keeps the shape."""

    def along(self: Jagged, dim: Any, *rest: Any, **keywords: Any) -> Any:
        call = getattr(F, name, None) or getattr(ad, name)
        keywords.pop("_stacklevel", None)
        inner = even_dim(self, dim, name, also=True)
        if inner != self.at:
            return self.like(call(self.plain(), inner, **keywords))
        dense = padded(self.plain(), self.ragged, self.at, neutral(self.plain().dtype))
        return self.like(unpadded(call(dense, inner + 1, **keywords), self.ragged, self.at))

    return along


# -- products and layers --------------------------------------------------------------------------
def _last_is_even(self: Jagged, name: str) -> Tensor:
    packed = self.plain()
    if self.at == packed.ndim - 1:
        raise RuntimeError(f"{name}(): not supported for NestedTensor when the last dim is ragged")
    return packed


def _on_last(name: str) -> Callable[..., Any]:
    def call(input: Jagged, *rest: Any, **keywords: Any) -> Any:
        return input.like(getattr(F, name)(_last_is_even(input, name), *rest, **keywords))

    return call


def _normalised(name: str) -> Callable[..., Any]:
    def call(input: Jagged, normalized_shape: Any, *rest: Any, **keywords: Any) -> Any:
        packed = input.plain()
        if input.at >= packed.ndim - len(normalized_shape):
            raise RuntimeError(f"{name}(): cannot normalize over the ragged dim of a NestedTensor")
        return input.like(getattr(F, name)(packed, normalized_shape, *rest, **keywords))

    return call


def _matmul(a: Any, b: Any) -> Any:
    """Products of each component; where the uneven dimension is summed over, the result is even."""
    if isinstance(a, Jagged) and not isinstance(b, NestedTensor) and b.ndim <= 2:
        return a.like(_last_is_even(a, "matmul") @ b)
    nested = a if isinstance(a, Jagged) else b
    parts = [x.components() if isinstance(x, Jagged) else x.unbind(0) for x in (a, b)]
    made = [x @ y for x, y in zip(*parts)]
    ends = [x.at - x.plain().ndim if isinstance(x, Jagged) else None for x in (a, b)]
    if ends == [-1, -2]:
        return ad.stack(made)
    if isinstance(a, Jagged) and isinstance(b, Jagged):
        raise RuntimeError(
            f"matmul(): not supported between inputs of shapes {tuple(a.sizes())} and "
            f"{tuple(b.sizes())}, whose product is uneven in two dimensions"
        )
    return packing(made, nested.at, nested.ragged)


def _attention(query: Any, key: Any, value: Any, *rest: Any, **keywords: Any) -> Any:
    """Attention within each component: (batch, heads, length, channels), uneven in length."""
    given = keywords.get("attn_mask", rest[0] if rest else None)
    if given is not None:
        raise RuntimeError(
            "attn_mask is not supported for nested tensors; a component has no padding"
        )
    parts = [x.components() if isinstance(x, NestedTensor) else x.unbind(0)
             for x in (query, key, value)]  # fmt: skip
    call = F.scaled_dot_product_attention
    made = [call(q, k, v, *rest, **keywords) for q, k, v in zip(*parts)]
    if not isinstance(query, Jagged):
        return ad.stack(made)
    return packing(made, query.at, query.ragged)


def _embedding(input: Jagged, weight: Tensor, *rest: Any, **keywords: Any) -> Any:
    return input.like(F.embedding(input.plain(), weight, *rest, **keywords))


def _zero(dtype: Any) -> Any:
    return 0


def _one(dtype: Any) -> Any:
    return 1


TABLE: dict[str, Callable[..., Any]] = {
    "sum": _reduction("sum", _zero), "mean": _reduction("mean", _zero),
    "prod": _reduction("prod", _one), "any": _reduction("any", _zero),
    "all": _reduction("all", _one), "logsumexp": _reduction("logsumexp", lowest),
    **{n: _reduction(n, lowest) for n in ("amax", "max", "argmax")},
    **{n: _reduction(n, highest) for n in ("amin", "min", "argmin")},
    "softmax": _along("softmax", lowest), "log_softmax": _along("log_softmax", lowest),
    "cumsum": _along("cumsum", _zero), "linear": _on_last("linear"),
    "layer_norm": _normalised("layer_norm"), "rms_norm": _normalised("rms_norm"),
    "matmul": _matmul, "__matmul__": _matmul, "bmm": _matmul,
    "scaled_dot_product_attention": _attention, "embedding": _embedding,
}  # fmt: skip
