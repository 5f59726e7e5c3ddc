"""The losses against PyTorch, by hand, and where they refuse what PyTorch broadcasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nn_twin import arrays, both, host

import anadrome as ad
from anadrome.nn import functional as F

REDUCTIONS = ("mean", "sum", "none")
REGRESSION: list[Any] = [
    ("mse_loss", {}), ("l1_loss", {}), ("smooth_l1_loss", {}), ("smooth_l1_loss", {"beta": 0.3}),
    ("smooth_l1_loss", {"beta": 0}), ("huber_loss", {}), ("huber_loss", {"delta": 0.4}),
]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name, keywords", REGRESSION)
def test_regression(name: str, keywords: dict[str, Any], reduction: str) -> None:
    pytest.importorskip("torch")

    def run(fw: Any, x: Any, y: Any) -> Any:
        return getattr(fw.nn.functional, name)(x, y, reduction=reduction, **keywords)

    mine, theirs = both(run, *arrays((3, 4), (3, 4)))
    if name != "l1_loss" and keywords.get("beta") != 0:  # PyTorch composes that of three ops
        assert mine.grad_fn.name() == theirs.grad_fn.name()
    both(run, *arrays((), ()))
    both(run, *arrays((3, 4), (3, 4)), dtype="float32", rtol=2e-6, atol=1e-7)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_regression_weighted(name: str, reduction: str) -> None:
    pytest.importorskip("torch")
    x, y = arrays((3, 4), (3, 4))
    (w,) = arrays((3, 4), low=0.1)
    both(
        lambda fw, x, y, w: getattr(fw.nn.functional, name)(x, y, reduction=reduction, weight=w),
        x, y, w,
    )  # fmt: skip


def test_regression_by_hand() -> None:
    x, y = ad.tensor([1.0, -2.0, 0.5]), ad.tensor([0.0, 1.0, 0.0])
    assert F.mse_loss(x, y).item() == pytest.approx((1 + 9 + 0.25) / 3)
    assert F.l1_loss(x, y, reduction="sum").item() == pytest.approx(4.5)
    assert F.smooth_l1_loss(x, y, reduction="none").tolist() == [0.5, 2.5, 0.125]
    assert F.huber_loss(x, y, reduction="none", delta=2.0).tolist() == [0.5, 4.0, 0.125]


# -- cross-entropy ------------------------------------------------------------------------------
@pytest.mark.torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (3, 4, 2), (2, 4, 3, 2)])
def test_cross_entropy(shape: Any, smoothing: float, weighted: bool, reduction: str) -> None:
    pytest.importorskip("torch")
    (x,) = arrays(shape)
    weight = np.array([0.5, 1.0, 2.0, 0.25]) if weighted else None
    target = np.random.default_rng(0).integers(0, 4, shape[:1] + shape[2:] if shape[1:] else ())

    def run(ignore: int) -> Any:
        def call(fw: Any, x: Any, t: Any) -> Any:
            w = None if weight is None else fw.tensor(weight)
            return fw.nn.functional.cross_entropy(
                x, t, w, ignore_index=ignore, reduction=reduction, label_smoothing=smoothing
            )

        return call

    mine, theirs = both(run(-100), x, target)
    if smoothing == 0.0 and shape == (5, 4):
        assert mine.grad_fn.name() == theirs.grad_fn.name()
    if shape[1:]:
        both(run(int(target.flat[0])), x, target)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (3, 4, 2)])
def test_cross_entropy_of_probabilities(shape: Any, smoothing: float, reduction: str) -> None:
    pytest.importorskip("torch")
    x, target = arrays(shape, shape)

    def run(fw: Any, x: Any, t: Any, w: Any = None) -> Any:
        return fw.nn.functional.cross_entropy(
            x, t, w, reduction=reduction, label_smoothing=smoothing
        )

    both(run, x, target)
    both(lambda fw, x, t: run(fw, x, t, fw.tensor([0.5, 1.0, 2.0, 0.2], dtype=x.dtype)), x, target)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 4), (4,), (3, 4, 2)])
def test_nll(shape: Any, reduction: str) -> None:
    pytest.importorskip("torch")
    (x,) = arrays(shape)
    target = np.random.default_rng(0).integers(0, 4, shape[:1] + shape[2:] if shape[1:] else ())
    both(lambda fw, x, t: fw.nn.functional.nll_loss(x, t, reduction=reduction), x, target)
    both(
        lambda fw, x, t: fw.nn.functional.nll_loss(
            x, t, fw.tensor([0.5, 1.0, 2.0, 0.2], dtype=x.dtype), ignore_index=1,
            reduction=reduction,
        ),
        x, target,
    )  # fmt: skip


@pytest.mark.torch
def test_cross_entropy_twice_differentiated() -> None:
    pytest.importorskip("torch")
    (x,) = arrays((5, 4))
    target = np.array([0, 3, 1, 1, 2])

    def run(reduction: str) -> Any:
        def call(fw: Any, x: Any, t: Any) -> Any:
            loss = fw.nn.functional.cross_entropy(x, t, ignore_index=3, reduction=reduction)
            (g,) = fw.autograd.grad((loss * loss).sum(), x, create_graph=True)
            return g * g

        return call

    for reduction in REDUCTIONS:
        both(run(reduction), x, target)


@pytest.mark.torch
def test_cross_entropy_where_everything_is_ignored_and_far_out() -> None:
    pytest.importorskip("torch")
    target = np.array([1, 1])
    for reduction in ("mean", "sum"):
        both(
            lambda fw, x, t, r=reduction: fw.nn.functional.cross_entropy(
                x, t, ignore_index=1, reduction=r
            ),
            *arrays((2, 3)), target, grad=False,
        )  # fmt: skip
    x = np.array([[1000.0, -1000.0, 3.0], [-1e4, 1e4, 0.0]])
    both(lambda fw, x, t: fw.nn.functional.cross_entropy(x, t), x, target)


def test_an_ignored_row_of_infinities_does_not_spoil_the_loss() -> None:
    scores = ad.tensor([[0.0, 0.0], [float("-inf"), 0.0]])
    loss = F.nll_loss(scores, ad.tensor([1, 0]), ignore_index=0, reduction="sum")
    assert loss.item() == 0.0


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_cross_entropy_in_half_precision(dtype: str) -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(300, 40)), rng.integers(0, 40, 300)
    exact = F.cross_entropy(ad.tensor(x).to(getattr(ad, dtype)).double(), ad.tensor(t)).item()
    scores = ad.tensor(x).to(getattr(ad, dtype)).requires_grad_()
    loss = F.cross_entropy(scores, ad.tensor(t))
    loss.backward()
    step = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    assert loss.dtype is scores.grad.dtype is getattr(ad, dtype)
    assert abs(loss.item() - exact) < 2 * step * exact


@given(
    x=st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=6),
    shift=st.floats(-1e3, 1e3),
)
def test_cross_entropy_does_not_change_when_scores_are_shifted(x: Any, shift: float) -> None:
    scores = ad.tensor(np.array(x))
    target = ad.tensor([i % 3 for i in range(len(x))])
    one = F.cross_entropy(scores, target).item()
    other = F.cross_entropy(scores + shift, target).item()
    assert one >= 0
    assert other == pytest.approx(one, rel=1e-9, abs=1e-9)


# -- binary -------------------------------------------------------------------------------------
@pytest.mark.torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy(reduction: str, weighted: bool) -> None:
    pytest.importorskip("torch")
    x, y = arrays((3, 4), (3, 4), low=0.01, high=0.99)
    w, p = np.array([[0.5], [1.0], [2.0]]), np.array([0.5, 1.0, 2.0, 3.0])
    edge = np.array([[0.0, 1.0, 0.0, 1.0]]).repeat(3, 0)

    def run(fw: Any, x: Any, y: Any) -> Any:
        weight = fw.tensor(w) if weighted else None
        return fw.nn.functional.binary_cross_entropy(x, y, weight, reduction=reduction)

    def logits(fw: Any, x: Any, y: Any) -> Any:
        weight, positive = (fw.tensor(w), fw.tensor(p)) if weighted else (None, None)
        return fw.nn.functional.binary_cross_entropy_with_logits(
            x, y, weight, reduction=reduction, pos_weight=positive
        )

    both(run, x, y)
    # At 0 and 1 PyTorch's gradient of the target is infinite although its loss is not. Its least
    # x(1 - x) is 1e-12 rounded to float32.
    both(lambda fw, x: run(fw, x, fw.tensor(y)), edge, rtol=1e-8)
    mine, theirs = both(logits, *arrays((3, 4), high=90.0), y)
    assert mine.grad_fn.name() == theirs.grad_fn.name()


# -- refusals -----------------------------------------------------------------------------------
SAME_SIZE = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy")


@pytest.mark.parametrize("name", SAME_SIZE)
def test_a_target_that_would_broadcast_is_refused(name: str) -> None:
    loss = getattr(F, name)
    column, row = ad.full((5, 1), 0.5), ad.full((5,), 0.5)
    with pytest.raises(RuntimeError, match="Using a target size") as caught:
        loss(column, row)
    text = str(caught.value)
    assert text.startswith(
        "Using a target size (anadrome.Size([5])) that is different to the input size "
        "(anadrome.Size([5, 1]))."
    )
    assert f"write {name}(input, target.reshape((5, 1)))" in text
    with pytest.raises(ValueError, match=r"target\.expand_as\(input\)"):
        loss(ad.full((5, 3), 0.5), row[:3])
    with pytest.raises(RuntimeError, match="Please ensure they have the same size"):
        loss(row, row[:4])
    with pytest.raises(TypeError, match=rf"{name}.*'target'.*must be Tensor, not float"):
        loss(row, 0.5)


def test_bce_with_logits_refuses_another_size() -> None:
    with pytest.raises(ValueError, match=r"^Target size \(anadrome.Size\(\[5\]\)\) must be the "):
        F.binary_cross_entropy_with_logits(ad.zeros(5, 1), ad.zeros(5))
    with pytest.raises(ValueError, match=r"write target.reshape\(\(5, 1\)\)"):
        F.binary_cross_entropy_with_logits(ad.zeros(5, 1), ad.zeros(5))


X = ad.zeros(4, 5)
T = ad.tensor([0, 1, 2, 3])
REFUSALS: list[Any] = [
    (lambda: F.cross_entropy(X, T[:3]), ValueError,
     r"^Expected input batch_size \(4\) to match target batch_size \(3\)"),
    (lambda: F.cross_entropy(ad.zeros(4, 5, 3), ad.zeros(4, 2).long()), RuntimeError,
     r"^Expected target size \[4, 3\], got \[4, 2\]"),
    (lambda: F.cross_entropy(X, T.unsqueeze(1)), RuntimeError,
     r"^0D or 1D target tensor expected, multi-target not supported.*write target.squeeze\(1\)"),
    (lambda: F.cross_entropy(X, T.float()), RuntimeError,
     r"^expected target dtype to be Long or Byte, but got float32.*use `target.long\(\)`"),
    (lambda: F.cross_entropy(X, X.long()), RuntimeError,
     "^Expected floating point type for target with class probabilities, got int64"),
    (lambda: F.cross_entropy(X, T + 3), IndexError,
     "^Target 5 is out of bounds: the input has 5 classes, 0 to 4"),
    (lambda: F.cross_entropy(X, T - 1), IndexError, "^Target -1 is out of bounds"),
    (lambda: F.nll_loss(X, T + 3), IndexError, "^Target 5 is out of bounds"),
    (lambda: F.cross_entropy(X, T, weight=ad.ones(4)), RuntimeError,
     r"^weight tensor should be defined either for all 5 classes or no classes but got weight "
     r"tensor of shape: \[4\]"),
    (lambda: F.cross_entropy(X, T, weight=ad.ones(5, requires_grad=True)), NotImplementedError,
     "^the derivative for 'weight' is not implemented"),
    (lambda: F.cross_entropy(X, T, reduction="avg"), ValueError,
     "^avg is not a valid value for reduction; write 'mean', 'sum' or 'none'"),
    (lambda: F.mse_loss(X, X, reduction="avg"), ValueError, "^avg is not a valid value"),
    (lambda: F.cross_entropy(X, T, label_smoothing=2.0), RuntimeError,
     r"^label_smoothing must be between 0.0 and 1.0. Got: 2"),
    (lambda: F.nll_loss(X[0, 0], T[0]), RuntimeError, r"^Expected 1 or more dimensions \(got 0\)"),
    (lambda: F.binary_cross_entropy(X + 2, X), RuntimeError,
     "^all elements of input should be between 0 and 1; apply sigmoid"),
    (lambda: F.mse_loss(X, X, weight=ad.ones(5)), RuntimeError,
     r"^Weights and input must have the same size"),
    (lambda: F.smooth_l1_loss(X, X, beta=-1.0), RuntimeError,
     "^smooth_l1_loss does not support negative values for beta"),
    (lambda: F.huber_loss(X, X, delta=0.0), RuntimeError,
     "^huber_loss does not support non-positive values for delta"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, text", REFUSALS)
def test_refusals(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_the_old_arguments_of_a_reduction() -> None:
    x, y = ad.ones(4), ad.zeros(4)
    for how, wanted in (
        ({"reduce": False}, [1.0] * 4),
        ({"size_average": False}, 4.0),
        ({"size_average": True}, 1.0),
    ):
        with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
            assert F.mse_loss(x, y, **how).tolist() == wanted  # type: ignore[arg-type]


def test_a_loss_saves_no_more_than_it_needs() -> None:
    x = ad.randn(6, 3, requires_grad=True)
    loss = F.cross_entropy(x, ad.tensor([0, 1, 2, 0, 1, 2]))
    loss.backward()
    probabilities = np.exp(host(x) - host(x).max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    wanted = (probabilities - np.eye(3)[[0, 1, 2, 0, 1, 2]]) / 6
    np.testing.assert_allclose(host(x.grad), wanted, rtol=1e-5, atol=1e-7)
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()
