"""The CuPy backend: its code on a stand-in and, where there is one, on a GPU."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import fake_cupy
import fake_kernels
import ml_dtypes
import numpy as np
import pytest

import anadrome as ad
from anadrome import backend, cuda, placement
from anadrome.backends.cupy import presence
from anadrome.errors import DeviceError
from anadrome.op import table

#: What is loaded without CuPy, and stays.
WITHOUT = ("presence", "kernels")


def _taken() -> dict[str, Any]:
    """The modules that import CuPy, taken out of those that are loaded."""
    start = "anadrome.backends.cupy."
    out = {}
    for name in [n for n in sys.modules if n.startswith(start) and n[len(start) :] not in WITHOUT]:
        parent, _, child = name.rpartition(".")
        out[name] = sys.modules.pop(name)
        vars(sys.modules[parent]).pop(child, None)
    return out


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The CuPy backend, loaded the usual way, on NumPy in CuPy's clothes."""
    if fake_kernels.compiler() is None:
        pytest.skip("needs a C++ compiler")
    for name, module in fake_cupy.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    if "array_api_compat" not in sys.modules:
        package = types.ModuleType("array_api_compat")
        package.__path__ = []
        monkeypatch.setitem(sys.modules, "array_api_compat", package)
    monkeypatch.setattr(
        sys.modules["array_api_compat"], "cupy", sys.modules["array_api_compat.cupy"], raising=False
    )
    modules = _taken()
    monkeypatch.setattr(presence, "_one_wheel", lambda: None)
    monkeypatch.setattr(fake_cupy.Device, "current", 0)
    monkeypatch.setattr(fake_cupy.Device, "synchronized", [])
    monkeypatch.setattr(fake_cupy.Event, "reached", True)
    before = backend._loaded.pop("cupy", None)
    yield backend.get("cupy")
    backend.by_type.pop(fake_cupy.Array, None)
    placement.several.pop(fake_cupy.Array, None)
    backend._loaded.pop("cupy", None)
    _taken()
    sys.modules.update(modules)
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, module)
    for op in table.values():
        op.implementations.pop(fake_cupy.Array, None)
    if before is not None:
        backend._loaded["cupy"] = before


# -- on the stand-in ----------------------------------------------------------------------------
def test_tensors_live_on_the_device(fake: Any) -> None:
    x = ad.tensor([1.0, 2.0], device="cuda")
    assert isinstance(x._data, fake_cupy.Array)
    assert str(x.device) == "cuda:0" and x.device.type == "cuda"
    assert (x * 2 + 1).tolist() == [3.0, 5.0]
    assert ad.zeros(2, device="cuda:1").device.index == 1
    assert x.cpu().device.type == "cpu" and x.cpu().to("cuda").tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        x.numpy()


def test_a_device_that_is_not_there(fake: Any) -> None:
    with pytest.raises(DeviceError, match=r"invalid device ordinal.*'cuda:5'.*cuda:0, cuda:1"):
        ad.zeros(2, device="cuda:5")
    with pytest.raises(DeviceError, match="invalid device ordinal"):
        cuda.set_device(2)


def test_devices_do_not_mix(fake: Any) -> None:
    with pytest.raises(DeviceError, match="cpu and cuda:0"):
        ad.ones(2) + ad.ones(2, device="cuda")


def test_a_copy_stays_on_its_device(fake: Any) -> None:
    x = ad.ones(2, device="cuda:1")
    copy = fake.asarray(x._data)
    assert copy.device.id == 1 and not fake.shares(copy, x._data)
    assert fake.owns(np.zeros(3).view(fake_cupy.Array).copy())


