"""Losses against PyTorch: reductions, weights, two gradients, dtypes, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

REDUCTIONS = ("none", "mean", "sum")
SIGNS = np.array([[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, -1, 1]])
CLASSES = np.array([2, 0, 3])

#: Of an input and a target of its shape, in the ranges given.
PAIRS: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("mse_loss", {}, (-2, 2), (-2, 2)),
    ("l1_loss", {}, (-2, 2), (-2, 2)),
    ("smooth_l1_loss", {}, (-2, 2), (-2, 2)),
    ("smooth_l1_loss", {"beta": 0.3}, (-2, 2), (-2, 2)),
    ("smooth_l1_loss", {"beta": 0.0}, (-2, 2), (-2, 2)),
    ("huber_loss", {}, (-2, 2), (-2, 2)),
    ("huber_loss", {"delta": 0.3}, (-2, 2), (-2, 2)),
    ("binary_cross_entropy", {}, (0.1, 0.9), (0, 1)),
    ("binary_cross_entropy_with_logits", {}, (-2, 2), (0, 1)),
    ("kl_div", {}, (-2, 0), (0.1, 1)),
    ("kl_div", {"log_target": True}, (-2, 0), (-2, 0)),
    ("poisson_nll_loss", {}, (-2, 2), (0, 4)),
    ("poisson_nll_loss", {"full": True}, (-2, 2), (0, 4)),
    ("poisson_nll_loss", {"log_input": False, "eps": 0.1}, (0.5, 2), (0, 4)),
    ("multilabel_soft_margin_loss", {}, (-2, 2), (0, 1)),
]


@pytest.mark.parametrize("shape", [(3, 4), (5,), (2, 3, 2), (0, 3)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name, keywords, x, y", PAIRS)
def test_pairs(name: str, keywords: Any, x: Any, y: Any, reduction: str, shape: Any) -> None:
    agree(lambda L, a, b: getattr(L.nn.functional, name)(a, b, reduction=reduction, **keywords),
          numbers(*shape, low=x[0], high=x[1]),
          numbers(*shape, seed=1, low=y[0], high=y[1]))  # fmt: skip


@pytest.mark.parametrize("name, keywords, x, y", PAIRS)
def test_pairs_of_numbers(name: str, keywords: Any, x: Any, y: Any) -> None:
    if name == "multilabel_soft_margin_loss":
        return  # of at least one dimension
    agree(lambda L, a, b: getattr(L.nn.functional, name)(a, b, **keywords),
          numbers(low=x[0], high=x[1]), numbers(seed=1, low=y[0], high=y[1]))  # fmt: skip


@pytest.mark.parametrize(
    "old",
    [
        {"size_average": False},
        {"size_average": True},
        {"reduce": False},
        {"reduce": True, "size_average": False},
    ],
)
@pytest.mark.parametrize("name, keywords, x, y", PAIRS)
def test_old_arguments(name: str, keywords: Any, x: Any, y: Any, old: Any) -> None:
    if name == "huber_loss":
        return  # younger than those arguments
    agree(lambda L, a, b: getattr(L.nn.functional, name)(a, b, **old, **keywords),
          numbers(3, 4, low=x[0], high=x[1]),
          numbers(3, 4, seed=1, low=y[0], high=y[1]))  # fmt: skip


@pytest.mark.parametrize("name, keywords, x, y", PAIRS)
def test_float32(name: str, keywords: Any, x: Any, y: Any) -> None:
    agree(lambda L, a, b: getattr(L.nn.functional, name)(a, b, **keywords),
          numbers(3, 4, low=x[0], high=x[1]).astype(np.float32),
          numbers(3, 4, seed=1, low=y[0], high=y[1]).astype(np.float32),
          second=False, rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights(reduction: str) -> None:
    x, y, w = numbers(3, 4), numbers(3, 4, seed=1), numbers(3, 4, seed=2, low=0.2)
    for name in ("mse_loss", "l1_loss", "huber_loss"):
        agree(lambda L, x, y, w, n=name: getattr(L.nn.functional, n)(
            x, y, reduction=reduction, weight=w), x, y, w)  # fmt: skip
    p, t = numbers(3, 4, low=0.1, high=0.9), numbers(3, 4, seed=1, low=0, high=1)
    for v in (w, w[0], w[:, :1]):
        agree(lambda L, p, t, v: L.nn.functional.binary_cross_entropy(
            p, t, v.detach(), reduction=reduction), p, t, v)  # fmt: skip
        agree(lambda L, p, t, v: L.nn.functional.binary_cross_entropy_with_logits(
            p, t, v.detach(), reduction=reduction, pos_weight=v.detach()), p, t, v)  # fmt: skip
        agree(lambda L, p, t, v: L.nn.functional.multilabel_soft_margin_loss(
            p, t, v, reduction=reduction), p, t, v)  # fmt: skip


def test_where_quadratic_becomes_linear() -> None:
    """At the bound itself PyTorch counts the linear side, whose slope does not change."""
    x, y = np.array([1.0, -1.0, 0.25, 2.0]), np.array([0.0, 0.0, 0.0, 1.0])
    for reduction in REDUCTIONS:
        agree(lambda L, x, y, r=reduction: L.nn.functional.smooth_l1_loss(x, y, reduction=r), x, y)
        agree(lambda L, x, y, r=reduction: L.nn.functional.huber_loss(x, y, reduction=r) ** 2, x, y)
        agree(lambda L, x, y, r=reduction: L.nn.functional.huber_loss(x, y, r, 0.25), x, y)


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
@pytest.mark.parametrize("shape, more", [((), (3,)), ((2, 1), (3,)), ((2, 3), (4, 2, 3))])
def test_weights_of_more_than_the_scores(name: str, shape: Any, more: Any) -> None:
    x, y, w = numbers(*shape, low=0.1, high=0.9), numbers(*shape, low=0, high=1), np.ones(more)
    refuse(
        lambda L, x, y, w: L.nn.functional.binary_cross_entropy_with_logits(x, y, **{name: w}),
        x,
        y,
        w,
    )
    if name == "weight":
        refuse(lambda L, x, y, w: L.nn.functional.binary_cross_entropy(x, y, w), x, y, w)


def test_certain_probabilities_and_their_targets() -> None:
    x, y = np.array([0.0, 1.0, 0.5]), np.array([0.0, 0.5, 1.0])
    agree(
        lambda L, x, y: L.nn.functional.binary_cross_entropy(x, y, reduction="sum"),
        x,
        y,
        second=False,
    )


def test_kl_div_by_the_batch_and_of_zeros() -> None:
    p, q = numbers(3, 4, low=-2, high=0), numbers(3, 4, seed=1, low=0.1, high=1)
    agree(lambda L, p, q: L.nn.functional.kl_div(p, q, reduction="batchmean"), p, q)
    q[1] = 0
    agree(lambda L, p, q: L.nn.functional.kl_div(p, q.detach(), reduction="sum"), p, q)
    agree(lambda L, p, q: L.nn.functional.kl_div(p, q, reduction="sum"), p, q[:1])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gaussian_nll(reduction: str, full: bool) -> None:
    x, y = numbers(3, 4), numbers(3, 4, seed=1)
    for shape in ((3, 4), (3, 1), (3,)):
        var = numbers(*shape, seed=2, low=0.1, high=2)
        agree(lambda L, x, y, v: L.nn.functional.gaussian_nll_loss(
            x, y, v, full=full, eps=0.3, reduction=reduction), x, y, var)  # fmt: skip
    agree(lambda L, x, y: L.nn.functional.gaussian_nll_loss(x, y, 0.7, full, reduction=reduction),
          x, y)  # fmt: skip


# -- margins ------------------------------------------------------------------------------------
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_of_signs(reduction: str) -> None:
    x, y, one = numbers(3, 4), numbers(3, 4, seed=1), np.array([1, -1, 1])
    for margin in (0.0, 0.5):
        agree(lambda L, x, s, m=margin: L.nn.functional.hinge_embedding_loss(
            x, s, m, reduction=reduction), x, SIGNS)  # fmt: skip
        agree(lambda L, x, y, s, m=margin: L.nn.functional.margin_ranking_loss(
            x, y, s, m, reduction=reduction), x, y, SIGNS)  # fmt: skip
        agree(lambda L, x, y, s, m=margin: L.nn.functional.cosine_embedding_loss(
            x, y, s, m, reduction=reduction), x, y, one)  # fmt: skip
    agree(lambda L, x, s: L.nn.functional.soft_margin_loss(x, s, reduction=reduction), x, SIGNS)
    agree(lambda L, x, s: L.nn.functional.soft_margin_loss(x, s.detach(), reduction=reduction),
          x, y)  # fmt: skip
    agree(lambda L, x, y, s: L.nn.functional.cosine_embedding_loss(x, y, s, reduction=reduction),
          x[0], y[0], np.array(-1))  # fmt: skip
    agree(lambda L, x, s: L.nn.functional.hinge_embedding_loss(x, s, reduction=reduction),
          x, np.array([[1.0], [-1.0], [0.5]]), second=False)  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("p, margin", [(1, 1.0), (2, 0.7)])
def test_multi_margin(p: int, margin: float, reduction: str) -> None:
    def call(L: Any, x: Any, t: Any, w: Any = None) -> Any:
        return L.nn.functional.multi_margin_loss(x, t, p, margin, w, reduction=reduction)

    x = numbers(3, 4)
    agree(call, x, CLASSES, second=False)
    agree(call, x[0], np.array(2), second=False)
    agree(call, x[0], np.array([2]), second=False)
    agree(lambda L, x, t, w: call(L, x, t, w.detach()), x, CLASSES, numbers(4, low=0.2),
          second=False)  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_multilabel_margin(reduction: str) -> None:
    def call(L: Any, x: Any, t: Any) -> Any:
        return L.nn.functional.multilabel_margin_loss(x, t, reduction=reduction)

    targets = np.array([[3, 0, -1, 1], [-1, 2, 2, 2], [1, 2, 3, 0]])
    agree(call, numbers(3, 4), targets, second=False)
    agree(call, numbers(4), targets[0], second=False)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_triplets(reduction: str, swap: bool) -> None:
    three = [numbers(5, 4, seed=s) for s in range(3)]
    for p in (1.0, 2.0, 3.0):
        agree(lambda L, a, b, c, p=p: L.nn.functional.triplet_margin_loss(
            a, b, c, 0.8, p, swap=swap, reduction=reduction), *three, second=p > 1)  # fmt: skip
    agree(lambda L, a, b, c: L.nn.functional.triplet_margin_with_distance_loss(
        a, b, c, swap=swap, reduction=reduction,
        distance_function=lambda u, v: ((u - v) ** 2).sum(-1)), *three)  # fmt: skip
    agree(lambda L, a, b, c: L.nn.functional.triplet_margin_with_distance_loss(a, b, c), *three)


# -- classes ------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3), (2, 4, 3, 2)])
@pytest.mark.parametrize("ignore_index", [-100, 1])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_classes(reduction: str, ignore_index: int, shape: Any) -> None:
    inner = () if len(shape) == 1 else shape[:1] + shape[2:]
    target = np.random.default_rng(3).integers(0, 4, inner)
    x, w = numbers(*shape), numbers(4, low=0.2)
    settings = {"ignore_index": ignore_index, "reduction": reduction}
    for weighted in (False, True):

        def call(L: Any, x: Any, t: Any, w: Any, name: str, weighted=weighted, **more: Any) -> Any:
            given = w.detach() if weighted else None
            return getattr(L.nn.functional, name)(x, t, given, **settings, **more)

        agree(lambda L, x, t, w: call(L, x, t, w, "nll_loss"), x, np.asarray(target), w)
        for s in (0.0, 0.3, 1.0):
            agree(lambda L, x, t, w, s=s: call(L, x, t, w, "cross_entropy", label_smoothing=s),
                  x, np.asarray(target), w)  # fmt: skip


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 4, 3)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_class_probabilities(reduction: str, shape: Any) -> None:
    x, t, w = numbers(*shape), numbers(*shape, seed=1, low=0, high=1), numbers(4, low=0.2)
    for s in (0.0, 0.3):
        agree(lambda L, x, t, s=s: L.nn.functional.cross_entropy(
            x, t, reduction=reduction, label_smoothing=s), x, t)  # fmt: skip
        agree(lambda L, x, t, w, s=s: L.nn.functional.cross_entropy(
            x, t, w.detach(), reduction=reduction, label_smoothing=s), x, t, w)  # fmt: skip


def test_the_gradient_of_nll_depends_on_its_input() -> None:
    """By a derivative of zero, as in PyTorch."""
    x = ad.tensor(numbers(3, 4), requires_grad=True)
    loss = ad.nn.functional.nll_loss(x, ad.tensor(CLASSES))
    (g,) = ad.autograd.grad(loss, x, create_graph=True)
    assert (ad.autograd.grad(g.sum(), x)[0] == 0).all()


def test_where_all_are_ignored_the_mean_is_nan_and_its_gradient_zero() -> None:
    ones = np.array([1, 1, 1])
    for name in ("cross_entropy", "nll_loss"):
        agree(lambda L, x, t, n=name: getattr(L.nn.functional, n)(x, t, ignore_index=1),
              numbers(3, 4), ones)  # fmt: skip


# -- CTC ----------------------------------------------------------------------------------------
def log_probs(length: int = 7, count: int = 3, classes: int = 5) -> np.ndarray:
    x = numbers(length, count, classes)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


TARGETS = np.array([[1, 2, 2, 4], [3, 3, 0, 0], [4, 1, 1, 2]])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "inputs, labels", [((7, 7, 7), (4, 2, 3)), ((7, 5, 6), (3, 1, 4)), ((7, 7, 4), (1, 0, 2)),
                       ((1, 7, 7), (1, 2, 0))]
)  # fmt: skip
def test_ctc(reduction: str, inputs: Any, labels: Any) -> None:
    def call(L: Any, x: Any, t: Any) -> Any:
        return L.nn.functional.ctc_loss(x, t, inputs, labels, reduction=reduction)

    agree(call, log_probs(), TARGETS, second=False)
    flat = np.concatenate([row[:n] for row, n in zip(TARGETS, labels)])
    agree(call, log_probs(), flat, second=False)
    agree(lambda L, x, t: L.nn.functional.ctc_loss(
        x, t, L.tensor(inputs), L.tensor(labels), reduction=reduction),
        log_probs(), TARGETS.astype(np.int32), second=False)  # fmt: skip
    agree(lambda L, x, t: call(L, x.log_softmax(-1), t), numbers(7, 3, 5), TARGETS, second=False)
    agree(lambda L, x, t: L.nn.functional.ctc_loss(x, t - 1, inputs, labels, 4, reduction),
          log_probs(), np.maximum(TARGETS, 1), second=False)  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ctc_of_targets_that_do_not_fit(reduction: str) -> None:
    """The first is longer than its input."""
    lengths = (3, 7, 7), (4, 2, 3)
    agree(lambda L, x, t: L.nn.functional.ctc_loss(
        x, t, *lengths, reduction=reduction, zero_infinity=True),
        log_probs(), TARGETS, second=False)  # fmt: skip
    agree(lambda L, x, t: L.nn.functional.ctc_loss(x, t, *lengths, reduction=reduction),
          log_probs(), TARGETS, gradients=False)  # fmt: skip


def test_ctc_of_one_sample_and_in_float32() -> None:
    agree(lambda L, x, t: L.nn.functional.ctc_loss(x, t, (7,), (3,), reduction="none"),
          log_probs()[:, 0], TARGETS[0, :3], second=False)  # fmt: skip
    agree(lambda L, x, t: L.nn.functional.ctc_loss(x, t, L.tensor(7), L.tensor(3)),
          log_probs()[:, 0].astype(np.float32), TARGETS[0, :3], second=False,
          rtol=1e-5, atol=1e-6)  # fmt: skip


def test_ctc_of_long_samples_and_of_what_is_behind_their_ends() -> None:
    x = numbers(90, 3, 6)
    x = x - np.log(np.exp(x).sum(2, keepdims=True))
    x[50:, 1] = np.nan
    target = np.array([[1, 2, 2, 5, 3] * 4] * 3)
    agree(lambda L, x, t: L.nn.functional.ctc_loss(x, t, (90, 50, 70), (20, 17, 0)), x, target,
          second=False)  # fmt: skip


def test_ctc_twice_differentiated() -> None:
    """PyTorch has no second derivative of it; finite differences do."""
    x = ad.tensor(numbers(5, 2, 4), requires_grad=True)
    target = ad.tensor([[1, 1], [3, 2]])

    def loss(x: Any) -> Any:
        return ad.nn.functional.ctc_loss(x.log_softmax(-1), target, (5, 4), (2, 1))

    assert ad.autograd.gradcheck(loss, (x,))
    assert ad.autograd.gradgradcheck(loss, (x,))


# -- refusals -----------------------------------------------------------------------------------
REFUSED: list[tuple[Any, str]] = [
    (lambda F, x, t: F.kl_div(x, x, reduction="foo"), "foo is not a valid value for reduction"),
    (lambda F, x, t: F.kl_div(t, t), "kl_div: Integral inputs not supported."),
    (lambda F, x, t: F.poisson_nll_loss(x, x, reduction="batchmean"),
     "batchmean is not a valid value for reduction"),
    (lambda F, x, t: F.gaussian_nll_loss(x, x, -x * x), "var has negative entry/entries"),
    (lambda F, x, t: F.gaussian_nll_loss(x, x, -1.0), "var has negative entry/entries"),
    (lambda F, x, t: F.gaussian_nll_loss(x, x, x[:2] ** 2), "var is of incorrect size"),
    (lambda F, x, t: F.gaussian_nll_loss(x, x, x * x, reduction="foo"), "foo is not valid"),
    (lambda F, x, t: F.margin_ranking_loss(x, x, t),
     "margin_ranking_loss : All input tensors should have same dimension but got sizes: "),
    (lambda F, x, t: F.cosine_embedding_loss(x, x, x),
     "0D or 1D target tensor expected, multi-target not supported"),
    (lambda F, x, t: F.cosine_embedding_loss(x[0], x, t[0]),
     "0D target tensor expects 1D input tensors, but found inputs with sizes [4] and [3, 4]."),
    (lambda F, x, t: F.triplet_margin_loss(x, x, x, margin=-1), "margin must be greater than 0"),
    (lambda F, x, t: F.triplet_margin_loss(x, x[0], x), "The anchor, positive, and negative tens"),
    (lambda F, x, t: F.multi_margin_loss(x, t, p=3), "only p == 1 and p == 2 supported"),
    (lambda F, x, t: F.multi_margin_loss(x, t[:2]), "multi_margin_loss: target tensor should be 1"),
    (lambda F, x, t: F.multi_margin_loss(x, t + 3), "target out of range"),
    (lambda F, x, t: F.multi_margin_loss(x, t.double()), "expected scalar type Long but found"),
    (lambda F, x, t: F.multi_margin_loss(x, t, weight=x[0, :3]), "inconsistent weight size, expec"),
    (lambda F, x, t: F.multi_margin_loss(x, t, weight=x), "weight must be one-dimensional"),
    (lambda F, x, t: F.multi_margin_loss(x[None], t), "Expected non-empty vector or matrix with"),
    (lambda F, x, t: F.multilabel_margin_loss(x, t), "inconsistent target size: [3] for input of"),
    (lambda F, x, t: F.multilabel_margin_loss(x[0, :3], t + 1), "argument #2 'target' is out of r"),
    (lambda F, x, t: F.soft_margin_loss(t, x[0, :3]), '"soft_margin_loss" not implemented for'),
    (lambda F, x, t: F.mse_loss(t, t), '"mse_loss" not implemented for'),
    (lambda F, x, t: F.smooth_l1_loss(t, t), '"smooth_l1_loss" not implemented for'),
    (lambda F, x, t: F.huber_loss(t, t), '"huber_loss" not implemented for'),
    (lambda F, x, t: F.l1_loss(t, t), "mean"),
    (lambda F, x, t: F.binary_cross_entropy(x.sigmoid(), x.sigmoid().float()), "Found dtype"),
    (lambda F, x, t: F.binary_cross_entropy(x + 5, x), "all elements of input should be between"),
    (lambda F, x, t: F.binary_cross_entropy_with_logits(x, x[:2]), "Target size"),
    (lambda F, x, t: F.cross_entropy(x.long(), t), "the loss is not implemented for 'int64'"),
    (lambda F, x, t: F.nll_loss(x.long(), t), "the loss is not implemented for 'int64'"),
    (lambda F, x, t: F.cross_entropy(x, t.int()), "expected target dtype to be Long or Byte"),
    (lambda F, x, t: F.cross_entropy(x, x, ignore_index=1), "ignore_index is not supported for fl"),
    (lambda F, x, t: F.ctc_loss(x[None], t[:, None], (1, 1), (1, 1, 1)), "input_lengths must"),
    (lambda F, x, t: F.ctc_loss(x[None], t[:, None], (1, 1, 1), (1, 1)), "target_lengths must be"),
    (lambda F, x, t: F.ctc_loss(x[None], t[:, None], (2, 1, 1), (1, 1, 1)), "Expected input_len"),
    (lambda F, x, t: F.ctc_loss(x[None], t[:, None], (1, 1, 1), (1, 2, 1)), "Expected tensor to"),
    (lambda F, x, t: F.ctc_loss(x[None], t[:, None], (1, 1, 1), (1, 1, 1), 9), "blank must be"),
]  # fmt: skip


@pytest.mark.parametrize("call, text", REFUSED)
def test_refusals(call: Any, text: str) -> None:
    found = refuse(lambda L, x, t: call(L.nn.functional, x, t), numbers(3, 4), CLASSES)
    assert text in found


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_reductions_by_older_arguments(size_average: Any, reduce: Any) -> None:
    """What losses of packages ask ``torch.nn._reduction``."""
    from torch.nn import _reduction as theirs

    from anadrome.nn import _reduction as ours  # type: ignore[attr-defined]

    found, wanted = (
        (r.legacy_get_string(size_average, reduce, False), r.legacy_get_enum(size_average, reduce))
        for r in (ours, theirs)
    )
    assert found == wanted
    assert ours.get_enum("none") == theirs.get_enum("none")
    for r in (ours, theirs):
        with pytest.raises(ValueError, match="is not a valid value for reduction"):
            r.get_enum("most")
