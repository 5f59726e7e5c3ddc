"""clip: gradients made smaller before the optimizer's step, with PyTorch's functions."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

import anadrome as ad
from anadrome import Tensor, sites
from anadrome.autograd import pending
from anadrome.border import enclose_functions

from .ops import clip_values, shrink_to_norm, total_norm


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients, in place, so that their norm is at most ``max_norm``; returns the norm.

    The norm is that of all gradients as one vector, before clipping, as a Tensor of no dimensions
    in the gradients' dtype. ``norm_type``: any number, or ``inf`` for the largest magnitude. Each
    gradient is multiplied by ``max_norm / (norm + 1e-6)`` where that is below one. Nothing is read
    back from the device, except with ``error_if_nonfinite``, which raises ``RuntimeError`` where
    the norm is NaN or infinite. ``foreach`` is accepted. Half precision is summed in float32.
    Raises ``RuntimeError`` for gradients of a scaled loss that nobody has unscaled yet.
    (PyTorch: ``torch.nn.utils.clip_grad_norm_``.)

    >>> import anadrome as ad
    >>> x = ad.tensor([3.0, 4.0], requires_grad=True)
    >>> x.grad = ad.tensor([3.0, 4.0])
    >>> ad.nn.utils.clip_grad_norm_([x], max_norm=1.0)
    tensor(5.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    given = _listed(parameters)
    if isinstance(parameters, types.GeneratorType) and not given:
        sites.warn("`parameters` is an empty generator, no gradient clipping will occur.")
    grads = _gradients(given)
    _refuse_scaled(grads, "clip_grad_norm_")
    norm = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    _shrink(grads, max_norm, norm)
    return norm


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """``clip_grad_norm_`` by its old name, which PyTorch deprecates (FutureWarning)."""
    sites.warn(
        "`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """The second half of ``clip_grad_norm_``, for a norm that is known already.

    Scales the gradients in place by ``min(max_norm / (total_norm + 1e-6), 1)``. (PyTorch:
    ``torch.nn.utils.clip_grads_with_norm_``.)
    """
    grads = _gradients(_listed(parameters))
    max_norm = float(max_norm)
    if not grads:
        return
    _refuse_scaled(grads, "clip_grads_with_norm_")
    total_norm = ad.as_tensor(total_norm)
    _shrink(grads, max_norm, total_norm)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all ``tensors`` as one vector (PyTorch: ``torch.nn.utils.get_total_norm``).

    A Tensor of no dimensions, on the device of the first; zero for no Tensors. The arguments are
    those of ``clip_grad_norm_``.

    >>> import anadrome as ad
    >>> ad.nn.utils.get_total_norm([ad.tensor([3.0]), ad.tensor([-4.0])], norm_type=float("inf"))
    tensor(4.)
    """
    norm_type = float(norm_type)
    groups = list(_by_device(_listed(tensors)).values())
    if not groups:
        return ad.tensor(0.0)
    if len(groups) == 1:
        norm = total_norm(*groups[0], norm_type=norm_type)
    else:
        here = groups[0][0].device
        norms = [total_norm(t, norm_type=norm_type) for group in groups for t in group]
        norm = total_norm(*[n.to(here) for n in norms], norm_type=norm_type)
    if error_if_nonfinite and not ad.isfinite(norm):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return norm


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every value of the gradients, in place, to ``[-clip_value, clip_value]``.

    (PyTorch: ``torch.nn.utils.clip_grad_value_``.)

    >>> import anadrome as ad
    >>> x = ad.tensor([3.0, 4.0], requires_grad=True)
    >>> x.grad = ad.tensor([0.5, -4.0])
    >>> ad.nn.utils.clip_grad_value_([x], 1.0)
    >>> x.grad
    tensor([ 0.5000, -1.0000])
    """
    limit = float(clip_value)
    grads = _gradients(_listed(parameters))
    _refuse_scaled(grads, "clip_grad_value_")
    for group in _by_device(grads).values():
        clip_values(*group, limit=limit)


def _refuse_scaled(grads: list[Tensor], function: str) -> None:
    """Clipping what still has a factor in it would clip to another size than the one asked for."""
    for i, g in enumerate(grads):
        remedy = pending.remedy(g)
        if remedy is not None:
            raise RuntimeError(
                f"{function}() on gradients that are still scaled (number {i}, of shape "
                f"{tuple(g.shape)}, is the first): they would be clipped to the wrong size. "
                f"{remedy}"
            )


def _shrink(grads: list[Tensor], max_norm: float, norm: Tensor) -> None:
    max_norm = float(max_norm)
    if norm.ndim:
        raise ValueError(f"the total norm is a Tensor of no dimensions, not {tuple(norm.shape)}")
    for group in _by_device(grads).values():
        shrink_to_norm(*group, norm.to(group[0].device), max_norm=max_norm)


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


def _by_device(tensors: list[Tensor]) -> dict[Any, list[Tensor]]:
    """The Tensors of each device; an op takes those of one."""
    groups: dict[Any, list[Tensor]] = {}
    for t in tensors:
        groups.setdefault(t.device, []).append(t)
    return groups


enclose_functions(globals())
