"""steps: a training step recorded once as a flat program, and replayed on new data.

``capture(step)`` runs the step eagerly, with every Tensor that it meets holding a traced array (see
``traced``); what those wrote down becomes a program (see ``program``). A recording is trusted when
the next call gives the same one again: then state has been set up, and what changes from call to
call has been found out. From then on a call is one Python function without graph or dispatch.
"""

from __future__ import annotations

import functools
import gc
import types
from collections.abc import Callable
from typing import Any

from .. import modes, sites
from ..errors import CaptureError
from ..modes import Mode
from ..tensor import LEAF, Tensor, wrap
from ..undivided import undivided
from .arguments import by_name, joined, names_in, rebuilt, same, split, told
from .program import Program
from .tape import Lifted, Tape
from .traced import Traced
from .tracing import tracing

_ATTEMPTS = 3


def capture(step: Callable[..., Any]) -> Captured:
    """A function that does what ``step`` does, and after a few calls does it faster.

    Everything that ``step`` does to Tensors is recorded: forward, backward, clipping, the
    optimizer. The first calls run eagerly and record; once two recordings agree, calls replay the
    recorded program, with the same numbers. Usable as a decorator.

    - Tensors among the arguments, also in tuples, lists and dictionaries, are the new data. They
      must have the shapes, dtypes and devices of the first call; other arguments must stay equal.
    - Tensors from outside, such as parameters and optimizer state, are worked on in place.
    - Learning rates, step counts and random numbers are asked for anew in each replay. All else
      that Python decides stays as it was: an ``if`` on a number, ``train()`` or ``eval()``.
    - What is returned is cut off from the graph: call ``backward()`` inside.

    Raises ``CaptureError``, naming the line, for what a fixed program cannot do: reading a value
    (``item()``, printing, branching on it), shapes that depend on data, an argument of another
    shape, a parameter whose array was replaced, a Tensor kept outside that is not returned.

    >>> import anadrome as ad
    >>> w = ad.zeros(2, requires_grad=True)
    >>> @ad.capture
    ... def step(x, y):
    ...     w.grad = None
    ...     loss = ((x @ w - y) ** 2).mean()
    ...     loss.backward()
    ...     with ad.no_grad():
    ...         w.sub_(w.grad * 0.01)
    ...     return loss
    >>> x, y = ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.tensor([1.0, 2.0])
    >>> [round(step(x, y).item(), 4) for _ in range(4)]
    [2.5, 1.2325, 0.609, 0.3024]
    >>> step.program is not None
    True
    """
    return Captured(step)


