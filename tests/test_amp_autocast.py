"""Autocast regions: nesting, caching, what is left alone, gradients."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anadrome as ad

HALVES = (ad.float16, ad.bfloat16)


def leaf(*shape: int) -> ad.Tensor:
    return ad.randn(*shape).requires_grad_()


def cast_of(product: ad.Tensor) -> Any:
    """The node of the cast of mm's second argument."""
    return product.grad_fn.next_functions[1][0]


def test_regions_nest_and_end() -> None:
    x, w = ad.ones(2, 3), ad.ones(3, 2)
    assert not ad.is_autocast_enabled("cpu")
    with ad.autocast("cpu"):
        assert ad.is_autocast_enabled("cpu")
        assert not ad.is_autocast_enabled("cuda")
        assert x.mm(w).dtype is ad.bfloat16
        with ad.autocast("cpu", dtype=ad.float16):
            assert ad.get_autocast_dtype("cpu") is ad.float16
            assert x.mm(w).dtype is ad.float16
            with ad.autocast("cpu", enabled=False):
                assert not ad.is_autocast_enabled("cpu")
                assert x.mm(w).dtype is ad.float32
                assert ad.get_autocast_dtype("cpu") is ad.float16
                with ad.autocast("cpu"):
                    assert x.mm(w).dtype is ad.float16
            assert x.mm(w).dtype is ad.float16
        assert x.mm(w).dtype is ad.bfloat16
    assert x.mm(w).dtype is ad.float32
    assert ad.get_autocast_dtype("cpu") is ad.bfloat16
    assert ad.get_autocast_dtype("cuda") is ad.float16


def test_region_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), ad.autocast("cpu"):
        raise KeyError
    assert not ad.is_autocast_enabled("cpu")


def test_decorator_opens_a_region_a_call() -> None:
    @ad.autocast("cpu", dtype=ad.float16)
    def product(x: ad.Tensor, depth: int) -> ad.Tensor:
        return product(x, depth - 1) if depth else x.mm(x)

    assert product(ad.ones(2, 2), 3).dtype is ad.float16
    assert ad.ones(2, 2).mm(ad.ones(2, 2)).dtype is ad.float32


def test_decorator_wants_a_function() -> None:
    with pytest.raises(TypeError, match=r"requires a callable, but got Tensor"):
        ad.autocast("cpu")(ad.ones(1))  # type: ignore[arg-type]


def test_weight_is_cast_once_a_region() -> None:
    x, w = ad.ones(2, 3), leaf(3, 2)
    with ad.autocast("cpu"):
        first = cast_of(x.mm(w))
        with ad.autocast("cpu"):
            assert cast_of(x.mm(w)) is first
        with ad.autocast("cpu", enabled=False):
            pass
        assert cast_of(x.mm(w)) is first
        with ad.autocast("cpu", dtype=ad.float16):
            assert cast_of(x.mm(w)) is not first
            assert x.mm(w).dtype is ad.float16
    with ad.autocast("cpu"):
        assert cast_of(x.mm(w)) is not first
    with ad.autocast("cpu", cache_enabled=False):
        assert cast_of(x.mm(w)) is not cast_of(x.mm(w))


def test_cast_that_was_not_recorded_is_not_used_where_recording_is_on() -> None:
    x, w = ad.ones(2, 3), leaf(3, 2)
    with ad.autocast("cpu"):
        with ad.no_grad():
            x.mm(w)
        x.mm(w).float().sum().backward()
    assert w.grad is not None


def test_weight_that_is_written_is_cast_anew() -> None:
    x, w = ad.ones(1, 2), ad.ones(2, 1).requires_grad_()
    with ad.autocast("cpu"):
        assert x.mm(w).item() == 2
        with ad.no_grad():
            w += 1
        assert x.mm(w).item() == 4


def test_only_leaves_that_want_a_gradient_are_cached() -> None:
    x, w = leaf(2, 2), ad.ones(2, 2)
    with ad.autocast("cpu"):
        h = x * 2
        assert h.mm(w).grad_fn.next_functions[0][0] is not h.mm(w).grad_fn.next_functions[0][0]


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("inside", [False, True])
def test_gradient_reaches_the_weight_as_float32(half: Any, inside: bool) -> None:
    x, w = ad.tensor([[1.0, 2.0]]), ad.tensor([[3.0], [4.0]], requires_grad=True)
    with ad.autocast("cpu", dtype=half):
        y = x.mm(w) + x.mm(w)
        loss = y.float().square().sum()
        if inside:
            loss.backward()
    if not inside:
        loss.backward()
    assert w.dtype is ad.float32
    assert w.grad.dtype is ad.float32
    assert w.grad.tolist() == [[88.0], [176.0]]  # 2 * 22 * 2 * x


