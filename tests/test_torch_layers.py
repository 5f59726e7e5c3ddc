"""Tables, distances, bilinear forms and attention against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

INDEX = np.array([[0, 4, 2], [2, 2, 1]])


# -- embedding ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "keywords", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True},
                 {"padding_idx": 0, "scale_grad_by_freq": True}]
)  # fmt: skip
@pytest.mark.parametrize("index", [INDEX, np.array(2), np.zeros((0, 2), np.int64),
                                   INDEX.astype(np.int32)])  # fmt: skip
def test_embedding(index: Any, keywords: dict[str, Any]) -> None:
    agree(lambda L, w, i: L.nn.functional.embedding(i, w, **keywords), numbers(5, 3), index)


@pytest.mark.parametrize("norm_type", [1.0, 2.0])
def test_embedding_with_a_largest_norm(norm_type: float) -> None:
    def call(L: Any, w: Any, i: Any) -> Any:
        w = w.detach().clone()
        return L.nn.functional.embedding(i, w, max_norm=1.5, norm_type=norm_type), w

    agree(call, numbers(5, 3), INDEX)


OFFSETS = np.array([0, 2, 2, 5])
FLAT = np.array([0, 4, 2, 2, 2, 1])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2, -5])
def test_embedding_bag(mode: str, padding_idx: int | None) -> None:
    keywords = {"mode": mode, "padding_idx": padding_idx}
    agree(lambda L, w, i: L.nn.functional.embedding_bag(i, w, **keywords),
          numbers(5, 3), INDEX, second=False)  # fmt: skip
    agree(lambda L, w, i, o: L.nn.functional.embedding_bag(i, w, o, **keywords),
          numbers(5, 3), FLAT, OFFSETS, second=False)  # fmt: skip
    last = {**keywords, "include_last_offset": True}
    agree(lambda L, w, i, o: L.nn.functional.embedding_bag(i, w, o, **last),
          numbers(5, 3), FLAT, np.array([0, 2, 2, 6]), second=False)  # fmt: skip


@pytest.mark.parametrize("padding_idx", [None, 2])
def test_embedding_bag_with_weights(padding_idx: int | None) -> None:
    def call(L: Any, w: Any, s: Any, i: Any, o: Any = None) -> Any:
        return L.nn.functional.embedding_bag(
            i, w, o, mode="sum", per_sample_weights=s, padding_idx=padding_idx
        )

    agree(call, numbers(5, 3), numbers(2, 3, seed=1), INDEX, second=False)
    agree(call, numbers(5, 3), numbers(6, seed=1), FLAT, OFFSETS, second=False)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag_by_frequency(mode: str) -> None:
    """As the embeddings that are summed; PyTorch's bags divide by the count of another row."""
    F = ad.nn.functional
    w, i = ad.tensor(numbers(5, 3), requires_grad=True), ad.tensor(INDEX)
    bags = F.embedding_bag(i, w, mode=mode, scale_grad_by_freq=True)
    rows = getattr(F.embedding(i, w, scale_grad_by_freq=True), mode)(1)
    assert ad.allclose(bags, rows)
    seed = ad.tensor(numbers(2, 3, seed=5))
    assert ad.allclose(*(ad.autograd.grad(out, w, seed)[0] for out in (bags, rows)))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag_of_empty_bags(mode: str) -> None:
    empty = np.zeros((0,), np.int64)
    agree(lambda L, w, i, o: L.nn.functional.embedding_bag(i, w, o, mode=mode),
          numbers(5, 3), empty, np.array([0, 0]), second=False)  # fmt: skip
    w = ad.tensor(numbers(5, 3), requires_grad=True)
    out = ad.nn.functional.embedding_bag(ad.tensor(INDEX), w, mode=mode)
    (g,) = ad.autograd.grad((out**2).sum(), w, create_graph=True)
    assert ad.autograd.grad(g.sum(), w)[0].shape == w.shape  # PyTorch has no second derivative


def test_embedding_bag_shortens_rows() -> None:
    def call(L: Any, w: Any, i: Any) -> Any:
        w = w.detach().clone()
        return L.nn.functional.embedding_bag(i, w, max_norm=1.0), w

    agree(call, numbers(5, 3), INDEX)


