"""Products added to something: addmm and its kin, with factors of zero, as PyTorch has them."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch

SHAPES = {
    "addmm": ((2, 3), (2, 4), (4, 3)),
    "addmv": ((2,), (2, 4), (4,)),
    "addr": ((2, 3), (2,), (3,)),
    "baddbmm": ((5, 2, 3), (5, 2, 4), (5, 4, 3)),
    "addbmm": ((2, 3), (5, 2, 4), (5, 4, 3)),
}
each = pytest.mark.parametrize("name", SHAPES)
FACTORS = [(1, 1), (0, 1), (1, 0), (0, 0), (2, -0.5)]


def operands(name, seed=0):
    return [numbers(*shape, seed=seed + i) for i, shape in enumerate(SHAPES[name])]


@each
@pytest.mark.parametrize("beta,alpha", FACTORS)
def test_values_and_gradients(name, beta, alpha):
    agree(lambda L, *x: getattr(L, name)(*x, beta=beta, alpha=alpha), *operands(name))


@each
def test_one_number_is_added_to_all(name):
    x, a, b = operands(name)
    agree(lambda L, *x: getattr(L, name)(*x, beta=3, alpha=2), x.reshape(-1)[:1], a, b)


@each
def test_what_is_multiplied_by_zero_may_be_nan(name):
    x, a, b = operands(name)
    x.reshape(-1)[::2] = np.nan
    agree(lambda L, *x: getattr(L, name)(*x, beta=0), x, a, b)
    if name in ("addmm", "addmv", "addbmm"):
        x, a, b = operands(name)
        a.reshape(-1)[0], b.reshape(-1)[-1] = np.inf, np.nan
        agree(lambda L, *x: getattr(L, name)(*x, alpha=0), x, a, b, second=False)


@each
def test_nodes(name):
    torch = pytest.importorskip("torch")

    def seen(L):
        leaves = [L.tensor(x, requires_grad=True) for x in operands(name)]
        node = getattr(L, name)(*leaves, beta=0).grad_fn
        return node.name(), [f.name().split("::")[-1] for f, _ in node.next_functions]

    assert seen(ad) == seen(torch)


@each
@pytest.mark.parametrize("beta,alpha", FACTORS)
def test_maps(name, beta, alpha):
    torch = pytest.importorskip("torch")
    one, two = operands(name), operands(name, seed=5)

    def mapped(L, dims):
        pairs = [L.tensor(np.stack(p) if d == 0 else p[0]) for p, d in zip(zip(one, two), dims)]
        call = lambda *x: getattr(L, name)(*x, beta=beta, alpha=alpha)
        return L.vmap(call, in_dims=dims)(*pairs).numpy()

    for dims in ((0, 0, 0), (None, 0, None), (0, None, None), (None, None, 0)):
        np.testing.assert_allclose(mapped(ad, dims), mapped(torch, dims), rtol=1e-6)


@each
def test_a_map_reads_nothing_of_what_is_multiplied_by_zero(name):
    x, a, b = (ad.tensor(np.stack([v, v])) for v in operands(name))
    call = lambda x, a, b: getattr(ad, name)(x, a, b, beta=0)
    out = ad.vmap(call)(x / 0, a, b)
    assert out.isfinite().all()


@each
def test_the_type_of_autocast(name):
    torch = pytest.importorskip("torch")

    def kind(L):
        x = [L.ones(*shape) for shape in SHAPES[name]]
        with L.autocast("cpu", dtype=L.bfloat16):
            return str(getattr(L, name)(*x).dtype).split(".")[-1]

    assert kind(ad) == kind(torch)


@each
@pytest.mark.filterwarnings("ignore")
def test_the_older_places_of_the_factors(name):
    x, a, b = operands(name)
    agree(lambda L, x, a, b: getattr(L, name)(2, x, a, b), x, a, b)
    agree(lambda L, x, a, b: getattr(L, name)(2, x, 3, a, b), x, a, b)
    agree(lambda L, x, a, b: getattr(x, name)(2, a, b), x, a, b)
    agree(lambda L, x, a, b: getattr(x, name)(2, 0.5, a, b), x, a, b)
    agree(lambda L, x, a, b: getattr(x.clone(), name + "_")(2, 0.5, a, b), x, a, b)
