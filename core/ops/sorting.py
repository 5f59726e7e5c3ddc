"""sorting: order along a dimension, and what is found by it."""

from __future__ import annotations

from typing import Any

from ..dtypes import float64
from ..op import NONE, op
from ..out import takes_out
from ..returned import returned
from ..samples import Arr, Sample, call
from ..tensor import Tensor
from .extremes import picked_rule
from .reduce import axes_of, axis_of, whole

# fmt: off
sort_op = op("sort", lambda xp, x, *, dim=-1, descending=False: _sorted(xp, x, dim, descending),
             x=lambda g, indices, x_shape, dim: picked_rule(g, indices, x_shape, dim),
             outputs=("values", "indices"), differentiable=1, method=False,
             refuses={"complex": "Sort does not support complex dtypes on CPU"},
             samples=[Sample((Arr((3, 4), distinct=True),), kw)
                      for kw in ({}, {"dim": 0}, {"dim": 1, "descending": True})])
argsort_op = op("argsort", lambda xp, x, *, dim=-1, descending=False:
                    order_of(xp, x, dim, descending),
                refuses={"complex": "Sort does not support complex dtypes on CPU"}, x=NONE,
                method=False,
                samples=[Sample((Arr((3, 4), distinct=True),), kw)
                         for kw in ({}, {"dim": 0}, {"dim": 1, "descending": True})])
topk_op = op("topk", lambda xp, x, *, k, dim=-1, largest=True, sorted=True:
                 _topk(xp, x, k, dim, largest, sorted),
             x=lambda g, indices, x_shape, dim: picked_rule(g, indices, x_shape, dim),
             outputs=("values", "indices"), differentiable=1, method=False,
             refuses={k: f"topk does not support {k} dtypes on CPU" for k in ("bool", "complex")},
             samples=[Sample((Arr((4, 5), distinct=True),), kw)
                      for kw in ({"k": 2}, {"k": 3, "dim": 0}, {"k": 2, "largest": False})])
kthvalue_op = op("kthvalue", lambda xp, x, *, k, dim=-1, keepdim=False:
                     _kth(xp, x, k, dim, keepdim),
                 x=lambda g, indices, x_shape, dim, keepdim:
                     picked_rule(g, indices, x_shape, dim, keepdim),
                 outputs=("values", "indices"), differentiable=1, method=False,
                 refuses=("bool", "complex"),
                 samples=[Sample((Arr((4, 5), distinct=True),), kw)
                          for kw in ({"k": 2}, {"k": 3, "dim": 0}, {"k": 2, "keepdim": True})])
mode_op = op("mode", lambda xp, x, *, dim=-1, keepdim=False: _mode(xp, x, dim, keepdim),
             x=lambda g, indices, x_shape, dim, keepdim:
                 picked_rule(g, indices, x_shape, dim, keepdim),
             outputs=("values", "indices"), differentiable=1, method=False,
             refuses=("complex",),
             samples=[Sample((Arr((4, 5), distinct=True),), kw)
                      for kw in ({"dim": 0}, {"keepdim": True})])
searchsorted_op = op("searchsorted", lambda xp, sequence, x, *, right=False:
                         _searched(xp, sequence, x, right),
                     sequence=NONE, x=NONE, method=False,
                     refuses=("bool", "complex",),
                     samples=call(Arr((5,), ordered=True), Arr((2, 3)))
                     + call(Arr((3, 5), ordered=True), Arr((3, 2)))
                     + call(Arr((5,), ordered=True), Arr((2, 3)), right=True))
# fmt: on


def order_of(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    """The stable order along ``dim``, in which NaN counts as the largest."""
    axes = axes_of(dim, x.ndim)
    if not axes:
        return xp.zeros((), dtype=xp.int64)
    axis = axes[0]
    if not descending:
        return xp.astype(xp.argsort(x, axis=axis, stable=True), xp.int64)
    # Backward of the order of the reversed values: so equal values, too, keep their order.
    last = x.shape[axis] - 1
    order = xp.flip(xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True), axis=axis)
    return last - xp.astype(order, xp.int64)


