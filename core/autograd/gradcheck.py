"""gradcheck: analytic gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import by_type
from ..border import enclose_functions
from ..errors import GraphError
from ..ops.complex import view_as_real
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
    *,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare ``func``'s gradients with central differences (``torch.autograd.gradcheck``).

    ``inputs``: float64 or complex128 Tensors; those with ``requires_grad`` are varied. Every
    element of every output is differentiated by every element of every input, complex ones by both
    parts. Raises ``GradcheckError`` (a RuntimeError) on a difference, or returns False if
    ``raise_exception`` is False.
    ``fast_mode``: along one random direction of each input instead, for large inputs.
    ``check_forward_ad``: compare the tangents of ``forward_ad``, too; ``check_backward_ad=False``:
    only these. ``check_batched_grad``: a backward mapped over gradients gives each one's.
    PyTorch's other arguments are accepted, and ask nothing more here: no gradient is undefined, of
    another dtype than its input or sparse, and one backward is computed as another.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad")
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
        outputs = _outputs(func(*args))
        for position, x in enumerate(varied):
            if check_forward_ad:
                _compare_tangents(func, args, x, position, fast_mode, eps, atol, rtol)
            if check_backward_ad and fast_mode:
                _compare_along(func, args, x, position, outputs, eps, atol, rtol)
            elif check_backward_ad:
                _compare(func, args, x, position, outputs, eps, atol, rtol)
            if check_backward_ad and check_batched_grad:
                _compare_batched(x, position, outputs, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(result: Any) -> list[Tensor]:
    """The floating results; complex ones as pairs of their parts."""
    outs = [result] if isinstance(result, Tensor) else list(result)
    outs = [o for o in outs if isinstance(o, Tensor)]
    outs = [view_as_real(o) if o.dtype.is_complex else o for o in outs]
    return [o for o in outs if o.dtype.is_floating_point]


def _coordinates(x: Tensor) -> int:
    """How many real numbers ``x`` is made of."""
    return x.numel() * (2 if x.dtype.is_complex else 1)


def _flat(g: Tensor) -> list[float]:
    return (view_as_real(g) if g.dtype.is_complex else g).reshape(-1).tolist()


def _compare(
    func: Any, args: Any, x: Tensor, position: int, outputs: list[Tensor], eps: float,
    atol: float, rtol: float,
) -> None:  # fmt: skip
    """Every element of every output by every element of ``x``."""
    moves = [[(j, 1.0)] for j in range(_coordinates(x))]
    columns = [_slopes(func, args, x, move, eps) for move in moves]
    for number, out in enumerate(outputs):
        for i, row in enumerate(_analytic(out, x)):
            for j, a in enumerate(row):
                n = columns[j][number][i]
                if not (a == n or abs(a - n) <= atol + rtol * abs(n)):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {number} with respect to input {position}, "
                        f"output element {i}, input element {j}: numerical {n}, analytical {a}"
                    )


def _compare_along(
    func: Any, args: Any, x: Tensor, position: int, outputs: list[Tensor], eps: float,
    atol: float, rtol: float,
) -> None:  # fmt: skip
    """Each output, weighted at random, along one random direction of ``x``."""
    direction, stream = _direction(x)
    slopes = _slopes(func, args, x, list(enumerate(direction)), eps)
    for number, (out, slope) in enumerate(zip(outputs, slopes)):
        weights = [stream.gauss(0.0, 1.0) for _ in slope]
        n = sum(w * s for w, s in zip(weights, slope))
        a = sum(u * g for u, g in zip(direction, _gradient(out, x, weights)))
        if not (a == n or abs(a - n) <= atol + rtol * abs(n)):
            raise GradcheckError(
                f"Jacobian mismatch for output {number} with respect to input {position} along a "
                f"random direction: numerical {n}, analytical {a}; fast_mode=False says where"
            )


def _direction(x: Tensor) -> tuple[list[float], Any]:
    """A random direction of ``x``, the same each time, and the random numbers after it."""
    import random  # not at every import of anadrome

    count = _coordinates(x)
    stream = random.Random(count)
    size = max(count, 1) ** 0.5
    return [stream.gauss(0.0, 1.0) / size for _ in range(count)], stream


def _compare_tangents(
    func: Any, args: Any, x: Tensor, position: int, fast: bool, eps: float, atol: float, rtol: float
) -> None:
    """Every output's tangent, in each direction of ``x`` or in a random one."""
    from . import forward_ad

    count = _coordinates(x)
    moves = [_direction(x)[0]] if fast else [[float(i == j) for i in range(count)]
                                             for j in range(count)]  # fmt: skip
    backend = by_type[x._data.__class__]
    for number, move in enumerate(moves):
        slopes = _slopes(func, args, x, list(enumerate(move)), eps)
        parts = list(map(complex, move[::2], move[1::2])) if x.dtype.is_complex else move
        tangent = backend.xp.reshape(backend.asarray(parts, dtype=x._data.dtype), x._data.shape)
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, wrap(tangent))
            given = [dual if a is x else a for a in args]
            outs = [forward_ad.unpack_dual(o).tangent for o in _outputs(func(*given))]
        for of, (slope, out) in enumerate(zip(slopes, outs)):
            for n, a in zip(slope, [0.0] * len(slope) if out is None else _flat(out)):
                if not (a == n or abs(a - n) <= atol + rtol * abs(n)):
                    raise GradcheckError(
                        f"Jacobian computed with forward mode mismatch for output {of} with "
                        f"respect to input {position}, direction {number}: numerical {n}, "
                        f"analytical {a}"
                    )