# -- distances ----------------------------------------------------------------------------------
@pytest.mark.parametrize("a, b", [((3, 4), (3, 4)), ((2, 1, 4), (3, 4)), ((3, 4), (1, 4))])
def test_distances(a: Any, b: Any) -> None:
    x, y = numbers(*a), numbers(*b, seed=1)
    for dim in (1, -1, 0):
        agree(lambda L, x, y, d=dim: L.nn.functional.cosine_similarity(x, y, d), x, y)
    for p in (1.0, 2.0, 3.0, float("inf")):
        for keepdim in (False, True):
            agree(lambda L, x, y, p=p, k=keepdim: L.nn.functional.pairwise_distance(
                x, y, p, keepdim=k), x, y, second=p in (2.0, 3.0))  # fmt: skip


def test_distances_of_one_vector() -> None:
    agree(lambda L, x, y: L.nn.functional.cosine_similarity(x, y, dim=0), numbers(4),
          numbers(4, seed=1))  # fmt: skip
    agree(lambda L, x, y: L.nn.functional.pairwise_distance(x, y), numbers(4), numbers(4, seed=1))
    agree(lambda L, x, y: L.nn.functional.pairwise_distance(x, y), INDEX, INDEX + 1, rtol=1e-5)


def test_cosine_similarity_below_eps() -> None:
    x, y = numbers(3, 4), numbers(3, 4, seed=1)
    agree(lambda L, x, y: L.nn.functional.cosine_similarity(x, y, eps=3.0), x, y)
    x[1] = 0
    agree(lambda L, x, y: L.nn.functional.cosine_similarity(x, y), x, y, second=False)


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 2.5, float("inf")])
def test_pdist(p: float) -> None:
    """PyTorch has no second derivative of it."""
    for rows in (5, 2, 1):
        agree(lambda L, x: L.nn.functional.pdist(x, p), numbers(rows, 3), second=False)


@pytest.mark.parametrize("width", [7, 40])
def test_pdist_of_many_rows(width: int) -> None:
    """Among them two that are equal, and two whose difference a product would lose."""
    x = numbers(150, width)
    x[3], x[4] = x[0], x[1] + 1e-6
    agree(lambda L, x: L.nn.functional.pdist(x), x, second=False)


FORMS: list[Any] = [
    lambda L, x: L.dropout(x, 0.5, False), lambda L, x: L.dropout(x, 1.0, True),
    lambda L, x: L.dropout_(x * 1, 1.0, True), lambda L, x: L.feature_dropout(x, 0.3, False),
    lambda L, x: L.alpha_dropout(x, 0.3, False), lambda L, x: L.feature_alpha_dropout(x, 0.0, True),
    lambda L, x: L.layer_norm(x, (4,)), lambda L, x: L.group_norm(x, 2),
    lambda L, x: L.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False),
    lambda L, x: L.instance_norm(x[None], None, None, None, None, True, 0.1, 1e-5, False),
    lambda L, x: L.rms_norm(x, (4,)), lambda L, x: L.embedding(x, L.tensor([2, 0])),
    lambda L, x: L.embedding(x, L.tensor([2, 0]), 0), lambda L, x: L.celu(x),
    lambda L, x: L.selu(x),
    lambda L, x: L.prelu(x, x[0, :1]), lambda L, x: x.prelu(x[0, :1]), lambda L, x: L.rrelu(x),
    lambda L, x: L.threshold(x, 0.1, 2.0), lambda L, x: L.hardshrink(x),
    lambda L, x: x.hardshrink(),
    lambda L, x: L.relu_(x * 1), lambda L, x: L.selu_(x * 1), lambda L, x: L.celu_(x * 1),
    lambda L, x: L.softmax(x, 0), lambda L, x: L.softmax(x, dim=1, dtype=L.float64),
    lambda L, x: L.log_softmax(x.float(), 0, L.float64), lambda L, x: x.softmax(0),
    lambda L, x: L.pdist(x),
    lambda L, x: L.cosine_similarity(x, x * x), lambda L, x: L.pairwise_distance(x, x * x),
]  # fmt: skip


