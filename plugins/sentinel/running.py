"""running: a trace run again, op by op, on any backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor, backend
from anadrome.device import device
from anadrome.dtypes import from_native
from anadrome.op import table
from anadrome.tensor import unwrap, wrap

from .diagnosing import Seen
from .ranges import Range, ranged
from .recording import is_masked
from .trace import Call, Trace, decoded, values_in


class ReplayError(RuntimeError):
    """A call of a trace failed."""


def run(
    trace: Trace,
    arrays: dict[int, Any],
    on: str,
    told: Callable[[int, Call, list[Range]], None] | None = None,
) -> Seen:
    """Run the trace on the backend ``on``; what was seen of its values.

    ``arrays``: of the given values, on the host. ``told``: called after each call with its number,
    the call, and the ranges of its results. Raises ``ReplayError`` for a call that fails.
    """
    return _Running(trace, arrays, on).all(told)


class _Running:
    def __init__(self, trace: Trace, arrays: dict[int, Any], on: str) -> None:
        self.trace = trace
        self.backend = backend.get(on)
        self.place = device(self.backend.device_types[0])
        self.ranges: dict[int, Range] = {}
        self.values: dict[int, Any] = {}
        self.masked: set[int] = set()
        for number, array in arrays.items():
            native = self.backend.dtype(from_native[array.dtype])
            self.values[number] = self.backend.asarray(array, dtype=native, device=self.place)
            self.ranges[number] = ranged(self.values[number])
        self._last_use = self._uses()

    def _uses(self) -> dict[int, int]:
        """The call after which each value is needed no more."""
        last: dict[int, int] = {}
        for i, call in enumerate(self.trace.calls):
            for n in (*values_in([*call.args, *call.kwargs.values()]), *call.outputs):
                last[n] = i
        for node in self.trace.played:
            for n in (*node.arrived, *node.results):
                last[n] = max(last.get(n, 0), node.end)
        return last

    def all(self, told: Callable[..., None] | None) -> Seen:
        ends: dict[int, list[int]] = {}
        for number, node in enumerate(self.trace.played):
            ends.setdefault(node.end, []).append(number)
        by_end: dict[int, list[int]] = {}
        for n, i in self._last_use.items():
            by_end.setdefault(i, []).append(n)
        with ad.no_grad():
            for i, call in enumerate(self.trace.calls):
                self._look_at(ends.get(i, ()))
                for n in by_end.get(i - 1, ()):
                    self.values.pop(n, None)
                self._call(i, call)
                if told is not None:
                    told(i, call, [self.ranges[n] for n in call.outputs])
            self._look_at(ends.get(len(self.trace.calls), ()))
        return Seen(self.trace, self.ranges, self.masked)

    def _look_at(self, played: Any) -> None:
        """Which of the nodes that are through are bad where nothing arrived."""
        for number in played:
            node = self.trace.played[number]
            arrived = [self.values[n] for n in node.arrived]
            if any(is_masked(self.values[n], arrived) for n in node.results):
                self.masked.add(number)

    def _call(self, i: int, call: Call) -> None:
        try:
            args = [self._decoded(a) for a in call.args]
            kwargs = {k: self._decoded(v) for k, v in call.kwargs.items()}
            if call.drawn is not None and self.backend.name != self.trace.backend:
                out = _kept(wrap(self.values[call.drawn]), args[0], kwargs["p"])
            else:
                out = table[call.op].call(*args, **kwargs)
            outputs = out if isinstance(out, tuple) else (out,)
            if len(outputs) != len(call.outputs):
                raise ValueError(f"it made {len(outputs)} values, not {len(call.outputs)}")
            for n, value in zip(call.outputs, outputs):
                self.values[n] = unwrap(value)
                self.ranges[n] = ranged(self.values[n])
        except Exception as error:
            raise ReplayError(
                f"call {i}, {call.op} of {call.where}, failed on {self.backend.name}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _decoded(self, value: Any) -> Any:
        def of(number: int, as_array: bool) -> Any:
            array = self.values[number]
            return array if as_array else wrap(array)

        return decoded(value, of, self.place, self.backend.dtype)


def _kept(kept: Tensor, x: Tensor, p: float) -> Tensor:
    """Dropout that keeps what another backend's random numbers said."""
    return ad.where(kept, x * (1 / (1 - p)) if p < 1 else x, 0.0)
