"""forward_ad: directional derivatives carried along a computation (PyTorch's name).

A dual Tensor is a primal with a tangent, the direction to differentiate in. There is no forward
mode here: as ``func.jvp`` does, ``unpack_dual`` differentiates the vector-Jacobian product with
respect to its cotangent (Christianson 1992, doi:10.1093/imanum/12.2.135), at the cost of two
backwards. So what is computed of a dual has to be recorded: not under ``no_grad``.

>>> import anadrome as ad
>>> from anadrome.autograd import forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(ad.tensor(3.0), ad.tensor(1.0))
...     fwAD.unpack_dual(x * x)
UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import NamedTuple

from .. import modes
from ..errors import GraphError
from ..func.transforms import _finished, _fresh
from ..tangents import transposed
from ..tensor import Tensor
from .entry import grad

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual",
    "unpack_dual",
]  # fmt: skip

#: The primals of the level that is open here, as leaves, with their tangents.
_level: contextvars.ContextVar[list[tuple[Tensor, Tensor]] | None] = contextvars.ContextVar(
    "dual_level", default=None
)


class UnpackedDualTensor(NamedTuple):
    """What ``unpack_dual`` returns; ``tangent`` is None for what depends on no dual."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level; returns its number, 0. RuntimeError inside another: levels do not nest."""
    if _level.get() is not None:
        raise GraphError("Nested forward mode AD is not supported at the moment")
    _level.set([])
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close it: what was made in it has no tangents any more."""
    if _level.get() is None:
        raise GraphError("exit_dual_level: no level is open; enter_dual_level() opens one")
    if level not in (None, 0):
        raise GraphError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    _level.set(None)


class dual_level(contextlib.ContextDecorator):
    """A level for as long as the ``with`` (or the decorated function) runs."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """``tensor`` with a tangent of its shape and dtype.

    Raises RuntimeError outside a level, ValueError for a type without derivatives.
    """
    duals = _level.get()
    if duals is None:
        raise GraphError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for value, name in ((tensor, "primal"), (tangent, "tangent")):
        if not isinstance(value, Tensor):
            raise TypeError(f"make_dual: the {name} is a Tensor, not {type(value).__name__}")
        kind = value.dtype
        if not (kind.is_floating_point or kind.is_complex):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {kind}")
    if tensor.shape != tangent.shape:
        raise GraphError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )
    if tensor.dtype is not tangent.dtype:
        if tensor.dtype.is_complex is not tangent.dtype.is_complex:
            raise GraphError(
                f"Expected the tangent to have the dtype of the primal, {tensor.dtype}, but got "
                f"{tangent.dtype}"
            )
        tangent = tangent.to(tensor.dtype)
    fresh = _fresh(tensor)
    duals.append((fresh, tangent))
    return fresh


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value, and the derivative of it in the direction of all tangents of the level.

    Raises RuntimeError under ``no_grad``, where the derivative cannot be computed.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"unpack_dual takes a Tensor, not {type(tensor).__name__}")
    duals = _level.get()
    if not duals:
        return UnpackedDualTensor(tensor, None)
    if not modes.current().grad:
        raise GraphError(
            "unpack_dual: recording is off here (no_grad or inference_mode), and tangents are "
            "computed from what was recorded; take the computation of duals out of it"
        )
    leaves = [x for x, _ in duals]
    primal = _finished(tensor, leaves)
    return UnpackedDualTensor(primal, _derivative(tensor, duals) if tensor.requires_grad else None)


def _derivative(out: Tensor, duals: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    from ..creation import zeros_like

    cotangent = zeros_like(out).requires_grad_()
    leaves = [x for x, _ in duals]
    with transposed():
        back = grad(out, leaves, cotangent, create_graph=True, allow_unused=True)
    pairs = [(g, t) for g, (_, t) in zip(back, duals) if g is not None]
    if not pairs:
        return None
    linear = [(g, t) for g, t in pairs if g.requires_grad]
    if not linear:
        return zeros_like(out)
    found = grad(
        [g for g, _ in linear], cotangent, [t for _, t in linear],
        create_graph=True, allow_unused=True,
    )[0]  # fmt: skip
    return zeros_like(out) if found is None else _finished(found, [*leaves, cotangent])
