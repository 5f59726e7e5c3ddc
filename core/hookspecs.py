"""hookspecs: every hook a plugin may implement, with when it fires, what it returns, what it costs.

A hook is found and combined by pluggy when plugins are loaded; none is called through pluggy on the
path of an op or a node. ``docs/hooks/`` has a page for each.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .backend import Backend, LazyBackend
    from .command import Command
    from .tensor import Tensor

hookspec = pluggy.HookspecMarker("anadrome")
hookimpl = pluggy.HookimplMarker("anadrome")

#: The hooks' version. A plugin says which ones it was made for: ``ANADROME_API = (1, 1)``.
API_VERSION = 1


@hookspec
def register_backends() -> Iterable[LazyBackend]:
    """Make backends known.

    Fires once, at ``import anadrome``. Return ``LazyBackend(name, device_types, load)`` objects;
    ``load`` is called when the backend is first asked for. Costs nothing afterwards.
    Bundled users: ``cupy``, ``meta``, ``numpy``.
    """
    raise NotImplementedError


@hookspec
def register_kernels() -> Mapping[str, Callable[[Backend], Mapping[str, Callable[..., Any]]]]:
    """Give a backend that another plugin registers faster forwards.

    Fires once, at ``import anadrome``. Return, by name of the backend, a function that is called
    with it when it is loaded. That function returns kernels, keyed by op name; they take the place
    of those in ``backend.kernels``. Costs nothing afterwards. Bundled users: ``fused``, ``numba``.
    """
    raise NotImplementedError


@hookspec
def register_ops() -> None:
    """Declare ops with ``anadrome.op``.

    Fires once, at ``import anadrome``, after the bundled table is there. Returns nothing: importing
    the module that declares is enough. Every op is then tested and documented like the bundled
    ones. Bundled users: ``adam``, ``amp``, ``clip``, ``sentinel``.
    """
    raise NotImplementedError


@hookspec
def register_exports() -> Mapping[str, Any]:
    """Add public names to the ``anadrome`` namespace.

    Fires once, at ``import anadrome``. Return dotted names below ``anadrome`` and what they stand
    for: an object, or the string ``"package.module:name"`` that is imported when the name is first
    used. Modules on the way are made: ``from anadrome.utils.checkpoint import checkpoint`` works.
    Two plugins that give one name clash: the second is left out and reported.
    Bundled users: ``adam``, ``amp``, ``checkpoint``, ``clip``, ``data``, ``distributed``,
    ``distributions``, ``fx``, ``masked``, ``nested``, ``offload``, ``optimizers``, ``profiler``,
    ``quasirandom``, ``resume``, ``sentinel``, ``tensorboard``, ``traps``.
    """
    raise NotImplementedError


@hookspec
def register_commands() -> Iterable[Command]:
    """Add subcommands to ``python -m anadrome``.

    Fires when the command line is used. Return ``Command(name, help, configure, run)`` objects.
    Bundled users: ``demo``, ``run``, ``sentinel``.
    """
    raise NotImplementedError


@hookspec
def around_backward(tensors: tuple[Tensor, ...]) -> contextlib.AbstractContextManager[Any] | None:
    """Surround each backward.

    Fires at each ``backward()`` and ``autograd.grad()``, before the first node; ``tensors`` are
    what it starts from. Return a context manager, which is left after the last node (also when the
    backward raises), or None. Costs a microsecond a backward when implemented, nothing when not.
    Bundled users: ``amp``, ``sentinel``, ``traps``.
    """
    raise NotImplementedError


@hookspec
def grad_ready(tensor: Tensor) -> None:
    """A leaf has taken a gradient.

    Fires after each accumulation into ``tensor.grad``, on the thread that runs the backward; later
    nodes are still to come, so communication can overlap with them. Returns nothing. Costs one call
    a leaf and backward when implemented. Bundled users: ``amp``, ``traps``.
    """
    raise NotImplementedError


@hookspec
def before_step(optimizer: Any) -> None:
    """An optimizer is about to change its parameters.

    Fires at the start of ``optimizer.step()``, after the closure if there is one. May change
    ``.grad``. Returns nothing; raise to stop the step. Bundled users: ``amp``, ``sentinel``,
    ``traps``.
    """
    raise NotImplementedError


@hookspec
def before_update(gradients: list[Any]) -> None:
    """The gradients of a step are gathered, and nothing is written yet.

    Fires within ``optimizer.step()`` of optimizers that say so (``announces_update``: those derived
    from ``FlatOptimizer``), once a step. ``gradients`` are arrays: those of small parameters are
    one flat array, so to look at them here costs less than in ``before_step``. They must not be
    written to. Returns nothing; raise to stop the step. Bundled user: ``sentinel``.
    """
    raise NotImplementedError


@hookspec
def after_step(optimizer: Any) -> None:
    """An optimizer has changed its parameters.

    Fires at the end of ``optimizer.step()``. Returns nothing. Bundled user: ``traps``.
    """
    raise NotImplementedError
