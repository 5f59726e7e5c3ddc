"""ranges: an array in a line of text: type, shape, lowest and highest value, what is not finite."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from anadrome.backend import by_type
from anadrome.dtypes import float32, from_native


class Range(NamedTuple):
    """What is known of an array's values. `low`, `high`: of the finite ones, None without any."""

    dtype: str
    shape: tuple[int, ...]
    low: float | None
    high: float | None
    nan: int
    inf: int
    #: Where the first that is not finite is.
    first: tuple[int, ...] | None

    @property
    def bad(self) -> int:
        """How many values are not finite."""
        return self.nan + self.inf

    @property
    def half(self) -> bool:
        """Whether the type is one of two bytes."""
        return self.dtype in ("float16", "bfloat16")

    def faults(self) -> str:
        """`2 NaN and 1 inf of 12 values (first at [0, 3])`."""
        parts = [f"{n} {name}" for n, name in ((self.nan, "NaN"), (self.inf, "inf")) if n]
        size = math.prod(self.shape)
        if not self.shape:
            return parts[0].partition(" ")[2]
        first = list(self.first or ())
        return f"{' and '.join(parts)} of {size} value{'s' * (size != 1)} (first at {first})"

    def __str__(self) -> str:
        text = f"{self.dtype} {self.shape}"
        if self.low is not None and self.high is not None:
            low, high = number(self.low), number(self.high)
            text += f", {low}" if low == high else f", from {low} to {high}"
        return f"{text}, {self.faults()}" if self.bad else text


def number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}"


def ranged(array: Any) -> Range:
    """The range of an array; reads it."""
    host: Any = by_type[array.__class__].to_host(array)
    kind = from_native[array.dtype]
    shape = tuple(int(n) for n in host.shape)
    if kind.category < float32.category:
        low, high = (float(host.min()), float(host.max())) if host.size else (None, None)
        return Range(kind.name, shape, low, high, 0, 0, None)
    if kind.is_complex:
        host = abs(host)
    nan = host != host
    endless = abs(host) == math.inf
    bad = nan | endless
    first = None
    if bad.any():
        place = int(bad.reshape(-1).argmax())
        index = []
        for n in reversed(shape):
            place, i = divmod(place, n)
            index.append(i)
        first = tuple(reversed(index))
    fine = host[~bad]
    low, high = (float(fine.min()), float(fine.max())) if fine.size else (None, None)
    return Range(kind.name, shape, low, high, int(nan.sum()), int(endless.sum()), first)
