"""capture: a training step recorded once as a flat program, and replayed on new data.

``capture(step)`` runs the step eagerly, with every Tensor that it meets holding a traced array (see
``tracing``); what those wrote down becomes a program (see ``program``). A recording is trusted when
the next call gives the same one again: then state has been set up, and what changes from call to
call has been found out. From then on a call is one Python function without graph or dispatch.
"""

from __future__ import annotations

import functools
import gc
import inspect
import types
from collections.abc import Callable
from typing import Any

from . import modes, sites
from .errors import CaptureError
from .modes import Mode
from .program import Program
from .tensor import LEAF, Tensor, wrap
from .tracing import Tape, Traced, tracing

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
    ...         w.sub_(w.grad * 0.1)
    ...     return loss
    >>> x, y = ad.tensor([[1.0, 2.0], [3.0, 4.0]]), ad.tensor([1.0, 2.0])
    >>> [round(step(x, y).item(), 4) for _ in range(4)]
    [2.5, 0.925, 0.5139, 0.37]
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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._run is not None and self._plain and not kwargs and len(args) == len(self._names):
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
        arguments = _arguments(self._step, args, kwargs)
        tensors: dict[str, Tensor] = {}
        form = _split(arguments, "", tensors)
        if self._form is not None and not _same(form, self._form):
            raise CaptureError(
                f"this step was captured with other arguments: {_told(self._form)}, and is called "
                f"at {_place()} with {_told(form)}. Only the values of Tensors may change from "
                "call to call: pass what changes as a Tensor, or capture a step for each case"
            )
        if self._run is not None:
            return self._run(*tensors.values())
        self._form = form
        self._names = list(tensors)
        self._plain = not kwargs and all(isinstance(a, Tensor) for a in args)
        return self._record(args, kwargs, tensors)

    def _again(self, *tensors: Any) -> Any:
        """A guard of the program failed: say why, or record anew if the surroundings changed."""
        arguments = _joined(self._form, iter(tensors))
        args, kwargs = arguments.pop("", ()), arguments
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
            problems += [f"a Tensor made at {sites.describe(places.get(s))} is kept outside the "
                         "step, where a replay will not renew it; return it instead" for s in kept]  # fmt: skip
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
        tape.drop_temporaries()
        names = _names_in(self._step)
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
                entry.tensor._grad = _cut_off(grad, tape, fresh)
        return _cut_off(result, tape, fresh), program, problems


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


def _cut_off(value: Any, tape: Tape, fresh: dict[int, Tensor]) -> Any:
    """The result with real arrays, and without a graph, as a replay gives it."""
    if isinstance(value, Tensor):
        if id(value) in tape.lifted:
            return value
        if id(value) not in fresh:
            fresh[id(value)] = wrap(value._data.value)
        return fresh[id(value)]
    if isinstance(value, Traced):
        return value.value
    if isinstance(value, dict):
        return {k: _cut_off(v, tape, fresh) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [_cut_off(v, tape, fresh) for v in value]
        return type(value)(parts) if type(value) in (tuple, list) else type(value)(*parts)
    return value


# -- arguments --------------------------------------------------------------------------------
class _Hole:
    """Stands for a Tensor in the form of a call."""

    def __repr__(self) -> str:
        return "Tensor"


_HOLE = _Hole()


def _arguments(step: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name, however they were passed; ``""`` holds those that have no name."""
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):
        return {"": args, **kwargs}
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    out = dict(zip(names, args))
    if len(args) > len(names) or len(names) < len(parameters) or set(out) & set(kwargs):
        return {"": args, **kwargs}
    return {**out, **kwargs}


def _split(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The form of nested arguments; the Tensors in them are collected, by their names."""
    if isinstance(value, Tensor):
        name = path.strip("_")
        tensors[name if name.isidentifier() else f"x{len(tensors)}"] = value
        return _HOLE
    if isinstance(value, dict):
        return {k: _split(v, f"{path}_{k}", tensors) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_split(v, f"{path}_{n}", tensors) for n, v in enumerate(value))
    return value


def _joined(form: Any, tensors: Any) -> Any:
    if form is _HOLE:
        return next(tensors)
    if isinstance(form, dict):
        return {k: _joined(v, tensors) for k, v in form.items()}
    if type(form) in (tuple, list):
        return type(form)(_joined(v, tensors) for v in form)
    return form


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same, a, b))
    try:
        return bool(a == b)
    except ValueError:  # arrays
        return False


def _told(form: Any) -> str:
    if isinstance(form, dict):
        parts = [f"{k}={v!r}" for k, v in form.items() if k] + [repr(v) for v in form.get("", ())]
        return f"({', '.join(parts)})"
    return repr(form)


def _check_input(name: str, tensor: Tensor) -> None:
    if tensor.grad_fn is not None:
        raise CaptureError(
            f"{name!r} was computed by {tensor.grad_fn.where()}, and a captured step cannot send "
            "gradients out of itself: pass `.detach()`, or compute it inside"
        )


def _place() -> str:
    return sites.describe(sites.caller(2))


def _names_in(step: Any) -> dict[int, str]:
    """Names of the Tensors that a step refers to, by id: variables, and models' parameters."""
    try:
        scope = inspect.getclosurevars(inspect.unwrap(step))
    except TypeError:
        return {}
    variables = {**scope.globals, **scope.nonlocals}
    owner = getattr(step, "__self__", None)
    if owner is not None:
        variables.update(getattr(owner, "__dict__", {}))
    found: dict[int, str] = {}
    for name, value in variables.items():
        if isinstance(value, (tuple, list)):
            pairs = [(f"{name}.{n}", v) for n, v in enumerate(value)]
        elif hasattr(value, "named_parameters"):
            pairs = [(f"{name}.{n}", p) for n, p in value.named_parameters()]
            pairs += [(f"{name}.{n}", b) for n, b in value.named_buffers()]
        else:
            pairs = [(name, value)]
        for label, tensor in pairs:
            if isinstance(tensor, Tensor):
                found.setdefault(id(tensor), label)
    return found
