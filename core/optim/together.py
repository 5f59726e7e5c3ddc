"""together: one call for many parameters, and steps that a flag on the device leaves out.

An update op may have a second one beside it, as ``update.together``. That takes all the parameters,
then all the gradients, then each state of all; for backends with a kernel that does them in one
launch. It also takes a flag: where the flag is true nothing changes, so that whoever sets it
(``amp.GradScaler``) need not read it before the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .. import backend as backends
from ..dtypes import float32, float64, from_native


def rows(arrays: Any, count: int) -> Iterator[tuple[Any, ...]]:
    """What belongs to each of ``count`` parameters: itself, its gradient, its state."""
    return zip(*(arrays[i : i + count] for i in range(0, len(arrays), count)))


def end_to_end(
    update: Callable[..., None], given: list[tuple[Any, ...]]
) -> tuple[Callable[[slice], None], int]:
    """``update`` of each row of flat arrays, as one function of a part of them all; their length.

    So threads can share the values as if they lay in one array: none waits for a large parameter.
    A row may hold None.
    """
    starts = []
    total = 0
    for arrays in given:
        starts.append(total)
        total += len(arrays[0])

    def piece(part: slice) -> None:
        for start, arrays in zip(starts, given):
            first, last = max(part.start - start, 0), min(part.stop - start, len(arrays[0]))
            if first < last:
                update(*[a if a is None else a[first:last] for a in arrays])

    return piece, total


def each(
    xp: Any,
    rule: Callable[..., None],
    arrays: Any,
    count: int,
    flagged: bool,
    numbers: dict[str, Any],
    counted: Callable[[Any, dict[str, Any], Any], dict[str, Any]] | None = None,
) -> None:
    """The forward of such an op: ``rule`` for one parameter after the other.

    If it is ``flagged``, the last array is the flag, a boolean of no dimensions. For a rule whose
    numbers depend on the count of steps there is another before it, the count so far of each
    parameter, and ``counted(xp, numbers, step)`` puts in what follows from it.
    """
    if not flagged:
        for row in rows(arrays, count):
            rule(xp, *row, **numbers)
        return
    flag = arrays[-1]
    steps = None if counted is None else arrays[-2]
    for i, (param, grad, *state) in enumerate(rows(arrays[: -1 if steps is None else -2], count)):
        own = numbers
        if counted is not None and steps is not None:
            own = _now(xp, counted, numbers, steps[i], param)
        old = (param, *state)
        new = [xp.asarray(a, copy=True) for a in old]
        rule(xp, new[0], grad, *new[1:], **own)
        for a, changed in zip(old, new):
            a[...] = xp.where(flag, a, changed)
    if steps is not None:
        steps += xp.astype(xp.logical_not(flag), steps.dtype)


def _now(xp: Any, counted: Any, numbers: dict[str, Any], taken: Any, param: Any) -> dict[str, Any]:
    """The numbers of the step after those taken, in the type that the update is computed in."""
    backend = backends.by_type[param.__class__]
    kind = param.dtype if from_native[param.dtype].itemsize > 2 else backend.dtype(float32)
    out = counted(xp, numbers, xp.astype(taken, backend.dtype(float64)) + 1)
    return {
        name: xp.astype(value, kind) if hasattr(value, "dtype") else value
        for name, value in out.items()
    }
