"""nn_twin: one piece of code run on anadrome and on PyTorch, with the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import anadrome as ad


def arrays(*shapes: Any, seed: int = 0, low: float = -2.0, high: float = 2.0) -> list[Any]:
    """Uniform float64 arrays of the shapes."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(low, high, s) for s in shapes]


def both(
    run: Callable[..., Any], *inputs: Any, dtype: str = "float64", rtol: float = 1e-9,
    atol: float = 1e-11, grad: bool = True,
) -> tuple[Any, Any]:  # fmt: skip
    """``run(framework, *tensors)`` on both; results and gradients of the float inputs must agree.

    Returns what anadrome gave and what PyTorch gave.
    """
    import torch

    results = []
    for fw in (ad, torch):
        tensors = [_tensor(fw, x, dtype, grad) for x in inputs]
        out = run(fw, *tensors)
        outs = out if isinstance(out, tuple) else (out,)
        grads: list[Any] = []
        differentiable = [t for t in tensors if getattr(t, "requires_grad", False)]
        if differentiable and outs[0].requires_grad:
            weights = _like(fw, outs[0])
            grads = list(
                fw.autograd.grad((outs[0] * weights).sum(), differentiable, allow_unused=True)
            )
        results.append(
            (out, [host(o) for o in outs], [None if g is None else host(g) for g in grads])
        )
    (mine, values, gradients), (theirs, wanted, wanted_gradients) = results
    for a, b in zip(values + gradients, wanted + wanted_gradients):
        if b is None:
            assert a is None or not np.any(a)
            continue
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
    assert len(values + gradients) == len(wanted + wanted_gradients)
    return mine, theirs


def host(t: Any) -> Any:
    """The values as a NumPy array."""
    return np.array(t.detach().numpy())


def _tensor(fw: Any, x: Any, dtype: str, grad: bool) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    if x.dtype.kind == "f":
        t = fw.tensor(x, dtype=getattr(fw, dtype))
        return t.requires_grad_() if grad else t
    return fw.tensor(x)


def _like(fw: Any, t: Any) -> Any:
    """Fixed numbers in the shape of a result, so that every element's gradient counts."""
    count = int(np.prod(t.shape))
    line = np.cos(np.arange(count, dtype=np.float64)).reshape(tuple(t.shape))
    return fw.tensor(line, dtype=t.dtype)


def same_text(of: Any, wanted: Any) -> None:
    """Two representations that differ only in the framework's name."""
    assert repr(of).replace("anadrome", "torch") == repr(wanted)


def model_with_everything(fw: Any) -> Any:
    """A model of both frameworks with all kinds of members; the class is made anew a framework."""

    class Block(fw.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = fw.nn.Linear(3, 3)
            self.scale = fw.nn.Parameter(fw.ones(3))
            self.register_buffer("seen", fw.zeros(1))
            self.register_buffer("scratch", fw.zeros(2), persistent=False)
            self.register_parameter("missing", None)
            self.register_buffer("absent", None)

        def forward(self, x: Any) -> Any:
            return self.inner(x) * self.scale

    class Model(fw.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = Block()
            self.stack = fw.nn.Sequential(fw.nn.Linear(3, 2), fw.nn.ReLU())
            self.several = fw.nn.ModuleList([fw.nn.Linear(2, 2), fw.nn.Linear(2, 2)])
            self.by_name = fw.nn.ModuleDict({"a": fw.nn.Identity(), "b": fw.nn.BatchNorm1d(2)})
            self.tied = self.several[0]
            self.note = "text"

        def forward(self, x: Any) -> Any:
            return self.by_name["b"](self.several[1](self.stack(self.first(x))))

    return Model()
