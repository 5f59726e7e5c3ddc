"""PyTorch as the oracle of any call: value, gradient, second gradient, and who refuses what.

A call is a function of (library, *tensors). It is run with ``anadrome`` and with ``torch`` on the
same numbers; whatever it returns (tensors, numbers, and tuples, lists or dictionaries of them) must
be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import testing

#: What either library may raise for bad input.
REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, AttributeError)


def numbers(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """float64 values, uniform in [low, high)."""
    return np.random.default_rng(seed).uniform(low, high, shape)


def agree(
    call: Callable[..., Any],
    *arrays: Any,
    second: bool = True,
    gradients: bool = True,
    rtol: float = 1e-7,
    atol: float = 1e-9,
) -> None:
    """``call`` gives the same in both libraries, with the same first and second gradients.

    Floating and complex NumPy arrays become leaves that require a gradient, others plain tensors;
    what is no array is passed on as it is.
    """
    torch = pytest.importorskip("torch")
    ours, theirs = _leaves(ad, arrays, gradients), _leaves(torch, arrays, gradients)
    found = dict(_tensors(call(ad, *ours)))
    wanted = dict(_tensors(call(torch, *theirs)))
    assert found.keys() == wanted.keys(), f"{sorted(found)} and {sorted(wanted)}"
    for path, w in wanted.items():
        _same(found[path], w, f"result{path}", rtol, atol)
    ends = [p for p, w in wanted.items() if getattr(w, "requires_grad", False)]
    recorded = [p for p, f in found.items() if getattr(f, "requires_grad", False)]
    assert recorded == ends, f"requires_grad: {recorded} and {ends}"
    if not gradients or not ends:
        return
    seeds = {p: np.asarray(_seed(wanted[p])) for p in ends}
    mine = [t for t in ours if _is_leaf(t)]
    other = [t for t in theirs if _is_leaf(t)]
    first = _grad(ad, [found[p] for p in ends], mine, list(seeds.values()), second)
    expected = _grad(torch, [wanted[p] for p in ends], other, list(seeds.values()), second)
    _same_all(first, expected, "gradient", rtol, atol)
    if not second:
        return
    _same_all(
        _second(ad, first, mine), _second(torch, expected, other), "second gradient", rtol, atol
    )


def refuse(call: Callable[..., Any], *arrays: Any, kind: Any = REFUSALS) -> str:
    """Both libraries raise (ours one of ``kind``); returns our message."""
    torch = pytest.importorskip("torch")
    with pytest.raises(REFUSALS):
        call(torch, *_leaves(torch, arrays, True))
    with pytest.raises(kind) as caught:
        call(ad, *_leaves(ad, arrays, True))
    return str(caught.value)


def _leaves(library: Any, arrays: Any, gradients: bool) -> list[Any]:
    out = []
    for a in arrays:
        if isinstance(a, np.ndarray):
            t = library.tensor(a.tolist(), dtype=getattr(library, a.dtype.name)).reshape(a.shape)
            t = t.detach()
            out.append(t.requires_grad_() if gradients and a.dtype.kind in "fc" else t)
        else:
            out.append(a)
    return out


def _is_leaf(t: Any) -> bool:
    return bool(getattr(t, "requires_grad", False))


def _tensors(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for k, v in value.items():
            yield from _tensors(v, f"{path}[{k!r}]")
    elif isinstance(value, (tuple, list)) and not hasattr(value, "numel"):
        for i, v in enumerate(value):
            yield from _tensors(v, f"{path}[{i}]")
    elif value is not None:
        yield path, value


def _host(value: Any) -> Any:
    if hasattr(value, "resolve_conj"):
        value = value.resolve_conj()
    if hasattr(value, "resolve_neg"):
        value = value.resolve_neg()
    return value.detach().numpy(force=True)


def _same(found: Any, wanted: Any, what: str, rtol: float, atol: float) -> None:
    if not hasattr(wanted, "detach"):
        if isinstance(wanted, float):
            assert found == pytest.approx(wanted, rel=rtol, abs=atol, nan_ok=True), what
        else:
            assert found == wanted, f"{what}: {found!r} is not {wanted!r}"
        return
    assert tuple(found.shape) == tuple(wanted.shape), f"{what}: {found.shape} and {wanted.shape}"
    assert f"torch.{found.dtype.name}" == str(wanted.dtype), f"{what}: {found.dtype}"
    testing.assert_close(
        found.detach(), _host(wanted), rtol=rtol, atol=atol, equal_nan=True, check_device=False,
        msg=lambda text: f"{what}: {text}",
    )  # fmt: skip


def _same_all(found: Any, wanted: Any, what: str, rtol: float, atol: float) -> None:
    for i, (f, w) in enumerate(zip(found, wanted)):
        if f is None or w is None:  # None and zero are the same news
            other = w if f is None else f
            assert other is None or not bool((other != 0).any()), f"{what} {i}: {f} and {w}"
        else:
            _same(f, w, f"{what} {i}", rtol, atol)


def _seed(t: Any) -> Any:
    stream = np.random.default_rng(7)
    values = stream.standard_normal(tuple(t.shape))
    return values + 1j * stream.standard_normal(tuple(t.shape)) if t.dtype.is_complex else values


def _grad(library: Any, ends: Any, leaves: Any, seeds: Any, create_graph: bool) -> Any:
    given = [library.tensor(s.tolist(), dtype=e.dtype).reshape(e.shape)
             for s, e in zip(seeds, ends)]  # fmt: skip
    return library.autograd.grad(ends, leaves, given, create_graph=create_graph, allow_unused=True)


def _second(library: Any, first: Any, leaves: Any) -> Any:
    parts = [
        ((g.real**2).sum() + (g.imag**2).sum()) if g.dtype.is_complex else (g * g).sum()
        for g in first
        if g is not None and g.requires_grad
    ]
    if not parts:
        return [None] * len(leaves)
    return library.autograd.grad(sum(parts), leaves, allow_unused=True)
