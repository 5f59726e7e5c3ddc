"""Where a grid's places are at pixels' centres, the last bit decides which side's slope counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("ends", [(-1, 1), (0, 1), (0.1, 0.7), (5, -3.3)])
def test_lines_in_single_precision_are_pytorchs_to_the_bit(ends: Any) -> None:
    for steps in (0, 1, 2, 3, 7, 10, 13, 16, 28, 100, 224):
        ours, theirs = ad.linspace(*ends, steps), torch.linspace(*ends, steps)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [5, 7, 16, 28])
def test_a_grid_that_changes_nothing(size: int, align: bool) -> None:
    """As a spatial transformer starts."""

    def run(L: Any) -> list[Any]:
        x = L.linspace(0, 50, size * size).sin().reshape(1, 1, size, size)
        theta = L.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], requires_grad=True)
        grid = L.nn.functional.affine_grid(theta, x.shape, align_corners=align)
        grid.retain_grad()
        out = L.nn.functional.grid_sample(x, grid, align_corners=align)
        (out * L.arange(float(size))).sum().backward()
        return [t.detach().numpy() for t in (grid, out, grid.grad, theta.grad)]

    for ours, theirs in zip(run(ad), run(torch)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("n", [3, 11, 14, 28, 29, 50])
def test_an_identity_has_pytorchs_slopes(n: int) -> None:
    """It samples at the pixels' centres, where the slope depends on the last bit of the place."""
    x = np.random.default_rng(0).standard_normal((1, 1, n, n)).astype(np.float32)
    found = []
    for L in (ad, torch):
        grid = L.nn.functional.affine_grid(L.eye(2, 3)[None], (1, 1, n, n), align_corners=False)
        grid = grid.detach().requires_grad_()
        L.nn.functional.grid_sample(L.tensor(x), grid, align_corners=False).sum().backward()
        found.append(grid.grad.numpy())
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-3)
