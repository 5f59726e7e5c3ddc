"""losses: what a model is trained on, where a fused form is more exact or cheaper than its parts.

``reduction`` is "none", "mean" or "sum", as in PyTorch. Half precision is reduced in float32.
"""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..dtypes import from_native
from ..errors import RangeError, UnsupportedError
from ..op import FULL, KEEP, NONE, ZERO, op
from ..samples import Arr, call
from .activation import floating
from .complex import sgn
from .elementwise import exp
from .piecewise import hardtanh
from .reduce import _mean, _sum, sum

_PAIR = (Arr((3, 4)), Arr((3, 4)))
_REDUCTIONS = ("none", "mean", "sum")


def _each(*args: Any, **keywords: Any) -> list[Any]:
    return [s for r in _REDUCTIONS for s in call(*args, reduction=r, **keywords)]


# fmt: off
#: What PyTorch does last for the absolute error.
_LAST = {"none": "Abs", "mean": "Mean", "sum": "Sum"}
# -- regression ---------------------------------------------------------------------------------
mse = op("mse_loss", lambda xp, x, y, *, reduction:
             _reduced(xp, _square(floating("mse_loss", x - y)), reduction),
         x=lambda g, x, y, reduction: _mse_rule(g, x, y, reduction),
         y=lambda g, x, y, reduction: _mse_rule(g, y, x, reduction),
         amp=FULL, method=False, refuses=("complex",),
         samples=_each(*_PAIR))
l1 = op("l1_loss", lambda xp, x, y, *, reduction: _reduced(xp, xp.abs(x - y), reduction),
        x=lambda g, x, y, reduction: sgn(x - y) * _shared(g, x - y, reduction),
        y=lambda g, x, y, reduction: sgn(y - x) * _shared(g, x - y, reduction),
        named=lambda reduction: f"{_LAST[reduction]}Backward0",
        amp=FULL, method=False, holomorphic=False,
        samples=_each(Arr((3, 4), 0, 1), Arr((3, 4), 2, 3)))
smooth_l1 = op("smooth_l1_loss", lambda xp, x, y, *, beta, reduction:
                   _reduced(xp, _smooth(xp, floating("smooth_l1_loss", x - y), beta, beta),
                            reduction),
               x=lambda g, x, y, beta, reduction: _smooth_rule(g, x, y, beta, beta, reduction),
               y=lambda g, x, y, beta, reduction: _smooth_rule(g, y, x, beta, beta, reduction),
               node="SmoothL1LossBackward0", amp=FULL, method=False,
               refuses=("complex",),
               samples=_each(*_PAIR, beta=0.5))
huber = op("huber_loss", lambda xp, x, y, *, delta, reduction:
               _reduced(xp, _smooth(xp, floating("huber_loss", x - y), delta, 1.0), reduction),
           x=lambda g, x, y, delta, reduction: _smooth_rule(g, x, y, delta, 1.0, reduction),
           y=lambda g, x, y, delta, reduction: _smooth_rule(g, y, x, delta, 1.0, reduction),
           amp=FULL, method=False, refuses=("complex",),
           samples=_each(*_PAIR, delta=0.5))
# fmt: on

