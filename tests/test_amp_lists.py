"""Which op runs in which precision under autocast: PyTorch's lists, for the CPU and for CUDA."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome.composite import composites
from anadrome.op import table
from anadrome.plugins.amp.lists import COMPOSITES_ON_CPU, OPS_ON_CPU

#: Op of the table: PyTorch's function of matrices a, b (and a vector v, a 1-channel image i).
SAME_NAME = (
    "acos", "asin", "cosh", "exp", "expm1", "log", "log10", "log1p", "log2", "reciprocal", "rsqrt",
    "sinh", "tan", "sin", "cos", "sqrt", "tanh", "sigmoid", "erf", "atan", "square", "abs", "relu",
    "prod", "sum", "mean", "var", "amax",
)  # fmt: skip


def cases(torch: Any) -> dict[str, Any]:
    """Name in our table to a call of PyTorch's counterpart."""
    f = torch.nn.functional
    unary = {n: (lambda a, b, v, i, n=n: getattr(torch, n)(a)) for n in SAME_NAME}
    return unary | {
        "mm": lambda a, b, v, i: torch.mm(a, b),
        "bmm": lambda a, b, v, i: torch.bmm(a.reshape(1, 4, 4), b.reshape(1, 4, 4)),
        "addmm": lambda a, b, v, i: torch.addmm(a, a, b),
        "linear": lambda a, b, v, i: f.linear(a, b),
        "convolution": lambda a, b, v, i: f.conv2d(i, i),
        "pow_number": lambda a, b, v, i: a**3.5,
        "pow_tensor": lambda a, b, v, i: a**b,
        "softmax": lambda a, b, v, i: f.softmax(a, -1),
        "softplus": lambda a, b, v, i: f.softplus(a),
        "logsigmoid": lambda a, b, v, i: f.logsigmoid(a),
        "gelu": lambda a, b, v, i: f.gelu(a),
        "silu": lambda a, b, v, i: f.silu(a),
        "layer_norm": lambda a, b, v, i: f.layer_norm(a, (4,)),
        "batch_norm": lambda a, b, v, i: f.batch_norm(a, None, None, training=True),
        "log_softmax": lambda a, b, v, i: f.log_softmax(a, -1),
        "cumsum": lambda a, b, v, i: torch.cumsum(a, 0),
        "logsumexp": lambda a, b, v, i: torch.logsumexp(a, 0),
        "norm2": lambda a, b, v, i: torch.norm(a),
        "mse_loss": lambda a, b, v, i: f.mse_loss(a, b),
        "l1_loss": lambda a, b, v, i: f.l1_loss(a, b),
        "smooth_l1_loss": lambda a, b, v, i: f.smooth_l1_loss(a, b),
        "huber_loss": lambda a, b, v, i: f.huber_loss(a, b),
        "binary_cross_entropy_with_logits": (
            lambda a, b, v, i: f.binary_cross_entropy_with_logits(a, b)
        ),
        "mv": lambda a, b, v, i: torch.matmul(a, v),
        "dot": lambda a, b, v, i: torch.dot(v, v),
        "add": lambda a, b, v, i: a + b,
        "mul": lambda a, b, v, i: a * b,
        "div": lambda a, b, v, i: a / b,
        "atan2": lambda a, b, v, i: torch.atan2(a, b),
        "addcmul": lambda a, b, v, i: torch.addcmul(a, a, b),
        "addcdiv": lambda a, b, v, i: torch.addcdiv(a, a, b),
        "cat": lambda a, b, v, i: torch.cat([a, b]),
        "stack": lambda a, b, v, i: torch.stack([a, b]),
    }


def class_of(run: Any, half: Any, single: Any) -> str | None:
    """How PyTorch treats an op: what becomes of all float32, and of all half."""
    of_single, of_half = run(single, single).dtype, run(half, half).dtype
    name = {half: "half", single: "float32"}
    found = (name.get(of_single), name.get(of_half))
    return {
        ("half", "half"): "HALF",
        ("float32", "float32"): "FULL",
        ("float32", "half"): None,
    }[found]


def expected(declared: Any) -> str | None:
    """Promotion is what ops do by themselves, so WIDEST and None look alike."""
    return {ad.HALF: "HALF", ad.FULL: "FULL"}.get(declared)


