"""reductions: over the values for which a mask is true (``torch.masked``).

What is left out is replaced by the value that changes nothing: 0 in a sum, 1 in a product, the
lowest one for a maximum. Gradients of it are zero.
"""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.tabled import Tabled


def taken_apart(name: str, input: Any, mask: Any) -> tuple[Tensor, Tensor | None]:
    """The values, and the mask of the shape that they have, or None where nothing is left out."""
    if not isinstance(input, Tensor):
        raise TypeError(f"masked.{name}() takes a Tensor, not a {type(input).__name__}")
    if mask is not None:
        if not isinstance(mask, Tensor):
            raise TypeError(f"masked.{name}(): a mask is a Tensor, not a {type(mask).__name__}")
        if mask.ndim > input.ndim:
            raise IndexError(
                f"masked.{name}(): a mask of {mask.ndim} dimensions does not broadcast with an "
                f"input of {input.ndim}"
            )
        mask = (mask if mask.dtype is ad.bool else mask != 0).expand(input.shape)
    if isinstance(input, Tabled):
        own = input.get_mask()  # type: ignore[attr-defined]
        return input.plain(), own if mask is None else own & mask
    return input, mask


def filled(name: str, input: Any, mask: Any, value: Any, dtype: Any = None) -> Tensor:
    """The values with others in place of those left out."""
    values, mask = taken_apart(name, input, mask)
    if dtype is not None:
        values = values.to(dtype=dtype)  # type: ignore[attr-defined]
    if mask is None:
        return values
    kind = value(values.dtype) if callable(value) else value
    return ad.where(mask, values, ad.scalar_tensor(kind, dtype=values.dtype, device=values.device))


def lowest(dtype: Any) -> Any:
    """What is below all values of a type."""
    if dtype.is_floating_point:
        return -float("inf")
    return False if dtype is ad.bool else ad.iinfo(dtype).min


def highest(dtype: Any) -> Any:
    """What is above all values of a type."""
    if dtype.is_floating_point:
        return float("inf")
    return True if dtype is ad.bool else ad.iinfo(dtype).max


