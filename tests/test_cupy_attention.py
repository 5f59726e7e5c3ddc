"""Attention under the CuPy backend by cuDNN: on the stand-in, and on a GPU, composed."""

from __future__ import annotations

from typing import Any

import fake_cudnn
import numpy as np
import pytest
from fake_cublaslt import CALLS
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_libraries import (  # noqa: F401  (two fixtures)
    BOUNDS,
    _needs,
    drawn,
    libraries,
    package,
    parameters,
    versions,
)
from test_cupy_table import check

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import backend

# ruff: noqa: F811


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("refused", [False, True])
def test_attention_and_its_gradients_are_the_cpus(
    libraries: Any, monkeypatch: Any, kind: str, causal: bool, refused: bool
) -> None:
    monkeypatch.setattr(fake_cudnn.pygraph, "refuses", staticmethod(lambda op, t: refused))
    shapes = (2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 16)
    found = []
    for device, dtype in (("cuda", getattr(ad, kind)), ("cpu", ad.float64)):
        tensors = [drawn(*s, kind=kind).to(device).to(dtype).requires_grad_() for s in shapes]
        y = F.scaled_dot_product_attention(*tensors, is_causal=causal)
        (y * y).sum().backward()
        found.append([y, *(t.grad for t in tensors)])
    for got, want in zip(*found):
        assert got.dtype.name == kind
        bound = 10 * BOUNDS[kind]
        np.testing.assert_allclose(got.double().tolist(), want.tolist(), bound, bound)
    if kind == "float32" or refused:
        assert not CALLS
    else:
        forward, backward = (facts for _, facts in CALLS)
        assert [what for what, _ in CALLS] == ["sdpa", "sdpa_backward"]
        assert (forward["kind"], forward["shape"]) == (kind, (2, 3, 5, 16))
        assert forward["causal"] is backward["causal"] is causal and not backward["sure"]
        assert abs(forward["scale"] - 8**-0.5) < 1e-12


def test_masks_and_dropout_are_composed(libraries: Any) -> None:
    q = drawn(1, 2, 4, 8, kind="float16")
    F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    F.scaled_dot_product_attention(q, q, q, ad.ones(4, 4, dtype=ad.bool, device="cuda"))
    F.scaled_dot_product_attention(q[0], q[0], q[0])  # three dimensions
    assert not CALLS


def test_second_derivatives_of_attention_are_the_cpus(libraries: Any) -> None:
    found = []
    for device in ("cuda", "cpu"):
        q, k, v = (drawn(1, 1, 3, 4, kind="float64").to(device).requires_grad_() for _ in "qkv")
        y = F.scaled_dot_product_attention(q, k, v * 1.5, is_causal=True)
        (g,) = ad.autograd.grad((y**2).sum(), q, create_graph=True)
        found.append(ad.autograd.grad((g**2).sum(), (q, k, v)))
    for got, want in zip(*found):
        np.testing.assert_allclose(got.tolist(), want.tolist(), 1e-8, 1e-8)


def test_attention_passes_the_tables_checks(libraries: Any, monkeypatch: Any) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)
    check("attention", ("float64", "float32"))


def test_cudnns_attention_is_as_the_stand_in_has_it(fake: Any) -> None:
    cudnn = package("cudnn")
    if not hasattr(cudnn, "pygraph"):
        pytest.skip("needs nvidia-cudnn-frontend")
    native = cudnn._pybind_module.backend_graph
    for name in ("sdpa", "sdpa_backward"):
        told = getattr(native, name).__doc__.partition("->")[0]
        for parameter in parameters(getattr(fake_cudnn.pygraph, name)):
            assert f" {parameter}: " in told, (name, parameter)
    from anadrome.backends.cupy import graphs

    graph = graphs.Graph(cudnn, None, np.dtype(np.float16))
    q, k, v, o, g = (graph.input(n, (1, 2, 4, 8)) for n in range(1, 6))
    given = {"attn_scale": 0.5, "use_causal_mask": True}
    out, sums = graph.whole.sdpa(q, k, v, generate_stats=True, **given)
    graph.output(7, out, (1, 2, 4, 8))
    graph.output(8, sums, (1, 2, 4, 1), wide=True)
    assert (out.uid, sums.uid, sums.data_type) == (7, 8, cudnn.data_type.FLOAT)
    told = graph.input(6, (1, 2, 4, 1), wide=True)
    found = graph.whole.sdpa_backward(
        q, k, v, o, g, told, use_deterministic_algorithm=True, **given
    )
    assert len(found) == 3
    assert [n.params["use_causal_mask"] for n in graph.whole.nodes] == [True, True]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("causal", [False, True])
def test_gpu_attention_beside_the_composed_one(kind: str, causal: bool) -> None:
    backend.get("cupy")
    _needs("graphs")
    found = []
    for enabled in (True, False):
        with ad.backends.cudnn.flags(enabled=enabled):
            q, k, v = (drawn(2, 4, 64, 64, kind=kind).requires_grad_() for _ in "qkv")
            y = F.scaled_dot_product_attention(q, k, v * 0.5, is_causal=causal)
            (y * y).sum().backward()
            found.append([t.double().tolist() for t in (y, q.grad, k.grad, v.grad)])
    for got, want in zip(*found):
        scale = float(np.abs(want).max())
        np.testing.assert_allclose(got, want, 0, 4 * BOUNDS[kind] * scale)
