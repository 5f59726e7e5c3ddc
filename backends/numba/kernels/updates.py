"""updates: Adam's, in one pass over the parameters and what it keeps of them."""

from __future__ import annotations

from typing import Any

from anadrome.optim.together import rows

from .common import F32, Maker, large


def _adam_update(before: Any, team: Any) -> Any:
    def adam_update(*arrays: Any, **numbers: Any) -> None:
        if (len(arrays) > 4 and arrays[4] is not None) or not large(*arrays[:4]):
            before(*arrays, **numbers)
            return
        _update([arrays[:4]], team, numbers)

    return adam_update


def _adam_updates(before: Any, team: Any) -> Any:
    def adam_updates(*tensors: Any, count: int, flagged: bool, **numbers: Any) -> None:
        given = list(rows(tensors, count))
        if flagged or len(given[0]) > 4 or not all(large(*arrays) for arrays in given):
            before(*tensors, count=count, flagged=flagged, **numbers)
            return
        _update(given, team, numbers)

    return adam_updates


def _update(given: list[tuple[Any, ...]], team: Any, numbers: dict[str, Any]) -> None:
    """Rows of a parameter, its gradient and both averages."""
    from ..loops import updates

    # step_size * m / (sqrt(v) / root + eps), with the division by root taken out of the loop.
    root = numbers["root"]
    decay, weight_decay = numbers["decay"], numbers["weight_decay"]
    constants = tuple(
        F32.type(c)
        for c in (
            numbers["beta1"],
            numbers["rest1"],
            numbers["beta2"],
            numbers["rest2"],
            numbers["step_size"] * root,
            numbers["eps"] * root,
            1.0 if decay is None else decay,
            0.0 if weight_decay is None else weight_decay,
            -1.0 if numbers["maximize"] else 1.0,
        )
    )
    for arrays in given:
        updates.adam(*team(arrays[0].size), *(a.reshape(-1) for a in arrays), constants)


MAKERS: dict[str, Maker] = {"adam_update": _adam_update, "adam_updates": _adam_updates}
