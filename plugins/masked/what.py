"""what: what is done with a Tensor that has a mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor

from . import reductions, scans
from .tensor import MaskedTensor

#: Facts about the values that do not depend on the mask.
_FACTS = (
    "shape size dim ndim ndimension stride storage_offset is_contiguous layout __len__ is_nested"
)
#: Functions that arrange values, and do with a mask what they do with the values.
_ARRANGING = (
    "__getitem__ broadcast_to cat chunk concat concatenate diagonal expand expand_as "
    "flatten flip gather index_select movedim moveaxis narrow permute ravel repeat "
    "reshape reshape_as roll select split squeeze stack swapaxes swapdims t take "
    "tensor_split tile transpose unbind unflatten unfold unsqueeze view view_as T mT "
    "vstack hstack dstack __iter__"
)


def otherwise(func: Any, name: str, args: Any, keywords: Any) -> tuple[Any] | None:
    """The result of a function that is in no table, in a tuple; None if there is none."""
    if name in _FACTS.split():
        return (func(*_each(args, "plain"), **keywords),)
    if name not in _ARRANGING.split():
        return None
    values = func(*_each(args, "plain"), **keywords)
    masks = func(*_each(args, "get_mask"), **keywords)
    if isinstance(values, (tuple, list)):
        return (type(values)(MaskedTensor.of(v, m) for v, m in zip(values, masks)),)
    return (MaskedTensor.of(values, masks),)


def _each(values: Any, what: str) -> list[Any]:
    """Arguments with the plain values, or with the masks, of what has them."""
    out = []
    for value in values:
        if isinstance(value, MaskedTensor):
            value = getattr(value, what)()
        elif isinstance(value, (list, tuple)) and any(isinstance(v, MaskedTensor) for v in value):
            value = [getattr(v, what)() for v in value]
        out.append(value)
    return out


def _there(self: MaskedTensor, dim: Any, keepdim: bool) -> Tensor:
    mask = self.get_mask()
    if dim is None or dim == ():
        return mask.any()  # type: ignore[attr-defined,no-any-return]
    given = dim if isinstance(dim, (tuple, list)) else [dim]
    out: Any = mask
    for d in sorted([d % max(mask.ndim, 1) for d in given], reverse=True):
        out = out.any(d, keepdim=keepdim)
    return out  # type: ignore[no-any-return]


def _reduction(name: str) -> Callable[..., Any]:
    def reduce(self: MaskedTensor, dim: Any = None, *rest: Any, **keywords: Any) -> Any:
        given = dict(zip(("unbiased", "keepdim") if name in ("var", "std") else ("keepdim",), rest))
        keywords = {**given, **keywords}
        found = getattr(reductions, name)(self, dim, **keywords)
        return MaskedTensor.of(found, _there(self, dim, keywords.get("keepdim", False)))

    return reduce


def _all(self: MaskedTensor, dim: Any = None, keepdim: bool = False) -> Any:
    filled = reductions.filled("all", self, None, True).bool()  # type: ignore[attr-defined]
    found = ad.all(filled) if dim is None else ad.all(filled, dim, keepdim)
    return MaskedTensor.of(found, _there(self, dim, keepdim))


def _any(self: MaskedTensor, dim: Any = None, keepdim: bool = False) -> Any:
    filled = reductions.filled("any", self, None, False).bool()  # type: ignore[attr-defined]
    found = ad.any(filled) if dim is None else ad.any(filled, dim, keepdim)
    return MaskedTensor.of(found, _there(self, dim, keepdim))


def _scan(name: str) -> Callable[..., Any]:
    def scan(self: MaskedTensor, dim: int, *rest: Any, **keywords: Any) -> Any:
        keywords.pop("_stacklevel", None)
        return self.like(getattr(scans, name)(self, dim, **keywords))

    return scan


def _where(condition: Any, input: Any, other: Any) -> Any:
    """Of two with masks, each where the condition takes it."""
    values = ad.where(*_each((condition, input, other), "plain"))
    masks = []
    for operand in (input, other):
        whole = ad.ones((), dtype=ad.bool, device=values.device)
        masks.append(operand.get_mask() if isinstance(operand, MaskedTensor) else whole)
    condition = condition.plain() if isinstance(condition, MaskedTensor) else condition
    return MaskedTensor.of(values, ad.where(condition, *masks).expand(values.shape))


def _item(self: MaskedTensor) -> Any:
    if not bool(self.get_mask()):
        raise ValueError("item(): this value is left out by the mask; write x.to_tensor(value)")
    return self.plain().item()


def _refused(name: str) -> Callable[..., Any]:
    def refused(self: MaskedTensor, *args: Any, **keywords: Any) -> Any:
        raise RuntimeError(
            f"{name} is not there for masked tensors; write x.to_tensor(value).{name}"
        )

    return refused


TABLE: dict[str, Callable[..., Any]] = {
    **{n: _reduction(n) for n in ("sum", "prod", "mean", "amax", "amin", "argmax", "argmin",
                                  "var", "std", "logsumexp")},
    **{n: _scan(n) for n in ("cumsum", "cumprod", "softmax", "log_softmax")},
    "all": _all, "any": _any, "where": _where, "item": _item,
    "numpy": _refused("numpy()"), "tolist": _refused("tolist()"),
}  # fmt: skip
