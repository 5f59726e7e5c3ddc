"""pointwise: functions of each value for itself, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import Maker, large


def _pointwise(name: str) -> Callable[[Any, Any], Any]:
    """The maker for a function of one array."""

    def make(before: Any, team: Any) -> Any:
        def kernel(x: Any, **keywords: Any) -> Any:
            if not large(x) or keywords.get("approximate", "none") != "none":
                return before(x, **keywords)
            from ..loops import pointwise

            function = getattr(pointwise, name)
            out = np.empty_like(x)
            source, target = x.reshape(-1), out.reshape(-1)
            function(*team(x.size), source, target)
            return out

        return kernel

    return make


def _gelu_backward(before: Any, team: Any) -> Any:
    def gelu_backward(grad: Any, x: Any, *, approximate: str = "none") -> Any:
        if approximate != "none" or not large(x, grad) or grad.shape != x.shape:
            return before(grad, x, approximate=approximate)
        from ..loops import pointwise

        out = np.empty_like(x)
        g, source, target = (a.reshape(-1) for a in (grad, x, out))
        pointwise.gelu_backward(*team(x.size), g, source, target)
        return out

    return gelu_backward


def _slope(name: str) -> Callable[[Any, Any], Any]:
    """The maker for a function of a gradient and one array."""

    def make(before: Any, team: Any) -> Any:
        def kernel(grad: Any, y: Any) -> Any:
            if not large(y, grad) or grad.shape != y.shape:
                return before(grad, y)
            from ..loops import pointwise

            function = getattr(pointwise, name)
            out = np.empty_like(y)
            g, source, target = (a.reshape(-1) for a in (grad, y, out))
            function(*team(y.size), g, source, target)
            return out

        return kernel

    return make


MAKERS: dict[str, Maker] = {
    "gelu": _pointwise("gelu"),
    "gelu_backward": _gelu_backward,
    "relu": _pointwise("relu"),
    "sigmoid": _pointwise("sigmoid"),
    "sigmoid_backward": _slope("sigmoid_backward"),
    "silu": _pointwise("silu"),
    "tanh": _pointwise("tanh"),
    "tanh_backward": _slope("tanh_backward"),
    "threshold_backward": _slope("threshold_backward"),
}
