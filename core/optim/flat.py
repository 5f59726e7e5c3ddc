"""flat: one update of many parameters.

An optimizer is declared by the arrays of state it keeps and by an op that updates one parameter.
Here is what makes that fast whatever the optimizer: small parameters are gathered into one flat
array and updated together, their state lives in flat arrays for good (each parameter's own entry is
a view), and large parameters are updated in place, in blocks that fit the cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar

from .. import modes, sites
from ..errors import CaptureError, ShapeError
from ..graph import tick
from ..op import KEEP, NONE, op
from ..ops.complex import view_as_real
from ..samples import Arr, call
from ..tensor import Tensor, unwrap
from ..undivided import undivided
from ..unfinished import note
from .optimizer import Optimizer
from .plan import Plan, Unit
from .stepping import after_every, announce_update, before_every, update_is_heard


def _gather(xp: Any, *tensors: Any) -> Any:
    return xp.concat([xp.reshape(t, (-1,)) for t in tensors])


def _scatter(xp: Any, *tensors: Any) -> None:
    flat = tensors[-1]
    start = 0
    for t in tensors[:-1]:
        stop = start + math.prod(t.shape)
        t[...] = xp.reshape(flat[start:stop], t.shape)
        start = stop


#: All values of the given Tensors, one after the other, as one flat Tensor.
flat_gather = op("flat_gather", _gather, tensors=NONE, dtype=KEEP, method=False,
                 samples=call(Arr((2, 3)), Arr((4,)), Arr(())))  # fmt: skip
#: The reverse: the last Tensor, flat, is written into those before it.
flat_scatter = op("flat_scatter", _scatter, mutates=("tensors",), tensors=NONE, dtype=KEEP,
                  method=False)  # fmt: skip


class FlatOptimizer(Optimizer):
    """An optimizer that is an update rule on arrays, and nothing else.

    A subclass gives three things. ``update``: an op ``(xp, param, grad, *state, *, numbers)`` that
    writes into ``param`` and the state (declare it with ``mutates=``; loop over ``blocks``).
    ``state_names(group)``: the arrays of state, made of zeros in the parameter's shape.
    ``numbers(group, step)``: the op's keywords. Numbers in it are asked for again in each replay of
    a captured step; None and booleans choose the form of the update and stay.

    Where a backend has a kernel for many parameters at once, it is that of the op
    ``update.together`` (``together.py``); with ``numbers_uncounted`` a flag can leave it out.

    >>> import anadrome as ad
    >>> def rule(xp, param, grad, total, *, lr):
    ...     for p, t, g in ad.optim.blocks(param, total, read=grad):
    ...         t += g * g
    ...         p -= lr * g / (xp.sqrt(t) + 1e-10)
    >>> class Adagrad(ad.optim.FlatOptimizer):
    ...     update = staticmethod(
    ...         ad.op("doc_adagrad", rule, mutates=("param", "total"), dtype=ad.KEEP, method=False)
    ...     )
    ...     def state_names(self, group):
    ...         return ("total",)
    ...     def numbers(self, group, step):
    ...         return {"lr": group["lr"]}
    >>> x = ad.tensor([3.0], requires_grad=True)
    >>> optimizer = Adagrad([x], {"lr": 0.5})
    >>> x.sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([2.5000], requires_grad=True)
    """

    #: The op that updates one parameter.
    update: ClassVar[Any]
    #: Whether ``state[p]["step"]`` counts the updates of each parameter, as PyTorch's Adam does.
    counts_steps: ClassVar[bool] = False

    announces_update: ClassVar[bool] = True

    _plans: dict[int, Plan] | None = None

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The arrays of state of a parameter in this group, in the order the op takes them."""
        return ()

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        """The keywords of the op. ``step``: 1 in a parameter's first update; later its number if
        ``counts_steps``, else 2."""
        return {}

    def numbers_uncounted(self, group: dict[str, Any]) -> dict[str, Any] | None:
        """The keywords of ``update.together`` where the device counts the steps, since it may leave
        one out; None if that cannot be."""
        return None

    def start(self, group: dict[str, Any], name: str) -> float:
        """What the state of that name is full of before the first update."""
        return 0.0

    def counters(self, group: dict[str, Any]) -> dict[str, float]:
        """The scalars of a parameter's state, with their values before the first update.

        They lie on the host. Besides ``"step"``, which must be the first, ``numbers_from`` keeps
        them.
        """
        return {"step": 0.0} if self.counts_steps else {}

    def numbers_from(
        self, group: dict[str, Any], step: int, scalars: dict[str, float]
    ) -> dict[str, Any]:
        """As ``numbers``, for an optimizer with further scalars: reads them, and changes them."""
        return self.numbers(group, step)

    def together_name(self) -> str | None:
        """The op that updates many parameters in one call, if there is one."""
        many = getattr(self.update, "together", None)
        return None if many is None else many.op.name

    @property
    def skips_on_device(self) -> bool:
        """Whether ``step`` heeds ``found_inf``: the backends of all parameters have a kernel that
        does, and nobody has a step of their own, or hooks around it, which would not."""
        name = self.together_name()
        if name is None or type(self).step is not FlatOptimizer.step or "step" in self.__dict__:
            return False
        if self._step_pre_hooks or self._step_post_hooks or before_every or after_every:
            return False
        for group in self.param_groups:
            params = group["params"]
            for backend in {p._backend for p in params}:
                if name not in backend.kernels or backend.gathered_below:
                    return False
            if group.get("differentiable") or len({id(p) for p in params}) < len(params):
                return False
            if self.numbers_uncounted(group) is None:
                return False
        return True

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        flag = self.found_inf
        if closure is not None:
            with modes.enable_grad():
                loss = closure()
        call = _through_modes if modes.current().modes else _straight
        work: list[tuple[dict[str, Any], Unit, Any]] = []
        recorded: list[tuple[dict[str, Any], list[Tensor]]] = []
        gradients: list[Any] = []
        # Whoever gives a flag has looked at the gradients himself.
        heard = flag is None and update_is_heard()
        # All state is made, and all gradients are gathered, before the first parameter is changed.
        for number, group in enumerate(self.param_groups):
            params = [p for p in group["params"] if p._grad is not None]
            if not params:
                continue
            if group.get("differentiable"):
                recorded.append((group, params))
                if heard:
                    gradients += [unwrap(p._grad) for p in params]
                continue
            for unit in self._plan(number, group, params, flag is not None).units:
                grads = [p._grad for p in unit.params]
                if unit.together:
                    _check_shapes(unit.params, grads)
                    work.append((group, unit, grads))
                    if heard:
                        gradients += map(unwrap, grads)
                    continue
                given = call(flat_gather, *grads) if unit.flat else grads[0]
                work.append((group, unit, given))
                if heard:
                    gradients.append(unwrap(given))
        announce_update(gradients)
        for group, params in recorded:
            self._recorded_update(group, params)
        with undivided():
            made = 0
            try:
                for group, unit, grads in work:
                    if unit.together:
                        self._update_together(group, unit, grads, flag, call)
                    else:
                        self._update(group, unit, grads, call)
                    made += 1
            except BaseException as error:
                _tell(error, made, [unit for _, unit, _ in work])
                raise
        return loss

    def _update(self, group: dict[str, Any], unit: Unit, grads: Any, call: Any) -> None:
        params = unit.params
        try:
            numbers = self._numbers_now(group, unit)
            if not unit.flat:
                unit.torn = True
                call(self.update, *_real(unit, params[0], grads, *unit.state), **numbers)
                unit.done()
            else:
                flat = call(flat_gather, *params)
                unit.torn = bool(unit.state)
                call(self.update, *_real(unit, flat, grads, *unit.state), **numbers)
                unit.done()
                try:
                    call(flat_scatter, *params, flat)
                except BaseException:  # their state is of the new step, so must they be
                    call(flat_scatter, *params, flat)
                    unit.landed = True
                    raise
        except BaseException:
            with modes.aside():
                unit.retreat()
            raise
        if call is _straight:
            _note_writes(params)

    def _update_together(
        self, group: dict[str, Any], unit: Unit, grads: Any, flag: Tensor | None, call: Any
    ) -> None:
        """All parameters of a unit in one call, which a flag may leave out."""
        params = unit.params
        tensors = [*_real(unit, *params, *grads, *unit.state)]
        try:
            if flag is None:
                numbers = self._numbers_now(group, unit)
            else:
                numbers = self.numbers_uncounted(group) or {}
                tensors += [*unit.counts(), flag.to(params[0].device)]
            unit.torn = True
            many = self.update.together
            call(many, *tensors, count=len(params), flagged=flag is not None, **numbers)
            unit.done()
        except BaseException:
            with modes.aside():
                unit.retreat()
            raise
        if call is _straight:
            _note_writes(params)

    def _recorded_update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """The rule over Tensors, so that the step is part of the graph (``differentiable``)."""
        names = self.state_names(group)
        rule = self.update.op.forward
        for p in params:
            held = self.state[p] if names or self.counters(group) else {}
            unit = Unit(
                [p], [held], names, self.counters(group), None, functools.partial(self.start, group)
            )
            # Copies, since the graph of the last step may have saved what is written now.
            state = [held[name].clone() for name in names]
            with modes.enable_grad():
                rule(_OnCopies(), *_real(unit, p, p._grad, *state), **self._advanced(group, unit))
            held.update(zip(names, state))

    def _numbers_now(self, group: dict[str, Any], unit: Unit) -> dict[str, Any]:
        """The numbers of this update; a captured step asks for them anew in each replay."""
        if not modes.current().modes:
            return _plain(self._advanced(group, unit))
        now: dict[str, Any] = {}

        def refresh(name: str) -> Any:
            if not (unit.intact(self.state) or unit.restore(self.state)):
                raise CaptureError(
                    "the parameters that a captured step updates together have become others, or "
                    "have not all taken the same number of steps any more; capture the step again"
                )
            now.update(_plain(self._advanced(group, unit)))
            return now.get(name)

        with modes.aside():
            out = self.numbers_from(group, unit.taken() + 1, unit.scalars())
        changing = [n for n, v in out.items() if v is not None and not isinstance(v, bool)]
        for i, name in enumerate(changing):
            # The first one asked for counts the step, and computes them all.
            out[name] = modes.live(functools.partial(now.get if i else refresh, name))
        return out

    def _advanced(self, group: dict[str, Any], unit: Unit) -> dict[str, Any]:
        """Count one more update of the unit; returns its numbers."""
        scalars = unit.scalars()
        out = self.numbers_from(group, unit.advance(), scalars)
        unit.keep(scalars)
        return out

    def _plan(self, number: int, group: dict[str, Any], params: list[Tensor], ahead: bool) -> Plan:
        """The units that serve these parameters; made anew only when something has changed."""
        names = self.state_names(group)
        if self._plans is None:
            self._plans = {}
        plan = self._plans.get(number)
        if plan is not None and plan.ahead is not ahead:
            plan.count_ahead(ahead)
        if plan is None or not plan.fits(group, params, names, self.state):
            with modes.aside():  # the state lasts: a captured step does not make it again
                plan = self._plans[number] = Plan(self, group, params, names, plan)
                plan.count_ahead(ahead)
        return plan


