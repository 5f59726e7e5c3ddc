"""tracing: a backend's double, for the traced form of its arrays.

To the rest of core a traced array is one more array class, with this as its backend: ops, rules,
engine and views run over it unchanged, so a whole training step writes itself down.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from .. import modes
from ..backend import Backend, adopt
from .traced import Traced, ValueNeeded, apply, lower, sized_by_data, value_needed

#: Their results have as many elements as the data says.
_SIZED_BY_DATA = frozenset(
    ("nonzero", "argwhere", "flatnonzero", "unique", "unique_values", "unique_counts",
     "unique_inverse", "unique_all", "compress", "extract", "union1d", "intersect1d")
)  # fmt: skip


class _Recorded:
    """A namespace or object whose functions are called through ``apply``."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name in _SIZED_BY_DATA:
            return lambda *args, **kwargs: sized_by_data(f"{name}()")
        if isinstance(found, types.ModuleType):
            found = _Unrecorded(found)
        elif callable(found) and not isinstance(found, type):
            found = functools.partial(_recorded_call, found, name)
        setattr(self, name, found)
        return found


class _Unrecorded:
    """A part of a namespace (``linalg``, ``fft``) whose functions look at values.

    An op that is made of them is one instruction, with its checks and its errors.
    """

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        getattr(self._real, name)  # raises if there is none
        return lambda *args, **kwargs: value_needed()


def _recorded_call(function: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    writes = kwargs.get("out", ())
    return apply(
        function, args, kwargs, name=name, writes=writes if isinstance(writes, tuple) else (writes,)
    )


def _require(holds: Any, backend: Backend, kind: type[Exception]) -> None:
    """A check outside an op, in a replay: what it says may depend on values of the first run."""
    backend.require(holds, lambda: kind("a check of the captured step failed on the new data"))


class TracingBackend(Backend):
    """A backend's double, for the traced form of its arrays."""

    lasting_numbers = False

    def __init__(self, real: Backend) -> None:
        self.real = real
        self.name = real.name
        self.device_types = real.device_types
        self.unsupported_dtypes = real.unsupported_dtypes
        self.halves_by_ops = real.halves_by_ops
        self.block = real.block
        space = {"__slots__": (), "backend": self}
        self.array_type = type("TracedArray", (Traced,), space)
        self.scalar_types = (type("TracedScalar", (Traced,), space),)
        self.xp = _Recorded(real.xp)
        self.native_dtype = real.native_dtype  # type: ignore[method-assign]
        # Once each, so that all calls of one are calls of the same object.
        self._asarray, self._number = real.asarray, real.number
        self._factor = real.factor
        self._scatter_add = real.scatter_add
        self._assign = real.assign
        self.placed = real.placed  # type: ignore[method-assign]
        self.synchronize = real.synchronize  # type: ignore[method-assign]
        self.to_host = value_needed  # type: ignore[method-assign, assignment]

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        options = {"dtype": dtype, "device": device}
        given = {k: v for k, v in options.items() if v is not None}
        return apply(self._asarray, (data,), given, name="asarray")

    def device_of(self, array: Any) -> Any:
        return self.real.device_of(lower(array))

    def number(self, value: Any, dtype: Any) -> Any:
        return apply(self._number, (value, dtype), name="number")

    def factor(self, value: Any, dtype: Any) -> Any:
        return apply(self._factor, (value, dtype), name="factor")

    def settled(self, array: Any) -> Any:
        return lower(array)

    def owns(self, array: Any) -> bool:
        return self.real.owns(lower(array))

    def shares(self, a: Any, b: Any) -> bool:
        return self.real.shares(lower(a), lower(b))

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        apply(self._scatter_add, (target, index, source), name="scatter_add", writes=(target,))

    def assign(self, target: Any, index: Any, value: Any) -> None:
        if type(self.real).assign is Backend.assign:
            target[index] = value
        else:
            apply(self._assign, (target, index, value), name="assign", writes=(target,))

    def generator(self, device: Any = None) -> Any:
        return _Recorded(self.real.generator(device))

    def require(self, holds: Any, error: Callable[[], Exception]) -> None:
        tape = modes.tape.get()
        if tape is not None and tape.composing:  # the op is one instruction, with its checks
            value_needed()
        self.real.require(lower(holds), error)
        if tape is not None:
            apply(_require, (holds, self.real, type(error())), name="require", effect=True)

    def implementation(self, op: Any) -> Callable[..., Any]:
        """The kernel is one instruction; a declared forward is those of its functions.

        An update in place is one instruction too, and so is a forward that looks at values (to
        check them).
        """
        whole = self.real.implementation(op)
        flat = op.name not in self.real.kernels and not op.mutates
        composed = self.composed(op)

        def run(*arrays: Any, **keywords: Any) -> Any:
            tape = modes.tape.get()
            if tape is not None and flat:
                mark = len(tape.instructions)
                tape.composing += 1
                try:
                    return composed(*arrays, **keywords)
                except ValueNeeded:
                    del tape.instructions[mark:]
                finally:
                    tape.composing -= 1
            names = op.inputs * len(arrays) if op.variadic else op.inputs
            writes = [a for n, a in zip(names, arrays) if n in op.mutates and a is not None]
            return apply(whole, arrays, keywords, name=op.name, writes=writes)

        return run


@functools.cache
def tracing(real: Backend) -> TracingBackend:
    """The tracing double of a backend; made once, and known to ops from then on."""
    if isinstance(real, TracingBackend):
        return real
    double = TracingBackend(real)
    adopt(double)
    return double
