"""The watcher: a mode that sees the ops and the detaches, told of backwards and steps by hooks."""

from __future__ import annotations

import contextvars
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import anadrome as ad
from anadrome import Mode, Tensor, sites
from anadrome.modes import current, is_grad_enabled, set_state

from .registry import active, listening

_SHOWN = 4

#: The leaves that the backward under way has reached, by id.
_reached: contextvars.ContextVar[set[int] | None] = contextvars.ContextVar("reached", default=None)


class TrapWarning(UserWarning):
    """Something that trains on, but not as it was meant."""


class _Seen(NamedTuple):
    """Where something happened to a leaf."""

    leaf: weakref.ref[Tensor]
    site: sites.Site
    recorded: bool = True


class _Used(NamedTuple):
    """A gradient as a step left it."""

    grad: weakref.ref[Tensor]
    version: int
    site: sites.Site


class traps(Mode):
    """Watch a training loop and warn of what goes wrong in silence.

    A ``TrapWarning``, at the line to blame and saying what to write instead, tells of

    - gradients that a backward adds to those a step has already used: a forgotten ``zero_grad()``;
    - parameters that have no gradient at a step, and why: a ``detach()`` cut them off (its line is
      named), they were used under ``no_grad()``, in something the loss does not depend on, or
      nowhere;
    - a step when no parameter has a gradient.

    Each is told once a line. It watches from the call on, until ``close()`` or the end of the
    ``with``. ``model`` gives the parameters their names; ``optimizer`` limits the watch to one.
    ``found`` lists the messages. Each op is looked at while it is active: it is for finding a
    fault, not for long runs.

    >>> import anadrome as ad, warnings
    >>> w = ad.ones(1, requires_grad=True)
    >>> optimizer = ad.optim.SGD([w], lr=0.1)
    >>> with warnings.catch_warnings(), ad.traps(optimizer=optimizer) as watch:
    ...     warnings.simplefilter("ignore")
    ...     for _ in range(2):  # no zero_grad
    ...         (w * w).sum().backward()
    ...         optimizer.step()
    >>> len(watch.found)
    1
    """

    def __init__(self, model: Any = None, optimizer: Any = None) -> None:
        if model is not None and not hasattr(model, "named_parameters"):
            raise TypeError(f"traps: model is a Module, not {type(model).__name__}")
        self.model = model
        self.optimizer = optimizer
        #: The messages so far.
        self.found: list[str] = []
        self._told: set[Any] = set()
        self._used: dict[int, _Used] = {}
        self._forget()
        self._open = True
        active.append(self)
        listening.start()
        set_state(self.change(current()))

    def close(self) -> None:
        """Stop watching; a second call does nothing."""
        if not self._open:
            return
        self._open = False
        active.remove(self)
        listening.stop()
        state = current()
        set_state(state.but(modes=tuple(m for m in state.modes if m is not self)))
        if self._backwards and self.model is not None:  # no step has looked at these gradients
            self._look_for_missing(self.model.parameters(), self._last_backward)

    def __enter__(self) -> traps:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.close()
        return super().__call__(function)

    def clone(self) -> traps:
        return type(self)(self.model, self.optimizer)

    def _forget(self) -> None:
        """A new iteration."""
        self._uses: dict[int, _Seen] = {}
        self._cuts: dict[int, _Seen] = {}
        self._backwards = 0
        self._last_backward: Any = None

    # -- the forward --------------------------------------------------------------------------
    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note which leaves are used, and where."""
        if self._open:
            for a in args:
                if isinstance(a, Tensor) and a.is_leaf and a.requires_grad:
                    recorded = is_grad_enabled()
                    if recorded or id(a) not in self._uses:
                        self._uses[id(a)] = _Seen(weakref.ref(a), sites.caller(2), recorded)
        return op(*args, **kwargs)

    def detached(self, source: Tensor, result: Tensor) -> None:
        """Note which leaves a detach cuts off."""
        if self._open:
            for leaf in _leaves_behind(source):
                self._cuts[id(leaf)] = _Seen(weakref.ref(leaf), result._detached_at)

    # -- the backward -------------------------------------------------------------------------
    @contextmanager
    def backward(self) -> Iterator[None]:
        """Around a backward: does it add to gradients that were used?"""
        site = sites.caller(3)
        old = {key: used for key, used in self._used.items() if _is_unchanged(used)}
        token = _reached.set(set())
        try:
            yield
        finally:
            reached = _reached.get() or set()
            _reached.reset(token)
        self._backwards += 1
        self._last_backward = site
        piled = [key for key in old if key in reached]
        if piled:
            used = old[piled[0]]
            self._tell(
                "zero_grad",
                site,
                f"{_count(len(piled), 'gradient')} that the step at {sites.describe(used.site)} "
                "has already used: this backward adds to them, so the next step goes the old way "
                "once more. Write `optimizer.zero_grad()` before backward().",
            )

    def arrived(self, leaf: Tensor) -> None:
        """A leaf has taken a gradient."""
        reached = _reached.get()
        if reached is not None:
            reached.add(id(leaf))

    # -- the step -----------------------------------------------------------------------------
    def stepping(self, optimizer: Any) -> None:
        """Before a step: has every parameter a gradient?"""
        if not self._watches(optimizer):
            return
        parameters = [p for p in _parameters(optimizer) if p.requires_grad]
        site = sites.caller(2)
        if parameters and all(p.grad is None for p in parameters):
            self._tell_empty_step(optimizer, parameters, site)
        else:
            self._look_for_missing(parameters, site)

    def stepped(self, optimizer: Any) -> None:
        """After a step: these gradients have been used."""
        if not self._watches(optimizer):
            return
        site = sites.caller(2)
        for p in _parameters(optimizer):
            grad = p.grad
            if grad is not None:
                self._used[id(p)] = _Used(weakref.ref(grad), grad._version, site)
        self._forget()

    def _watches(self, optimizer: Any) -> bool:
        return self.optimizer is None or optimizer is self.optimizer

    def _tell_empty_step(self, optimizer: Any, parameters: list[Tensor], site: Any) -> None:
        name = type(optimizer).__name__
        if self._backwards == 0:
            text = "call `loss.backward()` before it, and `optimizer.zero_grad()` before that"
        else:
            reasons = {self._reason(p)[1] for p in parameters}
            text = "backward() was called, but " + "; ".join(sorted(reasons))
        self._tell("empty", site, f"{name}.step() where no parameter has a gradient: {text}.")

    def _look_for_missing(self, parameters: Iterable[Tensor], site: Any) -> None:
        """Warn of parameters without a gradient, together where the reason is the same."""
        groups: dict[tuple[Any, str], list[Tensor]] = {}
        for p in parameters:
            if p.requires_grad and p.grad is None:
                groups.setdefault(self._reason(p), []).append(p)
        for (where, reason), missing in groups.items():
            self._tell(
                reason,
                site if where is None else where,
                f"no gradient for {self._named(missing)}: {reason}.",
            )

    def _reason(self, p: Tensor) -> tuple[Any, str]:
        """Why a parameter has no gradient, and the site to blame (None: the step's)."""
        cut = self._cuts.get(id(p))
        if cut is not None and cut.leaf() is p:
            return cut.site, (
                f"cut off by the detach at {sites.describe(cut.site)}. Leave the detach out there, "
                "or freeze what comes before it with `requires_grad_(False)`"
            )
        use = self._uses.get(id(p))
        if use is None or use.leaf() is not p:
            return None, (
                "not used in the forward. Use it, or leave it out of the optimizer, or freeze it "
                "with `requires_grad_(False)`"
            )
        if not use.recorded:
            return use.site, (
                f"used at {sites.describe(use.site)} where recording is off. Take that out of "
                "`no_grad()`"
            )
        return use.site, (
            f"used at {sites.describe(use.site)}, but the loss does not depend on what comes of "
            "it. Look for an `.item()`, `.numpy()` or `.data` on the way, or a result that is not "
            "used"
        )

    # -- telling ------------------------------------------------------------------------------
    def _named(self, parameters: list[Tensor]) -> str:
        names = {id(p): n for n, p in self.model.named_parameters()} if self.model else {}
        shown = [
            f"`{names[id(p)]}`" if id(p) in names else f"a parameter of shape {tuple(p.shape)}"
            for p in parameters[:_SHOWN]
        ]
        more = len(parameters) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    def _tell(self, kind: str, site: sites.Site, message: str) -> None:
        filename, line = sites.line_of(site)
        if (kind, filename, line) in self._told:
            return
        self._told.add((kind, filename, line))
        self.found.append(f"{sites.place(site)}: {message}")
        warnings.warn_explicit(message, TrapWarning, filename, line)


def _is_unchanged(used: _Used) -> bool:
    """Whether the gradient is there as the step left it: not replaced, not written, not zero."""
    grad = used.grad()
    if grad is None or grad._version != used.version:
        return False
    return bool(ad.any(ad.ne(grad.data, 0)))


def _parameters(optimizer: Any) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _leaves_behind(source: Tensor) -> list[Tensor]:
    """The leaves from which ``source`` was computed."""
    if source.grad_fn is None:
        return [source]
    leaves = []
    stack = [source.grad_fn]
    seen = {id(source.grad_fn)}
    while stack:
        node: Any = stack.pop()
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            leaves.append(leaf)
        for edge in node.next_functions:
            if edge[0] is not None and id(edge[0]) not in seen:
                seen.add(id(edge[0]))
                stack.append(edge[0])
    return leaves


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