def _plain(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a rule over arrays, where an option was given as a Tensor."""
    if Tensor in map(type, numbers.values()):
        return {n: v.item() if isinstance(v, Tensor) else v for n, v in numbers.items()}
    return numbers


def _real(unit: Unit, *values: Any) -> Any:
    """The values, of complex parameters as pairs of real ones: what the rules are made for."""
    return [view_as_real(v) for v in values] if unit.is_complex else values


class _OnCopies:
    """The public functions, on copies: a rule may go on to write into what it gave them."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        import anadrome

        function = getattr(anadrome, name)
        return lambda *args: function(*[a.clone() if isinstance(a, Tensor) else a for a in args])


def _check_shapes(params: list[Tensor], grads: list[Any]) -> None:
    """Raise before anything is written if a gradient was made another shape behind our back."""
    for p, g in zip(params, grads):
        if p._data.shape != g._data.shape:
            raise ShapeError(
                f"the gradient of a parameter of shape {tuple(p.shape)} has the shape "
                f"{tuple(g.shape)}, so no parameter was updated; was `grad.data` assigned? Assign "
                "`grad`, which checks the shape"
            )


def _tell(error: BaseException, made: int, units: list[Unit]) -> None:
    """A step was left in the middle: say what has taken it. Before the first write it is silent."""
    torn = [unit for unit in units if unit.torn]
    for unit in units:
        made += unit.landed
        unit.landed = False
    if not made and not torn:
        return
    told = f"{made} of {len(units)} updates of this step were made"
    for unit in torn:
        unit.torn = False
        shapes = ", ".join(str(tuple(p.shape)) for p in unit.params[:8])
        more = ", ..." if len(unit.params) > 8 else ""
        told += (
            f", and one was left in the middle: parameters of shape {shapes}{more}, or their "
            "state, may be partly written"
        )
    note(error, f"{told}; load a saved state to be at one step again")


def _through_modes(function: Any, *tensors: Any, **numbers: Any) -> Any:
    """An op call that modes see."""
    return function(*tensors, **numbers)


def _straight(function: Any, *tensors: Any, **numbers: Any) -> Any:
    """The same on the bare arrays: there is no graph to record and no type to find."""
    op = function.op
    arrays = [unwrap(t) for t in tensors]
    try:
        return op.implementations[arrays[0].__class__](*arrays, **numbers)
    except Exception as error:
        raise op.explain(error, tensors) from error


def _note_writes(params: list[Tensor]) -> None:
    """Count one write to each parameter, all by the user's present line."""
    site = sites.caller(2)
    for p in params:
        writes = p._shared_writes()
        writes.count += 1
        writes.stamp = tick()
        writes.site = site