def _dims(input: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None or dim == ():
        return tuple(range(input.ndim))
    given = dim if isinstance(dim, (tuple, list)) else (dim,)
    for d in given:
        if not -input.ndim <= d < max(input.ndim, 1):
            raise IndexError(f"Dimension out of range: {d} of a Tensor of {input.ndim} dimensions")
    return tuple(sorted(d % max(input.ndim, 1) for d in given))


def sum(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The sum over ``dim``, by default over all; 0 of nothing (``torch.masked.sum``).

    ``input``: a Tensor, or a MaskedTensor. ``mask``: bools that broadcast with it,
    false for what is left out.

    >>> import anadrome as ad
    >>> x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ad.masked.sum(x, 1, mask=x > 1)
    tensor([2., 7.])
    """
    values = filled("sum", input, mask, 0, dtype)
    return ad.sum(values, dim=_dims(values, dim), keepdim=keepdim, dtype=dtype)


def prod(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The product, as ``sum``; 1 of nothing (``torch.masked.prod``).

    >>> import anadrome as ad
    >>> ad.masked.prod(ad.tensor([2.0, 3.0, 4.0]), mask=ad.tensor([True, False, True]))
    tensor(8.)
    """
    out = filled("prod", input, mask, 1, dtype)
    for d in reversed(_dims(out, dim)):
        out = ad.prod(out, dim=d, keepdim=keepdim, dtype=dtype)
    return out


def mean(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The mean; NaN of nothing (``torch.masked.mean``). ValueError for integers without ``dtype``.

    >>> import anadrome as ad
    >>> x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ad.masked.mean(x, 1, mask=x > 1)
    tensor([2.0000, 3.5000])
    """
    kind = input.dtype if dtype is None else dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {kind}"
        )
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / _count(
        "mean", input, dim, keepdim, kind, mask
    )


def _count(name: str, input: Any, dim: Any, keepdim: bool, dtype: Any, mask: Any) -> Tensor:
    values, mask = taken_apart(name, input, mask)
    there = ad.ones(values.shape, dtype=ad.bool, device=values.device) if mask is None else mask
    return ad.sum(there, dim=_dims(values, dim), keepdim=keepdim).to(dtype)  # type: ignore[attr-defined,no-any-return]


def _extreme(name: str, neutral: Any, what: str, how: str) -> Any:
    def extreme(
        input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
    ) -> Tensor:
        values = filled(name, input, mask, neutral, dtype)
        return getattr(ad, name)(values, dim=_dims(values, dim), keepdim=keepdim)  # type: ignore[no-any-return]

    extreme.__name__ = extreme.__qualname__ = name
    extreme.__doc__ = (
        f"The {what} value over ``dim``, by default over all; of nothing the {how} value of the "
        f"type (``torch.masked.{name}``).\n\n"
        "Arguments are those of ``masked.sum``."
    )
    return extreme


def _place(name: str, neutral: Any, what: str) -> Any:
    def place(
        input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None,
        mask: Any = None,
    ) -> Tensor:  # fmt: skip
        values = filled(name, input, mask, neutral, dtype)
        found = getattr(ad, name)(values, dim=dim, keepdim=keepdim)
        return found.to(values.dtype)  # type: ignore[no-any-return]  # as in PyTorch

    place.__name__ = place.__qualname__ = name
    place.__doc__ = (
        f"Where the {what} value is, along ``dim`` or of all, in the type of the input "
        f"(``torch.masked.{name}``)."
    )
    return place


amax = _extreme("amax", lowest, "largest", "lowest")
amin = _extreme("amin", highest, "smallest", "highest")
argmax = _place("argmax", lowest, "largest")
argmin = _place("argmin", highest, "smallest")


def logsumexp(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """``log(sum(exp(input)))`` in its type; -inf of nothing (``torch.masked.logsumexp``)."""
    values = filled("logsumexp", input, mask, lowest, dtype)
    out = ad.logsumexp(values, _dims(values, dim), keepdim=keepdim)
    return out.to(values.dtype)  # type: ignore[attr-defined]


def norm(
    input: Any,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The vector norm of order ``ord`` (``torch.masked.norm``).

    >>> import anadrome as ad
    >>> x = ad.tensor([3.0, 100.0, 4.0])
    >>> ad.masked.norm(x, 2, mask=x < 50)
    tensor(5.)
    """
    order = 2.0 if ord is None else ord
    values = filled("norm", input, mask, float("inf") if order < 0 else 0, dtype)
    return ad.linalg.vector_norm(values, order, _dims(values, dim), keepdim, dtype=dtype)


def median(
    input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Tensor:
    """The lower median along ``dim``; NaN of nothing (``torch.masked.median``).

    ValueError for integers, which have no NaN, and for a NaN among the values.
    """
    values, there = taken_apart("median", input, mask)
    values = values if dtype is None else values.to(dtype)  # type: ignore[attr-defined]
    if not values.dtype.is_floating_point:
        raise ValueError(
            "masked median expects floating point; give a dtype, such as torch.float32"
        )
    if bool(ad.isnan(values).any()):
        raise ValueError("masked median expects no NaN among the values")
    if there is not None:
        values = ad.where(there, values, float("nan"))
    return ad.nanmedian(values, dim, keepdim)[0]


def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The variance of what is there, of the input's type (``torch.masked.var``).

    It is divided by the count less ``correction``, by default 1; less 0 with ``unbiased=False``.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 3.0, 100.0])
    >>> ad.masked.var(x, mask=x < 50)
    tensor(2.)
    """
    if unbiased is not None and correction is not None:
        raise RuntimeError("masked.var takes unbiased or correction, not both")
    less = float(unbiased is not False) if correction is None else float(correction)
    kind = input.dtype if dtype is None else dtype
    if not (kind.is_floating_point or kind.is_complex):
        kind = ad.get_default_dtype()
    values, there = taken_apart("var", input, mask)
    values = values.to(kind)  # type: ignore[attr-defined]
    centre = sum(values, dim, keepdim=True, mask=there)
    centre = centre / _count("var", values, dim, True, kind, there)
    count = _count("var", values, dim, keepdim, kind, there)
    away = filled("var", values - centre, there, 0)
    squares = away * (away.conj() if kind.is_complex else away)  # type: ignore[attr-defined]
    total = sum(squares, dim, keepdim=keepdim)
    return total / ad.clamp((count.real if kind.is_complex else count) - less, min=0)


def std(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Any = None,
) -> Tensor:
    """The root of ``var`` (``torch.masked.std``)."""
    return ad.sqrt(
        var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask)
    )
