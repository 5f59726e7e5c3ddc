"""extremes: the largest and the smallest value, and where they are."""

from __future__ import annotations

from typing import Any

from ..op import NONE, op
from ..out import takes_out
from ..returned import returned
from ..samples import Arr, Sample
from ..tensor import Tensor
from .arithmetic import eq, maximum, minimum, where
from .reduce import _axis, as_dim, axes_of, scatter_back, spread, sum, whole

_DIMS: Any = ({}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 1)})
_SAMPLES = [Sample((Arr((2, 3, 4), distinct=True),), kw) for kw in _DIMS]
_PLACES = [
    Sample((Arr((3, 4), distinct=True),), kw)
    for kw in ({}, {"dim": 0}, {"dim": 1, "keepdim": True})
]
_ALONG = [
    Sample((Arr((3, 4), distinct=True),), {"dim": d, "keepdim": k})
    for d in (0, -1)
    for k in (False, True)
]

# fmt: off
amax_op = op("amax", lambda xp, x, *, dim=None, keepdim=False:
                 _reduced(xp.max, "amax", x, dim, keepdim),
             x=lambda g, x, out, dim, keepdim: _shared_rule(g, x, out, dim, keepdim),
             method=False, refuses=("complex",),
             samples=_SAMPLES)
amin_op = op("amin", lambda xp, x, *, dim=None, keepdim=False:
                 _reduced(xp.min, "amin", x, dim, keepdim),
             x=lambda g, x, out, dim, keepdim: _shared_rule(g, x, out, dim, keepdim),
             method=False, refuses=("complex",),
             samples=_SAMPLES)
max_all = op("max_all", lambda xp, x: _reduced(xp.max, "max", x, None, False),
             x=lambda g, x, out: shared_all_rule(g, x, out), method=False, node="MaxBackward1",
             refuses=("complex",),
             samples=_SAMPLES[:1])
min_all = op("min_all", lambda xp, x: _reduced(xp.min, "min", x, None, False),
             x=lambda g, x, out: shared_all_rule(g, x, out), method=False, node="MinBackward1",
             refuses=("complex",),
             samples=_SAMPLES[:1])
argmax_op = op("argmax", lambda xp, x, *, dim=None, keepdim=False:
                   _place(xp.argmax, "argmax", x, dim, keepdim),
               x=NONE, method=False,
               refuses={k: f"argmax(): does not support {k} input" for k in ("bool", "complex")},
               samples=_PLACES)
argmin_op = op("argmin", lambda xp, x, *, dim=None, keepdim=False:
                   _place(xp.argmin, "argmin", x, dim, keepdim),
               x=NONE, method=False,
               refuses={k: f"argmin(): does not support {k} input" for k in ("bool", "complex")},
               samples=_PLACES)
max_dim = op("max_dim", lambda xp, x, *, dim, keepdim=False:
                 _extreme(xp, xp.argmax, "max", x, dim, keepdim),
             x=lambda g, indices, x_shape, dim, keepdim:
                 picked_rule(g, indices, x_shape, dim, keepdim),
             outputs=("values", "indices"), differentiable=1, method=False, node="MaxBackward0",
             refuses={"complex": "max(): does not support complex input"},
             samples=_ALONG)
min_dim = op("min_dim", lambda xp, x, *, dim, keepdim=False:
                 _extreme(xp, xp.argmin, "min", x, dim, keepdim),
             x=lambda g, indices, x_shape, dim, keepdim:
                 picked_rule(g, indices, x_shape, dim, keepdim),
             outputs=("values", "indices"), differentiable=1, method=False, node="MinBackward0",
             refuses={"complex": "min(): does not support complex input"},
             samples=_ALONG)
# fmt: on


def needs_values(name: str, shape: Any, dim: Any) -> None:
    """Refuse to choose among nothing, in PyTorch's words."""
    if dim is None:
        if 0 in shape:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the reduction dim with the 'dim' argument."
            )
        return
    for axis in axes_of(dim, len(shape)):
        if shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def _reduced(function: Any, name: str, x: Any, dim: Any, keepdim: bool) -> Any:
    if 0 in x.shape:
        needs_values(name, x.shape, dim)
    return function(x, axis=_axis(dim, x), keepdims=keepdim)


