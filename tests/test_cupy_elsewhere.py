"""Tensors on a device that is not the current one: the stand-in refuses, as CuPy does where the
devices cannot read each other's memory, whatever is done with the wrong one current."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_table import NAMES
from test_cupy_training import KINDS, trained

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import cuda, nn
from anadrome.op import table
from anadrome.testing import arguments
from anadrome.utils.checkpoint import checkpoint

# ruff: noqa: F811


@pytest.fixture(autouse=True)
def _stays(fake: Any) -> Any:
    yield
    assert cuda.current_device() == 0


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_there_is_that_of_the_cpu(kind: str, optimizer: str) -> None:
    there, here = trained(kind, "cuda:1", optimizer), trained(kind, "cpu", optimizer)
    np.testing.assert_allclose(there, here, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_in_mixed_precision(half: str) -> None:
    kind = getattr(ad, half)
    there, here = (trained("language", d, "SGD", kind) for d in ("cuda:1", "cpu"))
    np.testing.assert_allclose(there, here, rtol=0.02)


def split(here: str, there: str) -> list[list[Any]]:
    """A model in two halves that exchange values twice, and a sum of gradients of both."""
    rng = np.random.default_rng(0)

    def drawn(shape: Any, device: str) -> Any:
        return ad.tensor(rng.normal(size=shape), dtype=ad.float32, device=device,
                         requires_grad=True)  # fmt: skip

    x, w, v = drawn((4, 3), here), drawn((3, 3), there), drawn((3, 3), here)
    for _ in range(2):  # the second time gradients are added to those there are
        h = x.to(there) @ w
        y = (h.tanh().to(here) @ v + x + h.to(here)).relu()
        z = y.to(there)[:, 1:] * h[:, 1:]
        loss = (z.to(here).sum() + y[0].exp().mean()) * 0.5
        loss.backward()
    assert (str(x.grad.device), str(w.grad.device)) == (str(x.device), str(w.device))
    (g,) = ad.autograd.grad((x.to(there) @ w).tanh().sum(), w, create_graph=True)
    (g * g).sum().backward()
    return [t.grad.tolist() for t in (x, w, v)]


def test_a_model_on_two_devices() -> None:
    for a, b in zip(split("cuda:0", "cuda:1"), split("cpu", "cpu")):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_what_is_done_besides() -> None:
    x = ad.arange(6, dtype=ad.float32, device="cuda:1").reshape(2, 3)
    x[0] = 7.0
    x[:, 1] += ad.ones(2, device="cuda:1")
    x.add_(1).clamp_(max=9)
    x[x > 8.5] = 0
    assert x.tolist() == [[8, 0, 8], [4, 6, 6]]
    assert (x.double() + x).dtype is ad.float64
    out = ad.empty(2, 3, device="cuda:1")
    ad.exp(x * 0, out=out)
    assert out.sum().item() == 6 and float(out.mean()) == 1
    assert "cuda:1" in repr(x)
    for made in (x.clone(), x.half(), ad.cat([x, x]), ad.stack([x]), x.new_ones(2), x.sort()[0],
                 x.cumsum(0), x.to("cuda:0").to("cuda:1"), ad.randn_like(x), x.mT @ x,
                 F.one_hot(x.long(), 9), x.std(), x.unique(), x.nonzero()):  # fmt: skip
        assert str(made.device) == "cuda:1"
    for fill in (nn.init.orthogonal_, nn.init.xavier_uniform_, nn.init.zeros_):
        fill(x)


def test_a_checkpoint_there() -> None:
    layer = nn.Linear(3, 3).to("cuda:1")
    x = ad.ones(2, 3, device="cuda:1", requires_grad=True)
    (checkpoint(layer, x) ** 2).sum().backward()
    assert str(x.grad.device) == "cuda:1"


def test_an_array_that_is_elsewhere_is_refused_by_the_stand_in(fake: Any) -> None:
    x = ad.ones(2, device="cuda:1")._data
    for bad in (lambda: x + 1, lambda: x.sum(), lambda: x.astype(int), lambda: x.__setitem__(0, 1)):
        with pytest.raises(ValueError, match="Array device must be same as the current device"):
            bad()
    with cuda.device(1):
        assert (x + 1).device.id == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_op_and_its_gradient_there(fake: Any, monkeypatch: Any, name: str) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)
    op = table[name]
    for sample in op.samples:
        args, keywords = arguments.make_args(sample, requires_grad=True)
        args = [a.detach().to("cuda:1").requires_grad_(a.requires_grad)
                if isinstance(a, ad.Tensor) else a for a in args]  # fmt: skip
        out = op.call(*args, **keywords)
        outs = out if isinstance(out, tuple) else (out,)
        assert {str(o.device) for o in outs} == {"cuda:1"}
        used = [o for o in outs if o.requires_grad]
        if used:
            ad.autograd.backward(used, [ad.ones_like(o) for o in used])
            for a in arguments.floats(args):
                assert a.grad is None or str(a.grad.device) == "cuda:1"
