"""Normalisations against PyTorch: values, two gradients, statistics, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch


def affine(count: Any) -> list[np.ndarray]:
    shape = count if isinstance(count, tuple) else (count,)
    return [numbers(*shape, seed=1), numbers(*shape, seed=2)]


@pytest.mark.parametrize("given", ["both", "weight", "bias", "none"])
@pytest.mark.parametrize(
    "shape, inner", [((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((6,), (6,)), ((0, 3), (3,))]
)
def test_layer_norm(shape: Any, inner: Any, given: str) -> None:
    def call(L: Any, x: Any, w: Any, b: Any) -> Any:
        w = w if given in ("both", "weight") else None
        b = b if given in ("both", "bias") else None
        return L.nn.functional.layer_norm(x, inner, w, b, 1e-3)

    # PyTorch fails in the second derivative with a bias alone.
    agree(call, numbers(*shape), *affine(inner), second=given != "bias")


@pytest.mark.parametrize("eps", [None, 1e-3])
@pytest.mark.parametrize("shape, inner", [((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((6,), (6,))])
def test_rms_norm(shape: Any, inner: Any, eps: float | None) -> None:
    w, _ = affine(inner)
    agree(lambda L, x, w: L.nn.functional.rms_norm(x, inner, w, eps), numbers(*shape), w)
    agree(lambda L, x: L.nn.functional.rms_norm(x, inner, eps=eps), numbers(*shape))
    x32 = numbers(*shape).astype(np.float32)
    agree(lambda L, x: L.nn.functional.rms_norm(x, inner, eps=eps), x32, second=False, rtol=1e-5,
          atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", [(3, 8), (2, 4, 3), (2, 4, 2, 3), (1, 4, 2, 1, 3)])
def test_group_norm(shape: Any, groups: int) -> None:
    agree(lambda L, x, w, b: L.nn.functional.group_norm(x, groups, w, b, 1e-4),
          numbers(*shape), *affine(shape[1]))  # fmt: skip
    agree(lambda L, x: L.nn.functional.group_norm(x, groups), numbers(*shape))


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 4, 2, 3), (1, 4, 2, 1, 3)])
def test_instance_norm(shape: Any) -> None:
    agree(lambda L, x: L.nn.functional.instance_norm(x), numbers(*shape))
    agree(lambda L, x, w, b: L.nn.functional.instance_norm(x, weight=w, bias=b, eps=1e-3),
          numbers(*shape), *affine(4))  # fmt: skip

    def running(L: Any, x: Any, w: Any, b: Any, mean: Any, var: Any, own: bool) -> Any:
        mean, var = mean.detach(), var.detach()
        out = L.nn.functional.instance_norm(x, mean, var, w, b, own, 0.3)
        return out, mean, var

    for own in (True, False):
        agree(lambda L, *t, own=own: running(L, *t, own), numbers(*shape), *affine(4),
              numbers(4, seed=3), numbers(4, seed=4, low=0.5))  # fmt: skip


@pytest.mark.parametrize("momentum", [0.1, 0.7])
@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 5), (2, 4, 2, 3), (2, 4, 2, 1, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(training: bool, shape: Any, momentum: float) -> None:
    def call(L: Any, x: Any, w: Any, b: Any, mean: Any, var: Any) -> Any:
        mean, var = mean.detach(), var.detach()
        out = L.nn.functional.batch_norm(x, mean, var, w, b, training, momentum, 1e-3)
        return out, mean, var

    agree(call, numbers(*shape), *affine(4), numbers(4, seed=3), numbers(4, seed=4, low=0.5))
    if training:
        agree(lambda L, x: L.nn.functional.batch_norm(x, None, None, training=True),
              numbers(*shape))  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 4, 3, 2), (2, 4, 3, 2, 2), (0, 4, 3)])
def test_local_response_norm(shape: Any, size: int) -> None:
    agree(lambda L, x: L.nn.functional.local_response_norm(x, size, 0.5, 0.6, 1.5), numbers(*shape))


@pytest.mark.parametrize("p", [1, 2, 3.5, float("inf")])
def test_normalize(p: float) -> None:
    for dim in (0, 1, -1):
        agree(lambda L, x, dim=dim: L.nn.functional.normalize(x, p, dim), numbers(3, 4))
    agree(lambda L, x: L.nn.functional.normalize(x, p, 0), numbers(5))
    agree(lambda L, x: L.nn.functional.normalize(x * 0.01, p, eps=0.5), numbers(3, 4))


def test_normalize_of_zeros_and_with_out() -> None:
    agree(lambda L, x: L.nn.functional.normalize(x), np.zeros((2, 3)), second=False)
    agree(lambda L, x: L.nn.functional.normalize(x, out=L.zeros(2, 3, dtype=L.float64)),
          numbers(2, 3), gradients=False)  # fmt: skip


REFUSED: list[tuple[Any, str]] = [
    (lambda L, x: L.nn.functional.layer_norm(x, [3]),
     "Given normalized_shape=[3], expected input"),
    (lambda L, x: L.nn.functional.layer_norm(x, [4], x),
     "Expected weight to be of same shape as no"),
    (lambda L, x: L.nn.functional.layer_norm(x, []),
     "layer_norm: Expected normalized_shape to be"),
    (lambda L, x: L.nn.functional.rms_norm(x, [3]),
     "Given normalized_shape=[3], expected input w"),
    (lambda L, x: L.nn.functional.rms_norm(x, [4], x[0, :3]),
     "Expected weight to be of same shape"),
    (lambda L, x: L.nn.functional.rms_norm((x * 9).long(), [4]), '"rms_norm" not implemented for'),
    (lambda L, x: L.nn.functional.group_norm(x, 3),
     "Expected number of channels in input to be di"),
    (lambda L, x: L.nn.functional.group_norm(x[0], 1),
     "Expected at least 2 dimensions for input te"),
    (lambda L, x: L.nn.functional.group_norm(x, 2, x[0, :3]),
     "Expected weight to be a vector of si"),
    (lambda L, x: L.nn.functional.group_norm(x[:1, :1], 1),
     "Expected more than 1 value per channel"),
    (lambda L, x: L.nn.functional.instance_norm(x),
     "Expected more than 1 spatial element when trai"),
    (lambda L, x: L.nn.functional.instance_norm(x[None], use_input_stats=False),
     "Expected running_m"),
    (lambda L, x: L.nn.functional.batch_norm(x[:1], None, None, training=True),
     "Expected more than"),
    (lambda L, x: L.nn.functional.batch_norm(x, None, None),
     "running_mean must be defined in evalua"),
    (lambda L, x: L.nn.functional.batch_norm(x, x[0, :3], x[0]),
     "running_mean should contain 4 elem"),
    (lambda L, x: L.nn.functional.local_response_norm(x, 2),
     "Expected 3D or higher dimensionality in"),
]  # fmt: skip


KINDS = ("float64", "float32", "float16", "bfloat16")
NORMS: dict[str, Any] = {
    "layer_norm": lambda F, x, w: F.layer_norm(x, (4,), w, w),
    "rms_norm": lambda F, x, w: F.rms_norm(x, (4,), w),
    "group_norm": lambda F, x, w: F.group_norm(x, 2, w, w),
    "batch_norm": lambda F, x, w: F.batch_norm(x, None, None, w, w, True),
    "instance_norm": lambda F, x, w: F.instance_norm(x.T[None], weight=w, bias=w),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("of_weight", KINDS)
@pytest.mark.parametrize("of_input", KINDS)
@pytest.mark.parametrize("name", NORMS)
def test_two_types(name: str, of_input: str, of_weight: str) -> None:
    """Float32 parameters beside half precision are taken, other mixtures refused."""
    import torch

    results = []
    for L in (ad, torch):
        x = L.tensor(numbers(3, 4).tolist()).to(getattr(L, of_input))
        w = L.tensor(numbers(4, seed=1).tolist()).to(getattr(L, of_weight))
        try:
            results.append(str(NORMS[name](L.nn.functional, x, w).dtype).split(".")[-1])
        except RuntimeError as error:
            results.append(str(error)[:19])
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["layer_norm", "group_norm", "batch_norm", "rms_norm"])
def test_integers_are_refused(name: str) -> None:
    text = refuse(lambda L, x: NORMS[name](L.nn.functional, x, None), np.arange(12).reshape(3, 4))
    assert "not implemented for" in text


@pytest.mark.parametrize("call, text", REFUSED)
def test_refusals(call: Any, text: str) -> None:
    assert refuse(call, numbers(3, 4)).startswith(text)


@pytest.mark.parametrize("name, shape", [("BatchNorm1d", (5, 3)), ("BatchNorm3d", (2, 3, 2, 2, 2)),
                                         ("InstanceNorm2d", (2, 3, 4, 4))])  # fmt: skip
def test_running_statistics_step_by_step(name: str, shape: Any) -> None:
    """Three batches in training mode, then one in evaluation mode."""

    def call(L: Any, *batches: Any) -> Any:
        keywords = {"affine": True, "track_running_stats": True, "dtype": L.float64}
        layer = getattr(L.nn, name)(3, **keywords)
        outs = [layer(x) for x in batches[:3]]
        layer.eval()
        return [*outs, layer(batches[3]), *(b.double() for b in layer.buffers())]

    agree(call, *(numbers(*shape, seed=s) for s in range(4)))


def test_sync_batch_norm_replaces_batch_norms() -> None:
    model = ad.nn.Sequential(ad.nn.Linear(3, 4), ad.nn.BatchNorm1d(4))
    kept = model[1]
    model(ad.randn(5, 3))
    out = ad.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(out[1]) is ad.nn.SyncBatchNorm and out[1].weight is kept.weight
    x = ad.randn(5, 4)
    assert ad.equal(out[1].eval()(x), kept.eval()(x))
