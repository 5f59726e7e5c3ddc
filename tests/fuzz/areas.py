"""areas: kinds of calls that need a fuzz of their own, each a number's; run one after another."""

from __future__ import annotations

from typing import Any

from . import chains, graphs, indexing, objects, overlap


def _of_index(number: int) -> tuple[Any, str, bool]:
    return (*indexing.judged(number), True)


#: By name: from a number the case, what is wrong with it, and whether it was carried out.
AREAS = {
    "index": _of_index,
    "overlap": overlap.judged,
    "chain": chains.judged,
    "graph": graphs.judged,
    "object": objects.judged,
}


def run(name: str, first: int, count: int) -> tuple[int, list[str]]:
    """Cases ``first`` to ``first + count``: how many were carried out, and what is wrong."""
    found, done = [], 0
    for number in range(first, first + count):
        case, wrong, carried_out = AREAS[name](number)
        done += carried_out
        if wrong:
            found.append(f"{name}#{number}: {case}\n        {wrong}")
    return done, found