@pytest.mark.parametrize("call", FORMS)
def test_names_beside_functional(call: Any) -> None:
    agree(call, numbers(3, 4), second=False)


@pytest.mark.parametrize("lead", [(3,), (2, 3), (), (0,)])
def test_bilinear(lead: Any) -> None:
    x, y, w, b = (numbers(*s, seed=i) for i, s in
                  enumerate([(*lead, 4), (*lead, 5), (2, 4, 5), (2,)]))  # fmt: skip
    agree(lambda L, *t: L.nn.functional.bilinear(*t), x, y, w, b)
    agree(lambda L, *t: L.nn.functional.bilinear(*t), x, y, w)


@pytest.mark.parametrize("lead", [(3,), (2, 3), ()])
def test_linear(lead: Any) -> None:
    x, w, b = numbers(*lead, 4), numbers(5, 4, seed=1), numbers(5, seed=2)
    agree(lambda L, *t: L.nn.functional.linear(*t), x, w, b)
    agree(lambda L, *t: L.nn.functional.linear(*t), x, w)
    agree(lambda L, *t: L.nn.functional.linear(*t), x, w[0])


# -- attention ----------------------------------------------------------------------------------
def heads(length: int = 4, width: int = 3, lead: Any = (2, 2), seed: int = 0) -> np.ndarray:
    return numbers(*lead, length, width, seed=seed)


@pytest.mark.parametrize(
    "keywords", [{}, {"is_causal": True}, {"scale": 0.3}, {"is_causal": True, "scale": 2.0}]
)
@pytest.mark.parametrize("keys", [4, 6])
def test_attention(keywords: dict[str, Any], keys: int) -> None:
    agree(lambda L, *t: L.nn.functional.scaled_dot_product_attention(*t, **keywords),
          heads(), heads(keys, seed=1), heads(keys, 5, seed=2))  # fmt: skip
    agree(lambda L, *t: L.nn.functional.scaled_dot_product_attention(*t, **keywords),
          numbers(4, 3), numbers(keys, 3, seed=1), numbers(keys, 2, seed=2))  # fmt: skip