class Captured:
    """What ``capture`` returns. ``program``: the last recording; printing it shows the program."""

    def __init__(self, step: Callable[..., Any]) -> None:
        functools.update_wrapper(self, step)
        self.program: Program | None = None
        self._step = step
        self._run: Callable[..., Any] | None = None
        self._recordings = 0
        self._form: Any = None
        self._names: list[str] = []
        self._plain = False
        self._kinds: list[tuple[Any, Any, type]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._run is not None and self._plain and not kwargs and len(args) == len(self._names):
            with undivided():  # a step of weights is made whole
                return self._run(*args)
        return self._carefully(args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        name = getattr(self._step, "__name__", type(self._step).__name__)
        if self.program is None:
            return f"<captured step {name}, not recorded yet>"
        return f"# captured step {name}\n{self.program}"

    @property
    def replays(self) -> bool:
        """Whether the next call will replay the program instead of recording."""
        return self._run is not None

    # -- calls ----------------------------------------------------------------------------------
    def _carefully(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if modes.tape.get() is not None:  # inside another capture this is a plain function
            return self._step(*args, **kwargs)
        given = by_name(self._step, args, kwargs)
        tensors: dict[str, Tensor] = {}
        form = split(given, "", tensors)
        if self.program is not None and not same(form, self._form):
            raise CaptureError(
                f"this step was captured with other arguments: {told(self._form)}, and is called "
                f"at {_place()} with {told(form)}. Only the values of Tensors may change from "
                "call to call: pass what changes as a Tensor, or capture a step for each case"
            )
        if self._run is not None:
            with undivided():
                return self._run(*tensors.values())
        self._form = form
        self._names = list(tensors)
        self._plain = not kwargs and all(isinstance(a, Tensor) for a in args)
        return self._record(args, kwargs, tensors)

    def _again(self, *tensors: Any) -> Any:
        """A guard of the program failed: say why, or record anew if the surroundings changed."""
        kwargs = joined(self._form, iter(tensors))
        args = kwargs.pop("", ())
        given = dict(zip(self._names, tensors))
        if modes.tape.get() is not None:
            return self._step(*args, **kwargs)
        assert self.program is not None
        for (name, tensor), (shape, dtype, kind) in zip(given.items(), self._kinds):
            if not isinstance(tensor, Tensor):
                raise CaptureError(
                    f"{name!r} was a Tensor when this step was captured, and at {_place()} is "
                    f"{type(tensor).__name__}"
                )
            _check_input(name, tensor)
            data = tensor._data
            if data.shape != shape or data.dtype != dtype or type(data) is not kind:
                raise CaptureError(
                    f"{name!r} has shape {tuple(data.shape)} and dtype {data.dtype} at "
                    f"{_place()}; this step was captured with {tuple(shape)} and {dtype}. A "
                    "captured step has fixed shapes: leave the last, smaller batch out, pad it, or "
                    "capture another step for it"
                )
        for name, tensor, array in self.program.held:
            if tensor._data is not array:
                raise CaptureError(
                    f"the array of {name!r} was replaced since this step was captured (by `.data "
                    "= `, or by loading or moving the model), and the program works on the old "
                    "one. Write into it in place (`copy_()` under no_grad), or capture the step "
                    f"again (called at {_place()})"
                )
        self._run = self.program = None
        self._recordings = 0
        return self._record(args, kwargs, given)

    # -- recording ------------------------------------------------------------------------------
    def _record(self, args: Any, kwargs: Any, inputs: dict[str, Tensor]) -> Any:
        for name, tensor in inputs.items():
            _check_input(name, tensor)
        self._kinds = [(t._data.shape, t._data.dtype, type(t._data)) for t in inputs.values()]
        tape = Tape()
        alive = tape.alive
        places: dict[int, sites.Site] = {}
        try:
            out, program, problems = self._recorded(tape, args, kwargs, inputs)
            places = {s: i.site for i in tape.instructions for s in i.outputs if s is not None}
        finally:
            tape.release()
            del tape
            kept = _settled(alive)
        before, self.program = self.program, program
        self._recordings += 1
        if before is None:
            return out
        difference = None if problems else program.difference(before)
        if difference is None:
            problems += [
                f"a Tensor made at {sites.describe(places[s])} is kept outside the step, where a "
                "replay will not renew it; return it instead"
                for s in kept
                if s in places
            ]
            if not problems:
                self._run = program.run
        elif self._recordings >= _ATTEMPTS:
            problems = [f"it is another program in each call: {difference}. What changes must come "
                        "in as a Tensor argument, or through `anadrome.modes.live`"]  # fmt: skip
        else:
            problems = []
        if problems:
            raise CaptureError(f"this step cannot be captured: {problems[0]}")
        return out

    def _recorded(self, tape: Tape, args: Any, kwargs: Any, inputs: dict[str, Tensor]) -> Any:
        """Run the step under a tape; its result, the program, and what stands against a replay."""
        for tensor in inputs.values():
            tape.lift(tensor, fresh=True)
        token = modes.tape.set(tape)
        try:
            with _Recording(tape):
                result = self._step(*args, **kwargs)
        finally:
            modes.tape.reset(token)
        result = _marked(result, tape)
        tape.drop_temporaries()
        names = names_in(self._step)
        problems = []
        for entry in tape.lifted.values():
            tensor = entry.tensor
            name = names.get(id(tensor), f"a Tensor of shape {tuple(tensor.shape)}")
            if tensor._data is not entry.traced:
                problems.append(
                    f"it replaces the array of {name}; write into it in place instead, with "
                    "`copy_()` or `sub_()` under no_grad"
                )
            elif tensor._edge is not entry.edge and tensor._edge not in (None, LEAF):
                problems.append(
                    f"it gives {name} a history, and a replay records no graph; use `.detach()`"
                )
        title = getattr(self._step, "__name__", "step")
        if not title.isidentifier():
            title = "step"
        program = Program(tape, title, inputs, result, names, self._again)
        fresh: dict[int, Tensor] = {}
        for entry in tape.lifted.values():
            grad = entry.tensor._grad
            if grad is not None and id(grad) not in tape.lifted:
                entry.tensor._grad = _cut_off(grad, fresh)
        return _cut_off(result, fresh), program, problems


class _Recording(Mode):
    """Sees to it that what a step touches is traced."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Tensor):
                self._tape.lift(value)
        return op(*args, **kwargs)

    def touched(self, tensor: Any, new_grad: bool) -> None:
        self._tape.lift(tensor)
        entry = self._tape.lifted.get(id(tensor))
        if new_grad and entry is not None and entry.grad_reset is None:
            entry.grad_reset = tensor._grad is entry.grad

    def serve(self, backend: Any) -> Any:
        return tracing(backend)

    def live(self, fresh: Callable[[], Any]) -> Any:
        return self._tape.live(fresh)


def _settled(alive: Any) -> list[int]:
    """The slots of traced arrays that somebody still holds; Tensors among those get real ones."""
    if not any(ref() is not None for ref in alive):
        return []
    gc.collect()
    kept = [traced for ref in alive if (traced := ref()) is not None]
    for holder in gc.get_referrers(*kept) if kept else ():
        if isinstance(holder, Tensor):
            holder._data = holder._data.value
    return [traced.slot for traced in kept]


def _cut_off(value: Any, fresh: dict[int, Tensor]) -> Any:
    """The result with real arrays, and without a graph, as a replay gives it."""
    if isinstance(value, Lifted):
        return wrap(value.array) if value.tensor is None else value.tensor
    if isinstance(value, Tensor):
        if id(value) not in fresh:
            fresh[id(value)] = wrap(value._data.value)
        return fresh[id(value)]
    if isinstance(value, Traced):
        return value.value
    return _mapped(functools.partial(_cut_off, fresh=fresh), value)


def _marked(value: Any, tape: Tape) -> Any:
    """The result with the entries of lifted Tensors in their place, so as not to hold those."""
    if isinstance(value, Tensor):
        tape.lift(value)
        return tape.lifted.get(id(value), value)
    return _mapped(functools.partial(_marked, tape=tape), value)


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, dict):
        return {k: function(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return rebuilt(value, [function(v) for v in value])
    return value


def _check_input(name: str, tensor: Tensor) -> None:
    if tensor.grad_fn is not None:
        raise CaptureError(
            f"{name!r} was computed by {tensor.grad_fn.where()}, and a captured step cannot send "
            "gradients out of itself: pass `.detach()`, or compute it inside"
        )


def _place() -> str:
    return sites.describe(sites.caller(2))
