"""samples: how an op declaration says what to try it on; inert until a test asks.

A sample is shapes, a range and metadata. ``anadrome.testing`` makes arrays of it for any backend
and dtype, and the tests, the conformance kit and the reference page are all generated from that.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Arr(NamedTuple):
    """One array argument: values uniform in [low, high).

    ``kind``: "float" (takes the dtype under test), "int" (indices), "bool" (masks), "complex".
    ``distinct``: values far apart, for ops that are not differentiable at ties. ``ordered``: values
    that never fall along a row, where an op says nothing of others.
    """

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    kind: str = "float"
    distinct: bool = False
    ordered: bool = False

    def __repr__(self) -> str:  # what is drawn depends on it
        shown = [f"{n}={v!r}" for n, v in zip(self._fields, self) if n != "ordered" or v]
        return f"Arr({', '.join(shown)})"


class Sample(NamedTuple):
    """One call: arrays, plain arguments and metadata, in the order of the forward."""

    args: tuple[Any, ...]
    keywords: dict[str, Any]


_UNARY_SHAPES = ((3, 4), (5,), (), (0, 3), (2, 1, 3))
_BINARY_SHAPES = (
    ((3, 4), (3, 4)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (3,)), ((3,), ()), ((), ()),
    ((0, 3), (3,)), ((1,), (2, 3)),
)  # fmt: skip


def unary(low: float = -2.0, high: float = 2.0, **keywords: Any) -> list[Sample]:
    """One array, of every kind of shape (also empty and zero-dimensional)."""
    return [Sample((Arr(s, low, high),), keywords) for s in _UNARY_SHAPES]


def distinct(*shapes_: tuple[int, ...], **keywords: Any) -> list[Sample]:
    """One array without ties, of each of the shapes."""
    return [Sample((Arr(s, distinct=True),), keywords) for s in shapes_]


def binary(low: float = -2.0, high: float = 2.0, **keywords: Any) -> list[Sample]:
    """Two arrays that broadcast in every way there is."""
    return [Sample((Arr(a, low, high), Arr(b, low, high)), keywords) for a, b in _BINARY_SHAPES]


def shapes(*specs: str, low: float = -2.0, high: float = 2.0, **keywords: Any) -> list[Sample]:
    """``shapes("2,3 3,4")``: one sample a string; arrays apart by blanks; ``-`` is no dimension."""
    return [
        Sample(tuple(Arr(_shape(s), low, high) for s in spec.split()), keywords) for spec in specs
    ]


def each(spec: str, *keyword_sets: dict[str, Any], low: float = -2.0, high: float = 2.0) -> Any:
    """The same arrays with different metadata."""
    return [s for kw in keyword_sets for s in shapes(spec, low=low, high=high, **kw)]


def call(*args: Any, **keywords: Any) -> list[Sample]:
    """One sample written out: ``Arr``s and plain values."""
    return [Sample(args, keywords)]


def _shape(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(int(n) for n in text.split(",") if n)
