"""``checkpoint`` and ``checkpoint_sequential``."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anadrome as ad
from anadrome.border import enclose_functions
from anadrome.modes import is_grad_enabled
from anadrome.random import recorded_keys

from .comparing import CHECKS, how_closely
from .keeping import Policy
from .policies import keeping
from .reentrant import reentrant
from .segment import Segment

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]

_debug: contextvars.ContextVar[bool | None] = contextvars.ContextVar("debug", default=None)
_early_stop: contextvars.ContextVar[bool | None] = contextvars.ContextVar("stop", default=None)


def noop_context_fn() -> Contexts:
    """The default of ``context_fn``: nothing around either run."""
    return nullcontext(), nullcontext()


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """``debug`` for all checkpoints inside; None leaves it to each call (PyTorch's name)."""
    token = _debug.set(enabled)
    try:
        yield
    finally:
        _debug.reset(token)


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """``early_stop`` for all checkpoints inside (PyTorch's name)."""
    token = _early_stop.set(enable)
    try:
        yield
    finally:
        _early_stop.reset(token)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool = False,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    preserve_rng_state: bool = True,
    debug: bool = False,
    early_stop: bool = True,
    policy: str | Policy | None = None,
    memory_budget: int | None = None,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)`` without keeping what it computes; backward runs it again.

    Gradients and random numbers are those of the plain call, bit for bit. Only the Tensors among
    the arguments are kept, as references. What the function writes in place (running statistics)
    it writes once. Memory for time (Chen et al., "Training deep nets with sublinear memory cost",
    2016). PyTorch: ``torch.utils.checkpoint.checkpoint``.

    ``policy``: what to keep all the same. ``"cheap_ops"`` recomputes the cheap ops only: it keeps
    the results of products and convolutions. Or a function ``policy(op, args)`` of an op's
    declaration (``op.name``, ``op.amp``, …) and its arguments, true to keep the result.
    ``memory_budget``: bytes that the kept results of this call may take; which ones, is chosen so
    that the least work is done again.
    ``context_fn``: returns two context managers, for the first run and for the second.
    ``determinism_check``: ``"default"`` compares the ops of the two runs, their shapes, dtypes and
    devices, and on the CPU, in one call of 61, their values; ``"values"`` compares the values in
    each call; ``"none"`` compares nothing. ``preserve_rng_state=False``: the second run draws new
    random numbers. ``debug``: errors list the ops of both runs. ``early_stop``: the second run ends
    as soon as all that is wanted is there. ``use_reentrant=True``: PyTorch's older form, which
    takes no keyword arguments and does not work with ``autograd.grad``.

    Raises CheckpointError in backward if the second run is not like the first, and RuntimeError if
    what it reads was changed in place in between.

    >>> import anadrome as ad
    >>> from anadrome.utils.checkpoint import checkpoint
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp().sin(), x).sum().backward()
    >>> bool((x.grad == x.exp().cos() * x.exp()).all())
    True
    """
    if use_reentrant:
        if kwargs:
            raise ValueError(
                f"Unexpected keyword arguments: {','.join(kwargs)}; use_reentrant=True takes none, "
                "use_reentrant=False does"
            )
        if context_fn is not noop_context_fn or debug or policy is not None or memory_budget:
            raise ValueError(
                "Passing `context_fn`, `debug`, `policy` or `memory_budget` is only supported when "
                "use_reentrant=False."
            )
        return reentrant(function, args, preserve_rng_state)
    if determinism_check not in CHECKS:
        raise ValueError(
            f"determinism_check should be one of {list(CHECKS)}, but got {determinism_check!r}"
        )
    if not is_grad_enabled():
        return function(*args, **kwargs)
    forced = _debug.get(), _early_stop.get()
    first, again = context_fn()
    segment = Segment(
        function,
        args,
        kwargs,
        again=None if context_fn is noop_context_fn else again,
        check=determinism_check != "none",
        look=how_closely(determinism_check),
        early_stop=early_stop if forced[1] is None else forced[1],
        keeping=keeping(policy, memory_budget, first),
        debug=debug if forced[0] is None else forced[0],
    )
    keys = recorded_keys() if preserve_rng_state else nullcontext()
    with keys as segment.keys, segment.watching or nullcontext(), segment, first:
        out = function(*args, **kwargs)
    segment.finish()
    return out


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool = False, **kwargs: Any
) -> Any:
    """A sequence of functions in ``segments`` parts, each checkpointed but for the last.

    ``functions``: an ``nn.Sequential``, or a list of modules or functions of one argument. The last
    part is run plainly, since backward starts with it. ``kwargs`` are those of ``checkpoint``.
    PyTorch: ``torch.utils.checkpoint.checkpoint_sequential``.

    Raises ValueError for fewer functions than segments.

    >>> import anadrome as ad
    >>> from anadrome.utils.checkpoint import checkpoint_sequential
    >>> x = ad.ones(2, requires_grad=True)
    >>> checkpoint_sequential([ad.exp, ad.sin, ad.cos], 3, x).sum().backward()
    """
    functions = list(functions.children() if isinstance(functions, ad.nn.Sequential) else functions)
    if not 1 <= segments <= len(functions):
        raise ValueError(
            f"checkpoint_sequential cannot make {segments} segments of {len(functions)} functions; "
            f"`segments` must be 1 to {len(functions)}"
        )
    size = len(functions) // segments
    start = 0
    for start in range(0, size * (segments - 1), size):
        part = _sequence(functions[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, **kwargs)
    return _sequence(functions[size * (segments - 1) :])(input)


def _sequence(functions: list[Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run


enclose_functions(globals())
