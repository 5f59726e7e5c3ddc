"""strided: components of any sizes, in as many dimensions as they differ in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.nn import functional as F
from anadrome.tabled import InFile

from .base import COMMON, NestedTensor, axis, strided, whole

Sizes = tuple[tuple[int, ...], ...]


class Strided(NestedTensor):
    """Components of equally many dimensions; their values are packed in one of them."""

    shapes: Sizes

    @classmethod
    def of(cls, components: Sequence[Tensor], **options: Any) -> Any:
        """A nested tensor of components; ``options``: of one without any."""
        flat = [c.reshape(-1) for c in components]
        packed = ad.cat(flat) if flat else ad.zeros(0, **options)
        return cls._made(packed, tuple([tuple(c.shape) for c in components]))

    @classmethod
    def _made(cls, packed: Tensor, inner: Sizes) -> Any:
        made: Any = cls.made_of(packed)
        made.shapes = inner
        return made

    def like(self, plain: Tensor) -> Any:
        return Strided._made(plain, self.shapes)

    def components(self) -> tuple[Tensor, ...]:
        parts = self.plain().split([math.prod(s) for s in self.shapes])
        return tuple([p.view(s) for p, s in zip(parts, self.shapes)])

    def against(self, other: Any) -> Any:
        if isinstance(other, Strided):
            if other.shapes == self.shapes:
                return other.plain()
            parts: Any = other.components()
        elif isinstance(other, NestedTensor):
            raise RuntimeError("a jagged nested tensor and a strided one do not go together")
        elif not other.ndim:
            return other
        else:
            few = other.ndim < _dim(self) or other.shape[0] == 1
            one = other[0] if other.ndim == _dim(self) and few else other
            parts = [one] * len(self.shapes) if few else other.unbind(0)
        if len(parts) != len(self.shapes):
            raise RuntimeError(
                f"{len(self.shapes)} components and {len(parts)}: they do not go together"
            )
        return ad.cat([p.expand(s).reshape(-1) for p, s in zip(parts, self.shapes)])

    def in_file(self) -> InFile:
        buffer = self.plain()
        sizes = ad.tensor(self.shapes, dtype=ad.int64).reshape(len(self.shapes), -1)
        steps = ad.tensor([c.stride() for c in self.components()], dtype=ad.int64)
        counts = [math.prod(s) for s in self.shapes]
        offsets = ad.tensor([0, *itertools.accumulate(counts[:-1])][: len(counts)], dtype=ad.int64)
        told = (buffer, sizes, steps.reshape(sizes.shape), offsets)
        return InFile("torch._utils _rebuild_nested_tensor", told)

    def __repr__(self) -> str:
        shown = ",\n".join("  " + repr(c.detach()).replace("\n", "\n  ") for c in self)
        graph = f", grad_fn={self.grad_fn!r}" if self.grad_fn is not None else ""
        graph = graph or (", requires_grad=True" if self.requires_grad else "")
        return f"nested_tensor([\n{shown}\n]{graph})"


def rebuilt(buffer: Any, sizes: Any, strides: Any, offsets: Any) -> Strided:
    """Of what a file tells (``torch._utils._rebuild_nested_tensor``)."""
    shapes = [tuple(s) for s in sizes.tolist()]
    places = zip(shapes, strides.tolist(), offsets.tolist())
    if (
        buffer.ndim != 1
        or not len(sizes) == len(strides) == len(offsets)
        or any(min(s, default=0) < 0 for s in shapes)
    ):
        raise ValueError("a nested tensor whose parts do not fit its values")
    with ad.no_grad():
        parts = [buffer.as_strided(s, tuple(step), at) for s, step, at in places]
        found: Any = Strided.of([p.clone() for p in parts], dtype=buffer.dtype)
    return found.requires_grad_(buffer.requires_grad)  # type: ignore[no-any-return]


def _dim(self: Strided) -> int:
    return 1 + (len(self.shapes[0]) if self.shapes else 0)


def _size(self: Strided, dim: int | None = None) -> Any:
    if dim is None:
        return whole("size()")(self)
    dim = axis(dim, _dim(self))
    found = {s[dim - 1] for s in self.shapes} if dim else {len(self.shapes)}
    if len(found) != 1:
        raise RuntimeError(f"Given dimension {dim} is irregular and does not have a size.")
    return found.pop()


def _each(call: Callable[..., Any], *dims: str | int, keep: bool = False) -> Callable[..., Any]:
    """A function of each component. ``dims``: which arguments, by place and name, are dimensions.

    ``keep``: along the dimension something is reduced, and it has to stay.
    """

    def apply(self: Any, *args: Any, **keywords: Any) -> Any:
        ndim = _dim(self) + (call is _unsqueezed)

        def inner(dim: Any) -> Any:
            if isinstance(dim, (tuple, list)):
                return tuple([inner(d) for d in dim])
            dim = axis(dim, ndim)
            if dim == 0:
                raise RuntimeError("not supported for NestedTensor on dim=0")
            return dim - 1

        given = [inner(a) if i in dims else a for i, a in enumerate(args)]
        named = {k: inner(v) if k in dims else v for k, v in keywords.items()}
        if keep and not args and "dim" not in keywords:
            return call(self.plain(), **keywords)
        if keep and not (keywords.get("keepdim") or True in args[1:]):
            raise RuntimeError("NestedTensor always requires keepdim=True for now.")
        return Strided.of([call(c, *given, **named) for c in self.components()])

    return apply


def _unsqueezed(x: Tensor, dim: int) -> Tensor:
    return x.unsqueeze(dim)  # type: ignore[attr-defined,no-any-return]


def _pairs(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the components of several operands; of a dense batch they are its rows."""

    def apply(*args: Any, **keywords: Any) -> Any:
        count = next(len(a.shapes) for a in args if isinstance(a, Strided))

        def parts(x: Any) -> Any:
            if isinstance(x, Strided):
                return x.components()
            batch = isinstance(x, Tensor) and x.ndim > 2 and x.shape[0] == count
            return x.unbind(0) if batch else [x] * count

        return Strided.of([call(*each, **keywords) for each in zip(*map(parts, args))])

    return apply


