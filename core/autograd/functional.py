"""functional: Jacobians, Hessians and products with them (``torch.autograd.functional``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..border import enclose_functions
from ..creation import ones_like, zeros_like
from ..tensor import Tensor
from .entry import grad


def _tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def _prepared(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    if create_graph:
        return tuple(x if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _like_input(values: tuple[Any, ...], inputs: Any) -> Any:
    return values[0] if isinstance(inputs, Tensor) else tuple(values)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """``(func(inputs), v @ J)``; ``v`` may be left out for a scalar output."""
    xs = _prepared(_tuple(inputs), create_graph)
    out = func(*xs)
    outs = _tuple(out)
    seeds = None if v is None else _tuple(v)
    found = grad(outs, xs, seeds, create_graph=create_graph, allow_unused=True)
    filled = tuple(zeros_like(x) if g is None else g for g, x in zip(found, xs))
    values = outs if create_graph else tuple(o.detach() for o in outs)
    return _like_input(values, out), _like_input(filled, inputs)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """``(func(inputs), J @ v)``, by differentiating ``u @ J`` with respect to ``u``."""
    xs = _prepared(_tuple(inputs), True)
    directions = tuple(ones_like(x) for x in xs) if v is None else _tuple(v)
    out = func(*xs)
    outs = _tuple(out)
    dummies = tuple(zeros_like(o).requires_grad_() for o in outs)
    back = grad(outs, xs, dummies, create_graph=True, allow_unused=True)
    pairs = [(g, d) for g, d in zip(back, directions) if g is not None and g.requires_grad]
    found = (
        grad(
            [g for g, _ in pairs],
            dummies,
            [d for _, d in pairs],
            create_graph=create_graph,
            allow_unused=True,
        )
        if pairs
        else (None,) * len(dummies)
    )
    filled = tuple(zeros_like(o) if g is None else g for g, o in zip(found, outs))
    values = outs if create_graph else tuple(o.detach() for o in outs)
    return _like_input(values, out), _like_input(filled, out)


def jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """All first derivatives: shape ``(*output, *input)``; nested tuples for several of either.

    >>> import anadrome as ad
    >>> ad.autograd.functional.jacobian(lambda x: x * x, ad.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    from ..ops.joining import stack

    xs = _prepared(_tuple(inputs), create_graph)
    out = func(*xs)
    tables = []
    for o in _tuple(out):
        rows: list[list[Tensor]] = [[] for _ in xs]
        flat = o.reshape(-1)
        for i in range(o.numel()):
            found = (
                grad(flat[i], xs, retain_graph=True, create_graph=create_graph, allow_unused=True)
                if flat.requires_grad
                else (None,) * len(xs)
            )
            for row, g, x in zip(rows, found, xs):
                row.append(zeros_like(x) if g is None else g)
        table = tuple(
            stack(row).reshape((*o.shape, *x.shape)) if row else zeros_like(x).reshape(
                (*o.shape, *x.shape))
            for row, x in zip(rows, xs)
        )  # fmt: skip
        tables.append(_like_input(table, inputs))
    return tables[0] if isinstance(out, Tensor) else tuple(tables)


def hessian(func: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """All second derivatives of a scalar function: shape ``(*input, *input)``."""
    if isinstance(inputs, Tensor):

        def slope(x: Tensor) -> Any:
            return grad(_scalar(func(x)), x, create_graph=True)[0]

        return jacobian(slope, inputs, create_graph)

    def slopes(*xs: Tensor) -> Any:
        found = grad(_scalar(func(*xs)), xs, create_graph=True, allow_unused=True)
        return tuple(zeros_like(x) if g is None else g for g, x in zip(found, xs))

    return jacobian(slopes, inputs, create_graph)


def _scalar(out: Tensor) -> Tensor:
    if out.numel() != 1:
        raise RuntimeError(
            "The Tensor returned by the function given to hessian should contain a single element, "
            f"but has shape {tuple(out.shape)}"
        )
    return out.reshape(())


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None) -> tuple[Any, Any]:
    """``(func(inputs), v @ Hessian)`` of a scalar function.

    ``v`` may be left out for an input of a single element.
    """
    xs = _prepared(_tuple(inputs), True)
    if v is None:
        if len(xs) != 1 or xs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a "
                "single Tensor with a single element."
            )
        v = ones_like(xs[0])
    out = func(*xs)
    slopes = grad(_scalar(out), xs, create_graph=True)
    pairs = [(s, d) for s, d in zip(slopes, _tuple(v)) if s.requires_grad]  # not of a linear one
    found: Any = (None,) * len(xs)
    if pairs:
        found = grad([s for s, _ in pairs], xs, [d for _, d in pairs], allow_unused=True)
    filled = tuple(zeros_like(x) if g is None else g for g, x in zip(found, xs))
    return out.detach(), _like_input(filled, inputs)


enclose_functions(globals())
hvp = vhp
