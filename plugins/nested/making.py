"""making: nested tensors of lists, of packed values, of dense tensors; and back to dense ones."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.nn import functional as F

from . import along, shapes
from .base import COMMON, NestedTensor, jagged, strided
from .dense import padded
from .jagged import Jagged, packing
from .ragged import Ragged
from .strided import Strided

Jagged.table = {**COMMON, **shapes.TABLE, **along.TABLE}


def nested_tensor(
    tensor_list: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """A batch of tensors of uneven sizes, as a new leaf (``torch.nested.nested_tensor``).

    ``tensor_list``: tensors, or what ``tensor`` takes, of equally many dimensions. ``layout``:
    ``strided`` (any sizes), or ``jagged`` (all but the first the same), for which there are more
    functions: those value by value, layers, reductions, attention.

    >>> import anadrome as ad
    >>> x = ad.nested.nested_tensor([ad.ones(1, 2), ad.ones(3, 2)], layout=ad.jagged)
    >>> x.size(0), x.size(2), x.offsets()
    (2, 2, tensor([0, 1, 4]))
    >>> (2 * x).sum(dim=1)
    tensor([[2., 2.],
            [6., 6.]])
    """
    with ad.no_grad():
        parts = [ad.as_tensor(t, dtype=dtype, device=device) for t in _listed(tensor_list)]
        out = _packed(parts, layout, dtype, device, "nested_tensor")
    out = out.like(out.plain().detach().clone())
    return out.requires_grad_() if requires_grad else out


def as_nested_tensor(ts: Any, dtype: Any = None, device: Any = None, layout: Any = None) -> Any:
    """The same, with gradients that lead to the parts (``torch.nested.as_nested_tensor``).

    ``ts``: a list of tensors, or one whose first dimension is the batch.

    >>> import anadrome as ad
    >>> a, b = ad.ones(1, requires_grad=True), ad.ones(2, requires_grad=True)
    >>> x = ad.nested.as_nested_tensor([a, b], layout=ad.jagged)
    >>> (x * x).values().sum().backward()
    >>> b.grad
    tensor([2., 2.])
    """
    if isinstance(ts, NestedTensor):
        wanted = strided if layout is None else layout
        if wanted is not ts.layout:
            raise RuntimeError(f"a nested tensor stays {ts.layout}; make another of its unbind()")
        return ts.to(device=device, dtype=dtype)
    if isinstance(ts, Tensor):
        if ts.ndim == 0:
            raise RuntimeError("as_nested_tensor takes a tensor whose first dimension is the batch")
        ts = list(ts.unbind(0))
    parts = [ad.as_tensor(t, dtype=dtype, device=device) for t in _listed(ts)]
    return _packed(parts, layout, dtype, device, "as_nested_tensor")


def _listed(tensors: Any) -> list[Any]:
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"Only lists of tensors, and lists that tensor() takes, become nested tensors, not a "
            f"{type(tensors).__name__}"
        )
    return list(tensors)


def _packed(parts: list[Tensor], layout: Any, dtype: Any, device: Any, name: str) -> Any:
    if len({p.ndim for p in parts}) > 1:
        raise RuntimeError(
            f"All Tensors given to {name} must have the same dimension. Found dimensions "
            + ", ".join(str(p.ndim) for p in parts)
        )
    if len({p.dtype for p in parts}) > 1 or len({p.device for p in parts}) > 1:
        raise RuntimeError(f"{name}(): the tensors have to be of one dtype and on one device")
    if layout is None or layout == strided:
        return Strided.of(parts, dtype=dtype, device=device)
    if layout != jagged:
        raise RuntimeError(f"Specified layout is unsupported for nested tensors: {layout}")
    if not parts or parts[0].ndim == 0:
        raise RuntimeError("Cannot construct a nested tensor from an empty list, or of numbers")
    if len({tuple(p.shape[1:]) for p in parts}) > 1:
        raise RuntimeError(
            "No support for more than one ragged dimension in the jagged layout: the tensors may "
            f"differ in their first one only, not as {[tuple(p.shape) for p in parts]}"
        )
    return packing(parts)


def nested_tensor_from_jagged(
    values: Tensor,
    offsets: Tensor | None = None,
    lengths: Tensor | None = None,
    jagged_dim: int | None = None,
    min_seqlen: int | None = None,
    max_seqlen: int | None = None,
) -> Any:
    """A nested tensor of packed values (``torch.nested.nested_tensor_from_jagged``).

    ``offsets``: (batch + 1) where each component begins, and the end; those of another nested
    tensor make one of the same structure. ``lengths``: (batch) how many rows each has, by default
    up to the next one; what lies between is left out. ``jagged_dim``: the uneven dimension, 1.

    >>> import anadrome as ad
    >>> x = ad.nested.nested_tensor_from_jagged(ad.arange(6), ad.tensor([0, 2, 6]))
    >>> x.unbind()
    (tensor([0, 1]), tensor([2, 3, 4, 5]))
    """
    at = (1 if jagged_dim is None else jagged_dim) - 1
    if not 0 <= at < values.ndim:
        raise ValueError(f"jagged_dim is 1 to {values.ndim} here, not {jagged_dim}")
    if offsets is None:
        if lengths is None:
            raise RuntimeError(
                "nested_tensor_from_jagged(): At least one of offsets or lengths is required."
            )
        offsets = F.pad(lengths.cumsum(0), (1, 0))
        lengths = None
    if lengths is not None:
        return _gathered(values, offsets[:-1], lengths, at)
    ragged = getattr(offsets, "ragged_of_nested", None)
    if ragged is None:
        ragged = Ragged(offsets.diff().tolist(), offsets)
    if ragged.total != values.shape[at] or min(ragged.lengths, default=0) < 0:
        raise RuntimeError(
            f"offsets {offsets.tolist()} do not go with {values.shape[at]} rows of values: they "
            "begin with 0, do not fall, and end with the number of rows"
        )
    return Jagged.of(values.view_as(values), ragged, at)  # type: ignore[attr-defined]


def rebuilt_njt(told: Any) -> Any:
    """Of what a file tells (``torch.nested._internal.nested_tensor._rebuild_njt``)."""
    dim, wanted = told["_ragged_idx"], told["requires_grad"]
    with ad.no_grad():
        given = told["values"].detach()
        found = nested_tensor_from_jagged(given, told["offsets"], told["lengths"], dim)
        found = found.like(found.plain().detach())
    return found.requires_grad_(wanted)


def _gathered(values: Tensor, starts: Tensor, lengths: Tensor, at: int = 0) -> Any:
    ragged = Ragged(lengths.tolist(), device=values.device)
    component, place = ragged.places()
    return Jagged.of(values.index_select(at, starts[component] + place), ragged, at)


def narrow(tensor: Tensor, dim: int, start: Any, length: Any, layout: Any = strided) -> Any:
    """A part of each row of a dense tensor, as a nested one (``torch.nested.narrow``).

    ``dim``: 1. ``start``, ``length``: a number, or one for each row of the batch.

    >>> import anadrome as ad
    >>> ad.nested.narrow(ad.arange(6).view(2, 3), 1, 0, ad.tensor([1, 3]), ad.jagged).unbind()
    (tensor([0]), tensor([3, 4, 5]))
    """
    if dim != 1:
        raise RuntimeError("Narrow is only supported along dimension 1 of a batch")
    batch, rows = tensor.shape[:2]
    starts, lengths = (
        ad.as_tensor(v, dtype=ad.int64, device=tensor.device).expand(batch) for v in (start, length)
    )
    if bool(((starts < 0) | (lengths < 0) | (starts + lengths > rows)).any()):
        raise RuntimeError(f"narrow(): start and length go beyond the {rows} rows of {dim=}")
    begins = ad.arange(batch, device=tensor.device) * rows + starts
    out = _gathered(tensor.flatten(0, 1), begins, lengths)
    return out if layout == jagged else Strided.of(out.components())


def masked_select(tensor: Tensor, mask: Tensor) -> Any:
    """The values for which ``mask`` is true, row by row (``torch.nested.masked_select``).

    >>> import anadrome as ad
    >>> x = ad.tensor([[1, 2], [3, 4]])
    >>> ad.nested.masked_select(x, x > 1).unbind()
    (tensor([2]), tensor([3, 4]))
    """
    if tensor.layout is not strided:
        raise RuntimeError("masked_select requires a strided tensor")
    mask = mask.expand(tensor.shape)
    values = tensor.masked_select(mask)
    lengths = mask.reshape(-1, mask.shape[-1]).sum(-1)
    return nested_tensor_from_jagged(values, lengths=lengths)


def to_padded_tensor(input: Any, padding: float, output_size: Any = None) -> Tensor:
    """A dense tensor of the largest size, with ``padding`` behind each end
    (``torch.nested.to_padded_tensor``).

    ``output_size``: a larger one. Gradients lead to the values.

    >>> import anadrome as ad
    >>> x = ad.nested.nested_tensor([[1.0], [2.0, 3.0]])
    >>> ad.nested.to_padded_tensor(x, 0.0)
    tensor([[1., 0.],
            [2., 3.]])
    """
    if not isinstance(input, NestedTensor):
        raise RuntimeError("to_padded_tensor takes a nested tensor, not a dense one")
    if isinstance(input, Jagged):
        length = None if output_size is None else output_size[input.at + 1]
        return padded(input.plain(), input.ragged, input.at, padding, length)
    parts = input.components()
    if not parts:
        raise RuntimeError("to_padded_tensor(): a nested tensor without components has no size")
    largest = [max(sizes) for sizes in zip(*input.shapes)]
    wanted = largest if output_size is None else list(output_size)[1:]
    if len(wanted) != len(largest) or any(w < n for w, n in zip(wanted, largest)):
        raise RuntimeError(
            f"Value in output_size is less than NestedTensor padded size {largest}: {output_size}"
        )
    padded_ = []
    for part in parts:
        ends = [[0, w - n] for n, w in zip(part.shape, wanted)]
        padded_.append(F.pad(part, [e for pair in reversed(ends) for e in pair], value=padding))
    return ad.stack(padded_)


__all__ = ["as_nested_tensor", "masked_select", "narrow", "nested_tensor",
           "nested_tensor_from_jagged", "to_padded_tensor"]  # fmt: skip
