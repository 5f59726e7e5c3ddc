"""The flat update: what is grouped, what stays in place, what invalidates it; other backends."""

from __future__ import annotations

import numpy as np
import pytest
import strict_backend

import anadrome as ad
from anadrome.optim import FlatOptimizer, blocks
from anadrome.optim.plan import SMALL


def leaf(shape, value=1.0, **options):
    x = ad.full(shape, value, **options).requires_grad_()
    x.grad = ad.ones_like(x)
    return x


def state_arrays(optimizer, p):
    return [v.numpy() for k, v in optimizer.state[p].items() if k != "step"]


def test_small_parameters_share_memory_and_large_ones_do_not():
    small = [leaf((3, 4)), leaf(5), leaf(())]
    large = [leaf(SMALL), leaf((2, SMALL))]
    optimizer = ad.optim.Adam(small + large)
    optimizer.step()
    a, b, c, d, e = ([s.base for s in state_arrays(optimizer, p)] for p in small + large)
    assert a[0] is b[0] is c[0] and a[1] is b[1] is c[1] and a[0] is not a[1]
    assert a[0].shape == (3 * 4 + 5 + 1,)
    assert d[0] is None and e[0] is None


def test_memory_that_users_hold_is_written_and_not_replaced():
    x, y = leaf((2, 3)), leaf(4)
    held = [x.detach(), x.detach().numpy(), x.detach()[1]]
    optimizer = ad.optim.SGD([x, y], lr=0.25, momentum=0.9)
    optimizer.step()
    buffer = optimizer.state[x]["momentum_buffer"]
    optimizer.step()
    assert optimizer.state[x]["momentum_buffer"] is buffer
    for h in held:
        assert np.allclose(np.asarray(h), 1 - 0.25 - 0.25 * 1.9)


def test_parameters_and_gradients_of_any_strides():
    values = np.arange(12.0).reshape(3, 4)
    grads = np.linspace(-1, 1, 12).reshape(3, 4)
    plain = ad.tensor(values, requires_grad=True)
    plain.grad = ad.tensor(grads)
    turned = ad.tensor(values.T.copy()).t().requires_grad_()
    turned.grad = ad.tensor(grads.T.copy()).t()
    sliced = ad.zeros(6, 4, dtype=ad.float64)[::2].requires_grad_()
    with ad.no_grad():
        sliced.copy_(ad.tensor(values))
    sliced.grad = ad.tensor(grads)
    for params in ([plain], [turned], [sliced, leaf(2, dtype=ad.float64)]):
        optimizer = ad.optim.AdamW(params, lr=0.1, amsgrad=True)
        optimizer.step()
        optimizer.step()
    assert np.array_equal(plain.detach().numpy(), turned.detach().numpy())
    assert np.array_equal(plain.detach().numpy(), sliced.detach().numpy())


def test_a_parameter_without_gradient_stands_still():
    x, y = leaf(2), leaf(3)
    optimizer = ad.optim.Adam([x, y], lr=0.1)
    y.grad = None
    optimizer.step()
    assert y not in optimizer.state or not optimizer.state[y]
    y.grad = ad.ones(3)
    optimizer.step()
    x.grad = None
    before = x.tolist(), {k: v.tolist() for k, v in optimizer.state[x].items()}
    optimizer.step()
    assert (x.tolist(), {k: v.tolist() for k, v in optimizer.state[x].items()}) == before
    assert optimizer.state[x]["step"].item() == 2
    assert optimizer.state[y]["step"].item() == 2


def run(touch, *, alone):
    """Two parameters for four steps, with ``touch(optimizer, x)`` after the second."""
    x = ad.tensor([1.0, 2.0], dtype=ad.float64, requires_grad=True)
    y = ad.tensor([3.0], dtype=ad.float64, requires_grad=True)
    params = [x] if alone else [x, y]
    optimizer = ad.optim.Adam(params, lr=0.1)
    for i in range(4):
        if i == 2:
            touch(optimizer, x)
        for p in params:
            p.grad = p.detach() * (0.5 + i)
        optimizer.step()
    return x.tolist(), {k: v.tolist() for k, v in optimizer.state[x].items()}


def replace_average(optimizer, x):
    optimizer.state[x]["exp_avg"] = ad.full_like(x.detach(), 0.25)


def zero_average(optimizer, x):
    optimizer.state[x]["exp_avg"].zero_()


def reset_steps(optimizer, x):
    optimizer.state[x]["step"].fill_(0)


def forget(optimizer, x):
    del optimizer.state[x]


def forget_all(optimizer, x):
    optimizer.state.clear()


def move(optimizer, x):
    x.data = x.detach() * 2


def write(optimizer, x):
    with ad.no_grad():
        x.mul_(2)


@pytest.mark.parametrize(
    "touch", [replace_average, zero_average, reset_steps, forget, forget_all, move, write]
)
def test_what_users_do_to_the_state_counts(touch):
    """Updated together with another or on its own, a parameter takes the same way."""
    together, alone = run(touch, alone=False), run(touch, alone=True)
    assert together == alone
    untouched = run(lambda optimizer, x: None, alone=True)
    assert together != untouched