def _shared_rule(g: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    """Shared evenly among ties, as PyTorch's amax does."""
    chosen = eq(x, spread(out, x.shape, dim, keepdim))
    held = where(chosen, spread(g, x.shape, dim, keepdim), 0.0)
    return held / sum(where(chosen, 1.0, held), dim=dim, keepdim=True)


def shared_all_rule(g: Any, x: Any, out: Any) -> Any:
    """Shared evenly among ties; NaN, if it is the extreme, ties with NaN."""
    chosen = eq(x, out) | ((x != x) & (out != out))
    g = spread(g, x.shape, None, False)
    held = where(chosen, g, 0.0)
    return held / sum(where(chosen, 1.0, held), dim=None, keepdim=False)


def _place(function: Any, name: str, x: Any, dim: int | None, keepdim: bool) -> Any:
    needs_values(name, x.shape, dim)
    if dim is None:
        return function(x, keepdims=keepdim)
    axes = axes_of(whole(dim), x.ndim)
    return function(x, axis=axes[0] if axes else None, keepdims=keepdim)


def _extreme(xp: Any, function: Any, name: str, x: Any, dim: int, keepdim: bool) -> Any:
    axis = axes_of(dim, x.ndim)
    if not axis:
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    needs_values(name, x.shape, dim)
    indices = xp.expand_dims(function(x, axis=axis[0]), axis=axis[0])
    values = xp.take_along_axis(x, indices, axis=axis[0])
    if keepdim:
        return values, indices
    return xp.squeeze(values, axis=axis[0]), xp.squeeze(indices, axis=axis[0])


def picked_rule(g: Any, indices: Any, shape: Any, dim: int, keepdim: bool = True) -> Any:
    """The rule of ops that pick one value along ``dim`` and say where it was."""
    grad = g[0] if isinstance(g, list) else g
    return scatter_back(grad, indices, shape, dim, keepdim)


# -- PyTorch's forms --------------------------------------------------------------------------
Max = returned("max", "values", "indices")
Min = returned("min", "values", "indices")
Aminmax = returned("aminmax", "min", "max")


@takes_out
def amax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Largest value over ``dim``; its gradient is shared among ties (``torch.amax``)."""
    return amax_op(input, dim=as_dim(dim), keepdim=keepdim)


@takes_out
def amin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Smallest value over ``dim``; its gradient is shared among ties (``torch.amin``)."""
    return amin_op(input, dim=as_dim(dim), keepdim=keepdim)


@takes_out
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Smallest and largest value, as ``(min, max)`` (PyTorch: ``torch.aminmax``).

    >>> import anadrome as ad
    >>> ad.aminmax(ad.tensor([3, 1, 2])).max
    tensor(3)
    """
    if dim is not None:
        dim = whole(dim)
    if dim is None and 0 in input.shape:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity"
        )
    needs_values("aminmax", input.shape, dim)
    return Aminmax(amin(input, dim, keepdim), amax(input, dim, keepdim))


@takes_out
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Index of the largest value, of the flattened input or along ``dim`` (``torch.argmax``)."""
    return argmax_op(input, dim=dim, keepdim=keepdim)


@takes_out
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Index of the smallest value, of the flattened input or along ``dim`` (``torch.argmin``)."""
    return argmin_op(input, dim=dim, keepdim=keepdim)


@takes_out
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = ...) -> Any:
    """Largest value; ``(values, indices)`` along a dimension; or of two Tensors, pairwise.

    PyTorch: ``torch.max``.
    """
    if dim is None or other is not ... or isinstance(dim, Tensor):
        _alone("max", dim, other, keepdim)
    if isinstance(dim, Tensor) or other is not ...:
        return maximum(input, dim if other is ... else other)
    if dim is None:
        return max_all(input)
    return Max(*max_dim(input, dim=_whole("max", dim), keepdim=keepdim))


@takes_out
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = ...) -> Any:
    """Smallest value; ``(values, indices)`` along a dimension; or of two Tensors, pairwise.

    PyTorch: ``torch.min``.
    """
    if dim is None or other is not ... or isinstance(dim, Tensor):
        _alone("min", dim, other, keepdim)
    if isinstance(dim, Tensor) or other is not ...:
        return minimum(input, dim if other is ... else other)
    if dim is None:
        return min_all(input)
    return Min(*min_dim(input, dim=_whole("min", dim), keepdim=keepdim))


def _alone(name: str, dim: Any, other: Any, keepdim: Any) -> None:
    """Refuse arguments that belong to another form of the function, which would be dropped.

    ``other``: an ellipsis where none was given; None is no Tensor.
    """
    if keepdim or (dim is not None and other is not ...):
        raise TypeError(
            f"{name}() takes a dim with keepdim, or another Tensor, or neither; got dim={dim!r}, "
            f"keepdim={keepdim!r}" + (" and other" if other is not ... else "")
        )


def _whole(name: str, dim: Any) -> int:
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(
            f"{name}(): argument 'dim' must be int, not {type(dim).__name__}; over several "
            f"dimensions there is a{name}"
        )
    return dim.__index__()


def _install() -> None:
    for function in (amax, amin, aminmax, argmax, argmin, max, min):
        setattr(Tensor, function.__name__, function)


_install()
