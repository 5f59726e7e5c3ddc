"""Two optimizers, ours and PyTorch's, on the same parameters and fed the same gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

import anadrome as ad

#: Nothing, one value, small ones that are updated together, and two above the limits: the first is
#: updated on its own, the second in blocks.
SHAPES = [(3, 4), (5,), (), (1, 3), (0, 2), (130, 131), (2, 200, 101)]


class Twins:
    """``make(library, params)`` builds each side; ``step`` feeds gradients drawn from a seed."""

    def __init__(
        self, make: Any, *, shapes: Any = SHAPES, dtype: str = "float64", seed: int = 0
    ) -> None:
        import torch

        self.torch = torch
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        values = [self.drawn(s).astype(dtype) for s in shapes]
        self.ours = [ad.tensor(v, requires_grad=True) for v in values]
        self.theirs = [torch.tensor(v, requires_grad=True) for v in values]
        self.our_optimizer = make(ad, self.ours)
        self.their_optimizer = make(torch, self.theirs)

    def drawn(self, shape: Any, least: float = 0.0) -> Any:
        """Normal values, each away from zero by ``least``; of complex dtypes in both parts."""
        real, imag = (
            g + np.copysign(least, g)
            for g in (np.asarray(self.rng.standard_normal(shape)) for _ in range(2))
        )
        return real + 1j * imag if "complex" in self.dtype else real

    def step(self, absent: Any = (), least: float = 0.0) -> None:
        """One step of both; the parameters whose numbers are ``absent`` get no gradient.

        No value of a gradient is smaller than ``least``.
        """
        for i, (a, t) in enumerate(zip(self.ours, self.theirs)):
            if i in absent:
                a.grad = t.grad = None
                continue
            g = self.drawn(a.shape, least).astype(self.dtype)
            a.grad = ad.tensor(g)
            t.grad = self.torch.tensor(g)
        self.our_optimizer.step()
        self.their_optimizer.step()

    def check(self, rtol: float = 1e-12, atol: float = 1e-13) -> None:
        """Parameters and state are equal, and the states have the same names and shapes."""
        for a, t in zip(self.ours, self.theirs):
            close(a, t, rtol, atol)
        ours = self.our_optimizer.state_dict()
        theirs = self.their_optimizer.state_dict()
        assert ours["state"].keys() == theirs["state"].keys()
        for number, state in theirs["state"].items():
            assert ours["state"][number].keys() == state.keys()
            for name, value in state.items():
                close(ours["state"][number][name], value, rtol, atol)
        assert ours["param_groups"] == theirs["param_groups"]


def close(ours: Any, theirs: Any, rtol: float, atol: float) -> None:
    """The same shape, dtype and, but for rounding, values."""
    a = ours.detach().numpy()
    t = theirs.detach().numpy()
    assert a.shape == t.shape
    assert a.dtype == t.dtype
    np.testing.assert_allclose(a, t, rtol=rtol, atol=atol)
