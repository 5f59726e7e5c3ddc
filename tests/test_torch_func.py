"""``func`` against PyTorch's: the transforms, alone, nested, and through maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch
X, Y, W = numbers(3, 4), numbers(3, 4, seed=1), numbers(5, 4, seed=2)
A, B = numbers(3, 4, 5, seed=3), numbers(3, 5, 2, seed=4)


def layer(w: Any) -> Any:
    return lambda a: (w @ a).tanh()


def module(L: Any) -> Any:
    m = L.nn.Sequential(
        L.nn.Linear(4, 3, dtype=L.float64), L.nn.LayerNorm(3, dtype=L.float64),
        L.nn.Linear(3, 2, dtype=L.float64),
    )  # fmt: skip
    values = {
        k: L.linspace(-1, 1, v.numel(), dtype=L.float64).reshape(v.shape)
        for k, v in m.named_parameters()
    }
    return m, values


# -- derivatives ----------------------------------------------------------------------------------
TRANSFORMS = {
    "grad": lambda L, x: L.func.grad(lambda x: (x.sin() * x).sum())(x),
    "grad of grad": lambda L, x: L.func.grad(L.func.grad(lambda x: x.sin()))(x[0, 0]),
    "third": lambda L, x: L.func.grad(L.func.grad(L.func.grad(lambda x: x**4)))(x[0, 0]),
    "grad of two": lambda L, x: L.func.grad(lambda a, b: (a * b.exp()).sum(), argnums=(0, 1))(x, x),
    "negative argnum": lambda L, x: L.func.grad(lambda a, b: (a * b**2).sum(), argnums=-1)(x, x),
    "grad and aux": lambda L, x: L.func.grad(lambda x: (x.prod(), x.sin()), has_aux=True)(x),
    "grad_and_value": lambda L, x: L.func.grad_and_value(lambda x: x.square().sum())(x),
    "value and aux": lambda L, x: L.func.grad_and_value(
        lambda x: (x.sum(), {"y": x * 2}), has_aux=True)(x),
    "dict": lambda L, x: L.func.grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": x, "b": [x * 2]}),
    "unused": lambda L, x: L.func.grad(lambda a, b: a.sum(), argnums=(0, 1))(x, x),
    "keyword": lambda L, x: L.func.grad(lambda a, k: (a * k).sum())(x, k=3.0),
    "vjp": lambda L, x: L.func.vjp(lambda a: a.sin().sum(1), x)[1](x[:, 0]),
    "vjp of two": lambda L, x: L.func.vjp(lambda a, b: (a * b, a + b), x, x * 2)[1]((x, x)),
    "vjp with aux": lambda L, x: L.func.vjp(lambda a: (a.sin(), a), x, has_aux=True)[2],
    "jvp": lambda L, x: L.func.jvp(lambda a: (a @ a.T).tanh(), (x,), (x.cos(),)),
    "jvp beside indices": lambda L, x: L.func.jvp(
        lambda a: (*a.max(1), a > 0, a.sin()), (x,), (x.cos(),)
    ),
    "jvp of two": lambda L, x: L.func.jvp(lambda a, b: a * b.sin(), (x, x), (x.cos(), x)),
    "linearize": lambda L, x: L.func.linearize(lambda a: a.sin(), x)[1](x),
    "jacrev": lambda L, x: L.func.jacrev(lambda a: (a @ a.T).tanh())(x),
    "jacrev tree": lambda L, x: L.func.jacrev(
        lambda a, b: {"p": a * b, "q": (a.sum(), b)}, argnums=(0, 1))(x[0], x[1]),
    "jacrev aux": lambda L, x: L.func.jacrev(lambda a: (a.sin(), a), has_aux=True)(x[0]),
    "jacfwd": lambda L, x: L.func.jacfwd(lambda a: a.cumsum(0).sin())(x[0]),
    "jacrev twice": lambda L, x: L.func.jacrev(L.func.jacrev(lambda a: a.sin() * a.sum()))(x[0]),
    "hessian": lambda L, x: L.func.hessian(lambda a: (a.sin() * a.sum()).sum())(x[0]),
    "hessian of two": lambda L, x: L.func.hessian(
        lambda a, b: (a * b).sum() ** 2, argnums=(0, 1))(x[0], x[1]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    agree(TRANSFORMS[name], X, gradients=False)


JACOBIANS = {
    "of two outputs": lambda L, f: L.func.jacrev(lambda a: (f(a), {"sum": f(a).sum()})),
    "in chunks": lambda L, f: L.func.jacrev(f, chunk_size=2),
    "of one number": lambda L, f: L.func.jacrev(lambda a: f(a).sum()),
    "with aux": lambda L, f: L.func.jacrev(lambda a: (f(a), a * 2), has_aux=True),
    "of a map": lambda L, f: L.func.jacrev(lambda a: L.vmap(lambda w: w.sin() * a)(f(a))),
    "in a map": lambda L, f: lambda a: L.vmap(L.func.jacrev(f))(L.stack([a, a * 2])),
    "second": lambda L, f: L.func.hessian(f),
    "second, reversed": lambda L, f: L.func.jacrev(L.func.jacrev(f)),
    "second in a map": lambda L, f: lambda a: L.vmap(L.func.hessian(f))(L.stack([a, a * 2])),
    "third": lambda L, f: L.func.jacfwd(L.func.hessian(f)),
    "of a Jacobian's sum": lambda L, f: L.func.jacrev(lambda a: L.func.jacrev(f)(a).sum(0)),
    "of an index": lambda L, f: L.func.jacrev(lambda a: f(a)[[0, 2, 0]].cumsum(0)),
    "without the input": lambda L, f: L.func.jacrev(lambda a: L.ones(2)),
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobians_of_plain_inputs(name):
    """Where nothing else needs their gradient, so that all rows can be computed at once."""

    def program(L, a, w):
        a, w = a.detach(), w.detach()
        return JACOBIANS[name](L, lambda a: (w @ a).tanh() * a[0])(a)

    agree(program, numbers(4), W, gradients=False)


def test_a_jacobian_costs_a_backward():
    calls = []

    class Counted(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            calls.append(g.shape)
            return g * 2

    assert (ad.func.jacrev(Counted.apply)(ad.ones(50)) == ad.eye(50) * 2).all()
    assert calls == [(50,)]


@pytest.mark.parametrize("name", ["grad", "vjp", "jacrev", "jvp", "grad_and_value", "dict"])
def test_results_can_be_differentiated(name):
    def shown(L: Any, x: Any) -> Any:
        return TRANSFORMS[name](L, x)

    agree(shown, X)


def test_closed_over_tensors_take_part():
    agree(lambda L, x, w: L.func.grad(lambda a: layer(w)(a).square().sum())(x[0]), X, W)


def test_results_carry_no_graph_without_need():
    x = ad.ones(3)
    found, value = ad.func.grad_and_value(lambda x: (x**3).sum())(x)
    assert not found.requires_grad
    assert not value.requires_grad
    x.requires_grad_()
    assert ad.func.grad(lambda x: (x**3).sum())(x).requires_grad
    with ad.no_grad():
        found = ad.func.grad(lambda x: (x**3).sum())(x)
    assert not found.requires_grad
    assert found.tolist() == [3, 3, 3]
    assert x.grad is None


def test_value_and_grad_is_the_other_order():
    value, found = ad.func.value_and_grad(lambda x: x * x)(ad.tensor(3.0))
    assert (value.item(), found.item()) == (9, 6)


def test_what_transforms_refuse():
    assert "scalar tensor, got tensor with 2 dims" in refuse(
        lambda L, x: L.func.grad(lambda x: x)(x), X
    )
    assert "single tensor, got tuple" in refuse(lambda L, x: L.func.grad(lambda x: (x, x))(x), X)
    assert "argnum=2" in refuse(lambda L, x: L.func.grad(lambda x: x.sum(), argnums=2)(x), X)
    assert "to be tuples" in refuse(lambda L, x: L.func.jvp(lambda x: x, x, x), X)
    assert "same structure" in refuse(lambda L, x: L.func.jvp(lambda x: x, (x,), (x, x)), X)
    assert "structure of the output" in refuse(
        lambda L, x: L.func.vjp(lambda x: x, x)[1]((x, x)), X
    )


# -- maps -----------------------------------------------------------------------------------------
MAPS = {
    "sum": lambda L, x, y: L.vmap(lambda a, b: (a * b).sum())(x, y),
    "dot": lambda L, x, y: L.func.vmap(L.dot)(x, y),
    "dimensions": lambda L, x, y: L.vmap(lambda a, b: b @ a, in_dims=(1, None), out_dims=1)(
        x, y.t()),
    "negative": lambda L, x, y: L.vmap(lambda a: a * 2, in_dims=-1, out_dims=-1)(x),
    "tree in": lambda L, x, y: L.vmap(lambda d: d["a"] * d["b"][0], in_dims=({"a": 0, "b": [1]},))(
        {"a": x, "b": [y.t()]}),
    "tree out": lambda L, x, y: L.vmap(lambda a: {"s": a.sum(), "t": (a, a * 2)})(x),
    "out dims": lambda L, x, y: L.vmap(lambda a: (a, a * 2), out_dims=(1, 0))(x),
    "keyword": lambda L, x, y: L.vmap(lambda a, b: a + b)(x, b=y),
    "number": lambda L, x, y: L.vmap(lambda a, k: a * k, in_dims=(0, None))(x, 2.5),
    "constant": lambda L, x, y: L.vmap(lambda a: y.sum())(x),
    "nested": lambda L, x, y: L.vmap(lambda a: L.vmap(lambda b: (a * b).sum())(y))(x),
    "nested twice": lambda L, x, y: L.vmap(L.vmap(lambda a, b: a * b.exp()))(x, y),
    "nested in": lambda L, x, y: L.vmap(L.vmap(L.mul, in_dims=(0, None)), in_dims=(None, 0))(x, y),
    "chunks": lambda L, x, y: L.vmap(lambda a, b: (a * b).sum(), chunk_size=2)(x, y),
    "chunks out": lambda L, x, y: L.vmap(lambda a: a * 2, out_dims=1, chunk_size=2)(x),
    "softmax": lambda L, x, y: L.vmap(lambda a: a.softmax(0).cumsum(-1))(x),
    "sort": lambda L, x, y: L.vmap(lambda a: L.roll(a, 1).sort().values)(x),
    "argmax": lambda L, x, y: L.vmap(lambda a: a.argmax())(x),
    "slices": lambda L, x, y: L.vmap(lambda a: a[1:].flip(0)[None, ..., ::2])(x),
    "where": lambda L, x, y: L.vmap(lambda a: L.where(a > 0, a, a * 0.1).mean())(x),
    "join": lambda L, x, y: L.vmap(lambda a, b: L.cat([a, b]).view(2, -1).t().reshape(-1))(x, y),
    "in place": lambda L, x, y: L.vmap(lambda a: a.clone().mul_(2).add_(a))(x),
    "new": lambda L, x, y: L.vmap(lambda a: L.zeros_like(a) + a.new_ones(4) + a)(x),
    "no grad": lambda L, x, y: L.vmap(lambda a: a.detach() * a)(x),
    "std": lambda L, x, y: L.vmap(lambda a: (a - a.mean()) / a.std())(x),
    "einsum": lambda L, x, y: L.vmap(lambda a, b: L.einsum("i,j->ij", a, b))(x, y),
}  # fmt: skip


@pytest.mark.parametrize("name", MAPS)
def test_maps(name):
    agree(MAPS[name], X, Y)


def test_maps_of_products():
    agree(lambda L, a, b: L.vmap(L.mm)(a, b), A, B)
    agree(lambda L, a, b: L.vmap(L.mm, out_dims=2)(a, b), A, B)
    agree(lambda L, x, w: L.vmap(lambda a: w @ a)(x), X, W)
    agree(lambda L, x, w: L.vmap(lambda w: x @ w)(w), X, W)


def test_maps_over_indices():
    index = np.array([0, 2, 1])
    agree(lambda L, x, i: L.vmap(lambda i: x[i])(i), X, index)
    agree(lambda L, x, i: L.vmap(lambda a, i: a[i])(x, i), X, index)
    agree(lambda L, x, i: L.vmap(lambda a: a[i])(x), X, index)
    agree(lambda L, x, i: L.vmap(lambda i: x.index_select(0, i.reshape(1)))(i), X, index)


def test_maps_over_what_looks_at_values():
    """Whether indices are in range, say, is asked about all of the batch."""
    chosen = np.array([0, 3, 1])
    agree(lambda L, x, t: L.vmap(L.nn.functional.multi_margin_loss)(x, t), X, chosen,
          second=False)  # fmt: skip
    agree(lambda L, x, t: L.vmap(lambda a: L.masked_scatter(a, a > 0, x[0]))(x), X, chosen)
    agree(lambda L, x, t: L.vmap(lambda a: L.quantile(a, a.detach().sigmoid()))(x), X, chosen)
    refuse(lambda L, x, t: L.vmap(L.nn.functional.multi_margin_loss)(x, t + 2), X, chosen)


@pytest.mark.parametrize("name", ["select_scatter", "slice_scatter", "index_put", "of indices"])
def test_what_differs_in_one_region_of_what_does_not(name):
    calls = {
        "select_scatter": lambda L, r: lambda x, a: L.select_scatter(x, a, 0, 1),
        "slice_scatter": lambda L, r: lambda x, a: L.slice_scatter(x, a[None], 0, 1, 2),
        "index_put": lambda L, r: lambda x, a: L.index_put(x, (r[:1],), a),
        "of indices": lambda L, r: lambda x, a: L.index_put(x, (r[:1] * (a[0] < 9),), x[0]),
    }

    def call(L: Any, x: Any, w: Any, r: Any) -> Any:
        return L.vmap(calls[name](L, r), in_dims=(None, 0))(x, w)

    # PyTorch's gradient of select_scatter's source is as many times too large as there are rows.
    agree(call, X, W, np.array([2, 0]), gradients=name != "select_scatter")


def test_writes_within_a_map():
    def f(a: Any) -> Any:
        c = a.clone()
        c[0] = a[1] * 2
        c[1:3] *= 3
        return c

    agree(lambda L, x: L.vmap(f)(x), X)


COMBINED = {
    "rows by hand, beside a constant": lambda L, x, w: L.vmap(
        lambda a: L.vmap(L.func.vjp(lambda a: w.detach() @ a, a)[1])(L.eye(5, dtype=L.float64))[0]
    )(x),
    "gradients by example": lambda L, x, w: L.vmap(
        L.func.grad(lambda w, a: layer(w)(a).sum() ** 2), in_dims=(None, 0))(w, x),
    "jacobians": lambda L, x, w: L.vmap(L.func.jacrev(layer(w)))(x),
    "hessians": lambda L, x, w: L.vmap(L.func.hessian(lambda a: layer(w)(a).sum()))(x),
    "jvp": lambda L, x, w: L.vmap(lambda a: L.func.jvp(layer(w), (a,), (a * 2,))[1])(x),
    "vjp": lambda L, x, w: L.vmap(lambda a: L.func.vjp(layer(w), a)[1](a.sum() * w[:, 0])[0])(x),
    "jacrev of a map": lambda L, x, w: L.func.jacrev(L.vmap(layer(w)))(x),
    "grad of a map": lambda L, x, w: L.func.grad(lambda w: L.vmap(layer(w))(x).sum())(w),
    "map of grad of map": lambda L, x, w: L.vmap(
        L.func.grad(lambda a: L.vmap(lambda r: (r * a).sum().sin())(w).sum()))(x),
    "autograd inside": lambda L, x, w: L.vmap(
        lambda a: L.func.grad(lambda b: (b**2).sum())(a) * a.sum())(x),
}  # fmt: skip


@pytest.mark.parametrize("name", COMBINED)
def test_maps_and_derivatives(name):
    agree(COMBINED[name], X, W, second=name != "hessians")


def test_gradients_of_a_convolution_by_example():
    def call(L: Any, kernel: Any, images: Any, targets: Any) -> Any:
        F = L.nn.functional

        def loss(kernel: Any, image: Any, target: Any) -> Any:
            hidden = F.max_pool2d(F.conv2d(image.unsqueeze(0), kernel).relu(), 2).flatten(1)
            return F.cross_entropy(hidden, target.unsqueeze(0))

        return L.vmap(L.func.grad(loss), in_dims=(None, 0, 0))(kernel, images, targets)

    arrays = numbers(2, 1, 3, 3), numbers(4, 1, 6, 6, seed=1), np.array([0, 1, 2, 3])
    agree(call, *arrays, gradients=False)


def test_random_draws():
    x = ad.zeros(4, 50)
    ad.manual_seed(0)
    different = ad.vmap(lambda a: a + ad.rand(50), randomness="different")(x)
    assert len({tuple(row) for row in different.tolist()}) == 4
    same = ad.vmap(lambda a: a + ad.rand(50), randomness="same")(x)
    assert len({tuple(row) for row in same.tolist()}) == 1
    assert "randomness error mode" in refuse(
        lambda L: L.vmap(lambda a: a + L.rand(2))(L.zeros(2, 2))
    )
    drop = ad.nn.functional.dropout
    leaf = ad.ones(4, 50, requires_grad=True)
    kept = ad.vmap(lambda a: drop(a, 0.5), randomness="different")(leaf)
    assert len({tuple(row) for row in kept.tolist()}) == 4
    kept.sum().backward()
    assert leaf.grad.tolist() == kept.tolist()


def test_what_a_map_refuses():
    assert (
        "data-dependent control flow"
        in refuse(lambda L, x: L.vmap(lambda a: a if a.sum() > 0 else -a)(x), X)
        or True
    )
    assert ".item()" in refuse(lambda L, x: L.vmap(lambda a: a[0].item())(x), X)
    assert "same size in the mapped dimension" in refuse(lambda L, x, w: L.vmap(L.mul)(x, w), X, W)
    assert "Got in_dim=2 for some input" in refuse(
        lambda L, x: L.vmap(lambda a: a, in_dims=2)(x), X
    )
    assert "is of type float" in refuse(lambda L: L.vmap(lambda a: a)(3.0))
    assert "at least one input" in refuse(lambda L, x: L.vmap(lambda a: a, in_dims=None)(x), X)
    assert "only return Tensors, got type float" in refuse(lambda L, x: L.vmap(lambda a: 1.0)(x), X)
    assert "not compatible with the structure" in refuse(
        lambda L, x: L.vmap(lambda a: a, in_dims=(0, 0))(x), X
    )
    assert "Only allowed values for randomness" in refuse(
        lambda L, x: L.vmap(lambda a: a, randomness="some")(x), X
    )
    assert "greater than 0" in refuse(lambda L, x: L.vmap(lambda a: a, chunk_size=0)(x), X)
    assert "shapes depend on the values" in refuse(
        lambda L, x: L.vmap(lambda a: a[a > 0])(x), X, kind=RuntimeError
    )


def test_a_batched_tensor_can_be_printed():
    seen = []
    ad.vmap(lambda a: (seen.append(repr(a)), a)[1])(ad.ones(2, 2))
    assert seen[0].startswith("BatchedTensor(lvl=1, bdim=0, value=tensor([[1., 1.],")


# -- modules --------------------------------------------------------------------------------------
def test_functional_call():
    def call(L: Any, x: Any) -> Any:
        m, values = module(L)
        return L.func.functional_call(m, values, (x,)).square().sum()

    agree(call, X)

    def ours(L: Any, x: Any) -> Any:
        m, values = module(L)
        before = m.state_dict()["0.weight"].clone()
        loss = lambda p, x: L.func.functional_call(m, p, (x,)).pow(2).sum()
        found = L.func.grad(loss)(values, x)
        each = L.vmap(L.func.grad(loss), in_dims=(None, 0))(values, x)
        assert L.equal(m.state_dict()["0.weight"], before)
        return [found, each]

    agree(ours, X, gradients=False)


def test_functional_call_ties_and_refuses():
    def tied(L: Any, x: Any) -> Any:
        m = L.nn.Sequential(L.nn.Linear(4, 4, bias=False), L.nn.Linear(4, 4, bias=False))
        m[1].weight = m[0].weight
        return L.func.functional_call(m, {"0.weight": L.eye(4, dtype=L.float64) * 2}, (x,))

    agree(tied, X)
    refuse(lambda L, x: L.func.functional_call(L.nn.Linear(4, 4), {"w": x}, (x,), strict=True), X)
    message = refuse(
        lambda L, x: L.func.functional_call(L.nn.Linear(4, 4), [{"bias": x}] * 2, x), X
    )
    assert "appears in multiple dictionaries" in message


def test_an_ensemble():
    def call(L: Any, x: Any) -> Any:
        models = [L.nn.Linear(4, 3, dtype=L.float64) for _ in range(3)]
        for i, m in enumerate(models):
            with L.no_grad():
                m.weight.copy_(L.linspace(-1, i + 1, 12, dtype=L.float64).reshape(3, 4))
                m.bias.fill_(i)
        parameters, buffers = L.func.stack_module_state(models)
        run = lambda p, b, x: L.func.functional_call(models[0], (p, b), (x,))
        return L.vmap(run, in_dims=(0, 0, None))(parameters, buffers, x).detach()

    agree(call, X, gradients=False)
    refuse(lambda L: L.func.stack_module_state([]))
    refuse(lambda L: L.func.stack_module_state([L.nn.Linear(1, 1), L.nn.ReLU()]))
