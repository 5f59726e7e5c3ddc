"""jacobians: all first, and all second, derivatives (``torch.func.jacrev`` and its kin)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from .. import modes
from ..border import enclose_functions
from ..errors import DomainError
from ..tangents import transposed
from ..tensor import Tensor
from . import tree
from .mapping import count, vmap
from .transforms import (
    _chosen,
    _differentiated,
    _finished,
    _fresh,
    _in_order,
    _only_of,
    _replaced,
    _tensors,
)


def jacrev(
    func: Callable[..., Any], argnums: Any = 0, *, has_aux: bool = False,
    chunk_size: int | None = None, _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """All first derivatives of ``func``, as a function (``torch.func.jacrev``).

    For each output and each input of ``argnums`` a Tensor of the shape ``(*output, *input)``. The
    rows are computed in one backward, or in one for each ``chunk_size`` of them; where they are to
    be differentiated themselves, or ``func`` has a map inside, in one a row.

    >>> import anadrome as ad
    >>> ad.func.jacrev(lambda x: x * x)(ad.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """

    if chunk_size is not None and not (hasattr(chunk_size, "__index__") and chunk_size > 0):
        raise ValueError(f"jacrev: `chunk_size` should be greater than 0, not {chunk_size!r:.40}")
    return _jacobian("jacrev", func, argnums, has_aux, chunk_size, contextlib.nullcontext)


def _jacobian(
    name: str, func: Callable[..., Any], argnums: Any, has_aux: bool, chunk_size: int | None,
    around: Callable[[], contextlib.AbstractContextManager[None]],
) -> Callable[..., Any]:  # fmt: skip
    """``jacrev`` whose backwards run inside a context manager."""
    if not callable(func):
        raise TypeError(f"jacrev() and its like take a function, not {type(func).__name__}")

    @functools.wraps(func)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        given = _chosen(args, argnums)
        at = tree.mapped(_fresh, given)
        fresh = _tensors(at)
        _check_real(name, "input", fresh)
        outer = modes.current().grad
        maps = count()
        with modes.enable_grad():
            out = func(*_replaced(args, argnums, at), **kwargs)
        rows = _rows if count() != maps else functools.partial(_rows_at_once, chunk=chunk_size)
        aux: Any = None
        if has_aux:
            out, aux = out
        tree.checked_output("jacrev(f)(*args)", out)
        _check_real(name, "output", _tensors(out))
        with modes.set_grad_enabled(outer), around():
            result = tree.mapped(lambda o: tree.rebuilt(given, rows(o, at, fresh)), out)
            return (result, _finished(aux, fresh)) if has_aux else result

    return transformed


def _check_real(name: str, what: str, tensors: list[Tensor]) -> None:
    """A complex function has one derivative only if it is holomorphic, which nobody can see."""
    for i, x in enumerate(tensors):
        if x.dtype.is_complex:
            raise DomainError(
                f"{name}: Expected all {what}s to be real but received complex tensor at flattened "
                f"{what} idx: {i}; write a function of `view_as_real(...)`"
            )


def _rows(out: Tensor, at: Any, fresh: list[Tensor]) -> list[Any]:
    """The Jacobian of one output with respect to each leaf."""
    from ..creation import zeros
    from ..ops.joining import stack

    if not out.requires_grad or not out.numel():
        return _in_order(at, [
            zeros((*out.shape, *x.shape), dtype=x.dtype, device=x.device) for x in fresh
        ])  # fmt: skip
    with modes.enable_grad():
        flat = out.reshape(-1)
        elements = [flat[i] for i in range(flat.shape[0])]
    rows = [_differentiated([e], fresh, [None], retain=True) for e in elements]
    return _in_order(at, [
        stack(list(column)).reshape((*out.shape, *x.shape)) for x, column in zip(fresh, zip(*rows))
    ])  # fmt: skip


def _rows_at_once(out: Tensor, at: Any, fresh: list[Tensor], chunk: int | None) -> list[Any]:
    """As ``_rows``, mapped over the rows: only of a graph without a map, and not to be recorded."""
    from ..creation import eye
    from ..ops.joining import cat

    n = out.numel()
    if n < 2 or not out.requires_grad or (modes.current().grad and not _only_of([out], fresh)):
        return _rows(out, at, fresh)
    each = vmap(lambda seed: tuple(_differentiated([out], fresh, [seed], retain=True)))
    seeds = eye(n, dtype=out.dtype, device=out.device).reshape(n, *out.shape)
    try:
        parts = [each(some) for some in (seeds.split(chunk) if chunk else [seeds])]
    except (NotImplementedError, RuntimeError):  # what has no rule for a map
        return _rows(out, at, fresh)
    return _in_order(at, [
        (cat(list(column)) if len(column) > 1 else column[0]).reshape((*out.shape, *x.shape))
        for x, column in zip(fresh, zip(*parts))
    ])  # fmt: skip


def jacfwd(
    func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """As ``jacrev``, of the derivatives in a direction, as ``jvp`` gives them (PyTorch's name).

    There is no forward mode here, so it also costs a row of backwards an element of the output.
    """
    return _jacobian("jacfwd", func, argnums, has_aux, None, transposed)


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """All second derivatives of a scalar function: ``jacfwd(jacrev(func))``.

    >>> import anadrome as ad
    >>> ad.func.hessian(lambda x: (x**3).sum())(ad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


enclose_functions(globals())
