"""``vmap`` of indexing by arrays that differ by example: as the examples one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad

FORMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "first": lambda x, i, j: x[i],
    "pair": lambda x, i, j: x[i, j],
    "behind": lambda x, i, j: x[:, i],
    "behind two": lambda x, i, j: x[:, :, i],
    "pair behind": lambda x, i, j: x[:, i, j],
    "apart": lambda x, i, j: x[i, :, j],
    "beside a number": lambda x, i, j: x[1, i],
    "one after the other": lambda x, i, j: x[:, i][j],
    "with the same for each": lambda x, i, j: x[ad.tensor([0, 2]), i],
    "wider": lambda x, i, j: x[i.reshape(-1, 1), j],
}


def examples(x: Any, i: Any, j: Any, call: Any, each: bool) -> Any:
    return ad.stack([call(x[n] if each else x, i[n], j[n]) for n in range(i.shape[0])])


@pytest.mark.parametrize("each", [False, True], ids=["one x", "an x each"])
@pytest.mark.parametrize("shape", [(), (2,)], ids=["numbers", "rows"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, shape: tuple[int, ...], each: bool) -> None:
    rng = np.random.default_rng(0)
    call = FORMS[form]
    x = ad.tensor(rng.normal(size=(4, 3, 3, 3) if each else (3, 3, 3)), requires_grad=True)
    i, j = (ad.tensor(rng.integers(-3, 3, (4, *shape))) for _ in "ij")
    found = ad.func.vmap(call, in_dims=(0 if each else None, 0, 0))(x, i, j)
    wanted = examples(x, i, j, call, each)
    assert found.shape == wanted.shape and (found == wanted).all()
    weights = ad.tensor(rng.normal(size=wanted.shape))
    (g,) = ad.autograd.grad((found * weights).sum(), x)
    (h,) = ad.autograd.grad((wanted * weights).sum(), x)
    assert ad.allclose(g, h, rtol=1e-12, atol=1e-12)


def test_maps_in_maps_pick_from_a_table() -> None:
    table = ad.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)

    def bias(h: Any, q: Any, k: Any) -> Any:
        return table[h, (q - k).clamp(min=0)]

    mapped: Any = bias
    for dims in ((None, None, 0), (None, 0, None), (0, None, None)):
        mapped = ad.func.vmap(mapped, in_dims=dims)
    found = mapped(ad.arange(3), ad.arange(4), ad.arange(4))
    wanted = table[:, (ad.arange(4)[:, None] - ad.arange(4)).clamp(min=0)]
    assert found.shape == (3, 4, 4) and (found == wanted).all()
    found.sum().backward()
    assert table.grad.tolist() == [[10.0, 3.0, 2.0, 1.0]] * 3


def test_an_index_of_an_outer_map_beside_one_of_an_inner() -> None:
    x = ad.arange(24.0).reshape(2, 3, 4)
    outer = ad.func.vmap(lambda b: ad.func.vmap(lambda q: x[b, :, q] + x[b, 0, b])(ad.arange(4)))
    assert (outer(ad.arange(2)) == x.transpose(1, 2) + ad.stack([x[0, 0, 0], x[1, 0, 1]])
            .reshape(2, 1, 1)).all()  # fmt: skip


def test_masks_that_keep_the_count() -> None:
    x, keep = ad.arange(6.0).reshape(2, 3), ad.tensor([[True, False, True], [False, True, True]])
    assert ad.func.vmap(lambda r, m: r[m])(x, keep).tolist() == [[0.0, 2.0], [4.0, 5.0]]


def test_an_index_out_of_range_is_refused() -> None:
    with pytest.raises(IndexError):
        ad.func.vmap(lambda i: ad.ones(2)[i])(ad.tensor([0, 2]))