def _compare_batched(
    x: Tensor, position: int, outputs: list[Tensor], atol: float, rtol: float
) -> None:
    """A backward mapped over two gradients, beside one for each."""
    from ..ops.joining import stack
    from ..sampling import randn

    for number, out in enumerate(outputs):
        if not out.requires_grad:
            continue
        seeds = [randn(tuple(out.shape), dtype=out.dtype, device=out.device) for _ in range(2)]
        alone = [grad(out, x, s, retain_graph=True, allow_unused=True)[0] for s in seeds]
        (both,) = grad(
            out, x, stack(seeds), retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        if both is None or any(g is None for g in alone):
            continue
        for one, g in zip(both, alone):
            for a, n in zip(_flat(one), _flat(g)):
                if not abs(a - n) <= atol + rtol * abs(n):
                    raise GradcheckError(
                        f"For output {number} and input {position}: a backward over batched "
                        f"gradients gives {a}, one of each {n}"
                    )


def _gradient(out: Tensor, x: Tensor, weights: list[float]) -> list[float]:
    """The gradient of the weighted sum of an output, flat."""
    if not out.requires_grad or not x.numel():
        return [0.0] * _coordinates(x)
    backend = by_type[out._data.__class__]
    seed = backend.asarray(weights, dtype=out._data.dtype)
    seed = wrap(backend.xp.reshape(seed, out._data.shape))
    (g,) = grad(out, x, seed, retain_graph=True, allow_unused=True)
    return [0.0] * _coordinates(x) if g is None else _flat(g)


def _analytic(out: Tensor, x: Tensor) -> list[list[float]]:
    n = out.numel()
    return [_gradient(out, x, [float(j == i) for j in range(n)]) for i in range(n)]


def _slopes(
    func: Any, args: Any, x: Tensor, move: list[tuple[int, float]], eps: float
) -> list[list[float]]:
    """How each output changes as the elements of ``x`` move: one flat list an output."""
    saved = x._data
    backend = by_type[saved.__class__]
    sides = []
    for sign in (eps, -eps):
        moved = backend.xp.reshape(backend.asarray(saved), (-1,))
        for j, step in move:
            if x.dtype.is_complex:
                moved[j // 2] += sign * step * (1j if j % 2 else 1.0)
            else:
                moved[j] += sign * step
        x._data = backend.xp.reshape(moved, saved.shape)
        try:
            outs = _outputs(func(*args))
            sides.append([o.detach().reshape(-1).tolist() for o in outs])
        finally:
            x._data = saved
    return [[(p - m) / (2 * eps) for p, m in zip(*pair)] for pair in zip(*sides)]


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    *,
    gen_non_contig_grad_outputs: bool = False,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """As ``gradcheck`` for the gradients of ``func``: second derivatives, in the inputs and in the
    incoming gradients (``torch.autograd.gradgradcheck``)."""
    from ..sampling import randn

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

    return gradcheck(
        first, (*args, *seeds), eps, atol, rtol, raise_exception, fast_mode=fast_mode,
        check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
    )  # fmt: skip


enclose_functions(globals())