@pytest.mark.parametrize("inside", [False, True])
def test_second_order_runs_in_the_precision_of_the_op(inside: bool) -> None:
    x = ad.tensor([0.5, 1.5], requires_grad=True)

    def gradient() -> Any:
        return ad.autograd.grad(loss, x, create_graph=True)[0]

    with ad.autocast("cpu", dtype=ad.float16):
        h = x.half()
        loss = (h @ h.reshape(2, 1)).sum()
        if inside:
            g = gradient()
    if not inside:
        g = gradient()
    (g.float() ** 2).sum().backward()
    assert g.dtype is ad.float32
    assert x.grad.tolist() == [4.0, 12.0]  # (2x)^2, differentiated


def test_products_are_accumulated_in_float32() -> None:
    ones = ad.ones(1, 4096)
    with ad.autocast("cpu", dtype=ad.float16):
        assert ones.mm(ones.t()).item() == 4096  # float16 alone stops at 2048
    with ad.autocast("cpu", dtype=ad.bfloat16):
        assert ones.mm(ones.t()).item() == 4096  # bfloat16 alone stops at 256


def test_other_modes_see_the_casts_and_autocast_sees_their_calls() -> None:
    seen = []

    class Log(ad.Mode):
        def intercept(self, op: Any, args: Any, kwargs: Any) -> Any:
            seen.append((op.op.name, args[0].dtype.name))
            return op(*args, **kwargs)

    x = ad.ones(2, 2)
    with Log(), ad.autocast("cpu"):
        x.mm(x)
    assert seen == [("to_dtype", "float32")] * 2 + [("mm", "bfloat16")]
    seen.clear()
    with ad.autocast("cpu"), Log():
        assert x.mm(x).dtype is ad.bfloat16
    assert seen == [("mm", "float32")]


def test_in_place_forms_keep_the_type_of_what_they_write_into() -> None:
    x = ad.ones(2, dtype=ad.bfloat16)
    with ad.autocast("cpu"):
        assert x.exp_().dtype is ad.bfloat16
        assert x.mul_(ad.ones(2, dtype=ad.bfloat16)).dtype is ad.bfloat16