def _view(self: Strided, *shape: Any) -> Any:
    """Other sizes; -1 is a size of the component at that place."""
    wanted = list(shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)
    if not wanted or wanted[0] not in (len(self.shapes), -1):
        raise RuntimeError(f"the first size of a nested tensor stays: {len(self.shapes)}")
    made = []
    for part, sizes in zip(self.components(), self.shapes):
        kept = [sizes[i] if n == -1 and i < len(sizes) else n for i, n in enumerate(wanted[1:])]
        made.append(part.reshape(kept))
    return Strided.of(made)


def _getitem(self: Strided, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    if not isinstance(parts[0], int):
        raise RuntimeError("a nested tensor is indexed by one component (x[i]); take unbind()")
    found = self.components()[parts[0]]
    return found[parts[1:]] if parts[1:] else found


def _select(self: Strided, dim: int, index: int) -> Any:
    if dim == 0:
        return self.components()[index]
    return _each(ad.select, 0, "dim")(self, dim, index)


def _chunk(self: Strided, chunks: int, dim: int = 0) -> Any:
    inner = axis(dim, _dim(self)) - 1
    if inner < 0:
        raise RuntimeError("chunk(): not supported for NestedTensor on dim=0")
    pieces = zip(*[c.chunk(chunks, inner) for c in self.components()])
    return tuple([Strided.of(p) for p in pieces])


def _cat(tensors: Any, dim: int = 0) -> Any:
    if dim != 0:
        inner = axis(dim, _dim(tensors[0])) - 1
        return Strided.of([ad.cat(p, inner) for p in zip(*[t.components() for t in tensors])])
    return Strided.of([c for t in tensors for c in t.components()])


table: dict[str, Callable[..., Any]] = {
    **COMMON,
    "shape": whole("shape"),
    "size": _size,
    "dim": _dim,
    "ndim": _dim,
    "ndimension": _dim,
    "layout": lambda self: strided,
    "is_contiguous": lambda self, memory_format=None: True,
    "__getitem__": _getitem, "select": _select, "chunk": _chunk, "cat": _cat,
    "view": _view, "reshape": _view, "unsqueeze": _each(_unsqueezed, 0, "dim"),
    "transpose": _each(ad.transpose, 0, 1, "dim0", "dim1"),
    "squeeze": _each(ad.squeeze, 0, "dim"),
    "softmax": _each(ad.softmax, 0, "dim"), "log_softmax": _each(ad.log_softmax, 0, "dim"),
    "sum": _each(ad.sum, 0, "dim", keep=True), "mean": _each(ad.mean, 0, "dim", keep=True),
    "linear": _each(F.linear), "layer_norm": _each(F.layer_norm), "embedding": _each(F.embedding),
    "matmul": _pairs(ad.matmul), "__matmul__": _pairs(ad.matmul), "bmm": _pairs(ad.matmul),
    "scaled_dot_product_attention": _pairs(F.scaled_dot_product_attention),
}  # fmt: skip
Strided.table = table
