"""windows: weights for the pieces of a signal (PyTorch: ``torch.signal.windows``).

Each takes ``M``, the number of points, and by keyword ``sym`` (False: one period of a periodic
window, as for a spectrum; True: symmetric, as for a filter), ``dtype`` (float32 or float64),
``device`` and ``requires_grad``. Raises ValueError for a negative ``M``.

F. J. Harris, "On the Use of Windows for Harmonic Analysis with the Discrete Fourier Transform",
1978, https://doi.org/10.1109/PROC.1978.10837.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import creation
from ..dtypes import float32, float64, get_default_dtype
from ..layouts import accept
from ..refusals import refusing
from ..tensor import Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine",
    "general_hamming", "hamming", "hann", "kaiser", "nuttall",
]  # fmt: skip


def _window(shape: Callable[..., Any]) -> Any:
    """A window of ``shape(points, M, span, ...)``: its value at 0, 1, 2, ..., where ``span`` is the
    distance from the first to the last, or with ``sym=False`` to the one that would follow it."""

    def window(
        M: int,
        *,
        sym: bool = True,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **options: Any,
    ) -> Tensor:
        name = shape.__name__
        kind = get_default_dtype() if dtype is None else dtype
        if M < 0:
            raise ValueError(f"{name} requires non-negative window length, got M={M}")
        if kind not in (float32, float64):
            raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
        accept(name, {"layout": layout} if layout is not None else {})
        if layout is not None and layout.name != "strided":
            raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
        points = creation.arange(M, dtype=float64, device=device)
        out = shape(points, M if not sym and M > 1 else M - 1, sym, **options)
        return out.to(kind).requires_grad_(requires_grad)

    window.__name__ = window.__qualname__ = shape.__name__
    window.__doc__ = shape.__doc__
    return refusing(window)


@_window
def exponential(
    points: Any, span: int, sym: bool, *, center: float | None = None, tau: float = 1.0
) -> Any:
    """``exp(-|n - center| / tau)``; ``center`` only with ``sym=False``, by default the middle.

    >>> import anadrome as ad
    >>> ad.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return ((points - (span / 2 if center is None else center)).abs() / -tau).exp()


@_window
def cosine(points: Any, span: int, sym: bool) -> Any:
    """Half a wave of a sine, its zeros half a point beyond the ends."""
    return ((points + 0.5) * (math.pi / max(span + 1, 1))).sin()


@_window
def gaussian(points: Any, span: int, sym: bool, *, std: float = 1.0) -> Any:
    """``exp(-((n - middle) / std)² / 2)``."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return (((points - span / 2) / std).square() * -0.5).exp()


@_window
def kaiser(points: Any, span: int, sym: bool, *, beta: float = 12.0) -> Any:
    """A ratio of Bessel functions; the larger ``beta``, the wider the peak of its spectrum and the
    lower its sides."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    from ..special import i0

    if span < 1:
        return points + 1.0
    side = (1 - (points * (2 / span) - 1).square()).clamp(min=0).sqrt()
    return i0(side * beta) / i0(creation.tensor(float(beta), dtype=float64))


@_window
def bartlett(points: Any, span: int, sym: bool) -> Any:
    """A triangle, zero at its ends."""
    return 1 - (points * (2 / span) - 1).abs() if span > 0 else points + 1.0


def _cosines(points: Any, span: int, weights: list[float]) -> Any:
    if span < 1:
        return points + 1.0
    turn = points * (2 * math.pi / span)
    total = points * 0.0
    for k, weight in enumerate(weights):
        total = total + (turn * k).cos() * (weight if k % 2 == 0 else -weight)
    return total


@_window
def general_cosine(points: Any, span: int, sym: bool, *, a: Iterable[float]) -> Any:
    """``a[0] - a[1] cos(t) + a[2] cos(2 t) - ...`` over a turn of ``t``."""
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    weights = list(a)
    if not weights and len(points) > 1:
        raise ValueError("Coefficients cannot be empty")
    return _cosines(points, span, weights)


@_window
def general_hamming(points: Any, span: int, sym: bool, *, alpha: float = 0.54) -> Any:
    """``alpha - (1 - alpha) cos(t)``."""
    return _cosines(points, span, [alpha, 1.0 - alpha])


@_window
def hamming(points: Any, span: int, sym: bool) -> Any:
    """``0.54 - 0.46 cos(t)``."""
    return _cosines(points, span, [0.54, 0.46])


@_window
def hann(points: Any, span: int, sym: bool) -> Any:
    """``0.5 - 0.5 cos(t)``.

    >>> import anadrome as ad
    >>> ad.signal.windows.hann(4, sym=False)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosines(points, span, [0.5, 0.5])


@_window
def blackman(points: Any, span: int, sym: bool) -> Any:
    """Two cosines."""
    return _cosines(points, span, [0.42, 0.5, 0.08])


@_window
def nuttall(points: Any, span: int, sym: bool) -> Any:
    """Three cosines (Nuttall's, with a continuous first derivative)."""
    return _cosines(points, span, [0.3635819, 0.4891775, 0.1365995, 0.0106411])