def test_threads_have_regions_of_their_own() -> None:
    inside = []
    with ad.autocast("cpu"):
        thread = threading.Thread(target=lambda: inside.append(ad.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
    assert inside == [False]


def test_dtype_that_is_no_half_disables_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"In CPU autocast, but the target") as caught:
        region = ad.autocast("cpu", dtype=ad.float64)
    assert caught[0].filename == __file__
    with region:
        assert ad.ones(1, 1).mm(ad.ones(1, 1)).dtype is ad.float32


def test_device_types_that_are_not_there() -> None:
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'toaster'; there are"):
        ad.autocast("toaster")
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`, got: `int`"):
        ad.autocast(1)  # type: ignore[arg-type]
    assert ad.amp.is_autocast_available("cpu")
    assert not ad.amp.is_autocast_available("toaster")


def test_cuda_region_leaves_the_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from anadrome.plugins.amp import autocasting

    monkeypatch.setattr(autocasting, "is_available", lambda device_type: True)
    x = ad.ones(2, 2)
    with ad.cuda.amp.autocast():
        assert ad.is_autocast_enabled("cuda")
        assert x.mm(x).dtype is ad.float32
        with ad.cpu.amp.autocast():
            assert x.mm(x).dtype is ad.bfloat16
            assert ad.is_autocast_enabled("cuda")


def test_without_a_gpu_cuda_autocast_warns_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from anadrome.plugins.amp import autocasting

    monkeypatch.setattr(autocasting, "is_available", lambda device_type: device_type == "cpu")
    with pytest.warns(UserWarning, match=r"CUDA is not available. Disabling") as caught:
        region = ad.autocast("cuda")
    assert caught[0].filename == __file__
    with region:
        assert not ad.is_autocast_enabled("cuda")
    ad.autocast("cuda", enabled=False)  # says nothing


class Square(ad.autograd.Function):
    """Notes what its two directions see."""

    seen: list[Any] = []

    @staticmethod
    @ad.amp.custom_fwd(device_type="cpu")
    def forward(ctx: Any, x: ad.Tensor) -> ad.Tensor:
        ctx.save_for_backward(x)
        Square.seen.append(ad.is_autocast_enabled("cpu"))
        return x.mm(x)

    @staticmethod
    @ad.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, grad: ad.Tensor) -> ad.Tensor:
        (x,) = ctx.saved_tensors
        Square.seen.append((ad.is_autocast_enabled("cpu"), ad.get_autocast_dtype("cpu")))
        return grad.mm(x.t()) + x.t().mm(grad)


def test_custom_bwd_runs_as_forward_did() -> None:
    Square.seen = []
    x = leaf(2, 2)
    with ad.autocast("cpu", dtype=ad.float16):
        y = Square.apply(x)
    assert y.dtype is ad.float16
    y.float().sum().backward()
    assert Square.seen == [True, (True, ad.float16)]
    assert x.grad.dtype is ad.float32


def test_custom_fwd_casts_inputs_and_turns_autocast_off() -> None:
    seen = []

    class Wide(ad.autograd.Function):
        @staticmethod
        @ad.amp.custom_fwd(device_type="cpu", cast_inputs=ad.float32)
        def forward(ctx: Any, x: ad.Tensor, pair: Any, number: int) -> ad.Tensor:
            seen.append((x.dtype, pair[0].dtype, pair[1], number, ad.is_autocast_enabled("cpu")))
            return x * 1

        @staticmethod
        @ad.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, grad: ad.Tensor) -> Any:
            seen.append(ad.is_autocast_enabled("cpu"))
            return grad, None, None

    x = ad.ones(2, dtype=ad.bfloat16, requires_grad=True)
    index = ad.tensor([1])
    with ad.autocast("cpu"):
        Wide.apply(x, (x, "text"), 3).sum().backward()
    assert seen == [(ad.float32, ad.float32, "text", 3, False), False]
    seen.clear()
    Wide.apply(x, (index, None), 3)
    assert seen == [(ad.bfloat16, ad.int64, None, 3, False)]


def test_custom_bwd_without_custom_fwd() -> None:
    class Half(ad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: ad.Tensor) -> ad.Tensor:
            return x * 1

        @staticmethod
        @ad.amp.custom_bwd(device_type="cpu")
        def backward(ctx: Any, grad: ad.Tensor) -> Any:
            return grad

    with pytest.raises(RuntimeError, match="custom_bwd: the forward was not decorated; write"):
        Half.apply(leaf(1)).sum().backward()


@given(
    rows=st.integers(1, 5),
    inner=st.integers(1, 5),
    half=st.sampled_from(HALVES),
    seed=st.integers(0, 2**16),
)
def test_region_is_the_same_as_casts_by_hand(rows: int, inner: int, half: Any, seed: int) -> None:
    ad.manual_seed(seed)
    x, w, b = ad.randn(rows, inner), leaf(inner, 3), leaf(3)

    def by_hand() -> ad.Tensor:
        y = x.to(half).mm(w.to(half)).tanh()
        return (y.float() * b).prod()

    def by_autocast() -> ad.Tensor:
        with ad.autocast("cpu", dtype=half):
            return (x.mm(w).tanh() * b).prod()

    grads = []
    for way in (by_hand, by_autocast):
        w.grad = b.grad = None
        loss = way()
        loss.backward()
        grads.append((loss.item(), w.grad.numpy().copy(), b.grad.numpy().copy()))
    for mine, theirs in zip(*grads):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.torch
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_training_agrees_with_pytorch(half: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    data = [rng.standard_normal(s).astype(np.float32) for s in ((16, 8), (8, 32), (32, 4), (16, 4))]

    def train(fw: Any) -> Any:
        x, w1, w2, y = (fw.tensor(d) for d in data)
        w1.requires_grad_()
        w2.requires_grad_()
        with fw.autocast("cpu", dtype=getattr(fw, half)):
            loss = ((x.mm(w1).relu().mm(w2) - y) ** 2).mean()
        loss.backward()
        return loss.item(), w1.grad.numpy(), w2.grad.numpy()

    for ours, theirs in zip(train(ad), train(torch)):
        np.testing.assert_allclose(ours, theirs, rtol=0.02, atol=0.02 * np.abs(theirs).max())


@pytest.mark.torch
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_half_stays_half_beside_float32_weights(training: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)

    def run(fw: Any) -> Any:
        w = fw.tensor(rng.standard_normal((2, 3, 3, 3)).astype(np.float32) * 0 + 0.3)
        scale = fw.ones(2, requires_grad=True)
        f = fw.nn.functional
        with fw.autocast("cpu"):
            h = f.conv2d(fw.tensor(data), w)
            out = f.batch_norm(h, fw.zeros(2), fw.ones(2), scale, None, training=training)
        out.float().square().mean().backward()
        return str(out.dtype).split(".")[-1], scale.grad.numpy()

    (ours, our_grad), (theirs, their_grad) = run(ad), run(torch)
    assert ours == theirs == "bfloat16"
    np.testing.assert_allclose(our_grad, their_grad, rtol=0.02)