def test_the_answers_of_cuda(fake: Any) -> None:
    assert cuda.is_available() and cuda.device_count() == 2 and cuda.current_device() == 0
    assert cuda.get_device_name() == cuda.get_device_name("cuda:1") == "Imagined GPU"
    with cuda.device(1):
        assert cuda.current_device() == 1
        assert ad.zeros(1, device="cuda").device.index == 1
    assert cuda.current_device() == 0
    cuda.set_device("cuda:1")
    cuda.synchronize()
    cuda.synchronize(0)
    assert fake_cupy.Device.synchronized == [1, 0]
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        cuda.synchronize("cpu")
    told = fake.describe()
    assert told["CUDA driver"] == "12.8" and told["CUDA runtime"] == "12.9"
    assert told["cuda:0"] == "Imagined GPU, 8 GiB, compute capability 9.0"


@pytest.mark.parametrize("name", [
    "erf", "gelu", "gelu_backward", "sigmoid", "silu", "threshold_backward", "addmm", "mm",
    "matmul", "tanh", "add", "div", "maximum", "eq",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16"])
def test_kernels_give_what_is_declared(fake: Any, name: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
    bound = {"float32": 1e-5, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}[kind]
    for sample in table[name].samples:
        plain = [np.asarray(rng.uniform(a.low, a.high, a.shape), dtype) for a in sample.args]
        got = fake.kernels[name](*map(fake_cupy.dressed, plain), **sample.keywords)
        want = table[name].forward(np, *(a.astype(float) for a in plain), **sample.keywords)
        assert isinstance(got, fake_cupy.Array)
        assert got.dtype == (dtype if want.dtype.kind == "f" else want.dtype)
        np.testing.assert_allclose(np.asarray(got, float), want, rtol=bound, atol=bound)


def test_kernels_leave_other_types_to_the_declaration(fake: Any) -> None:
    x = ad.tensor([1, 2], device="cuda")
    assert ad.sigmoid(x).dtype is ad.float32
    assert fake.kernels["threshold_backward"](
        fake_cupy.dressed(np.array([5, 6])), fake_cupy.dressed(np.array([0, 1]))
    ).tolist() == [0, 6]
    with pytest.raises(ValueError, match="must be either none or tanh"):
        fake.kernels["gelu"](x._data.astype(np.float32), approximate="fast")


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int64", "int8", "uint8"])
def test_scatter_add_sums_every_type(fake: Any, kind: str) -> None:
    dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
    target = fake_cupy.dressed(np.ones((3, 2), dtype))
    source = fake_cupy.dressed(np.full((4, 2), 2).astype(dtype))
    fake.scatter_add(target, (fake_cupy.dressed(np.array([0, 2, 0, -1])),), source)
    assert target.astype(float).tolist() == [[5, 5], [1, 1], [5, 5]]


def test_scatter_add_of_negative_int64_wraps_right(fake: Any) -> None:
    target = fake_cupy.dressed(np.array([3, 4]))
    fake.scatter_add(target, (fake_cupy.dressed(np.array([0, 0])),), np.array([-5, -1]))
    assert target.tolist() == [-3, 4]


def test_half_precision_scatter_is_rounded_once(fake: Any) -> None:
    target = fake_cupy.dressed(np.zeros(1, np.float16))
    index = fake_cupy.dressed(np.zeros(4096, np.int64))
    fake.scatter_add(target, (index,), fake_cupy.dressed(np.ones(4096, np.float16)))
    assert target.tolist() == [4096]


# -- checks that do not wait --------------------------------------------------------------------
def test_a_failed_check_is_raised_when_a_value_is_read(fake: Any) -> None:
    fake_cupy.Event.reached = False
    fake.require(fake_cupy.dressed(np.array([True, False])), lambda: IndexError("index 7 is out"))
    with pytest.raises(IndexError, match=r"index 7 is out \(at .*test_backend_cupy.py:\d+, `fake"):
        ad.ones(1, device="cuda").item()
    assert ad.ones(1, device="cuda").item() == 1.0  # told once


def test_a_failed_check_is_raised_at_the_next_one_if_its_outcome_is_there(fake: Any) -> None:
    fine = fake_cupy.dressed(np.array([True]))
    fake.require(fine, lambda: IndexError("never"))
    fake.require(fake_cupy.dressed(np.array([False])), lambda: ValueError("first"))
    with pytest.raises(ValueError, match="first"):
        fake.require(fine, lambda: IndexError("never"))


def test_checks_wait_for_nothing(fake: Any) -> None:
    fake_cupy.Event.reached = False
    for _ in range(3):
        fake.require(fake_cupy.dressed(np.array([False])), lambda: ValueError("late"))
    with pytest.raises(ValueError, match="late"):
        fake.synchronize()
    fake_cupy.Event.reached = True
    for _ in range(2):
        with pytest.raises(ValueError, match="late"):
            fake.synchronize()
    fake.synchronize()


# -- random numbers -----------------------------------------------------------------------------
#: Position, number, seed, and the four words (Random123's kat_vectors, philox4x32 10).
KNOWN = [
    (0, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (2**64 - 1, 2**64 - 1, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (0x85A308D3243F6A88, 0x0370734413198A2E, 0x299F31D0A4093822,
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


@pytest.mark.parametrize("known", KNOWN)
def test_the_stand_ins_philox_is_philox(known: Any) -> None:
    position, number, seed, words = known
    got = fake_cupy.philox(np.array([position], np.uint64), number, seed)
    assert " ".join(f"{int(w[0]):08x}" for w in got) == words


def test_draws_depend_on_key_and_shape_alone(fake: Any) -> None:
    draws = fake.generator()
    for kind, rest in [
        ("uniform", {}), ("normal", {}), ("integers", {"low": -3, "high": 9}), ("permutation", {}),
    ]:  # fmt: skip
        dtype = np.dtype("int64" if kind in ("integers", "permutation") else "float32")
        shape = (20,)
        a = getattr(draws, kind)((5, 1), shape, dtype, **rest)
        b = getattr(fake.generator(ad.device("cuda:1")), kind)((5, 1), shape, dtype, **rest)
        c = getattr(draws, kind)((5, 2), shape, dtype, **rest)
        assert np.array_equal(a, b) and not np.array_equal(a, c)
        assert (a.device.id, b.device.id) == (0, 1)
        assert a.dtype == dtype and a.shape == shape


def test_draws_have_the_right_distribution(fake: Any) -> None:
    draws = fake.generator()
    n = 20_000
    for kind in ("float32", "float64"):
        u = draws.uniform((1, 2), (n,), np.dtype(kind))
        z = draws.normal((1, 3), (100, n // 100), np.dtype(kind))
        assert abs(u.mean() - 0.5) < 0.01 and u.min() >= 0 and u.max() < 1
        assert abs(z.mean()) < 0.03 and abs(z.std() - 1) < 0.02
    half = draws.uniform((1, 2), (n,), np.dtype("float16"))
    assert half.max() < 1
    whole = draws.integers((1, 2), (n,), np.dtype("int32"), -2, 5)
    assert np.unique(whole).tolist() == [-2, -1, 0, 1, 2, 3, 4]
    order = draws.permutation((9, 9), (50,), np.dtype("int64"))
    assert sorted(order.tolist()) == list(range(50)) != order.tolist()


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("shape", [None, (40, 1)])
def test_dropout_and_its_mask_agree(fake: Any, p: float, shape: Any) -> None:
    x = fake_cupy.dressed(np.asfortranarray(np.random.default_rng(0).normal(size=(40, 30))))
    x = x.astype(np.float32)
    got = fake.kernels["dropout"](x, p=p, key=(8, 3), shape=shape)
    if p == 1:
        assert not got.any()
        return
    mask = fake.generator().keep_mask((8, 3), x.shape if shape is None else shape, 1 - p)
    want = np.where(np.asarray(mask), np.asarray(x) / (1 - p), 0)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-6)
    assert abs(np.asarray(mask).mean() - (1 - p)) < 0.15


# -- a training step ----------------------------------------------------------------------------
def trained(device: str) -> list[float]:
    """A few steps written out with ops and the engine alone."""
    rng = np.random.default_rng(0)
    x = ad.tensor(rng.normal(size=(16, 5)), dtype=ad.float32, device=device)
    y = ad.tensor(rng.normal(size=(16, 1)), dtype=ad.float32, device=device)
    w1, w2 = (
        ad.tensor(rng.normal(size=s) / 3, dtype=ad.float32, device=device, requires_grad=True)
        for s in ((5, 8), (8, 1))
    )
    losses = []
    for _ in range(5):
        loss = ((ad.tanh(x.mm(w1)).relu().mm(w2) - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        with ad.no_grad():
            for w in (w1, w2):
                w -= w.grad * 0.1
                w.grad = None
    return losses


def test_a_training_step_gives_the_cpus_numbers(fake: Any) -> None:
    np.testing.assert_allclose(trained("cuda"), trained("cpu"), rtol=1e-5)


# -- on a GPU -----------------------------------------------------------------------------------
@pytest.mark.gpu
def test_gpu_training_gives_the_cpus_numbers() -> None:
    np.testing.assert_allclose(trained("cuda"), trained("cpu"), rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("known", KNOWN[:1])
def test_gpu_philox_is_philox(known: Any) -> None:
    from anadrome.backends.cupy import random

    _, number, seed, words = known
    got = random._words(np.uint64(seed), np.uint64(number), size=4)
    assert " ".join(f"{int(w):08x}" for w in got.get()) == words


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16"])
def test_gpu_kernels_give_what_is_declared(kind: str) -> None:
    cupy = backend.get("cupy")
    bound = {"float32": 1e-5, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}[kind]
    dtype = cupy.dtype(getattr(ad, kind))
    rng = np.random.default_rng(0)
    for name in ("erf", "gelu", "gelu_backward", "sigmoid", "silu", "threshold_backward", "mm"):
        for sample in table[name].samples:
            plain = [np.asarray(rng.uniform(a.low, a.high, a.shape), dtype) for a in sample.args]
            got = cupy.kernels[name](*map(cupy.asarray, plain), **sample.keywords)
            want = table[name].forward(np, *(a.astype(float) for a in plain), **sample.keywords)
            host = cupy.to_host(got).astype(float)
            np.testing.assert_allclose(host, want, rtol=bound, atol=bound)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int64", "uint8"])
def test_gpu_scatter_add_sums_every_type(kind: str) -> None:
    cupy = backend.get("cupy")
    target = ad.ones(3, 2, dtype=getattr(ad, kind), device="cuda")
    source = ad.full((4, 2), 2, dtype=getattr(ad, kind), device="cuda")
    index = ad.tensor([0, 2, 0, 2], device="cuda")
    cupy.scatter_add(target._data, (index._data,), source._data)
    assert target.tolist() == [[5, 5], [1, 1], [5, 5]]


@pytest.mark.gpu
def test_gpu_check_is_raised_when_a_value_is_read() -> None:
    cupy = backend.get("cupy")
    holds = ad.tensor([True, False], device="cuda")._data
    cupy.require(holds, lambda: IndexError("index 7 is out"))
    with pytest.raises(IndexError, match="index 7 is out"):
        ad.ones(1, device="cuda").item()


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_beside_a_number(fake, kind):
    """Stays half precision, and the number is not rounded before."""
    values = [1.0, 3.0, -7.0]
    for f in (lambda x: x * 2.3, lambda x: 2.3 * x, lambda x: 1.0 - x, lambda x: x + 0.3,
              lambda x: x / 3.7, lambda x: 3.7 / x):  # fmt: skip
        ours = f(ad.tensor(values, dtype=getattr(ad, kind), device="cuda"))
        host = f(ad.tensor(values)).to(getattr(ad, kind))
        assert ours.dtype is host.dtype
        assert ours.tolist() == host.tolist()
