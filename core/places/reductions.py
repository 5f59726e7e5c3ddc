"""reductions: the names of losses' reductions as numbers, and by two older arguments.

PyTorch's ``torch.nn._reduction``: losses that packages write ask it, as PyTorch's own do.
"""

from __future__ import annotations

from ..nn._losses import by_older_arguments, known_reduction

_NUMBERS = {"none": 0, "mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The number of a reduction: 0 for "none", 1 for "mean", 2 for "sum".

    Raises ValueError for another word.
    """
    return _NUMBERS[known_reduction(reduction)]


def legacy_get_string(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> str:
    """The reduction that the two older arguments of a loss mean; None is as true."""
    return by_older_arguments(size_average, reduce, emit_warning)


def legacy_get_enum(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> int:
    """``get_enum`` of ``legacy_get_string``."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
