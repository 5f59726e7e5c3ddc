"""SparseAdam against PyTorch, whose gradients of embeddings are sparse."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad


@pytest.mark.torch
@pytest.mark.parametrize("options", [{}, {"lr": 0.1, "betas": (0.5, 0.7), "maximize": True}])
def test_rows_are_stepped_as_pytorchs_are(options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start = rng.standard_normal((6, 3))
    found = []
    for lib in (ad, torch):
        table = lib.nn.Embedding.from_pretrained(lib.tensor(start), freeze=False, sparse=True)
        optimizer = lib.optim.SparseAdam(table.parameters(), **options)
        draws = np.random.default_rng(1)
        for _ in range(6):
            rows = lib.tensor(draws.integers(0, 6, 3))
            optimizer.zero_grad()
            (table(rows) * lib.tensor(draws.standard_normal((3, 3)))).sum().backward()
            optimizer.step()
        state = optimizer.state_dict()["state"][0]
        assert state["step"] == 6
        found.append([v.detach().numpy() for v in (table.weight, state["exp_avg"],
                                                   state["exp_avg_sq"])])  # fmt: skip
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_refusals():
    p = ad.zeros(2, requires_grad=True)
    for options in ({"lr": 0.0}, {"eps": 0.0}, {"betas": (0.9, 1.0)}):
        with pytest.raises(ValueError, match="Invalid"):
            ad.optim.SparseAdam([p], **options)
    with pytest.raises(ValueError, match="takes real parameters"):
        ad.optim.SparseAdam([ad.zeros(2, dtype=ad.complex64, requires_grad=True)])
