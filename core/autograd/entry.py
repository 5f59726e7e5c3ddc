"""entry: ``backward`` and ``grad``, which check their arguments and start the engine."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .. import engine, modes, sites
from ..backend import by_type
from ..border import bordered
from ..errors import GraphError, ShapeError
from ..placement import at, returning, several
from ..sites import describe
from ..switches import truth
from ..tensor import Tensor, wrap
from ..unfinished import note

#: Plugins' ``around_backward`` context managers; None costs one test. Set by the plugin manager.
around: Callable[[tuple[Tensor, ...]], contextlib.AbstractContextManager[Any]] | None = None

#: Sees each node of every backward, where ``detect_anomaly`` is on.
observer: Callable[..., None] | None = None

#: Told of each backward before it starts, where hooks wait for several gradients; see ``joint``.
starting: Callable[[Sequence[Any], Any], None] | None = None

#: What sees each node of the backwards that run here; see ``finite.watch``.
watching: contextvars.ContextVar[tuple[Callable[..., None], ...]] = contextvars.ContextVar(
    "watching", default=()
)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Iterable[Tensor] | Mapping[str, Tensor] | None = None,
    *,
    verbose: bool = False,
) -> None:
    """Accumulate the gradients of ``tensors`` into the leaves (``torch.autograd.backward``)."""
    roots = _roots(tensors)
    seeds = _seeds(roots, grad_tensors, create_graph)
    wanted = None
    if inputs is not None:
        chosen = _inputs(inputs, "backward")
        wanted = _edges_of(chosen)
        for t in chosen:
            if isinstance(t, Tensor):
                t.retain_grad()
    observe = None
    if verbose:
        from .narrate import Narrator

        observe = Narrator(roots)
    keep = create_graph if retain_graph is None else truth(retain_graph, "backward", "retain_graph")
    _run(roots, seeds, keep, create_graph, wanted, True, observe)
    if observe is not None:
        observe.close(keep)


@bordered
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor] | Mapping[str, Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs``; ``.grad`` is not touched.

    Both may be lists, generators (``model.parameters()``) and the like; ``inputs`` a dict as well.
    Returns a tuple as long as ``inputs``, or for a dict of them a dict of the same names.
    ``only_inputs``: an old argument; False is ignored with a FutureWarning. ``allow_unused``: None
    where an input does not take part (otherwise RuntimeError). ``is_grads_batched``:
    ``grad_outputs`` have a leading batch dimension and so have the results. PyTorch:
    ``torch.autograd.grad``.

    >>> import anadrome as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> ad.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    if not only_inputs:
        sites.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use "
            "anadrome.autograd.backward.",
            FutureWarning,
        )
    if isinstance(inputs, Mapping):
        named = grad(
            outputs, tuple(inputs.values()), grad_outputs, retain_graph, create_graph, True,
            allow_unused, is_grads_batched, materialize_grads,
        )  # fmt: skip
        return dict(zip(inputs, named))
    roots = _roots(outputs)
    chosen = _inputs(inputs, "grad")
    if materialize_grads and not all(isinstance(x, Tensor) for x in chosen):
        raise GraphError(
            "materialize_grads cannot be used when the given input is a GradientEdge; give the "
            "Tensor itself"
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if is_grads_batched:
        unused = allow_unused or materialize_grads
        rows = _batched(roots, chosen, grad_outputs, retain_graph, create_graph, unused)
        if materialize_grads:
            return tuple([wrap(_zeros(x)) if g is None else g for g, x in zip(rows, chosen)])
        return rows
    seeds = _seeds(roots, grad_outputs, create_graph)
    for x in chosen:
        if x._edge is None:
            raise GraphError(
                "One of the differentiated Tensors does not require grad; call "
                "`.requires_grad_()` on it before the forward"
            )
    wanted = _edges_of(chosen)
    keep = create_graph if retain_graph is None else truth(retain_graph, "backward", "retain_graph")
    found = _run(roots, seeds, keep, create_graph, wanted, False, None)
    out: list[Any] = []
    for x in chosen:
        g = found[wanted[x._gradient_edge()]]
        if g is None and materialize_grads:
            g = _zeros(x)
        if g is None and not allow_unused:
            raise GraphError(
                "One of the differentiated Tensors appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
        out.append(g if g is None or isinstance(g, Tensor) else wrap(engine.as_array(g)))
    return tuple(out)


def _batched(
    roots: Any, chosen: Any, grad_outputs: Any, retain: Any, create: bool, unused: Any
) -> tuple[Any, ...]:
    """One backward a row of the batch, stacked."""
    from ..ops.joining import stack

    seeds = _as_tuple(grad_outputs)
    count = len(seeds[0])
    rows = []
    for i in range(count):
        last = i == count - 1
        keep = True if not last else (create if retain is None else retain)
        rows.append(grad(roots, chosen, [s[i] for s in seeds], keep, create, allow_unused=unused))
    return tuple(None if column[0] is None else stack(list(column)) for column in zip(*rows))


def _zeros(x: Tensor) -> Any:
    return by_type[x._data.__class__].xp.zeros(x._data.shape, dtype=x._data.dtype)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    """One, or what a list, a generator such as ``model.parameters()`` or the like goes through."""
    if isinstance(value, (Tensor, str)) or hasattr(value, "_edge"):  # a GradientEdge is a tuple
        return (value,)
    several = hasattr(value, "__iter__") and not hasattr(value, "shape")  # an array is a gradient
    return tuple(value) if several else (value,)


def _roots(value: Any) -> tuple[Any, ...]:
    """What a backward starts from: Tensors, and one in the place of each GradientEdge."""
    if isinstance(value, Tensor):
        return (value,)
    return tuple([r._root() if hasattr(r, "_root") else r for r in _as_tuple(value)])


def _inputs(value: Any, name: str) -> tuple[Any, ...]:
    """What gradients are asked of; of a dict, its values."""
    chosen = _as_tuple(value.values() if isinstance(value, Mapping) else value)
    if not chosen:
        raise GraphError(f"`inputs` argument to `{name}()` cannot be empty.")
    return chosen


def _edges_of(tensors: tuple[Tensor, ...]) -> dict[Any, int]:
    edges: dict[Any, int] = {}
    for t in tensors:
        if not hasattr(t, "_gradient_edge"):
            raise TypeError(f"gradients are asked of Tensors, not {type(t).__name__}")
        edge = t._gradient_edge()
        if edge is None:
            raise GraphError("One of the differentiated Tensors does not require grad")
        edges.setdefault(edge, len(edges))
    return edges


def _seeds(roots: tuple[Any, ...], given: Any, create_graph: bool) -> list[Any]:
    """The gradients to start from; a seed of one for a single element."""
    seeds = _as_tuple(given) if given is not None else (None,) * len(roots)
    if len(seeds) != len(roots):
        raise GraphError(f"got {len(roots)} tensors and {len(seeds)} gradients")
    out = []
    for root, seed in zip(roots, seeds):
        if not isinstance(root, Tensor):
            raise TypeError(
                f"backward starts from a Tensor, not {type(root).__name__}; `.item()` leaves the "
                "graph, so call backward() on the Tensor itself"
            )
        if root._edge is None:
            raise GraphError(_no_graph(root))
        modes.touch(root)
        data = root._data
        if seed is None:
            try:
                seed = _one(root)
            except MemoryError as error:
                note(error, "while the backward was at its start")
                raise
            out.append(wrap(seed) if create_graph else seed)
            continue
        if not isinstance(seed, Tensor):
            if not hasattr(seed, "__float__") and not isinstance(seed, (list, tuple)):
                kind = type(seed).__name__
                raise TypeError(f"a gradient is a Tensor, an array or numbers, not {kind}")
            seed = wrap(by_type[data.__class__].asarray(seed, dtype=data.dtype))
        if seed._data.shape != data.shape:
            raise ShapeError(
                f"Mismatch in shape: grad_output has a shape of {tuple(seed.shape)} and output "
                f"has a shape of {tuple(root.shape)}."
            )
        out.append(seed if create_graph else seed._data)
    return out


#: What copies the one of an element type, class of arrays and device.
_ones: dict[Any, Callable[[], Any]] = {}


def _one(root: Tensor) -> Any:
    """The seed: a one of the same shape, of which nobody else knows.

    It may be handed out as a gradient, and a hook or the ``backward`` of a Function may write
    into it. That of a zero-dimensional loss is copied, which is faster than to make it.
    """
    like = root._data
    key = None
    if not like.shape:
        cls = like.__class__
        key = (like.dtype, cls, by_type[cls].device_of(like) if cls in several else None)
        copy = _ones.get(key)
        if copy is not None:
            if cls not in several:
                return copy()
            with at(like):
                return copy()
    if root.numel() != 1:
        raise GraphError(
            "grad can be implicitly created only for scalar outputs, not for shape "
            f"{tuple(root.shape)}; reduce it with .sum() or .mean(), or give `gradient=`"
        )
    if root.dtype.is_complex:
        raise GraphError(
            "grad can be implicitly created only for real scalar outputs but got "
            f"{root.dtype.name}; take `.real` or `.abs()`, or give `gradient=`"
        )
    backend = by_type[like.__class__]
    with at(like):
        seed = backend.xp.ones(like.shape, dtype=like.dtype)
        if key is not None and backend.lasting_numbers:
            one = backend.xp.ones((), dtype=like.dtype)
            _ones[key] = getattr(one, "copy", None) or functools.partial(
                backend.xp.asarray, one, copy=True
            )
    return seed


def _no_graph(root: Tensor) -> str:
    text = "element 0 of tensors does not require grad and does not have a grad_fn"
    if root._detached_at is not None:
        return f"{text}: it was detached at {describe(root._detached_at)}"
    if not modes.current().grad:
        return f"{text}: recording is off here (no_grad or inference_mode)"
    return (
        f"{text}. Nothing it was computed from requires a gradient: a `.detach()`, `.item()` or "
        "`.numpy()` on the way, a forward under `no_grad()`, or parameters without "
        "`requires_grad=True`"
    )


_WHOLE = modes.State(grad=False)


def _run(
    roots: tuple[Tensor, ...],
    seeds: list[Any],
    keep: bool,
    create_graph: bool,
    wanted: dict[Any, int] | None,
    accumulate: bool,
    observe: Callable[..., None] | None,
) -> list[Any]:
    """Run the engine: recording as asked, no settings of the forward, plugins' around_backward."""
    before = state = modes.current()
    given = seeds
    edges: list[Any] = []
    partial = wanted is not None
    over_tensors = create_graph
    if state.modes or state.inference or create_graph or partial:
        active = tuple([m for m in state.modes if not m.forward_only])
        state = modes.State(create_graph, state.inference, modes=active, partial=partial)
        if create_graph:  # rules play over Tensors, which no program is to see
            state.functions = modes.NOTHING_OVERRIDES
        if not create_graph and any(m.sees_rules for m in active):
            over_tensors = True
            seeds = [wrap(seed) for seed in seeds]
    else:
        state = _WHOLE
    try:
        try:
            modes.set_state(state)
            edges += [(root._gradient_edge(), seed) for root, seed in zip(roots, seeds)]
            if starting is not None:
                starting([edge for edge, _ in edges if edge is not None], wanted)
            run = returning(engine.run) if several else engine.run
            surround = around  # read once: another thread may put an end to it
            if surround is None:
                observe = _observers(observe)
                return run(edges, keep, over_tensors, wanted, accumulate, observe)
            with surround(roots):
                observe = _observers(observe)  # those too that a plugin has just put there
                return run(edges, keep, over_tensors, wanted, accumulate, observe)
        finally:
            modes.set_state(before)
    finally:  # once more: a Ctrl-C may come before the line above
        modes.set_state(before)
        for held in (given, seeds, edges):  # what has raised keeps no gradient alive
            held.clear()


def _observers(narrator: Callable[..., None] | None) -> Callable[..., None] | None:
    """Everything that wants to see the nodes of this backward, as one function."""
    watchers = watching.get()
    if narrator is None and not watchers:
        return observer
    every = [o for o in (narrator, *watchers, observer) if o is not None]
    if len(every) == 1:
        return every[0]

    def observe(*seen: Any) -> None:
        for each in every:
            each(*seen)

    return observe


Tensor._backward = backward  # type: ignore[attr-defined]
