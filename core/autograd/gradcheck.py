"""gradcheck: analytic gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import by_type
from ..errors import GraphError
from ..tensor import Tensor, wrap
from .entry import grad


class GradcheckError(GraphError):
    """Analytic and numerical gradient differ."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare ``func``'s gradients with central differences (``torch.autograd.gradcheck``).

    ``inputs``: float64 Tensors; those with ``requires_grad`` are varied. Every element of every
    output is differentiated by every element of every input. Raises ``GradcheckError`` (a
    RuntimeError) on a difference, or returns False if ``raise_exception`` is False.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    varied = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
    if not varied:
        raise ValueError("gradcheck expects at least one input tensor to require gradient")
    for a in varied:
        if a.dtype.name not in ("float64", "complex128"):
            raise GraphError(
                f"gradcheck needs float64 inputs, got {a.dtype.name}: finite differences in less "
                "precision say nothing; use `.double()`"
            )
    try:
        for number, outputs in enumerate(_outputs(func(*args))):
            _compare(func, args, varied, number, outputs, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(result: Any) -> list[Tensor]:
    outs = [result] if isinstance(result, Tensor) else list(result)
    return [o for o in outs if isinstance(o, Tensor) and o.dtype.is_floating_point]


def _compare(
    func: Any, args: Any, varied: list[Tensor], number: int, out: Tensor, eps: float,
    atol: float, rtol: float,
) -> None:  # fmt: skip
    for position, x in enumerate(varied):
        analytic = _analytic(out, x)
        numeric = _numeric(func, args, x, number, eps)
        for i, (row_a, row_n) in enumerate(zip(analytic, numeric)):
            for j, (a, n) in enumerate(zip(row_a, row_n)):
                if not (a == n or abs(a - n) <= atol + rtol * abs(n)):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {number} with respect to input {position}, "
                        f"output element {i}, input element {j}: numerical {n}, analytical {a}"
                    )


def _analytic(out: Tensor, x: Tensor) -> list[list[float]]:
    rows = []
    xp = by_type[out._data.__class__].xp
    for i in range(out.numel()):
        if not out.requires_grad:
            rows.append([0.0] * x.numel())
            continue
        seed = xp.zeros((out.numel(),), dtype=out._data.dtype)
        seed[i] = 1.0
        seed = xp.reshape(seed, out._data.shape)
        (g,) = grad(out, x, wrap(seed), retain_graph=True, allow_unused=True)
        rows.append([0.0] * x.numel() if g is None else g.reshape(-1).tolist())
    return rows


def _numeric(func: Any, args: Any, x: Tensor, number: int, eps: float) -> list[list[float]]:
    saved = x._data
    columns = []
    backend = by_type[saved.__class__]
    for j in range(x.numel()):
        sides = []
        for sign in (1.0, -1.0):
            moved = backend.xp.reshape(backend.asarray(saved), (-1,))
            moved[j] += sign * eps
            x._data = backend.xp.reshape(moved, saved.shape)
            try:
                sides.append(_outputs(func(*args))[number].detach().reshape(-1).tolist())
            finally:
                x._data = saved
        columns.append([(a - b) / (2 * eps) for a, b in zip(*sides)])
    if not columns:
        return []
    return [list(row) for row in zip(*columns)]


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """As ``gradcheck`` for the gradients of ``func``: second derivatives, in the inputs and in the
    incoming gradients (``torch.autograd.gradgradcheck``)."""
    from ..random import randn

    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outs = [o for o in _outputs(func(*args)) if o.requires_grad]
    if grad_outputs is None:
        seeds = [
            randn(tuple(o.shape), dtype=o.dtype, device=o.device).requires_grad_() for o in outs
        ]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(seeds)

    def first(*both: Any) -> tuple[Tensor, ...]:
        inner, vectors = both[:-count], both[-count:]
        results = [o for o in _outputs(func(*inner)) if o.requires_grad]
        wanted = [a for a in inner if isinstance(a, Tensor) and a.requires_grad]
        found = grad(results, wanted, vectors, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(first, (*args, *seeds), eps, atol, rtol, raise_exception)
