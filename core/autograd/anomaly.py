"""anomaly: find the forward line whose gradient is NaN (``torch.autograd.detect_anomaly``)."""

from __future__ import annotations

from typing import Any

from ..backend import by_type
from ..border import enclose
from ..errors import GraphError
from ..patch import Patch
from ..sites import describe
from ..switches import switch
from ..tensor import Tensor
from . import entry


def _check(node: Any, gradient: Any, gradients: Any, was_freed: bool) -> None:
    """Called after each node of a backward."""
    for i, g in enumerate(gradients or ()):
        if g.__class__ is Patch:
            g = g.value
        array = g._data if isinstance(g, Tensor) else g
        if array is None or not hasattr(array, "dtype"):
            continue
        xp = by_type[array.__class__].xp
        if bool(xp.any(array != array)):
            raise GraphError(
                f"Function '{node.name()}' returned nan values in its {i}th output. Its forward "
                f"is at {describe(node.site)}"
            )


@enclose
class set_detect_anomaly:
    """Switch the search for NaN in backward on or off (PyTorch's name); also a ``with`` block.

    With ``check_nan=False`` nothing is looked for: errors name the forward's line in any case.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        on = switch(mode, "set_detect_anomaly", "mode")
        looking = switch(check_nan, "set_detect_anomaly", "check_nan")
        self._before = entry.observer
        entry.observer = _check if on and looking else None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        entry.observer = self._before


class detect_anomaly(set_detect_anomaly):
    """Inside, a backward whose rule makes a NaN raises, and names the line of its forward.

    It waits for each gradient, so it is for finding an error. PyTorch:
    ``torch.autograd.detect_anomaly``.

    >>> import anadrome as ad
    >>> x = ad.tensor(0.0, requires_grad=True)
    >>> with ad.autograd.detect_anomaly():
    ...     (x.sqrt() * 0).backward()
    Traceback (most recent call last):
    ...
    anadrome.errors.GraphError: Function 'SqrtBackward0' returned nan values in its 0th output. ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = switch(check_nan, "detect_anomaly", "check_nan")
        self._before = entry.observer

    def __enter__(self) -> None:
        self._before = entry.observer
        entry.observer = _check if self._check_nan else None


def is_anomaly_enabled() -> bool:
    """Whether backward looks for NaN now."""
    return entry.observer is _check


def is_anomaly_check_nan_enabled() -> bool:
    """The same: what is looked for is NaN (``torch.is_anomaly_check_nan_enabled``)."""
    return is_anomaly_enabled()


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch the search on or off (``torch.set_anomaly_enabled``)."""
    on = switch(enabled, "set_anomaly_enabled", "enabled")
    looking = switch(check_nan, "set_anomaly_enabled", "check_nan")
    entry.observer = _check if on and looking else None
