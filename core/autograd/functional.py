"""functional: Jacobians, Hessians and products with them (``torch.autograd.functional``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..border import enclose_functions
from ..creation import ones_like, zeros_like
from ..errors import ArgumentError, GraphError
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


def _strictly(outs: tuple[Any, ...], xs: tuple[Tensor, ...]) -> None:
    """Raise unless every output depends on every input (``strict=True``)."""
    for i, out in enumerate(outs):
        if not out.requires_grad:
            raise GraphError(
                f"Output {i} of the user-provided function does not require gradients. The outputs "
                "must be computed in a differentiable manner from the input when running in strict "
                "mode."
            )
        found = grad(out, xs, ones_like(out), retain_graph=True, allow_unused=True)
        for j, g in enumerate(found):
            if g is None:
                raise GraphError(
                    f"Output {i} of the user-provided function is independent of input {j}. This "
                    "is not allowed in strict mode."
                )


def _check_ways(name: str, argument: str, strategy: str, strict: bool, vectorize: bool) -> None:
    """PyTorch's rules for how the rows are computed; here that is one way."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise ArgumentError(
            f'Expected {argument} to be either "forward-mode" or "reverse-mode". Got {strategy}.'
        )
    if strict and vectorize:
        raise GraphError(
            f"autograd.functional.{name}: `strict=True` and `vectorize=True` are not supported "
            "together. Please either set `strict=False` or `vectorize=False`."
        )


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``(func(inputs), v @ J)``; ``v`` may be left out for a scalar output.

    ``strict``: an output that does not depend on an input is an error, not zeros.
    """
    xs = _prepared(_tuple(inputs), create_graph)
    out = func(*xs)
    outs = _tuple(out)
    if strict:
        _strictly(outs, xs)
    seeds = None if v is None else _tuple(v)
    found = grad(outs, xs, seeds, create_graph=create_graph, allow_unused=True)
    filled = tuple(zeros_like(x) if g is None else g for g, x in zip(found, xs))
    values = outs if create_graph else tuple(o.detach() for o in outs)
    return _like_input(values, out), _like_input(filled, inputs)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``(func(inputs), J @ v)``, by differentiating ``u @ J`` with respect to ``u``.

    ``strict``: an output that does not depend on an input is an error, not zeros.
    """
    xs = _prepared(_tuple(inputs), True)
    directions = tuple(ones_like(x) for x in xs) if v is None else _tuple(v)
    out = func(*xs)
    outs = _tuple(out)
    if strict:
        _strictly(outs, xs)
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


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All first derivatives: shape ``(*output, *input)``; nested tuples for several of either.

    ``strict``: an output that does not depend on an input is an error, not zeros. ``vectorize`` and
    ``strategy`` change nothing here: a row is a backward (PyTorch:
    ``torch.autograd.functional.jacobian``).

    >>> import anadrome as ad
    >>> ad.autograd.functional.jacobian(lambda x: x * x, ad.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    from ..ops.joining import stack

    _check_ways("jacobian", "strategy", strategy, strict, vectorize)
    xs = _prepared(_tuple(inputs), create_graph)
    out = func(*xs)
    if strict:
        _strictly(_tuple(out), xs)
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


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a scalar function: shape ``(*input, *input)``.

    ``strict``: a slope that does not depend on an input is an error, not zeros. The other two
    change nothing here (PyTorch: ``torch.autograd.functional.hessian``).
    """
    way = outer_jacobian_strategy
    _check_ways("hessian", "outer_jacobian_strategy", way, strict, vectorize)
    if isinstance(inputs, Tensor):

        def slope(x: Tensor) -> Any:
            out = _scalar(func(x))
            if strict:
                _strictly((out,), (x,))
            return grad(out, x, create_graph=True)[0]

        return jacobian(slope, inputs, create_graph, strict)

    def slopes(*xs: Tensor) -> Any:
        out = _scalar(func(*xs))
        if strict:
            _strictly((out,), xs)
        found = grad(out, xs, create_graph=True, allow_unused=True)
        return tuple(zeros_like(x) if g is None else g for g, x in zip(found, xs))

    return jacobian(slopes, inputs, create_graph, strict)


def _scalar(out: Tensor) -> Tensor:
    if out.numel() != 1:
        raise RuntimeError(
            "The Tensor returned by the function given to hessian should contain a single element, "
            f"but has shape {tuple(out.shape)}"
        )
    return out.reshape(())


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``(func(inputs), v @ Hessian)`` of a scalar function.

    ``v`` may be left out for an input of a single element. ``strict``: a slope that does not depend
    on an input is an error, not zeros.
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
    if strict:
        _strictly((_scalar(out),), xs)
    slopes = grad(_scalar(out), xs, create_graph=True)
    if strict:
        _strictly(slopes, xs)
    pairs = [(s, d) for s, d in zip(slopes, _tuple(v)) if s.requires_grad]  # not of a linear one
    found: Any = (None,) * len(xs)
    if pairs:
        ends, directions = zip(*pairs)
        found = grad(ends, xs, directions, create_graph=create_graph, allow_unused=True)
    filled = tuple(zeros_like(x) if g is None else g for g, x in zip(found, xs))
    return out if create_graph else out.detach(), _like_input(filled, inputs)


enclose_functions(globals())
hvp = vhp
