"""What calls drawn by ``tests/fuzz`` showed of arguments: which PyTorch refuses, and what it does.

Continues ``test_torch_fuzzed``.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        listed = np.asarray(value.tolist())
        rounded = listed if listed.dtype == bool else listed.round(4) + 0.0  # of no sign
        return str(value.dtype).rpartition(".")[2], tuple(value.shape), repr(rounded.tolist())
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def names(L: Any) -> dict[str, Any]:
    L.manual_seed(0)
    return {
        "L": L,
        "F": L.nn.functional,
        "x": L.ones(2, 3),
        "v": L.tensor([1, 2]),
        "np": np,
        "io": io,
    }


@pytest.mark.parametrize("text", [
    "L.empty(0).bernoulli_(x, generator=3)",
    # of arguments that say nothing, or something else
    "x.max(other=None)", "L.min(x, other=None)", "L.bincount(v, minlength=2.5)",
    "v.bincount(None, 2.5)", "L.bincount(v, minlength=True)",
    "F.dropout(x, L.tensor(0.0, requires_grad=True))", "F.dropout2d(x, L.tensor([0.5]))",
    *(f"L.fft.{f}(x, dim=None)" for f in ("fft2", "ifft2", "rfft2", "irfft2", "hfft2", "ihfft2")),
    "L.subtract(x, 100, x)", "x.subtract(100, x)", "x.subtract_(100, x)",
    # bounds of integers that are drawn
    "x.random_(high=5)", "x.random_(low=0, high=5)", "x.random_(**{'from': 0})", "x.random_(0)",
    "x.random_(2.5)", "x.random_(0, 2.5)", "x.random_(None)", "x.random_(to=None)",
    "x.random_(1, **{'from': 0})", "x.random_(0, 1, 2)", "x.uniform_(a=0, b=1)",
    "x.byte().random_(0, 300)", "x.char().random_(-200, 100)", "x.bool().random_(0, 3)",
    "x.cfloat().random_(0, 3)", "x.half().random_(0, 2**17)",
    "L.randint(0, 300, (3,), dtype=L.uint8)", "L.randint(-200, 5, (3,), dtype=L.int8)",
    "L.randint(0, 3, (3,), dtype=L.bool)", "L.randint(0, 3, (3,), dtype=L.complex64)",
    "L.randint_like(v.int(), 0, 2**31 + 1)",
    # batches that do not fit
    "L.linalg.lstsq(L.eye(3).expand(2, 3, 3), L.ones(3, 2))",
    "L.linalg.lstsq(L.eye(3), L.ones(2, 3, 2))",
    "L.linalg.lstsq(L.ones(2, 1, 3, 3), L.ones(5, 3, 2))",
    "L.distributions.Binomial(L.tensor([0.3, 0.7]), validate_args=False).enumerate_support()",
    "L.func.jvp(lambda a: 3, (x,), (x,))", "L.func.jvp(lambda a: (), (x,), (x,))",
    "L.func.jvp(lambda: x, (), ())", "L.func.jacfwd(lambda a: ())(x)",
    "L.func.jacrev(lambda a: [])(x)", "L.func.vjp(lambda a: {}, x)",
    "L.func.vjp(lambda a: (a, 1), x)", "L.func.linearize(lambda a: a, x.int())",
    "x.as_strided((1,), {0: 1})", "x.as_strided({1}, (1,))", "L.as_strided(x, range(1), (0,))",
    "L.distributions.Exponential(L.tensor([2])).sample()",
    # results of another type, or two types
    "L.fft.fftfreq(4, out=v)", "L.fft.rfftfreq(4, out=v)",
    "L.fft.fftfreq(4, out=x[0].double(), dtype=L.float32)",
    "F.gelu(x, approximate=np.array([1.0, 2.0]))", "F.gelu(x[:0], approximate=np.array([1, None]))",
    "F.adaptive_avg_pool2d(x[None].cfloat(), 2)", "F.adaptive_avg_pool1d(x.cfloat(), 3)",
    # older forms
    "L.addmm(2, x, x, x.T, alpha=3)", "L.addmm(x, x, x.T, 2)", "x.addmm(1, 2, 3, x, x.T)",
])  # fmt: skip
def test_both_refuse(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            eval(text, names(L))


@pytest.mark.parametrize("text", [
    "L.zeros(3).byte().random_(255, None)", "L.zeros(50).byte().random_(0, None).max() > 99",
    "L.zeros(3).random_(1)", "L.zeros(3).random_(to=1)", "L.zeros(3).random_(2, to=3)",
    "L.zeros(3).random_(**{'from': 4, 'to': 5})", "L.zeros(2).uniform_(3, to=3)",
    "L.tensor([100, 3, 200]).int().cumprod_(0)", "L.tensor([100, 3, 200]).byte().cumsum_(dim=0)",
    "F.celu(L.tensor([-2.0, 0.0, 3.0]), float('inf'))", "F.elu(x * 0, float('inf'))",
    "F.elu(L.arange(-9e4, 9e4), float('inf'))", "F.celu(L.arange(-9e4, 9e4), float('inf'))",
    "F.celu(L.arange(-9e4, 9e4), float('nan'))", "F.elu(L.tensor([-0.0])).signbit()",
    "L.save({'x': x}, io.BytesIO(), pickle_protocol=None)",
    "L.randint(255, 256, (2,), dtype=L.uint8)", "L.zeros(2).uniform_(**{'from': 1})  > 2",
    "F.scaled_dot_product_attention(x[:, :0], x[:, :0], x * L.arange(3))",
    "F.scaled_dot_product_attention(x[:, :0], x[:, :0], x, is_causal=True)",
    "F.scaled_dot_product_attention(x[:, :0], x[:, :0], x, attn_mask=L.zeros(2, 2))",
    "L.linalg.lstsq(L.eye(3)[None] * 2, L.arange(9.0).reshape(3, 3)).solution",
    "L.linalg.lstsq(L.eye(3).expand(2, 3, 3), L.ones(1, 3, 2))[0]",
    "F.ctc_loss(x[:, None].log_softmax(-1), L.tensor([[True]]), (2,), (1,))",
    "L.fft.fftfreq(5, 2.0, out=L.ones(5))", "L.fft.rfftfreq(4, out=L.ones(7).double())",
    "L.fft.fftfreq(4, out=None)", "L.fft.fftfreq(3, out=L.ones(3).half())",
    *(f"F.adaptive_avg_pool{n}d(L.arange(8).cfloat().reshape({shape}) * 1j, 1)"
      for n, shape in ((1, (2, 4)), (2, (2, 2, 2)), (3, (1, 2, 2, 2)))),
    "L.utils.data.DistributedSampler(range(5), np.int64(2), True, shuffle=False).num_samples",
])  # fmt: skip
def test_both_agree(text: str) -> None:
    assert _plain(eval(text, names(ad))) == _plain(eval(text, names(torch)))


@pytest.mark.parametrize("number", [2.0, 2.5, float("nan"), float("inf")])
def test_processes_are_counted(number: float) -> None:
    """PyTorch makes such a sampler, and fails when it is used."""
    for given in ({"num_replicas": number, "rank": 0}, {"num_replicas": 4, "rank": number}):
        with pytest.raises(TypeError):
            ad.utils.data.DistributedSampler(range(5), **given)
