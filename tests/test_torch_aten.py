"""PyTorch's own ops by name (``torch.ops.aten``), against PyTorch."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome.places.library import ops

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")


def aten(L: Any) -> Any:
    return ops.aten if L is ad else torch.ops.aten


CALLS = {
    "slice": lambda L, a, x: [a.slice.Tensor(x, 1, 1, 3), a.slice(x), a.slice(x, -1, 0, 4, 2)],
    "_to_copy": lambda L, a, x: [a._to_copy.default(x, dtype=L.float64), a._to_copy(x)],
    "index": lambda L, a, x: a.index.Tensor(x, [None, L.tensor([0, 2])]),
    "alias": lambda L, a, x: a.alias.default(x),
    "copy": lambda L, a, x: a.copy.default(x, L.ones(4)),
    "softmax": lambda L, a, x: [a._softmax.default(x, 1, False), a._log_softmax(x, 0, False)],
    "sym": lambda L, a, x: [a.sym_size.int(x, 1), a.sym_stride.int(x, 0), a.sym_numel(x)],
    "views copied": lambda L, a, x: [
        a.view_copy.default(x, [4, 3]), a.transpose_copy.int(x, 0, 1), a.t_copy(x),
        a.permute_copy(x, [1, 0]), a.expand_copy(x, [2, 3, 4]), a.select_copy.int(x, 0, 1),
        a.slice_copy.Tensor(x, 0, 1, 3), a.squeeze_copy(x[:1]), a.unsqueeze_copy(x, 0),
        a.diagonal_copy(x), a.detach_copy(x), a.alias_copy(x), a.as_strided_copy(x, [2], [5], 1),
        *a.split_copy.Tensor(x, 2), *a.unbind_copy.int(x, 1),
    ],
    "namespaces": lambda L, a, x: [
        a.linalg_vector_norm(x), a.special_expit(x), a.fft_rfft(x).abs(),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_an_op_by_name(name: str) -> None:
    def run(L: Any) -> Any:
        out = CALLS[name](L, aten(L), L.arange(12.0).reshape(3, 4))
        parts = out if isinstance(out, list) else [out]
        return [
            (p.tolist(), str(p.dtype).split(".")[1]) if isinstance(p, L.Tensor) else p
            for p in parts
        ]

    for found, wanted in zip(run(ad), run(torch), strict=True):
        if isinstance(wanted, int):
            assert found == wanted
        else:
            assert found[1] == wanted[1]
            assert ad.allclose(ad.tensor(found[0]), ad.tensor(wanted[0]))


def test_a_copy_shares_nothing_and_a_view_does() -> None:
    for L in (ad, torch):
        x = L.zeros(3, 4)
        aten(L).view_copy(x, [12]).fill_(1.0)
        aten(L).split_copy.Tensor(x, 2)[0].fill_(1.0)
        assert x.sum() == 0
        aten(L).slice.Tensor(x, 0, 0, 1).fill_(1.0)
        assert x.sum() == 4


def test_no_such_op() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'house_copy'"):
        ops.aten.house_copy(ad.ones(1))