def _sorted(xp: Any, x: Any, dim: int, descending: bool) -> Any:
    order = order_of(xp, x, dim, descending)
    if not x.ndim:
        return xp.asarray(x, copy=True), order
    return xp.take_along_axis(x, order, axis=axis_of(dim, x.ndim)), order


def _topk(xp: Any, x: Any, k: int, dim: int, largest: bool, sorted: bool) -> Any:
    axes = axes_of(dim, x.ndim)
    size = x.shape[axes[0]] if axes else 1
    if not 0 <= k <= size:
        raise ValueError(
            f"selected index k out of range: k is {k}, and dimension {dim} has {size} values"
        )
    if not axes:
        if k == 0:
            return xp.zeros((0,), dtype=x.dtype), xp.zeros((0,), dtype=xp.int64)
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    order = order_of(xp, x, dim, largest)
    order = order[(*(slice(None),) * axes[0], slice(0, k), Ellipsis)]
    return xp.take_along_axis(x, order, axis=axes[0]), xp.asarray(order, copy=True)


def _kth(xp: Any, x: Any, k: int, dim: int, keepdim: bool) -> Any:
    axes = axes_of(dim, x.ndim)
    size = x.shape[axes[0]] if axes else 1
    if not 1 <= k <= size:
        raise ValueError(
            f"kthvalue(): selected number k out of range for dimension {dim}: k is {k}, and it has "
            f"{size} values"
        )
    if not axes:
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    return _at(xp, x, order_of(xp, x, dim, False), k - 1, axes[0], keepdim)


def _at(xp: Any, x: Any, order: Any, place: int, axis: int, keepdim: bool) -> Any:
    indices = order[(*(slice(None),) * axis, slice(place, place + 1), Ellipsis)]
    indices = xp.asarray(indices, copy=True)
    values = xp.take_along_axis(x, indices, axis=axis)
    if keepdim:
        return values, indices
    return xp.squeeze(values, axis=axis), xp.squeeze(indices, axis=axis)


def _mode(xp: Any, x: Any, dim: int, keepdim: bool) -> Any:
    """The most frequent value, the smallest of such, and the index of its last occurrence."""
    axes = axes_of(dim, x.ndim)
    if not axes:
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    axis = axes[0]
    if x.shape[axis] == 0:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    from .scan import scanned

    values, order = _sorted(xp, x, dim, False)
    before = (slice(None),) * axis
    line = xp.arange(x.shape[axis], dtype=xp.int64)
    places = xp.reshape(line, tuple(-1 if i == axis else 1 for i in range(x.ndim)))
    rest = (Ellipsis,)
    later = values[(*before, slice(1, None)) + rest]
    new = later != values[(*before, slice(None, -1)) + rest]
    first = values[(*before, slice(0, 1)) + rest]
    new = xp.concat([xp.ones_like(first, dtype=xp.bool), new], axis=axis)
    start = scanned(xp, xp.where(new, places, xp.zeros_like(places)), axis, xp.maximum)
    end = xp.expand_dims(xp.argmax(places - start, axis=axis), axis=axis)
    indices = xp.take_along_axis(order, end, axis=axis)
    values = xp.take_along_axis(values, end, axis=axis)
    if keepdim:
        return values, indices
    return xp.squeeze(values, axis=axis), xp.squeeze(indices, axis=axis)


def _searched(xp: Any, sequence: Any, x: Any, right: bool) -> Any:
    if sequence.ndim == 1:
        side = "right" if right else "left"
        flat = xp.searchsorted(sequence, xp.reshape(x, (-1,)), side=side)
        return xp.reshape(xp.astype(flat, xp.int64), x.shape)
    # A binary search in all rows at once.
    n = sequence.shape[-1]
    low = xp.zeros(x.shape, dtype=xp.int64)
    high = low + n
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        there = xp.take_along_axis(
            sequence, xp.where(middle < n, middle, xp.full_like(middle, n - 1)), axis=-1
        )
        stays = there > x if right else there >= x  # asked so, NaN comes last, as in PyTorch
        goes_right = ~stays & (low < high)
        low, high = xp.where(goes_right, middle + 1, low), xp.where(goes_right, high, middle)
    return low


# -- PyTorch's forms --------------------------------------------------------------------------
Sort = returned("sort", "values", "indices")
Topk = returned("topk", "values", "indices")
Kthvalue = returned("kthvalue", "values", "indices")
Mode = returned("mode", "values", "indices")