@pytest.mark.torch
def test_cpu_list() -> None:
    torch = pytest.importorskip("torch")
    half, single = torch.bfloat16, torch.float32
    different = {}
    with torch.autocast("cpu", dtype=half):
        for name, call in cases(torch).items():

            def run(x: Any, y: Any, call: Any = call) -> Any:
                m = torch.rand(4, 4) * 0.5 + 0.25
                return call(m.to(x), m.to(y), torch.rand(4).to(x), torch.rand(1, 1, 3, 3).to(x))

            theirs = class_of(run, half, single)
            ours = expected(OPS_ON_CPU.get(name, table[name].amp))
            if theirs != ours:
                different[name] = (theirs, ours)
    assert different == {}


@pytest.mark.torch
def test_cuda_list() -> None:
    torch = pytest.importorskip("torch")
    from torch._subclasses.fake_tensor import FakeTensorMode

    half, single = torch.float16, torch.float32
    different = {}
    torch.set_autocast_enabled("cuda", True)  # no GPU is needed: fake tensors have only a dtype
    try:
        with FakeTensorMode():
            for name, call in cases(torch).items():

                def run(x: Any, y: Any, call: Any = call) -> Any:
                    def make(*shape: int, dtype: Any) -> Any:
                        return torch.empty(*shape, dtype=dtype, device="cuda")

                    return call(
                        make(4, 4, dtype=x), make(4, 4, dtype=y), make(4, dtype=x),
                        make(1, 1, 3, 3, dtype=x),
                    )  # fmt: skip

                theirs = class_of(run, half, single)
                ours = expected(table[name].amp)
                if theirs != ours:
                    different[name] = (theirs, ours)
    finally:
        torch.set_autocast_enabled("cuda", False)
    assert different == {}


def test_lists_for_the_cpu_say_nothing_that_is_said_already() -> None:
    for package in (ad.nn, ad.ops, ad.linalg, ad.fft):
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            importlib.import_module(f"{package.__name__}.{module.name}")
    assert all(table[name].amp is not kind for name, kind in OPS_ON_CPU.items())
    for name, kind in COMPOSITES_ON_CPU.items():
        assert kind is None or composites[name].amp is not kind, name
    assert set(COMPOSITES_ON_CPU) <= set(composites)
    assert all(c.amp is not None or n in COMPOSITES_ON_CPU for n, c in composites.items())


@pytest.mark.parametrize("half", [ad.float16, ad.bfloat16])
def test_what_comes_out_on_the_cpu(half: Any) -> None:
    x = ad.rand(4, 4)
    h = x.to(half)
    with ad.autocast("cpu", dtype=half):
        assert x.mm(x).dtype is half
        assert (x @ x[0]).dtype is half
        assert h.relu().dtype is half
        assert x.relu().dtype is ad.float32
        assert h.exp().dtype is half
        assert h.prod().dtype is ad.float32
        assert ad.cat([h, x]).dtype is ad.float32
        assert ad.cat([h, h]).dtype is half
        assert (h + x).dtype is ad.float32
        assert x.double().mm(x.double()).dtype is ad.float64
        assert (x.long() @ x.long()).dtype is ad.int64


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_norms_of_half_precision_with_float32_weights_stay_half_on_the_cpu(dtype: str) -> None:
    """So a transformer's activations do; on a GPU autocast has them in float32."""
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((3, 8, 4)).astype(np.float32)
    results = []
    for L in (ad, torch):
        f = L.nn.functional
        x, w, v = L.tensor(values).to(getattr(L, dtype)), L.full((8,), 1.5), L.full((4,), 0.5)
        with L.autocast("cpu", dtype=getattr(L, dtype)):
            results.append(
                [
                    f.layer_norm(x, (4,), v, v),
                    f.group_norm(x, 2, w, w),
                    f.instance_norm(x, weight=w, bias=w),
                    f.batch_norm(x, None, None, w, w, training=True),
                    f.rms_norm(x, (4,), v),
                    f.layer_norm(x.float(), (4,), v, v),
                ]
            )
    for a, b in zip(*results, strict=True):
        assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
        np.testing.assert_allclose(a.float().numpy(), b.float().numpy(), rtol=2e-2, atol=2e-2)