MASK = np.array([[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)


@pytest.mark.parametrize("lead, second", [((3,), True), ((2, 2), False)])
def test_attention_with_masks(lead: Any, second: bool) -> None:
    """PyTorch's second derivative is missing where it takes its fused kernel."""
    attend = [heads(lead=lead, seed=s) for s in range(3)]
    agree(lambda L, q, k, v, m: L.nn.functional.scaled_dot_product_attention(q, k, v, m), *attend,
          MASK, second=second)  # fmt: skip
    agree(lambda L, q, k, v, m: L.nn.functional.scaled_dot_product_attention(q, k, v, m), *attend,
          numbers(*lead[:1], *(1,) * (len(lead) - 1), 4, 4, seed=4), second=second)  # fmt: skip
    lowest = np.where(MASK, 0.0, -np.inf)
    agree(lambda L, q, k, v, m: L.nn.functional.scaled_dot_product_attention(q, k, v, m.detach()),
          *attend, lowest, second=second)  # fmt: skip
    agree(lambda L, q, k, v, m: L.nn.functional.scaled_dot_product_attention(q, k, v, m.float()),
          *(a.astype(np.float32) for a in attend), MASK, second=False, rtol=1e-5,
          atol=1e-5)  # fmt: skip


def test_attention_broadcasts_and_groups_heads() -> None:
    q, k, v = heads(lead=(3, 4)), heads(lead=(1, 2), seed=1), heads(lead=(3, 2), seed=2)
    agree(lambda L, q, k, v: L.nn.functional.scaled_dot_product_attention(
        q, k, v, enable_gqa=True), q, heads(lead=(3, 2), seed=1), v, second=False)  # fmt: skip
    agree(lambda L, q, k, v: L.nn.functional.scaled_dot_product_attention(q[:, :2], k, v), q, k, v)


def test_attention_drops_out() -> None:
    q, k, v = (ad.tensor(heads(seed=s)) for s in range(3))
    F = ad.nn.functional
    ad.manual_seed(0)
    assert not ad.equal(F.scaled_dot_product_attention(q, k, v, dropout_p=0.5),
                        F.scaled_dot_product_attention(q, k, v))  # fmt: skip
    ones = ad.ones(1, 400, 4)
    out = F.scaled_dot_product_attention(ones, ones, ones, dropout_p=0.25)
    assert abs(out.mean().item() - 1) < 0.05


REFUSED: list[tuple[Any, str]] = [
    (lambda L, F, x, i: F.embedding(x, x),
     "Expected tensor for argument #1 'indices' to have one"),
    (lambda L, F, x, i: F.embedding(i.short(), x),
     "Expected tensor for argument #1 'indices' to"),
    (lambda L, F, x, i: F.embedding(i, x),
     "index out of range in self"),
    (lambda L, F, x, i: F.embedding(i, x[0]),
     "'weight' must be 2-D"),
    (lambda L, F, x, i: F.embedding_bag(i, x[0]),
     "weight has to be a 2D Tensor, but got Tensor of"),
    (lambda L, F, x, i: F.embedding_bag(i[0], x),
     "offsets has to be a 1D Tensor but got None"),
    (lambda L, F, x, i: F.embedding_bag(i[0], x, i),
     "offsets has to be a 1D Tensor"),
    (lambda L, F, x, i: F.embedding_bag(i, x, i[0]),
     "if input is 2D, then offsets has to be None"),
    (lambda L, F, x, i: F.embedding_bag(i[None], x),
     "input has to be 1D or 2D Tensor, but got Ten"),
    (lambda L, F, x, i: F.embedding_bag(i, x, mode="min"),
     "mode has to be one of sum, mean or max"),
    (lambda L, F, x, i: F.embedding_bag(i[0], x, i[1]),
     "offsets[0] has to be 0, i.e., the first se"),
    (lambda L, F, x, i: F.embedding_bag(i[0], x, i[0] * 2),
     "offsets[-1] can not be greater than in"),
    (lambda L, F, x, i: F.embedding_bag(i, x, per_sample_weights=x[0]),
     "embedding_bag: If per_sampl"),
    (lambda L, F, x, i: F.embedding_bag(i, x, per_sample_weights=i * 1.0),
     "embedding_bag: per_samp"),
    (lambda L, F, x, i: F.embedding_bag(i, x, mode="max", scale_grad_by_freq=True),
     "max mode does"),
    (lambda L, F, x, i: F.cosine_similarity(i, i),
     "expected common dtype to be floating point, yet"),
    (lambda L, F, x, i: F.bilinear(x, x[0], x, x),
     "bilinear(): input dimensions do not match: got"),
    (lambda L, F, x, i: F.bilinear(x, x[:2], x, x),
     "bilinear(): input batch dimensions do not match"),
    (lambda L, F, x, i: F.bilinear(x, x, x[None]),
     "bilinear(): input1 size does not match weight s"),
    (lambda L, F, x, i: F.linear(x, x[:, :3]),
     "mat1 and mat2 shapes cannot be multiplied"),
    (lambda L, F, x, i: F.linear(x, x.float()), "expected m1 and m2 to have the same dtype, but"),
    (lambda L, F, x, i: F.scaled_dot_product_attention(x[0], x, x),
     "Expected query, key, and value to"),
    (lambda L, F, x, i: F.scaled_dot_product_attention(x, x.float(), x),
     "Expected query, key, and v"),
    (lambda L, F, x, i: F.scaled_dot_product_attention(x, x, x, i.long()),
     "Expected attn_mask dtype"),
    (lambda L, F, x, i: F.scaled_dot_product_attention(x, x, x, x > 0, is_causal=True),
     "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"),
]  # fmt: skip


@pytest.mark.parametrize("call, text", REFUSED)
def test_refusals(call: Any, text: str) -> None:
    index = np.array([[0, 4, 2], [2, 2, 1]])
    found = refuse(lambda L, x, i: call(L, L.nn.functional, x, i), numbers(3, 4), index)
    assert text in found