@takes_out
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """``(values, indices)`` in order along ``dim``; always stable, NaN last (``torch.sort``).

    >>> import anadrome as ad
    >>> ad.sort(ad.tensor([3, 1, 2])).indices
    tensor([1, 2, 0])
    """
    if isinstance(dim, bool):  # as stable, descending by position
        dim, descending = -1, dim
    return Sort(*sort_op(input, dim=dim, descending=descending))


@takes_out
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """The indices that sort along ``dim`` (PyTorch: ``torch.argsort``)."""
    return argsort_op(input, dim=dim, descending=descending)


@takes_out
def msort(input: Any) -> Any:
    """The values in order along the first dimension (PyTorch: ``torch.msort``)."""
    return sort(input, 0)[0]


@takes_out
def topk(
    input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Any:  # fmt: skip
    """The ``k`` largest (or smallest) values along ``dim``, and their indices (``torch.topk``).

    >>> import anadrome as ad
    >>> ad.topk(ad.tensor([1, 4, 2]), 2).values
    tensor([4, 2])
    """
    return Topk(*topk_op(input, k=whole(k, "k"), dim=dim, largest=largest, sorted=sorted))


@takes_out
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest value along ``dim``, from 1, and its index (``torch.kthvalue``)."""
    return Kthvalue(*kthvalue_op(input, k=whole(k, "k"), dim=dim, keepdim=keepdim))


@takes_out
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along ``dim``, and an index of it (PyTorch: ``torch.mode``)."""
    return Mode(*mode_op(input, dim=dim, keepdim=keepdim))


@takes_out
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where values would be inserted into sorted rows to keep the order (``torch.searchsorted``).

    ``right``: after equal ones. ``sorter``: the order of an unsorted sequence.

    >>> import anadrome as ad
    >>> ad.searchsorted(ad.tensor([1, 3, 5]), ad.tensor([3, 4]))
    tensor([1, 2])
    """
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(
                f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
            )
        if right and side == "left":
            raise RuntimeError(
                "torch.searchsorted(): side and right can't be set to opposites, got side of left "
                "while right was True"
            )
        right = side == "right"
    if not isinstance(input, Tensor):
        kind = sorted_sequence.dtype
        if isinstance(input, float) and not kind.is_floating_point:
            kind = float64
        input = sorted_sequence.new_tensor(input, dtype=kind)
    if sorted_sequence.ndim == 0:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
            "dimension is 1, but we got boundaries tensor dim(0)"
        )
    if sorted_sequence.ndim > 1 and sorted_sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(sorted_sequence.shape)} and input value tensor "
            f"{list(input.shape)}"
        )
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got "
                f"{list(sorted_sequence.shape)} and {list(sorter.shape)}"
            )
        from .placing import gather

        sorted_sequence = gather(sorted_sequence, -1, sorter)
    out = searchsorted_op(sorted_sequence, input, right=right)
    return out.int() if out_int32 else out


@takes_out
def bucketize(
    input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False
) -> Any:  # fmt: skip
    """Which of the intervals between ``boundaries`` each value is in (``torch.bucketize``)."""
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@takes_out
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Any:
    """Which of ``elements`` occur in ``test_elements`` (PyTorch: ``torch.isin``).

    >>> import anadrome as ad
    >>> ad.isin(ad.tensor([1, 2, 3]), ad.tensor([2]))
    tensor([False,  True, False])
    """
    if not isinstance(elements, Tensor):
        elements = test_elements.new_tensor(elements)
    if not isinstance(test_elements, Tensor):
        test_elements = elements.new_tensor(test_elements)
    elements, sought = elements.detach(), test_elements.detach().reshape(-1)
    if sought.numel() == 0:
        found = elements != elements
    else:
        sought = sort(sought)[0]
        place = searchsorted(sought, elements).clamp(max=sought.numel() - 1)
        found = sought[place] == elements
    return ~found if invert else found


def _install() -> None:
    for function in (
        sort, argsort, msort, topk, kthvalue, mode,
    ):  # fmt: skip
        setattr(Tensor, function.__name__, function)


_install()
