"""NumPy's names of arguments, which PyTorch's functions take too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

CALLS = """
L.softmax(x, axis=1)
x.log_softmax(axis=-1)
x.sum(axis=1, keepdims=True)
x.std(axis=0)
x.argmax(axis=1, keepdims=True)
x[:, :1].squeeze(axis=1)
x.unsqueeze(axis=0)
x.unbind(axis=1)
L.stack([x, x], axis=1)
L.repeat_interleave(x, 2, axis=1)
L.narrow(x, axis=1, start=0, length=2)
L.select(x, axis=1, index=0)
L.index_add(x, axis=0, index=L.tensor([0, 1]), source=x[:2])
L.linalg.vector_norm(x, axis=1)
L.cosine_similarity(x, x, axis=1)
L.fft.fft(x, axis=0)
L.sum(a=x)
""".strip().splitlines()


@pytest.mark.parametrize("call", CALLS)
def test_values_are_pytorchs(call: str) -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((3, 4))
    found, wanted = (eval(call, {"L": lib, "x": lib.tensor(values)}) for lib in (ad, torch))
    for f, w in zip(listed(found), listed(wanted), strict=True):
        assert f.shape == tuple(w.shape)
        np.testing.assert_allclose(f.numpy(), w.numpy(), rtol=1e-12)


def listed(value: Any) -> Any:
    return value if isinstance(value, (tuple, list)) else [value]


def test_a_name_that_is_nobodys_is_refused():
    with pytest.raises(TypeError, match="axes"):
        ad.softmax(ad.ones(2), axes=0)
    with pytest.raises(TypeError, match="unsqueeze"):
        ad.ones(2).unsqueeze(axes=0)
    with pytest.raises(TypeError):
        ad.ones(2).softmax(dim=0, axis=0)
