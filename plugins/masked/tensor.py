"""tensor: a Tensor of which some values are left out (``torch.masked.MaskedTensor``)."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.overriding import off
from anadrome.tabled import InFile, Tabled


class MaskedTensor(Tabled):
    """Values and a mask, false for those that do not exist (``torch.masked.MaskedTensor``).

    ``MaskedTensor(data, mask)`` is a new leaf, as ``masked.masked_tensor``.
    """

    kind = "masked tensor"
    advice = "write it of x.to_tensor(value)"
    _mask: Tensor

    def __new__(cls, data: Tensor, mask: Tensor, requires_grad: bool = False) -> Any:
        """A leaf with a copy of the values."""
        return masked_tensor(data, mask, requires_grad)

    @classmethod
    def of(cls, data: Tensor, mask: Tensor) -> Any:
        """Of values that nobody else holds."""
        made: Any = cls.made_of(data)
        made._mask = mask
        return made

    def like(self, plain: Tensor) -> Any:
        return MaskedTensor.of(plain, self._mask.expand(plain.shape))

    def against(self, other: Any) -> Any:
        if not isinstance(other, MaskedTensor):
            return other
        if other._mask is not self._mask and not (
            other._mask.shape == self._mask.shape and bool((other._mask == self._mask).all())
        ):
            raise ValueError(
                "Input masks must match. Bring both to one, e.g. by masked_tensor(x.get_data(), "
                "mask)"
            )
        return other.plain()

    def get_data(self) -> Tensor:
        """The values, with gradients for those that the mask leaves in."""
        with off():
            values = self.plain()
            return ad.where(self._mask, values, values.detach())

    def get_mask(self) -> Tensor:
        """True for what is there."""
        return self._mask

    def to_tensor(self, value: Any) -> Tensor:
        """A plain Tensor with ``value`` in place of what is left out."""
        with off():
            return self.plain().masked_fill(~self._mask, value)  # type: ignore[attr-defined,no-any-return]

    def in_file(self) -> InFile:
        values, wanted = self.plain().detach(), self.requires_grad
        strides = tuple(values.stride())
        kind = InFile("torch.masked.maskedtensor.core MaskedTensor")
        layout = InFile("torch.serialization _get_layout", ("torch.strided",))
        told = (kind, values.dtype, tuple(values.shape), strides, 0, layout, values.device, wanted)
        state = {"_masked_data": values, "_masked_mask": self._mask}
        function = InFile("torch._utils _rebuild_wrapper_subclass")
        return InFile("torch._tensor _rebuild_from_type_v2", (function, kind, told, state))

    @classmethod
    def of_file(cls, args: Any, state: Any) -> Any:
        data, mask = state["_masked_data"], state["_masked_mask"]
        return masked_tensor(data, mask, bool(args[-1]))

    def _otherwise(self, func: Any, name: str, args: tuple[Any, ...], keywords: Any) -> Any:
        from .what import otherwise

        found = otherwise(func, name, args, keywords)
        return super()._otherwise(func, name, args, keywords) if found is None else found[0]

    def __repr__(self) -> str:
        with off():
            values, mask = self.plain().detach().tolist(), self._mask.tolist()
            floats = self.plain().dtype.is_floating_point
        if not isinstance(values, list):
            return f"MaskedTensor({_shown(values, floats) if mask else '--'}, {mask})"
        text = "\n".join("  " + line for line in _lines(values, mask, floats).split("\n"))
        return f"MaskedTensor(\n{text}\n)"


def _shown(value: Any, floats: bool) -> str:
    return f"{value:8.4f}" if floats else str(value)


def _lines(values: list[Any], mask: list[Any], floats: bool) -> str:
    if not values or not isinstance(values[0], list):
        parts = [_shown(v, floats) if m else "      --" for v, m in zip(values, mask)]
        return f"[{', '.join(parts)}]"
    rows = [_lines(v, m, floats).replace("\n", "\n  ") for v, m in zip(values, mask)]
    return "[\n" + ",\n".join("  " + row for row in rows) + "\n]"


def _checked(data: Any, mask: Any) -> None:
    for name, value in (("data", data), ("mask", mask)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a Tensor, not a {type(value).__name__}")
        if isinstance(value, MaskedTensor):
            raise TypeError(f"{name} must be a plain Tensor; it is a MaskedTensor already")
    if mask.dtype is not ad.bool:
        raise TypeError(f"mask must have dtype bool, not {mask.dtype}; write e.g. `mask != 0`")
    if data.ndim != mask.ndim:
        raise ValueError(f"data.dim() must equal mask.dim(): {data.ndim} and {mask.ndim}")
    if data.shape != mask.shape:
        raise ValueError(
            f"data.size() must equal mask.size(): {tuple(data.shape)} and {tuple(mask.shape)}"
        )
    if data.device != mask.device:
        raise TypeError(f"data and mask must be on one device, not {data.device} and {mask.device}")


def masked_tensor(data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
    """A new leaf of a copy of ``data`` (``torch.masked.masked_tensor``).

    ``mask``: bools of the same shape, false for what is left out.

    >>> import anadrome as ad
    >>> x = ad.tensor([-1.0, 4.0, 9.0])
    >>> m = ad.masked.masked_tensor(x, x > 0)
    >>> m.sqrt().mean()
    MaskedTensor(  2.5000, True)
    """
    _checked(data, mask)
    made: MaskedTensor = MaskedTensor.of(data.detach().clone(), mask)
    return made.requires_grad_() if requires_grad else made  # type: ignore[return-value]


def as_masked_tensor(data: Tensor, mask: Tensor) -> MaskedTensor:
    """The same, with gradients that lead to ``data`` where it is not left out
    (``torch.masked.as_masked_tensor``).

    >>> import anadrome as ad
    >>> x = ad.tensor([-1.0, 4.0], requires_grad=True)
    >>> ad.masked.as_masked_tensor(x, x > 0).sqrt().sum().backward()
    >>> x.grad
    tensor([0.0000, 0.2500])
    """
    _checked(data, mask)
    return MaskedTensor.of(ad.where(mask, data, data.detach()), mask)  # type: ignore[no-any-return]


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether something is a MaskedTensor (``torch.masked.is_masked_tensor``)."""
    return isinstance(obj, MaskedTensor)


from . import what

MaskedTensor.table = what.TABLE