# -- classes ------------------------------------------------------------------------------------
#: ``-x[i, target[i]] * weight[target[i]]``; classes are dimension 1; "mean" divides by the weights.
nll = op(
    "nll_loss",
    lambda xp, x, target, weight=None, *, ignore_index, reduction: _nll(
        xp, x, target, weight, ignore_index, reduction
    ),
    x=lambda g, x, target, weight, ignore_index, reduction: nll_backward(
        g, target, weight, x, shape=tuple(x.shape), ignore_index=ignore_index, reduction=reduction
    ),
    target=NONE,
    weight=NONE,
    dtype=KEEP,
    amp=FULL,
    method=False,
    samples=_each(Arr((4, 3)), Arr((4,), 0, 3, "int"), None, ignore_index=-100)
    + _each(Arr((2, 3, 2)), Arr((2, 2), 0, 3, "int"), Arr((3,), 0.5, 1), ignore_index=1),
)
#: ``x`` takes part so that the gradient depends on it, as PyTorch's does; the derivative is zero.
nll_backward = op(
    "nll_backward",
    lambda xp, grad, target, weight=None, x=None, *, shape, ignore_index, reduction: _nll_back(
        xp, grad, target, weight, shape, ignore_index, reduction
    ),
    grad=lambda g, target, weight, ignore_index, reduction: nll(
        g, target, weight, ignore_index=ignore_index, reduction=reduction
    ),
    target=NONE,
    weight=NONE,
    x=ZERO,
    dtype=KEEP,
    method=False,
    samples=call(
        Arr((4,)), Arr((4,), 0, 3, "int"), None, shape=(4, 3), ignore_index=1, reduction="none"
    )
    + call(
        Arr(()),
        Arr((4,), 0, 3, "int"),
        Arr((3,), 0.5, 1),
        shape=(4, 3),
        ignore_index=-100,
        reduction="mean",
    ),
)
#: ``nll(log_softmax(x))`` in one, with what its backward needs as a second output.
cross_entropy = op(
    "cross_entropy",
    lambda xp, x, target, weight=None, *, ignore_index, reduction: _cross_entropy(
        xp, x, target, weight, ignore_index, reduction
    ),
    x=lambda g, target, weight, log_probs, ignore_index, reduction: _cross_entropy_rule(
        g, target, weight, log_probs, ignore_index, reduction
    ),
    target=NONE,
    weight=NONE,
    outputs=("loss", "log_probs"),
    dtype=KEEP,
    amp=FULL,
    method=False,
    node="NllLossBackward0",
    named=lambda target: "NllLoss2DBackward0" if len(target.shape) > 1 else "NllLossBackward0",
    samples=_each(Arr((4, 3)), Arr((4,), 0, 3, "int"), None, ignore_index=-100)
    + _each(Arr((2, 3, 2)), Arr((2, 2), 0, 3, "int"), Arr((3,), 0.5, 1), ignore_index=1),
)
#: ``(softmax - onehot)`` times each row's share of the gradient.
cross_entropy_backward = op(
    "cross_entropy_backward",
    lambda xp, grad, log_probs, target, weight=None, *, ignore_index, reduction: (
        _cross_entropy_back(xp, grad, log_probs, target, weight, ignore_index, reduction)
    ),
    grad=lambda g, log_probs, target, weight, ignore_index, reduction: nll(
        g - sum(g * exp(log_probs), dim=1, keepdim=True),
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
    ),
    log_probs=lambda g, grad, log_probs, target, weight, ignore_index, reduction: (
        g * _softmax_part(grad, log_probs, target, weight, ignore_index, reduction)
    ),
    target=NONE,
    weight=NONE,
    dtype=KEEP,
    method=False,
    samples=call(
        Arr((4,)), Arr((4, 3)), Arr((4,), 0, 3, "int"), None, ignore_index=1, reduction="none"
    )
    + call(
        Arr(()),
        Arr((2, 3, 2)),
        Arr((2, 2), 0, 3, "int"),
        Arr((3,), 0.5, 1),
        ignore_index=-100,
        reduction="mean",
    ),
)


def _reduced(xp: Any, values: Any, reduction: str) -> Any:
    if reduction == "none":
        return values
    return (_mean if reduction == "mean" else _sum)(xp, values, None, False)


def _shared(g: Any, like: Any, reduction: str) -> Any:
    """What one value's loss gets of the gradient of the reduced loss."""
    if reduction != "mean":
        return g
    count = 1
    for n in like.shape:
        count *= n
    return g * (1.0 / max(count, 1))


def _weighted(values: Any, weight: Any) -> Any:
    return values if weight is None else values * weight


def _square(x: Any) -> Any:
    return x * x


def _mse_rule(g: Any, x: Any, y: Any, reduction: str) -> Any:
    difference = x - y
    return difference * (_shared(g, difference, reduction) * 2.0)


def _smooth(xp: Any, difference: Any, bound: float, unit: float) -> Any:
    """A square up to ``bound`` and beyond it the tangent there, without a branch."""
    size = xp.abs(difference)
    inner = xp.minimum(size, bound)
    return (size - inner * 0.5) * (inner / unit)


def _smooth_rule(g: Any, x: Any, y: Any, bound: float, unit: float, reduction: str) -> Any:
    difference = x - y
    # Not a clamp, which has a slope at its bounds still.
    slope = hardtanh(difference, min_val=-bound, max_val=bound) / unit
    return slope * _shared(g, difference, reduction)


# -- class numbers ------------------------------------------------------------------------------
def _pick(xp: Any, target: Any, ignore_index: int, classes: int) -> tuple[Any, Any]:
    """Class numbers with a class dimension, ignored ones replaced by 0, and who counts."""
    counts = target != ignore_index
    safe = xp.astype(xp.where(counts, target, 0), xp.int64)
    fits = (safe >= 0) & (safe < classes)
    backends.by_type[safe.__class__].require(fits, lambda: no_class(safe[~fits], classes))
    return xp.expand_dims(safe, axis=1), xp.expand_dims(counts, axis=1)


def no_class(wrong: Any, classes: int) -> RangeError:
    """What is said of class numbers that are none."""
    return RangeError(
        f"Target {int(wrong[0])} is out of bounds: the input has {classes} classes, "
        f"0 to {classes - 1}"
    )