def test_groups_and_dtypes_are_kept_apart():
    x = leaf(2, dtype=ad.float32)
    y = leaf(2, dtype=ad.float64)
    z = leaf(2, dtype=ad.float32)
    optimizer = ad.optim.SGD([{"params": [x, y]}, {"params": [z], "lr": 0.5}], lr=0.25)
    optimizer.step()
    assert [p.tolist() for p in (x, y, z)] == [[0.75, 0.75], [0.75, 0.75], [0.5, 0.5]]
    assert [p.dtype for p in (x, y, z)] == [ad.float32, ad.float64, ad.float32]


def test_a_group_added_later():
    x, y = leaf(2), leaf(2)
    optimizer = ad.optim.Adam([x], lr=0.1)
    optimizer.step()
    optimizer.add_param_group({"params": [y], "lr": 0.2})
    optimizer.step()
    assert x.tolist() == pytest.approx([0.8, 0.8])
    assert y.tolist() == pytest.approx([0.8, 0.8])
    assert optimizer.state[y]["step"].item() == 1


@pytest.mark.parametrize("shape", [(100,), (7, 11), (3, 5, 7), (1, 1, 200), (0, 4), (), (50, 1)])
@pytest.mark.parametrize("size", [1, 8, 13, 10_000])
def test_blocks_cover_everything_once(monkeypatch, shape, size):
    monkeypatch.setattr(ad.backend.get("numpy"), "block", size)
    counts, read = np.zeros(shape), np.ones(shape)
    most = 0
    for piece, nothing, r in blocks(counts, None, read=read):
        assert nothing is None and piece.shape == r.shape
        most = max(most, piece.size)
        piece += r
    assert np.array_equal(counts, read)
    assert most <= size or most == counts.size


def test_blocks_of_half_precision_are_rounded_once():
    half = np.ones(3, np.float16)
    for piece, read in blocks(half, read=np.full(3, 2**-12, np.float16)):
        assert piece.dtype == np.float32
        for _ in range(4):
            piece += read  # each would be lost in float16
    assert half.dtype == np.float16
    assert half.tolist() == [1 + 2**-10] * 3


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: ad.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1, dampening=0.2),
        lambda ps: ad.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, maximize=True),
        lambda ps: ad.optim.Adam(ps, lr=0.1, weight_decay=0.1),
        lambda ps: ad.optim.AdamW(ps, lr=0.1, amsgrad=True, maximize=True),
    ],
)
def test_the_declared_rule_and_the_kernel_agree(make):
    """The strict backend runs the rules as they are declared; NumPy has kernels for them."""
    strict_backend.load()
    rng = np.random.default_rng(0)
    # Gathered; side by side, in parts that end in the middle of one; and of strides of its own.
    shapes = ((3, 4), (5,), (), (130, 140), (600, 500), (20000,), (140, 130))
    values = [rng.standard_normal(s) for s in shapes]
    grads = [[rng.standard_normal(v.shape) for v in values] for _ in range(4)]
    ends = []
    for device in ("cpu", "strict"):
        params = [ad.tensor(v, device=device, requires_grad=True) for v in values[:-1]]
        turned = ad.tensor(np.ascontiguousarray(values[-1].T), device=device).t()
        params.append(turned.requires_grad_())
        optimizer = make(params)
        for step in grads:
            for p, g in zip(params, step):
                p.grad = ad.tensor(g, device=device)
            optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        assert all(not np.asarray(p.grad.tolist()).any() for p in params)
        ends.append([np.asarray(p.tolist()) for p in params])
    for a, b in zip(*ends):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.torch
def test_an_optimizer_of_ones_own():
    torch = pytest.importorskip("torch")

    def rule(xp, param, grad, total, *, lr):
        for p, t, g in blocks(param, total, read=grad):
            t += g * g
            p -= lr * g / (xp.sqrt(t) + 1e-10)

    update = ad.op("test_adagrad", rule, mutates=("param", "total"), dtype=ad.KEEP, method=False)

    class Adagrad(FlatOptimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def state_names(self, group):
            return ("sum",)

        def numbers(self, group, step):
            return {"lr": group["lr"]}

    Adagrad.update = staticmethod(update)
    ends = []
    for lib, make in ((ad, Adagrad), (torch, torch.optim.Adagrad)):
        params = [lib.ones(3, requires_grad=True), lib.ones(200, 100, requires_grad=True)]
        optimizer = make(params, lr=0.1)
        for i in range(3):
            for p in params:
                p.grad = p.detach() * (i - 1.5)
            optimizer.step()
        ends.append([p.detach().numpy() for p in params])
    for a, b in zip(*ends):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_error_names_the_update():
    x = leaf(2)
    x.grad.data = ad.ones(3)
    with pytest.raises(RuntimeError, match=r"sgd_update\(param: float32 \(2,\) on cpu, grad: .*3"):
        ad.optim.SGD([x], lr=0.1, momentum=0.9).step()


@pytest.mark.parametrize("size", [2, SMALL])
def test_a_gradient_of_another_shape_is_seen_before_anything_is_written(size):
    x, y = leaf(size), leaf(size)
    y.grad.data = ad.ones(1)  # which would be broadcast
    with pytest.raises(RuntimeError, match=rf"shape \({size},\) has the shape \(1,\), so no param"):
        ad.optim.SGD([x, y], lr=0.1).step()
    assert x.tolist() == y.tolist() == [1.0] * size
