"""Two backends side by side: transfers, errors of mixing, equal numbers, equal training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strict_backend

import anadrome as ad
from anadrome import backend as backends
from anadrome import testing
from anadrome.errors import BackendError, DeviceError

TESTS = Path(__file__).resolve().parent
BOTH = ("cpu", "strict")


def test_transfer_there_and_back() -> None:
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=ad.float64, requires_grad=True)
    y = x.to("strict")
    assert y.device.type == "strict" and type(y._data) is strict_backend.Array
    assert y.grad_fn.name() == "ToCopyBackward0"
    z = (y * y).sum().cpu()
    assert z.device.type == "cpu"
    z.backward()
    assert x.grad.device.type == "cpu" and x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert y.to("strict") is y and x.cpu() is x
    w = x.to("strict", ad.float32)
    assert w.dtype is ad.float32 and w.device.type == "strict"


def test_a_leaf_there_accumulates_there() -> None:
    x = ad.ones(3, device="strict", requires_grad=True)
    (x.cpu() * ad.tensor([1.0, 2.0, 3.0])).sum().backward()
    (x * 10).sum().backward()
    assert x.grad.device.type == "strict" and x.grad.tolist() == [11.0, 12.0, 13.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: a + b,
        lambda a, b: b * a,
        lambda a, b: a @ b,
        lambda a, b: ad.cat([a, b]),
        lambda a, b: ad.where(a > 0, a, b),
        lambda a, b: ad.nn.functional.linear(a, b, a[0]),
        lambda a, b: a.add_(b),
    ],
)
def test_mixing_names_both_devices(call: Any) -> None:
    a, b = ad.ones(2, 2), ad.ones(2, 2, device="strict")
    with pytest.raises(DeviceError) as info:
        call(a, b)
    text = str(info.value)
    assert "expected all tensors to be on the same device, but found cpu and strict" in text
    assert ".to(device)" in text


def test_a_zero_dimensional_host_value_follows() -> None:
    x = ad.ones(3, device="strict", requires_grad=True)
    scale = ad.tensor(2.0, requires_grad=True)
    y = (x * scale).sum()
    y.backward()
    assert y.device.type == "strict" and x.grad.tolist() == [2.0] * 3
    assert scale.grad.device.type == "cpu" and scale.grad.item() == 3.0


def test_the_same_random_numbers() -> None:
    found = []
    for device in BOTH:
        ad.manual_seed(5)
        drop = ad.nn.functional.dropout(ad.ones(4, 8, device=device), 0.5)
        found.append([
            ad.randn(3, 4, device=device), ad.rand(7, device=device), drop,
            ad.randperm(9, device=device), ad.randint(0, 50, (6,), device=device),
        ])  # fmt: skip
    for a, b in zip(*found):
        testing.assert_close(a, b, rtol=0, atol=0, check_device=False)


def test_the_same_training() -> None:
    data = np.random.default_rng(0)
    inputs, targets = data.standard_normal((12, 5)), data.standard_normal((12, 2))

    def losses(device: str) -> list[float]:
        ad.manual_seed(1)
        w1 = ad.randn(5, 8, dtype=ad.float64, device=device, requires_grad=True)
        b1 = ad.zeros(8, dtype=ad.float64, device=device, requires_grad=True)
        w2 = ad.randn(8, 2, dtype=ad.float64, device=device, requires_grad=True)
        x, y = (ad.tensor(a, device=device) for a in (inputs, targets))
        out = []
        for _ in range(15):
            hidden = ad.nn.functional.gelu(ad.addmm(b1, x, w1))
            scores = ad.log_softmax(hidden @ w2, -1)
            loss = ((scores - y) ** 2).mean() + hidden[:, 1:3].std() * 0.1
            for p in (w1, b1, w2):
                p.grad = None
            loss.backward()
            with ad.no_grad():
                for p in (w1, b1, w2):
                    p.sub_(p.grad * 0.05)
            out.append(loss.item())
        return out

    assert losses("strict") == pytest.approx(losses("cpu"), rel=1e-12)


def test_a_missing_dtype_is_named() -> None:
    with pytest.raises(BackendError, match="backend 'strict' has no float16; it has bool, uint8"):
        ad.ones(2, dtype=ad.float16, device="strict")
    with pytest.raises(RuntimeError, match="has no bfloat16"):
        ad.ones(2, device="strict").to(ad.bfloat16)


def test_unknown_names() -> None:
    with pytest.raises(BackendError, match=r"no backend named 'none'; there are .*numpy"):
        backends.get("none")
    with pytest.raises(RuntimeError, match=r"no backend serves device 'moon'.*cpu"):
        ad.ones(1, device="moon")


def test_registered_once() -> None:
    with pytest.raises(BackendError, match="a backend named 'numpy' is registered already"):
        backends.register(ad.LazyBackend("numpy", ("cpu",), lambda: None))
    with pytest.raises(ad.errors.PluginError, match="'strict' is loaded already"):
        ad.manager.register(strict_backend.Plugin(), name="strict")


def test_arrays_of_neither() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        ad.ones(2) + object()


def test_numpy_arrays_are_operands_on_the_host() -> None:
    x = ad.ones(2, dtype=ad.float64, requires_grad=True)
    for y in (x * np.array([2.0, 3.0]), np.array([2.0, 3.0]) * x):
        assert isinstance(y, ad.Tensor) and y.tolist() == [2.0, 3.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 3.0]


def test_whole_run_on_another_backend() -> None:
    code = (
        "import strict_backend, anadrome as ad; strict_backend.load()\n"
        "x = ad.randn(3, 4, requires_grad=True)\n"
        "assert type(x._data) is strict_backend.Array and x.device.type == 'strict'\n"
        "m = ad.nn.Sequential(ad.nn.Linear(4, 3), ad.nn.ReLU(), ad.nn.Linear(3, 1))\n"
        "loss = (m(x) ** 2).mean(); loss.backward()\n"
        "grads = [p.grad for p in m.parameters()] + [x.grad]\n"
        "assert all(type(g._data) is strict_backend.Array for g in grads)\n"
        "print(x, ad.arange(3), ad.tensor([1.5]), ad.eye(2))\n"
    )
    env = {**os.environ, "ANADROME_BACKEND": "strict", "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "device='strict'" in done.stdout or "tensor(" in done.stdout


def test_default_device_decides() -> None:
    with ad.device("strict"):
        assert ad.ones(2).device.type == "strict" and ad.randn(2).device.type == "strict"
    ad.set_default_device("strict")
    try:
        assert ad.tensor([1]).device.type == "strict"
    finally:
        ad.set_default_device(None)
    assert ad.ones(2).device.type == "cpu"
