"""The device "meta": what NumPy says of shapes and dtypes holds there, and nothing takes memory."""

from __future__ import annotations

import copy
import pickle
import resource
from typing import Any

import pytest

import anadrome as ad
from anadrome import testing
from anadrome.errors import NoValuesError
from anadrome.later import everything
from anadrome.op import table
from anadrome.testing import reference

pytestmark = pytest.mark.filterwarnings("ignore:Casting complex")
everything()
KINDS = ("float32", "float64", "bfloat16", "int64", "complex64")
OPS = [op for op in table.values() if op.samples]


def told(t: Any) -> Any:
    return None if t is None else (tuple(t.shape), t.dtype.name)


def outcome(op: Any, args: list[Any], keywords: Any, device: str) -> Any:
    """Shapes and dtypes of what an op returns, and of the gradients of that."""
    here = [a.detach().clone().to(device) if isinstance(a, ad.Tensor) else a for a in args]
    over = [a for a in here if isinstance(a, ad.Tensor) and a.dtype.category >= 2]
    if not op.mutates:
        for a in over:
            a.requires_grad_()
    outs = reference.outputs(op, here, keywords)
    ends = [o for o in outs if o.requires_grad]
    assert all(o.device.type == device for o in outs)
    try:
        seeds = [ad.ones_like(o) for o in ends]
        grads = ad.autograd.grad(ends, over, seeds, allow_unused=True) if ends else ()
    except NotImplementedError as error:
        if isinstance(error, NoValuesError):
            raise
        grads = ()
    # What an op of half precision keeps for its backward beside the result may be float32.
    beside = [told(o)[:1] if outs[0].dtype.itemsize == 2 else told(o) for o in outs[1:]]
    return [told(outs[0]), *beside], [told(g) for g in grads]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_gives_the_shapes_that_it_gives_on_numpy(op: Any) -> None:
    tried = 0
    for sample in op.samples:
        for kind in KINDS:
            args, keywords = testing.make_args(sample, dtype=kind)
            try:
                wanted = outcome(op, args, keywords, "cpu")
            except (RuntimeError, TypeError, ValueError):
                continue
            assert outcome(op, args, keywords, "meta") == wanted, f"{sample} of {kind}"
            tried += 1
    assert tried


def test_the_size_costs_nothing() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x = ad.empty(10**6, 10**6, device="meta", requires_grad=True)
    y = (x @ ad.ones(10**6, 10**5, device="meta")).softmax(-1)
    y[3:, ::2].t().reshape(-1).exp().sum().backward()
    assert x.grad.shape == x.shape and x.grad.is_meta
    z = ad.cat([x.detach(), x.detach()])
    z[:, 5] = 1.0
    z.add_(1).sort(-1)
    assert ad.arange(10**12, device="meta").cumsum(0).shape == (10**12,)
    layer = ad.nn.Linear(10**6, 10**6, device="meta")
    assert layer(x.detach()).shape == x.shape and layer.weight.nbytes == 4 * 10**12
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_views_have_places_and_strides_and_are_views() -> None:
    x = ad.empty(4, 6, device="meta")
    twin = ad.zeros(4, 6)
    for view in (
        lambda t: t[1:, ::2],
        lambda t: t.t(),
        lambda t: t.T[2],
        lambda t: t.view(2, 12)[1],
        lambda t: t[None, 2:3, :, None].expand(3, 1, 6, 2),
        lambda t: t.as_strided((2, 2), (3, 2), 4),
        lambda t: t.unfold(1, 3, 2),
        lambda t: t.diagonal(),
        lambda t: t.flip(0),
        lambda t: t.permute(1, 0).contiguous(),
        lambda t: t.view(ad.int32)[2],
    ):
        found, wanted = view(x), view(twin)
        assert found.shape == wanted.shape and found.stride() == wanted.stride()
        assert found.storage_offset() == wanted.storage_offset()
        assert found.is_contiguous() == wanted.is_contiguous()
        assert (found._base is x) == (wanted._base is twin)


def test_a_write_into_a_view_is_seen() -> None:
    x = ad.zeros(3, 2, device="meta", requires_grad=True)
    y = x * 2
    y[0].mul_(3)
    assert y.grad_fn.name() == "CopySlices"
    y.sum().backward()
    assert x.grad.shape == (3, 2)


def test_what_cannot_be_written_is_refused() -> None:
    x = ad.zeros(3, 2, device="meta")
    with pytest.raises(RuntimeError, match="single memory location"):
        x[0].expand(4, 2).add_(1)
    with pytest.raises(RuntimeError):
        x[0] = ad.ones(5, device="meta")
    with pytest.raises(IndexError):
        x[7]
    with pytest.raises(RuntimeError):
        x @ x


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.item(),
        lambda x: float(x),
        lambda x: bool(x),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: ad.ones(1).copy_(x),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: ad.nn.Linear(2, 3, device="meta").to("cpu"),
    ],
)
def test_values_are_not_there(ask: Any) -> None:
    with pytest.raises(NoValuesError, match="meta") as info:
        ask(ad.ones(1, device="meta"))
    assert isinstance(info.value, NotImplementedError)


def test_no_random_number_is_drawn() -> None:
    ad.manual_seed(3)
    wanted = ad.rand(2)
    ad.manual_seed(3)
    with ad.device("meta"):
        layer = ad.nn.Linear(3, 4)
        ad.randn(5)
        ad.randperm(7)
    assert layer.weight.is_meta and ad.rand(2).equal(wanted)


def test_copies_and_pickles() -> None:
    x = ad.nn.Parameter(ad.empty(2, 3, dtype=ad.bfloat16, device="meta"))
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(again) is ad.nn.Parameter and again.requires_grad
        assert again.is_meta and again.shape == (2, 3) and again.dtype is ad.bfloat16


def test_get_device_module() -> None:
    assert ad.get_device_module("cuda") is ad.cuda
    assert ad.get_device_module(ad.device("cpu")) is ad.cpu
    with pytest.raises(RuntimeError, match="corresponding module"):
        ad.get_device_module("meta")
    with pytest.raises(RuntimeError, match="Invalid value of device"):
        ad.get_device_module(3)


def test_strides_of_integers_keep_their_type() -> None:
    assert ad.empty_permuted((0,), (0,), dtype=ad.int64).dtype is ad.int64
