"""plan: which parameters are updated together, and where their state lives.

A plan is made in the first step and kept while nothing changes: the parameters that have a
gradient, their arrays, and their state. A unit is what one call of the update op serves: one
parameter, or many of one dtype and device that have taken equally many steps: small ones, or any
where the backend has a kernel of the op that updates many (``together``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import backend as backends
from ..dtypes import float32, float64, get_default_dtype
from ..tensor import Tensor, wrap

#: Parameters below this many elements are updated together with others.
SMALL = 16384


def _zero(name: str) -> float:
    return 0.0


class Unit:
    """Parameters that are updated by one call, with their state.

    ``state``: one Tensor a name. For several parameters they are ``flat`` (one-dimensional, all
    parameters in a row) and each ``optimizer.state[p][name]`` is a view of its part. Where they are
    updated ``together`` each has its own: of the first name those of all, then of the second.
    """

    __slots__ = (
        "_ahead", "_counters", "_past", "_rows", "_start", "_started", "flat", "is_complex", "key",
        "landed", "params", "state", "together", "torn",
    )  # fmt: skip

    def __init__(
        self,
        params: list[Tensor],
        held: list[dict[str, Any]],
        names: Sequence[str],
        counters: dict[str, float],
        key: Any,
        start: Callable[[str], float] = _zero,
        together: bool = False,
    ) -> None:
        self.params = params
        self.key = key
        self.together = together
        self.is_complex = params[0].dtype.is_complex
        self.flat = len(params) > 1 and not together
        self._started = _all_there(held, names)
        #: Whether an update has begun to write, and has not come to its end.
        self.torn = False
        #: Whether it was made in spite of an exception.
        self.landed = False
        #: Steps taken and the scalars before the update that is under way.
        self._past: Any = None
        #: Whether the scalars are on the device: where a step may be left out unseen.
        self._ahead = False
        #: Of each scalar, ``"step"`` first, those of all the parameters in one array.
        self._counters = {name: _joined_scalars(name, held, v) for name, v in counters.items()}
        if together:
            self.state = [
                _joined(name, [p], [h], False, start(name))
                for name in names
                for p, h in zip(params, held)
            ]
        else:
            self.state = [_joined(name, params, held, self.flat, start(name)) for name in names]
        self._start = {name: start(name) for name in names} | counters
        entries = (*names, *counters)
        #: Each parameter, its array, its state, and of that each entry and its memory.
        self._rows: list[tuple[Any, ...]] = [
            (p, _lasting(p), h, [(name, h[name], h[name]._data) for name in entries])
            for p, h in zip(params, held)
        ]

    def intact(self, state: dict[Any, Any]) -> bool:
        """Whether the parameters' arrays and their state are still those the unit was made of."""
        for p, data, held, entries in self._rows:
            if p._data is not data and _lasting(p) is not data:
                return False
            if entries and state.get(p) is not held:
                return False
            for name, value, memory in entries:
                if held.get(name) is not value:
                    return False
                if value._data is not memory and _lasting(value) is not memory:
                    return False
        return self._in_step()

    def _in_step(self) -> bool:
        """Whether all have taken equally many steps; on the device each is counted by itself."""
        if len(self._rows) == 1 or self._ahead:
            return True
        for scalar in self._counters.values():
            # No part of a captured step, so read past the modes.
            values = scalar._backend.to_host(scalar._data).tolist()
            if values.count(values[0]) < len(values):
                return False
        return True

    def restore(self, state: dict[Any, Any]) -> bool:
        """Take over a state that somebody has put in place of the unit's, into the unit's memory.

        A captured step goes on writing there. False if the parameters or their steps differ now.
        """
        if any(_kind(_lasting(p)) != _kind(data) for p, data, _, _ in self._rows):
            return False
        rows = []
        start = self._start
        started = True
        for p, _, held, entries in self._rows:
            if entries:
                held = state[p]
                started &= _all_there([held], [name for name, _, _ in entries])
            taken = [
                (n, _taken_over(n, old, m, held, None if n in self._counters else p, start[n]), m)
                for n, old, m in entries
            ]
            rows.append((p, _lasting(p), held, taken))
        self._started = started
        self._rows = rows
        return self._in_step()

    def count_ahead(self, ahead: bool) -> None:
        """Have the scalars on the device, or on the host again, which waits for the device."""
        if self._ahead is ahead:
            return
        self._ahead = ahead
        first = self.params[0]
        for name, scalar in self._counters.items():
            values = scalar._backend.to_host(scalar._data)
            place = first._backend if ahead else backends.for_device("cpu")
            kind = place.dtype(scalar.dtype)
            new = place.asarray(values, dtype=kind, device=first.device if ahead else None)
            self._counters[name] = wrap(new)
            for i, (p, data, held, entries) in enumerate(self._rows):
                view = place.xp.reshape(new[i : i + 1], ())
                held[name]._data = view
                moved = [(n, v, view if n == name else m) for n, v, m in entries]
                self._rows[i] = (p, data, held, moved)

    def counts(self) -> tuple[Tensor, ...]:
        """The count of each parameter's steps, on the device; nothing where none is kept."""
        return (self._counters["step"],) if self._counters else ()

    def taken(self) -> int:
        """Updates so far; without a count of steps, 0 before the first and then 1."""
        if not self._counters:
            return int(self._started)
        return int(self._counters["step"]._data[0])

    def advance(self) -> int:
        """Count one more update; returns its number."""
        past = self.taken()
        self._past = past, self.scalars() if len(self._counters) > 1 else {}
        number = past + 1
        if not self._counters:
            self._started = True
        else:
            self._counters["step"]._data[...] = number
        return number

    def done(self) -> None:
        """The update is made."""
        self._past = None
        self.torn = False

    def retreat(self) -> None:
        """The update was not made: as many steps as before, and the scalars of then."""
        if self._past is None:
            return
        number, scalars = self._past
        self._past = None
        if not self._counters:
            self._started = bool(number)
        else:
            self._counters["step"]._data[...] = number
            self.keep(scalars)

    def scalars(self) -> dict[str, float]:
        """The scalars that are kept besides the count of steps."""
        if len(self._counters) < 2:
            return {}
        return {n: float(s._data[0]) for n, s in self._counters.items() if n != "step"}

    def keep(self, scalars: dict[str, float]) -> None:
        """Their new values."""
        for name, value in scalars.items():
            self._counters[name]._data[...] = value


