"""sampling: Tensors of random numbers, under PyTorch's names."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from . import dtypes, modes
from .errors import DtypeError, RangeError, ShapeError, UnsupportedError
from .layouts import accept, check
from .making import creates, finished, like, shape_of
from .out import takes_out
from .random import draw
from .refusals import refusing
from .tensor import Tensor, wrap


def _new(kind: str, size: Any, dtype: Any, device: Any, requires_grad: bool, generator: Any) -> Any:
    wanted = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    shape = shape_of(size)
    if wanted.is_complex:
        from .ops.complex import view_as_complex

        pairs = wrap(draw(kind, (*shape, 2), wanted.to_real(), device, generator))
        out = view_as_complex(pairs * math.sqrt(0.5) if kind == "normal" else pairs)
    elif not wanted.is_floating_point:
        raise UnsupportedError(
            f'"{kind}" is not implemented for {wanted.name}; use randint, or a floating dtype'
        )
    else:
        out = wrap(draw(kind, shape, wanted, device, generator))
    return finished(out, requires_grad)


@creates
def rand(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [0, 1) (``torch.rand``)."""
    return _new("uniform", size, dtype, device, requires_grad, generator)


@creates
def randn(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal with mean 0 and variance 1 (``torch.randn``)."""
    return _new("normal", size, dtype, device, requires_grad, generator)


@creates
@refusing
def rand_like(
    input: Tensor,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``rand`` in the shape of ``input`` (``torch.rand_like``)."""
    given = like(input, dtype, device)
    return rand(tuple(input.shape), **given, generator=generator, requires_grad=requires_grad)


@creates
@refusing
def randn_like(
    input: Tensor,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randn`` in the shape of ``input`` (``torch.randn_like``)."""
    given = like(input, dtype, device)
    return randn(tuple(input.shape), **given, generator=generator, requires_grad=requires_grad)


def holding(kind: dtypes.dtype, start: int, last: int) -> None:
    """Refuse numbers that the type does not hold: they would be others."""
    if kind.is_complex:
        raise DtypeError("random_() fills with integers, which are not complex")
    if kind is dtypes.bool_:
        low, high = 0, 1
    else:
        of = (dtypes.finfo if kind.is_floating_point else dtypes.iinfo)(kind)
        low, high = int(of.min), int(of.max)
    for name, value in (("from", start), ("to - 1", last)):
        if not low <= value <= high:
            raise RangeError(f"{name} is out of bounds for {kind.name}: {value}")


@refusing
def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    out: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Integers from ``low`` (0 if left out) below ``high`` (``torch.randint``).

    ``randint(high, size)`` or ``randint(low, high, size)``.

    >>> import anadrome as ad
    >>> ad.randint(10, (2, 3)).shape
    anadrome.Size([2, 3])
    """
    check("randint", "layout", layout)
    if size is None and isinstance(high, (tuple, list)):
        high, size = None, high
    if high is None:
        low, high = 0, low
    low, high = index(0 if low is None else low), index(high)
    if size is None:
        raise TypeError("randint() is missing the argument 'size', a tuple of lengths")
    if isinstance(size, int):
        raise TypeError("randint(): argument 'size' must be tuple of ints, but found int")
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got {low} and {high}")
    kind = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    if out is not None and dtype is None:
        kind = out.dtype
    holding(kind, low, high - 1)
    values = draw("integers", shape_of((size,)), kind, device, generator, low=low, high=high)
    result = finished(wrap(values), requires_grad)
    if out is None:
        return result
    from .out import into

    return into(out, result, "randint")


@refusing
def randint_like(
    input: Tensor,
    low: Any = None,
    high: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    **given: Any,
) -> Tensor:
    """``randint`` in the shape, dtype and device of ``input`` (``torch.randint_like``)."""
    accept("randint_like", given)
    if high is None:
        low, high = 0, low
    return randint(low, high, tuple(input.shape), **like(input, dtype, device), **given)


def _last_of(kind: dtypes.dtype) -> int:
    """Up to where the type holds every integer."""
    if kind.is_floating_point:
        return int(2 / dtypes.finfo(kind).eps)
    return int(dtypes.iinfo(kind).max)


#: More elements than any memory holds; NumPy's ``arange`` of them is empty.
MOST = 1 << 48


@creates
def randperm(
    n: int,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A random order of 0 … n - 1 (``torch.randperm``)."""
    n = index(n)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    if n > MOST:
        raise ShapeError(f"randperm: a Tensor of {n} elements is larger than there can be")
    kind = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    if kind is dtypes.bool_ or kind.is_complex:
        raise UnsupportedError(f'"randperm" is not implemented for {kind.name}')
    most = _last_of(kind)
    if n > most + 1:
        raise RuntimeError(f"randperm: n cannot be greater than {most + 1} for {kind.name}")
    return finished(wrap(draw("permutation", (n,), kind, device, generator)), requires_grad)


@creates
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal with the given means and standard deviations (``torch.normal``).

    ``mean`` and ``std`` are Tensors or numbers; for two numbers give ``size``. Raises for a
    negative ``std``.
    """
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if isinstance(std, (int, float)) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if not tensors:
        if size is None:
            raise TypeError("normal() of two numbers needs the argument 'size'")
        out = _new("normal", (size,), dtype, device, False, generator)
        return finished(out * std + mean, requires_grad)
    if isinstance(std, Tensor):
        std._backend.require(
            std._data >= 0,
            lambda: RuntimeError("normal expects all elements of std >= 0.0"),
        )
    if dtype is not None:
        dtypes.as_dtype(dtype)  # that of the Tensors is taken
    first = tensors[0]
    with modes.no_grad():
        shape = tuple((tensors[0] + tensors[-1]).shape)
        kind = first.dtype if first.dtype.is_floating_point else dtypes.get_default_dtype()
        drawn = _new("normal", (shape,), kind, first.device, False, generator)
        return (drawn * std + mean).to(kind)


@takes_out
def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """1 with the probability that ``input`` says, else 0 (``torch.bernoulli``).

    With ``p``, that probability for each element, and ``input`` gives the shape. Raises for
    probabilities outside [0, 1].
    """
    if not input.dtype.is_floating_point and p is None:
        raise UnsupportedError(f"bernoulli is not implemented for {input.dtype.name}; use floats")
    if p is not None and not (isinstance(p, Tensor) or 0 <= p <= 1):
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    chance: Any = input.detach() if p is None else p
    if p is None:
        input._backend.require(
            (chance._data >= 0) & (chance._data <= 1),
            lambda: RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false."),
        )
    kind = input.dtype if input.dtype.is_floating_point else dtypes.float32
    u = wrap(draw("uniform", tuple(input.shape), kind, input.device, generator))
    return (u < chance).to(input.dtype)


@takes_out
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Tensor:
    """Indices drawn with the given weights, a row each (``torch.multinomial``).

    ``input``: weights, (n,) or (rows, n), which need not add to one. Raises for negative, infinite
    or NaN weights, a sum of zero, and more samples than there are weights without replacement.

    >>> import anadrome as ad
    >>> ad.multinomial(ad.tensor([0.0, 3.0, 0.0]), 4, replacement=True)
    tensor([1, 1, 1, 1])
    """
    from .ops.drawing import first_of_race, shares

    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: " + input.dtype.name
        )
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    with modes.no_grad():
        rows = input.detach().reshape(-1, input.shape[-1])
        if rows.dtype.itemsize < 4:
            rows = rows.float()
        _check_weights(rows, 1 if replacement else num_samples)
        shape = (rows.shape[0], num_samples) if replacement else tuple(rows.shape)
        kind = dtypes.float64 if replacement else rows.dtype
        u = wrap(draw("uniform", shape, kind, input.device, generator))
        out = shares(rows, u) if replacement else first_of_race(rows, u, count=num_samples)
    return out.reshape(num_samples) if input.ndim == 1 else out


def _check_weights(rows: Tensor, needed: int) -> None:
    require = rows._backend.require
    require(
        (rows.isfinite() & (rows >= 0))._data,
        lambda: RuntimeError(
            "probability tensor contains either `inf`, `nan` or element < 0"
        ),
    )  # fmt: skip
    require(
        (rows.sum(-1) > 0)._data,
        lambda: RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)"),
    )
    if needed > 1:
        require(
            ((rows > 0).sum(-1) >= needed)._data,
            lambda: RuntimeError(
                "invalid multinomial distribution (with replacement=False, not enough "
                "non-negative category to sample)"
            ),
        )


def _install() -> None:
    Tensor.bernoulli = bernoulli  # type: ignore[attr-defined]
    Tensor.multinomial = multinomial  # type: ignore[attr-defined]


_install()
