"""recording: a mode that writes down what a step does, as a `trace`.

Values are told apart by their arrays. What no call of an op made (a parameter, the batch, numbers
drawn, what was written in place behind our back) becomes a given value of the trace, with a copy of
what it held; so whatever a step does, the trace is complete and runs again.
"""

from __future__ import annotations

import contextlib
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import anadrome as ad
from anadrome import Mode, Tensor, backend, sites
from anadrome.autograd import entry
from anadrome.backend import by_type
from anadrome.graph import AccumulateGrad
from anadrome.modes import aside, current
from anadrome.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from anadrome.tensor import unwrap, wrap

from .naming import Names
from .ranges import Range, ranged
from .trace import MAPPED, Call, Given, Played, Trace, Unwritable, encoded, function_name


class Known:
    """An array whose value has a number; `digest` tells whether it still holds that value."""

    __slots__ = ("digest", "number", "ref")

    def __init__(self, array: Any, number: int, digest: int) -> None:
        self.ref = weakref.ref(array)
        self.number = number
        self.digest = digest


class Recorder(Mode):
    """Records while it is active, forward and backward alike."""

    sees_rules = True

    def __init__(self, names: Names) -> None:
        self.trace = Trace()
        self.ranges: dict[int, Range] = {}
        #: Copies of the given values, on the host.
        self.arrays: dict[int, Any] = {}
        #: Played nodes whose gradients are bad exactly where nothing arrived.
        self.masked: set[int] = set()
        self.names = names
        self._modules: list[Any] = []
        self._known: dict[int, Known] = {}
        self._by_content: dict[Any, int] = {}
        self._by_node: dict[int, int] = {}
        #: Calls up to here belong to what a backward has passed.
        self._passed = 0
        #: In a backward: whether it records a graph itself.
        self._backwards: list[bool] = []
        #: Leaves whose gradient the step replaced, with what it was.
        self.reset: dict[int, tuple[Tensor, Tensor | None]] = {}
        #: What the step wrote in place, as it was before.
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    # -- values ---------------------------------------------------------------------------------
    def number(self, value: Any) -> int:
        """The number of a Tensor's or array's value, a new one if nobody made it."""
        array = unwrap(value)
        known = self._known.get(id(array))
        digest = None
        if known is not None and known.ref() is array:
            digest = _digest(array)
            if known.digest == digest:
                return known.number
        digest = _digest(array) if digest is None else digest
        given = self.names.arrays.get(id(array))
        copied = self._by_content.get((digest, array.shape, array.dtype))
        if given is None and copied is not None:  # an op in place copies what it reads and makes
            self._known[id(array)] = Known(array, copied, digest)
            return copied
        number = self._bind(array, digest)
        if given is None:
            kind = "was written in place" if known is not None else "no op made"
            given = Given(f"a Tensor that {kind}", "other", self._where())
        self.trace.given[number] = given
        self.arrays[number] = by_type[array.__class__].to_host(array).copy()
        return number

    def _bind(self, array: Any, digest: int | None = None) -> int:
        number = len(self.ranges)
        if not self.trace.backend:
            self.trace.backend = by_type[array.__class__].name
        digest = _digest(array) if digest is None else digest
        self._known[id(array)] = Known(array, number, digest)
        self._by_content[digest, array.shape, array.dtype] = number
        self.ranges[number] = ranged(array)
        return number

    def _given(self, array: Any, name: str, where: str) -> int:
        """A value that was made by the step, but not so that it could be made again."""
        number = self._bind(array)
        self.trace.given[number] = Given(name, "made", where)
        self.arrays[number] = by_type[array.__class__].to_host(array).copy()
        return number

    # -- the forward ----------------------------------------------------------------------------
    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        declared = op.op
        if any(isinstance(a, Tensor) and is_foreign(unwrap(a)) for a in args):
            self._tell(MAPPED)
            return op(*args, **kwargs)
        if declared.mutates:
            for a in args:
                if isinstance(a, Tensor):
                    self._keep(a)
            return op(*args, **kwargs)
        with aside():
            try:
                given = [encoded(a, self.number) for a in args]
                keywords = {k: encoded(v, self.number) for k, v in kwargs.items()}
                writable = True
            except Unwritable:
                writable = False
        recording = current().grad
        out = op(*args, **kwargs)
        where = self._where()
        outputs = out if isinstance(out, tuple) else (out,)
        with aside():
            arrays = [unwrap(o) for o in outputs]
            if not writable:
                for array in arrays:
                    self._given(array, declared.name, where)
                return out
            call = Call(
                declared.name, declared.plugin, given, keywords, [self._bind(a) for a in arrays],
                where, self._module(), self._is_played(recording),
            )  # fmt: skip
            if "key" in kwargs and declared.name == "dropout":
                kept = op(ad.ones_like(args[0].detach()), **kwargs) != 0
                call.drawn = self._given(unwrap(kept), f"what {declared.name} keeps", where)
        self.trace.calls.append(call)
        for o in outputs:
            if o.grad_fn is not None:
                self._by_node[o.grad_fn.sequence] = len(self.trace.calls) - 1
        return out

    def _is_played(self, recording: bool) -> bool:
        """Whether a rule calls, and not a forward that is recomputed in a backward."""
        return bool(self._backwards) and (self._backwards[-1] or not recording)

    def touched(self, tensor: Any, new_grad: bool) -> None:
        if new_grad:
            self.reset.setdefault(id(tensor), (tensor, tensor.grad))
            return
        self._keep(tensor)

    # -- the backward ---------------------------------------------------------------------------
    @contextlib.contextmanager
    def backward(self) -> Iterator[None]:
        """Around a backward."""
        self._backwards.append(current().grad)
        self._passed = len(self.trace.calls)
        try:
            yield
        finally:
            self._backwards.pop()
            self._passed = len(self.trace.calls)

    def _see(self, node: Any, gradient: Any, gradients: Any, was_freed: bool) -> None:
        """Called after each node of a backward."""
        first, end = self._passed, len(self.trace.calls)
        self._passed = end
        values = [unwrap(g) for g in (*_listed(gradient), *gradients) if g is not None]
        if isinstance(node, AccumulateGrad) or any(map(is_foreign, values)):
            return
        call = self._by_node.get(node.sequence)
        where = sites.describe(node.site)
        module = "" if call is None else self.trace.calls[call].module
        with aside():
            there = [g for g in _listed(gradient) if g is not None]
            arrived = [self.number(g) for g in there]
            made_by = {n: i for i in range(first, end) for n in self.trace.calls[i].outputs}
            first = max([first, *[made_by[n] + 1 for n in arrived if n in made_by]])
            made = [g for g in gradients if g is not None]
            results = []
            for g in made:
                known = self._known.get(id(unwrap(g)))
                if known is None or known.ref() is not unwrap(g):
                    maker = f"the backward of {function_name(node.name())}"
                    self._given(unwrap(g), maker, where)
                results.append(self.number(g))
            if any(is_masked(unwrap(g), [unwrap(a) for a in there]) for g in made):
                self.masked.add(len(self.trace.played))
        self.trace.played.append(
            Played(node.name(), where, module, call, first, end, arrived, results)
        )

    # -- places ---------------------------------------------------------------------------------
    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """See the nodes of backwards, and know inside which module an op is called."""

        def enter(module: Any, args: Any) -> None:
            self._modules.append(module)

        def leave(module: Any, args: Any, output: Any) -> None:
            while self._modules and self._modules.pop() is not module:
                pass

        handles = (
            register_module_forward_pre_hook(enter),
            register_module_forward_hook(leave, always_call=True),
        )
        token = entry.watching.set((*entry.watching.get(), self._see))
        try:
            yield
        finally:
            entry.watching.reset(token)
            for handle in handles:
                handle.remove()

    def _module(self) -> str:
        if not self._modules or self._backwards:
            return ""
        module = self._modules[-1]
        kind = type(module).__name__
        name = self.names.modules.get(id(module), "")
        return f"{name} ({kind})" if name else kind

    def _where(self) -> str:
        return sites.describe(sites.caller())

    # -- what is undone -------------------------------------------------------------------------
    def _keep(self, tensor: Tensor) -> None:
        if id(tensor) not in self._before and not is_foreign(unwrap(tensor)):
            with aside(), ad.no_grad():
                self._before[id(tensor)] = (tensor, tensor.detach().clone())

    def _tell(self, note: str) -> None:
        if note not in self.trace.notes:
            self.trace.notes.append(note)

    def undo(self) -> None:
        """Give what was written in place the values that it had before."""
        with aside(), ad.no_grad():
            for tensor, before in self._before.values():
                if tensor.shape == before.shape and _digest(unwrap(tensor)) != _digest(
                    unwrap(before)
                ):
                    tensor.copy_(before)
        self._before.clear()


def is_foreign(array: Any) -> bool:
    """Whether it stands for arrays while a function is transformed (`vmap`)."""
    kind = by_type[array.__class__]
    return backend.get(kind.name) is not kind


def _listed(gradient: Any) -> Any:
    """The gradients that arrived at a node: a list where it has several outputs."""
    return gradient if isinstance(gradient, list) else (gradient,)


def is_masked(result: Any, arrived: list[Any]) -> bool:
    """Whether a rule's result is bad only where the gradient that arrived is zero."""
    xp = by_type[result.__class__].xp
    if len(arrived) != 1 or arrived[0].shape != result.shape:
        return False
    with aside():
        bad = ~ad.isfinite(wrap(result))
        zero = wrap(arrived[0]) == 0
        return bool(xp.any(unwrap(bad))) and not bool(xp.any(unwrap(bad & ~zero)))


def _digest(array: Any) -> int:
    host = by_type[array.__class__].to_host(array)
    return zlib.crc32(host.tobytes())