class Plan:
    """The units of one parameter group, and how to see that they no longer fit."""

    __slots__ = ("_group", "_names", "_params", "ahead", "units")

    def __init__(
        self,
        optimizer: Any,
        group: dict[str, Any],
        params: list[Tensor],
        names: tuple[str, ...],
        old: Plan | None,
    ) -> None:
        #: Where the units keep their scalars: True for the device, None for each its own.
        self.ahead: bool | None = None
        self._group = group
        self._params = params
        self._names = names
        # A unit that still serves keeps its arrays: a captured step may be writing into them.
        known = {} if old is None or old._names != names else {u.key: u for u in old.units}
        self.units: list[Unit] = []
        counters = optimizer.counters(group)
        many = optimizer.together_name()
        for key, members in _buckets(params, optimizer.state, names, counters, many):
            unit = known.get(key)
            if unit is None or not (unit.intact(optimizer.state) or unit.restore(optimizer.state)):
                held = [optimizer.state[p] if key[-1] else {} for p in members]
                start = partial(optimizer.start, group)
                unit = Unit(members, held, names, counters, key, start, key[0] == "together")
                known[key] = unit
            self.units.append(unit)

    def count_ahead(self, ahead: bool) -> None:
        """Where all units are to keep their scalars."""
        self.ahead = ahead
        for unit in self.units:
            unit.count_ahead(ahead)

    def fits(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        names: tuple[str, ...],
        state: dict[Any, Any],
    ) -> bool:
        """Whether the plan still serves these parameters with this state."""
        if self._group is not group or self._names != names or len(self._params) != len(params):
            return False
        for p, q in zip(params, self._params):
            if p is not q:
                return False
        return all(unit.intact(state) for unit in self.units)


def _buckets(
    params: list[Tensor],
    state: dict[Any, Any],
    names: tuple[str, ...],
    counters: dict[str, float],
    many: str | None,
) -> list[tuple[Any, list[Tensor]]]:
    """The parameters of each unit, with a key that tells units apart.

    ``many``: the op that updates any number of them, where a backend has a kernel of it.
    """
    keeps_state = bool(names) or bool(counters)
    repeated = len({id(p) for p in params}) < len(params)
    found: dict[Any, list[Tensor]] = {}
    alone = []
    for p in params:
        backend = p._backend
        way = "flat"
        if many in backend.kernels and not repeated:
            # Without state there is less to do for each than to gather and scatter it.
            if not names or p.numel() >= backend.gathered_below:
                way = "together"
        if repeated or (p.numel() >= SMALL and way == "flat"):
            alone.append((("alone", id(p), keeps_state), [p]))
            continue
        held = state.get(p, {})
        phase: Any = all(held.get(name) is not None for name in names)
        if counters:
            phase = (phase, *(_value(held.get(n), start) for n, start in counters.items()))
        kind = (way, p._backend.name, p._data.dtype, str(p.device), phase)
        found.setdefault(kind, []).append(p)
    together = [
        ((kind[0], *map(id, members), keeps_state), members) for kind, members in found.items()
    ]
    return [*together, *alone]