def _scores(xp: Any, x: Any) -> Any:
    """The scores, of at least 32 bits."""
    kind = from_native[x.dtype]
    if not kind.is_floating_point:
        raise UnsupportedError(
            f"the loss is not implemented for {kind.name!r}: it takes scores; use `input.float()`"
        )
    return _wide(xp, x)


def _wide(xp: Any, x: Any) -> Any:
    """Half precision as float32: these ops KEEP their types, so nobody else widens for them."""
    kind = from_native[x.dtype]
    return xp.astype(x, xp.float32) if kind.is_floating_point and kind.itemsize == 2 else x


def _importance(xp: Any, like: Any, safe: Any, counts: Any, weight: Any) -> Any:
    """Each row's weight: that of its class, 0 where ignored."""
    if weight is None:
        return xp.astype(counts, like.dtype)
    of_class = xp.reshape(xp.take(weight, xp.reshape(safe, (-1,)), axis=0), safe.shape)
    return xp.where(counts, xp.astype(of_class, like.dtype), 0.0)


def _nll(xp: Any, x: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    safe, counts = _pick(xp, target, ignore_index, x.shape[1])
    picked = -_scores(xp, xp.take_along_axis(x, safe, axis=1))
    rows = _importance(xp, picked, safe, counts, weight)
    # Not only a product: where ignored, the value may be infinite.
    picked = xp.where(counts, picked * rows, 0.0)
    if reduction == "none":
        out = xp.squeeze(picked, axis=1)
    else:
        out = xp.sum(picked) / xp.sum(rows) if reduction == "mean" else xp.sum(picked)
    return xp.astype(out, x.dtype, copy=False)


def _row_shares(xp: Any, grad: Any, safe: Any, counts: Any, weight: Any, reduction: str) -> Any:
    """What each row gets of the gradient, with a class dimension."""
    rows = _importance(xp, grad, safe, counts, weight)
    if reduction == "mean":  # zero, not NaN, where all are ignored
        return xp.where(counts, rows * (grad / xp.sum(rows)), 0.0)
    return rows * (xp.expand_dims(grad, axis=1) if reduction == "none" else grad)


def _chosen(xp: Any, safe: Any, classes: int) -> Any:
    """True at each row's class."""
    line = xp.arange(classes, dtype=xp.int64)
    return safe == xp.reshape(line, (1, -1) + (1,) * (safe.ndim - 2))


def _nll_back(
    xp: Any, grad: Any, target: Any, weight: Any, shape: Any, ignore_index: int, reduction: str
) -> Any:
    if not from_native[grad.dtype].is_floating_point:
        raise TypeError("a gradient must be floating point")
    safe, counts = _pick(xp, target, ignore_index, shape[1])
    shares = _row_shares(xp, _wide(xp, grad), safe, counts, weight, reduction)
    return xp.astype(xp.where(_chosen(xp, safe, shape[1]), -shares, 0.0), grad.dtype, copy=False)


def _cross_entropy(
    xp: Any, x: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Any:
    wide = _scores(xp, x)
    shifted = wide - xp.max(wide, axis=1, keepdims=True)
    log_probs = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    loss = _nll(xp, log_probs, target, weight, ignore_index, reduction)
    return xp.astype(loss, x.dtype, copy=False), xp.astype(log_probs, x.dtype, copy=False)


def _cross_entropy_back(
    xp: Any, grad: Any, log_probs: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Any:
    safe, counts = _pick(xp, target, ignore_index, log_probs.shape[1])
    shares = _row_shares(xp, _wide(xp, grad), safe, counts, weight, reduction)
    out = xp.exp(_scores(xp, log_probs)) * shares
    out = xp.where(_chosen(xp, safe, log_probs.shape[1]), out - shares, out)
    return xp.astype(out, log_probs.dtype, copy=False)


def _cross_entropy_rule(
    g: Any, target: Any, weight: Any, log_probs: Any, ignore_index: int, reduction: str
) -> Any:
    of_loss, of_log_probs = g
    out = None
    if of_loss is not None:
        out = cross_entropy_backward(
            of_loss, log_probs, target, weight, ignore_index=ignore_index, reduction=reduction
        )
    if of_log_probs is not None:
        rest = of_log_probs - exp(log_probs) * sum(of_log_probs, dim=1, keepdim=True)
        out = rest if out is None else out + rest
    return out


def _softmax_part(
    grad: Any, log_probs: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Any:
    """cross_entropy_backward without its one-hot part: the part that depends on log_probs."""
    settings = {"ignore_index": ignore_index, "reduction": reduction}
    return cross_entropy_backward(grad, log_probs, target, weight, **settings) - nll_backward(
        grad, target, weight, shape=tuple(log_probs.shape), **settings
    )
