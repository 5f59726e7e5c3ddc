"""Autocast for a user's own autograd Functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import anadrome as ad
from anadrome import Tensor

from .autocasting import autocast
from .devices import check_device_type
from .switching import get_autocast_dtype, is_autocast_enabled


def custom_fwd(
    fwd: Callable[..., Any] | None = None,
    *,
    device_type: str,
    cast_inputs: ad.dtype | None = None,
) -> Any:
    """Decorate ``forward`` of an autograd Function for use under autocast.

    ``cast_inputs``: under autocast, cast the floating-point Tensors that come in to this dtype and
    run ``forward`` with autocast off. None: ``forward`` runs under autocast as it is. Outside of
    autocast the decorator does nothing. PyTorch: ``torch.amp.custom_fwd``.

    >>> import anadrome as ad
    >>> class Product(ad.autograd.Function):
    ...     @staticmethod
    ...     @ad.amp.custom_fwd(device_type="cpu", cast_inputs=ad.float32)
    ...     def forward(ctx, a, b):
    ...         ctx.save_for_backward(a, b)
    ...         return a.mm(b)
    ...     @staticmethod
    ...     @ad.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, grad):
    ...         a, b = ctx.saved_tensors
    ...         return grad.mm(b.t()), a.t().mm(grad)
    >>> with ad.autocast("cpu"):
    ...     Product.apply(ad.ones(2, 3), ad.ones(3, 2)).dtype
    anadrome.float32
    """
    check_device_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        active = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = active and cast_inputs is None
        if cast_inputs is None or not active:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                ctx,
                *_cast(args, device_type, cast_inputs),
                **_cast(kwargs, device_type, cast_inputs),
            )

    return decorated


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorate ``backward`` so that it runs under the autocast that ``forward`` ran under.

    PyTorch: ``torch.amp.custom_bwd``.
    """
    check_device_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(ctx, "_fwd_used_autocast"):
            raise RuntimeError(
                "custom_bwd: the forward was not decorated; write `@amp.custom_fwd(device_type="
                f"{device_type!r})` above forward"
            )
        with autocast(device_type, ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return decorated


cuda_custom_fwd = functools.partial(custom_fwd, device_type="cuda")
cuda_custom_bwd = functools.partial(custom_bwd, device_type="cuda")


def _cast(value: Any, device_type: str, dtype: ad.dtype) -> Any:
    """Tensors, and those in lists, tuples and dictionaries, in another floating-point type."""
    if isinstance(value, Tensor):
        kind = value.dtype
        if not kind.is_floating_point or kind is ad.float64 or value.device.type != device_type:
            return value
        return value.to(dtype)
    if isinstance(value, Mapping):
        return {k: _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        cast = [_cast(v, device_type, dtype) for v in value]
        return type(value)(*cast) if hasattr(value, "_fields") else type(value)(cast)
    return value