def _value(entry: Any, start: float) -> float:
    """The value of a scalar entry: a Tensor, in old files a number, or nothing yet."""
    if entry is None:
        return start
    return float(entry.item() if isinstance(entry, Tensor) else entry)


def _joined_scalars(name: str, held: list[dict[str, Any]], start: float) -> Tensor:
    """The scalars of that name as one array on the host; each entry becomes a view of its own."""
    host = backends.for_device("cpu")
    kind = float64 if get_default_dtype() is float64 else float32
    values = [_value(h.get(name), start) for h in held]
    scalars = host.asarray(values, dtype=host.dtype(kind))
    for i, h in enumerate(held):
        _put(h, name, host.xp.reshape(scalars[i : i + 1], ()))
    return wrap(scalars)


def _joined(
    name: str, params: list[Tensor], held: list[dict[str, Any]], flat: bool, start: float
) -> Tensor:
    """The state of that name of all the parameters, full of ``start`` where there is none yet."""
    first = params[0]
    backend = first._backend
    xp = backend.xp
    parts = []
    with backend.placed(first.device):
        for p, h in zip(params, held):
            entry = h.get(name)
            if entry is None:
                full = complex(start, start) if p.dtype.is_complex else start
                parts.append(xp.full(p._data.shape, full, dtype=p._data.dtype))
                continue
            _check(name, entry, p)
            array = entry._data
            parts.append(array if array.dtype == p._data.dtype else xp.astype(array, p._data.dtype))
        if not flat:
            _put(held[0], name, parts[0])
            return wrap(parts[0])
        whole = xp.concat([xp.reshape(part, (-1,)) for part in parts])
    start = 0
    for p, h in zip(params, held):
        stop = start + math.prod(p._data.shape)
        _put(h, name, xp.reshape(whole[start:stop], p._data.shape))
        start = stop
    return wrap(whole)


def _taken_over(
    name: str, old: Tensor, memory: Any, held: dict[str, Any], p: Tensor | None, start: float
) -> Tensor:
    """The entry of that name, whoever made it, with its values now in the unit's memory.

    ``p``: the parameter whose shape it must have; None for a scalar.
    """
    new = held.get(name)
    backend = backends.by_type[memory.__class__]
    if _lasting(old) is memory:
        if new is old:
            return old
        old._data = backend.asarray(memory)  # whoever still holds it keeps its values
    if new is None:
        memory[...] = start
    elif p is None:
        memory[...] = _value(new, start)
    else:
        _check(name, new, p)
        memory[...] = backend.xp.astype(_lasting(new), memory.dtype)
    _put(held, name, memory)
    return held[name]


def _all_there(held: list[dict[str, Any]], names: Sequence[str]) -> bool:
    """Whether the state has been begun; else it starts from zeros."""
    return all(h.get(name) is not None for h in held for name in names)


def _lasting(tensor: Tensor) -> Any:
    """A Tensor's array, also while a capture has put another in its place."""
    return tensor._backend.settled(tensor._data)


def _kind(array: Any) -> tuple[Any, ...]:
    """What an array must share with another to take its place."""
    device = backends.by_type[array.__class__].device_of(array)
    return (array.__class__, array.shape, array.dtype, str(device))


def _check(name: str, entry: Any, p: Tensor) -> None:
    if not isinstance(entry, Tensor) or entry._data.shape != p._data.shape:
        told = tuple(entry.shape) if isinstance(entry, Tensor) else type(entry).__name__
        raise ValueError(
            f"the optimizer's state {name!r} is {told} for a parameter of shape {tuple(p.shape)}; "
            "was it loaded from the state_dict of another model?"
        )


def _put(held: dict[str, Any], name: str, array: Any) -> None:
    """Keep the Tensor that users may hold, and move it to its new memory."""
    entry = held.get(name)
    if isinstance(entry, Tensor):
        entry._data = array
    else:
        held[name] = wrap(array)
