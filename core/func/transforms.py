"""transforms: derivatives of functions as functions (``torch.func.grad`` and its kin).

Each runs the function on fresh leaves that continue the inputs' history, and differentiates with
``autograd.grad``. So they nest, and what they return can be differentiated again, in the outer
transform and by ``backward()`` alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import modes
from ..autograd.entry import grad as gradients
from ..border import enclose_functions, told
from ..errors import GraphError
from ..graph import AccumulateGrad
from ..tangents import transposed
from ..tensor import LEAF, Tensor
from . import tree
from .mapping import inside


def _chosen(args: tuple[Any, ...], argnums: Any) -> Any:
    several = isinstance(argnums, tuple)
    if not all(isinstance(n, int) for n in (argnums if several else (argnums,))):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], not {told([argnums], {})}")
    if several and (not argnums or len(set(argnums)) < len(argnums)):
        raise RuntimeError(f"argnums must be non-empty and its elements unique, got {argnums}")
    for n in (argnums,) if isinstance(argnums, int) else argnums:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"got argnum={n}, but only {len(args)} positional inputs were given")
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def _replaced(args: tuple[Any, ...], argnums: Any, values: Any) -> list[Any]:
    out = list(args)
    if isinstance(argnums, int):
        out[argnums] = values
    else:
        for i, v in zip(argnums, values):
            out[i] = v
    return out


def _fresh(value: Any) -> Any:
    """A Tensor to differentiate at: it shares the values, and continues the history."""
    if not isinstance(value, Tensor):
        return value
    kind = value.dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise GraphError(
            "only Tensors of floating point and complex dtype can require gradients, not "
            f"{kind.name}; write e.g. `x.float()`, or leave it out of what is differentiated"
        )
    with modes.enable_grad():
        value = inside(value)  # what is differentiated within a map has a gradient an example
        if value.requires_grad:
            return value.view_as(value)
        return value.detach().requires_grad_()


def _tensors(value: Any) -> list[Tensor]:
    return [t for t in tree.leaves(value) if isinstance(t, Tensor)]


def _only_of(outs: list[Tensor], fresh: list[Tensor]) -> bool:
    """Whether nothing but ``fresh`` leaves takes part: then the gradients need no history."""
    own = {t._leaf_edge()[0] for t in fresh if t._edge is LEAF}
    if any(t._edge is not LEAF for t in fresh):
        return False
    seen: set[int] = set()
    waiting = [t._gradient_edge() for t in outs if t.requires_grad]
    nodes = [edge[0] for edge in waiting if edge is not None]
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, AccumulateGrad):
            if node not in own:
                return False
            continue
        nodes += [edge[0] for edge in node.edges if edge is not None]
    return True


def _differentiated(
    outs: list[Tensor], fresh: list[Tensor], seeds: Any, retain: bool = False
) -> list[Tensor]:
    """The gradients of ``outs``, zeros where there are none."""
    from ..creation import zeros_like

    pairs = [(o, s) for o, s in zip(outs, seeds) if o.requires_grad]
    differentiable = [x for x in fresh if x.requires_grad]
    if not pairs or not differentiable:
        return [zeros_like(x) for x in fresh]
    recorded = modes.current().grad and not _only_of(outs, fresh)
    with modes.enable_grad():
        found = gradients(
            [o for o, _ in pairs], differentiable, [s for _, s in pairs],
            retain_graph=retain or recorded, create_graph=recorded, allow_unused=True,
        )  # fmt: skip
    by_id = {id(x): g for x, g in zip(differentiable, found)}
    return [zeros_like(x) if by_id.get(id(x)) is None else by_id[id(x)] for x in fresh]


def _finished(value: Any, fresh: list[Tensor]) -> Any:
    """A result of the function on its way out: without the history of the fresh leaves alone."""

    def one(t: Any) -> Any:
        if not isinstance(t, Tensor) or not t.requires_grad:
            return t
        if not modes.current().grad or _only_of([t], fresh):
            return t.detach()
        return t

    return tree.mapped(one, value)


def grad_and_value(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns ``(gradient, value)`` of ``func``, or ``(gradient, (value, aux))``.

    ``func`` must return a Tensor of one element without dimensions (and ``aux`` after it, if
    ``has_aux``). PyTorch: ``torch.func.grad_and_value``.

    >>> import anadrome as ad
    >>> ad.func.grad_and_value(lambda x: x * x)(ad.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        outer = modes.current().grad
        given = _chosen(args, argnums)
        at = tree.mapped(_fresh, given)
        fresh = _tensors(at)
        with modes.enable_grad():
            out = func(*_replaced(args, argnums, at), **kwargs)
        aux: Any = None
        if has_aux:
            if not (isinstance(out, tuple) and len(out) == 2):
                raise RuntimeError(
                    "grad_and_value(f)(*args): output of function f should be a tuple: (output, "
                    "aux) if has_aux is True"
                )
            out, aux = out
        if not isinstance(out, Tensor):
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a single tensor, got "
                f"{type(out).__name__}"
            )
        if out.dim() != 0:
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got "
                f"tensor with {out.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs "
                "instead?"
            )
        with modes.set_grad_enabled(outer):
            found = _differentiated([out], fresh, [None])
            result = tree.rebuilt(given, _in_order(at, found))
            value = _finished(out, fresh)
            return (result, (value, _finished(aux, fresh))) if has_aux else (result, value)

    return transformed


def _in_order(at: Any, found: list[Tensor]) -> list[Any]:
    """A gradient for each leaf that is a Tensor; other leaves as they are."""
    ready = iter(found)
    return [next(ready) if isinstance(leaf, Tensor) else leaf for leaf in tree.leaves(at)]


def value_and_grad(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As ``grad_and_value``, in the other order, JAX's: ``(value, gradient)``."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return value, found

    return transformed


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function (``torch.func.grad``).

    ``argnums``: which arguments to differentiate at, an int or a tuple of ints; an argument may be
    a tuple, list or dict of Tensors. ``has_aux``: ``func`` returns ``(value, aux)``, and the
    result is ``(gradient, aux)``.

    >>> import anadrome as ad
    >>> ad.func.grad(ad.func.grad(lambda x: x**3))(ad.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return transformed


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """``(func(*primals), f)``, where ``f(cotangents)`` is the vector-Jacobian product.

    ``f`` returns a tuple, a gradient for each primal. With ``has_aux`` the auxiliary output comes
    third. PyTorch: ``torch.func.vjp``.
    """
    at = tree.mapped(_fresh, primals)
    fresh = _tensors(at)
    with modes.enable_grad():
        out = func(*at)
    aux: Any = None
    if has_aux:
        out, aux = out
    ends = _tensors(out)
    tree.checked_output("vjp(f, *primals)", out)

    def pulled(cotangents: Any, retain_graph: bool = True, create_graph: Any = None) -> Any:
        seeds = _tensors(cotangents)
        if len(seeds) != len(ends):
            raise RuntimeError(
                f"Expected the cotangents to have the structure of the output: {len(ends)} "
                f"tensors, got {len(seeds)}"
            )
        found = _in_order(at, _differentiated(ends, fresh, seeds, retain=retain_graph))
        return tree.rebuilt(primals, found)

    value = _finished(out, fresh)
    return (value, pulled, _finished(aux, fresh)) if has_aux else (value, pulled)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False,
    has_aux: bool = False,
) -> Any:  # fmt: skip
    """``(func(*primals), J @ tangents)`` (``torch.func.jvp``).

    There is no forward mode here: the vector-Jacobian product is differentiated with respect to
    its cotangent, which costs two backwards.
    """
    from ..creation import zeros_like

    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError("jvp(f, primals, tangents): Expected primals and tangents to be tuples")
    tree.only_tensors("jvp(f, primals, tangents): Expected primals", primals + tangents)
    if not _tensors(primals):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to contain at least one Tensor."
        )
    if len(_tensors(primals)) != len(_tensors(tangents)):
        raise RuntimeError("jvp(): Expected primals and tangents to have the same structure")
    outer = modes.current().grad
    at = tree.mapped(_fresh, primals)
    fresh = _tensors(at)
    directions = _tensors(tangents)
    for x, d in zip(fresh, directions):
        if x.shape != d.shape:
            raise RuntimeError(
                f"jvp: the tangent has the shape {tuple(d.shape)}, its primal {tuple(x.shape)}"
            )
    with modes.enable_grad():
        out = func(*at)
        aux: Any = None
        if has_aux:
            out, aux = out
        tree.checked_output("jvp(f, primals, tangents)", out)
        ends = _tensors(out)
        # What requires no gradient (indices, say) has no tangent but zero.
        dummies = [inside(zeros_like(o)).requires_grad_(o.requires_grad) for o in ends]
        through = [(o, d) for o, d in zip(ends, dummies) if o.requires_grad]
        found: Any = [None] * len(fresh)
        if through:
            with transposed():
                found = gradients(
                    [o for o, _ in through], fresh, [d for _, d in through],
                    create_graph=True, allow_unused=True,
                )  # fmt: skip
        pairs = [(g, d) for g, d in zip(found, directions) if g is not None and g.requires_grad]
        forward: Any = [None] * len(through)
        if pairs:
            forward = gradients(
                [g for g, _ in pairs], [d for _, d in through], [d for _, d in pairs],
                create_graph=True, allow_unused=True,
            )  # fmt: skip
    with modes.set_grad_enabled(outer):
        pushed = dict(zip((id(d) for _, d in through), forward))
        filled = [
            zeros_like(o) if pushed.get(id(d)) is None else pushed[id(d)]
            for o, d in zip(ends, dummies)
        ]
        value = _finished(out, fresh)
        result = _finished(tree.rebuilt(out, filled), [*fresh, *(d for _, d in through)])
        return (value, result, _finished(aux, fresh)) if has_aux else (value, result)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``(func(*primals), f)``, where ``f(*tangents)`` is ``J @ tangents`` at these primals."""
    tree.only_tensors("linearize(f, *primals): Expected primals", primals)
    for x in _tensors(primals):
        if not (x.dtype.is_floating_point or x.dtype.is_complex):
            raise ValueError(
                f"Expected primal to be floating point or complex, but got: {x.dtype}; use .float()"
            )
    value = func(*primals)

    def pushed(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return value, pushed


enclose_functions(globals())
