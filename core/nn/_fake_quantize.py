"""_fake_quantize: values rounded as if kept in few bits; gradients pass (arXiv:1712.05877)."""

from __future__ import annotations

from typing import Any

from ..autograd import Function
from ..modes import no_grad
from ..namespace import where
from ..ops.reduce import whole
from ..refusals import refusing
from ..tensor import Tensor


class _Passing(Function):
    """A value that was computed outside the graph; the gradient is the input's, where it fits."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, value: Tensor, fits: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(fits)
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        (fits,) = ctx.saved_tensors
        return where(fits, grad, grad * 0), None, None


def _rounded(input: Tensor, scale: Any, zero_point: Any, low: int, high: int) -> Tensor:
    if low > high:
        raise RuntimeError(
            f"`quant_min` should be less than or equal to `quant_max`, not {low} and {high}"
        )
    with no_grad():
        values: Any = input.detach()
        steps = values * (1 / scale)
        if isinstance(zero_point, Tensor) and zero_point.is_floating_point():
            steps = (steps + zero_point).round()
        else:  # the half is rounded to even before, which an odd number added would change
            steps = steps.round() + zero_point
        fits = (steps >= low) & (steps <= high)
        value = ((steps.clamp(low, high) - zero_point) * scale).to(values.dtype)
    return _Passing.apply(input, value, fits)  # type: ignore[no-any-return]


def _within(zero_point: bool, low: int, high: int) -> None:
    if not zero_point:
        raise RuntimeError(
            f"`zero_point` must be between `quant_min` and `quant_max`, {low} and {high}"
        )


@refusing
def fake_quantize_per_tensor_affine(
    input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int
) -> Tensor:
    """``input`` rounded to ``(i - zero_point) * scale``, ``quant_min`` <= i <= ``quant_max``.

    ``scale``, ``zero_point``: numbers, or Tensors of one. The gradient is that of the result where
    i lies within the bounds, and zero elsewhere.
    PyTorch: ``torch.fake_quantize_per_tensor_affine``.

    >>> import anadrome as ad
    >>> x = ad.tensor([0.06, -2.0], requires_grad=True)
    >>> y = ad.fake_quantize_per_tensor_affine(x, 0.1, 0, -8, 7)
    >>> y.detach()
    tensor([ 0.1000, -0.8000])
    >>> y.sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    low, high = whole(quant_min, "quant_min"), whole(quant_max, "quant_max")
    if isinstance(zero_point, Tensor):
        zero_point = zero_point.int()
    else:
        _within(low <= whole(zero_point, "zero_point") <= high, low, high)
    return _rounded(input, scale, zero_point, low, high)


@refusing
def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """The same with a ``scale`` and ``zero_point`` for each index along ``axis``.

    PyTorch: ``torch.fake_quantize_per_channel_affine``.

    >>> import anadrome as ad
    >>> x = ad.ones(2, 1)
    >>> scale, zero = ad.tensor([0.3, 0.4]), ad.zeros(2, dtype=ad.int32)
    >>> ad.fake_quantize_per_channel_affine(x, scale, zero, 0, -8, 7)
    tensor([[0.9000],
            [0.8000]])
    """
    count = input.shape[axis]
    for name, value in (("scale", scale), ("zero_point", zero_point)):
        if value.ndim != 1 or len(value) != count:
            raise RuntimeError(
                f"dimensions of {name} and of the input along axis {axis} must match: "
                f"{tuple(value.shape)} and {count}"
            )
    if not zero_point.is_floating_point():
        fits = (zero_point >= quant_min) & (zero_point <= quant_max)
        _within(bool(fits.all()), quant_min, quant_max)
    shape = [count if d == axis % input.ndim else 1 for d in range(input.ndim)]
    return _rounded(input, scale.reshape(shape), zero_point.reshape(shape), quant_min, quant_max)
