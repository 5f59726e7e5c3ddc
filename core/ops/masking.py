"""masking: choosing by a mask."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from .. import dtypes, modes
from ..errors import ArgumentError, DtypeError, RangeError
from ..forms import inplace_composite
from ..looking import answered
from ..op import KEEP, NONE, op
from ..out import takes_out
from ..placement import at
from ..refusals import refusing
from ..samples import Arr, call
from ..tensor import Tensor, wrap
from .arithmetic import alike, where
from .convert import number_for
from .placing import unwritten
from .scattering import gather_op
from .shape import broadcast_tensors

# fmt: off
masked_fill_op = op("masked_fill", lambda xp, x, mask, *, value:
                        xp.where(mask, *alike(xp, value, x)),
                    x=lambda g, mask: where(mask, 0.0, g), mask=NONE, dtype=KEEP, inplace=True,
                    method=False, samples=call(Arr((3, 4)), Arr((4,), kind="bool"), value=2.0))
# fmt: on

_fill_number_ = Tensor.masked_fill_


@refusing
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """One value where ``mask`` is true, else ``input`` (PyTorch: ``torch.masked_fill``).

    ``value``: a number, or a Tensor without dimensions, which has a gradient.

    >>> import anadrome as ad
    >>> ad.ones(2).masked_fill(ad.tensor([True, False]), 5.0)
    tensor([5., 1.])
    """
    mask = _mask("masked_fill", mask)
    if isinstance(value, Tensor):
        return where(mask, _single(value, input), input)
    return masked_fill_op(input, mask, value=number_for("masked_fill", value, input))


@refusing
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place form of ``masked_fill``; returns self."""
    if isinstance(value, Tensor):
        return _fill_tensor_(self, mask, value)
    value = number_for("masked_fill_", value, self)
    return _fill_number_(self, _mask("masked_fill", mask), value=value)


_fill_tensor_ = inplace_composite(masked_fill)


def _mask(name: str, mask: Tensor) -> Tensor:
    if mask.dtype.name != "bool":
        raise DtypeError(f"{name} only supports boolean masks, but got mask with dtype "
                         f"{mask.dtype.name}; write e.g. `mask.bool()`")  # fmt: skip
    return mask


def _single(value: Tensor, x: Tensor) -> Tensor:
    if value.ndim:
        raise RuntimeError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    if value.dtype.is_complex and not x.dtype.is_complex:
        raise DtypeError(
            f"masked_fill: value of type {value.dtype.name} cannot be converted to {x.dtype.name}"
        )
    return value.to(x.dtype) if value.device == x.device else value.to(x.device, x.dtype)


@takes_out
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The values where ``mask`` is true, in one dimension (PyTorch: ``torch.masked_select``)."""
    if mask.dtype.name != "bool":
        raise DtypeError("masked_select: expected BoolTensor for mask")
    input, mask = broadcast_tensors(input, mask)
    return input.reshape(-1)[mask.reshape(-1)] if input.ndim != 1 else input[mask]


@refusing
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """``input`` with the values of ``source``, in order, where ``mask`` is true.

    PyTorch: ``torch.masked_scatter``.

    >>> import anadrome as ad
    >>> ad.zeros(3).masked_scatter(ad.tensor([True, False, True]), ad.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    if mask.dtype.name != "bool":
        raise DtypeError(f"masked_scatter_ only supports boolean masks, but got {mask.dtype.name}")
    if source.dtype is not input.dtype:
        raise DtypeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype.name} and {source.dtype.name}"
        )
    input, mask = broadcast_tensors(input, mask)
    rank = mask.reshape(-1).cumsum(0) - 1
    size = source.numel()
    if rank.numel():
        modes.touch(rank)
        last = rank._data[-1:]
        with at(last):
            backends.by_type[last.__class__].require(
                last < size,
                lambda: RangeError(
                    f"masked_scatter: Number of elements of source ({size}) < number of ones in "
                    "mask"
                ),
            )
    if not size:
        return unwritten(input, source)
    picked = gather_op(source.reshape(-1), rank.clamp(0, size - 1), dim=0)
    return where(mask, picked.reshape(input.shape), input)


def _where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """``input`` where the condition holds, else ``other`` (PyTorch: ``torch.where``).

    Alone, the indices where it holds, a Tensor a dimension.
    """
    try:
        if input is None:
            return nonzero(condition, as_tuple=True)
        try:
            kind = condition.dtype.name
        except AttributeError:
            raise ArgumentError(
                "where(): argument 'condition' (position 1) must be Tensor, not "
                f"{type(condition).__name__}"
            ) from None
        if kind not in ("bool", "uint8"):
            raise DtypeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{kind}; write e.g. `condition != 0`"
            )
        if kind == "uint8":
            condition = condition != 0
        if not isinstance(input, Tensor) and not isinstance(other, Tensor):
            from ..creation import tensor

            kind = dtypes.result_type([(dtypes.of_python(v), 0) for v in (input, other)])
            input = tensor(input, device=condition.device, dtype=kind)
            other = tensor(other, device=condition.device, dtype=kind)
        kinds = [
            (v.dtype, 2 if v.ndim else 1) if isinstance(v, Tensor) else (dtypes.of_python(v), 0)
            for v in (input, other)
        ]
        if kinds[0][0] is not kinds[1][0]:
            common = dtypes.result_type(kinds)
            if isinstance(input, Tensor) and input.dtype is not common:
                input = input.to(common)
            if isinstance(other, Tensor) and other.dtype is not common:
                other = other.to(common)
        result = where(condition, input, other)
        if out is None:
            return result
        from ..out import into

        return into(out, result, "where")
    except Exception as error:
        return answered(error)


@refusing
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """Indices of the values that are not zero, one row each (PyTorch: ``torch.nonzero``).

    ``as_tuple``: a Tensor a dimension instead, to index with.

    >>> import anadrome as ad
    >>> ad.nonzero(ad.tensor([0, 3, 5]))
    tensor([[1],
            [2]])
    """
    modes.touch(input)
    backend = backends.by_type[input._data.__class__]
    xp = backend.xp
    array = input._data if input.ndim else xp.reshape(input._data, (1,))
    found = tuple(wrap(i) for i in xp.nonzero(array))
    if as_tuple:
        return found
    from .joining import stack

    rows = stack(list(found), 1)
    if not input.ndim:
        rows = rows[:, :0]
    if out is None:
        return rows
    from ..out import into

    return into(out, rows, "nonzero")


@refusing
def argwhere(input: Tensor) -> Tensor:
    """Indices of the values that are not zero, one row each (PyTorch: ``torch.argwhere``)."""
    return nonzero(input)


def _install() -> None:
    for function in (
        masked_fill, masked_fill_, masked_select, masked_scatter, nonzero, argwhere,
    ):  # fmt: skip
        setattr(Tensor, function.__name__, function)
    Tensor.masked_scatter_ = inplace_composite(masked_scatter)
    Tensor.where = lambda self, condition, other: _where(condition, self, other)


_install()
