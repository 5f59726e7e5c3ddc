"""What calls drawn by ``tests/fuzz`` showed later; continues ``test_torch_fuzzed_arguments``."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

REFUSED = (TypeError, ValueError, RuntimeError)


def plain(value: Any) -> Any:
    """What of either library is compared."""
    if hasattr(value, "requires_grad"):
        listed = np.asarray(value.detach().tolist())
        rounded = listed if listed.dtype == bool else listed.round(4) + 0.0  # of no sign
        kind = str(value.dtype).rpartition(".")[2]
        return kind, tuple(value.shape), value.requires_grad, repr(rounded.tolist())
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return str(value).rpartition(".")[2] if hasattr(value, "is_complex") else value


def evaluated(text: str, L: Any) -> Any:
    *before, last = text.split("; ")
    names = {"L": L, "F": L.nn.functional, "D": L.distributions, "np": np,
             "i": L.tensor([1, 2]), "m": L.tensor([True, False]), "x": L.ones(2, 3),
             "g": L.ones(2, requires_grad=True), "s": L.arange(16).reshape(4, 4)}  # fmt: skip
    for line in before:
        exec(line, names)
    return plain(eval(last, names))


@pytest.mark.parametrize("text", [
    "L.fft.rfftfreq(4, out=L.ones(3, dtype=L.complex64))", "L.fft.rfftfreq(4, dtype=L.complex64)",
    "L.fft.fftfreq(4, dtype=L.complex64)", "L.arange(3, dtype=L.complex64)",
    "L.arange(0.5, 3, 0.5, dtype=L.complex64)",
    "L.histc(x, 4, 0, 3e39)", "L.any(x, 0, out=L.ones(3, dtype=L.int64))",
    "L.hsplit(s, sections=(1, 2))", "L.vsplit(s, indices=2)",
    "L.dsplit(L.ones(2, 2, 2), sections=[1])",
    "s.hsplit(True)", "s.hsplit(1, sections=2)", "s.hsplit()", "s.vsplit('a')",
    "D.Pareto(L.tensor([2.0]), L.tensor([3])).sample()",
    "L.lerp(L.tensor(1), L.ones(4), 1.0)", "L.lerp(x, L.tensor(1.0).double(), 1.0)",
    "L.hinge_embedding_loss(x, [[1, 2], [3]])", "F.hinge_embedding_loss(x, 1)",
    "L.histogramdd(x, [1, 2, 3], weight=L.ones(1))",
    "L.histogramdd(x[None], [1, 2, 3], weight=x[0])",
    *(f"L.func.{f}(lambda a: {body})({x})" for f in ("jacrev", "jacfwd", "hessian")
      for body, x in (("a * 2", "x.cfloat()"), ("a * 1j", "x"))),
    "L.fake_quantize_per_tensor_affine(x, 0.1, 0, -8, 0.5)",
    "L.nn.utils.clip_grads_with_norm_(x, [x], 100)", "L.logit(x, (0.2, 0.8))",
    "L.pinverse(L.eye(2), rcond=1j)", "L.linalg.pinv(L.eye(2), atol=1j)",
    "L.linalg.slogdet(L.eye(2), np.array([1.0, 2.0]), out=L.eye(2))",
    "F.pad(x, [1.0, 2])", "F.pad(x, (True, 2))", "L.binary_cross_entropy_with_logits(x, x[0])",
    "x.bernoulli_(L.tensor([0.5, 0.4]))", "x.round(decimals=2**63)", "i.round(decimals=-2**63 - 1)",
    "L.special.round(x, decimals=2**70)", "i & np.True_", "m | np.True_", "np.True_ ^ m",
    "i.__iadd__(np.True_)",
    *(f"F.adaptive_{kind}_pool{n}d(L.ones(1, {'4, ' * n}), {size})"
      for kind in ("avg",
      "max") for n, size in ((1, "None"), (1, "(None,)"), (2, "None"), (3, "None"))),
    "L.nn.AdaptiveAvgPool1d(None)(x)", "L.nn.AdaptiveMaxPool2d(None)(x[None])",
])  # fmt: skip
def test_both_refuse(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises(REFUSED) as caught:
            evaluated(text, L)
        assert (
            isinstance(caught.value, ad.errors.AnadromeError)
            or L is torch
            or ("object" not in str(caught.value) and "truth value" not in str(caught.value))
        )


@pytest.mark.parametrize("text", [
    "L.ones(2, requires_grad=np.array([1, 0]))", "L.ones(2, requires_grad=i)",
    "L.ones_like(x, requires_grad=i)", "L.tensor([1.0], requires_grad=i)",
    "L.fft.fftfreq(3, requires_grad=i)", "L.rand(2, requires_grad=i)",
    "L.sparse_coo_tensor([[0]], [1.0], (2,), requires_grad=i)",
    "L.asarray([1.0], requires_grad=np.array([1, 0]))",
])  # fmt: skip
def test_several_values_are_no_switch(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises(TypeError, match="requires_grad"):
            evaluated(text, L)


@pytest.mark.parametrize("text", [
    "L.asarray(g, requires_grad=False)", "L.asarray(g * 2, copy=True)", "L.asarray(g * 2)",
    "L.asarray(g * 2, copy=True, requires_grad=True)",
    "L.asarray(g * 2, copy=True, requires_grad=False)",
    "L.asarray(x, requires_grad=True)", "L.asarray(g, dtype=L.float64)",
    *(f"L.logit(L.tensor([0.0, 0.001, 0.5, 0.9999, 1.0], dtype=L.{kind}), {eps})"
      for kind in ("float16", "bfloat16", "float32") for eps in (1e-8, 1e-7, 1e-4, 1e-3, 0.01)),
    *(f"a = L.tensor([0.0, 0.3, 0.999, 1.0], dtype=L.{kind}, requires_grad=True); "
      "L.logit(a, 1e-3).sum().backward(); a.grad" for kind in ("float16", "bfloat16")),
    "a = L.tensor([0.0, 0.5], dtype=L.float16); a.logit_(1e-7); a",
    "L.special.logit(x / 2, eps=1e-3)",
    "i + np.True_", "np.True_ + i", "m * np.True_", "i.byte() ** np.True_", "i // np.True_",
    "L.add(i, np.True_)", "i == np.True_", "L.result_type(i, np.True_)", "L.full((2,), np.True_)",
    "L.where(m, np.True_, i)", "i.clamp(np.True_)", "i.clamp(0, np.True_)", "i.clamp(np.int64(2))",
    "L.tensor([np.True_, np.False_])", "i.masked_fill(m, np.True_)", "m.fill_(np.True_)",
    "L.any(i, out=L.ones((), dtype=L.uint8))", "L.all(i, 0, out=L.ones((), dtype=L.uint8))",
    "L.any(i.byte(), 0, out=L.ones((), dtype=L.bool))",
    "L.all(x, (0, 1), out=L.ones((), dtype=L.uint8))",
    "L.hsplit(s, sections=2)", "L.hsplit(s, indices=(1, 2))", "L.vsplit(s, indices=[1])",
    "s.hsplit(1, 2)",
    "s.vsplit(2)", "s.vsplit((1, 3))", "s.vsplit(1, 3)", "s.hsplit(sections=2)",
    "s.hsplit(np.int64(2))",
    "L.ones(2, 2, 4).dsplit(1, 2)", "L.ones(2, 2, 4).dsplit(sections=4)",
    "L.hsplit(s, L.tensor(2))",
    "D.Pareto(L.tensor(2), L.tensor(3.0)).sample().dtype",
    "D.Pareto(2, L.tensor([3.0])).rsample().shape",
    "L.empty(0).bernoulli_(L.tensor([0.5, 0.4]))", "L.empty(0, 3).bernoulli_(i)",
    "x.round(decimals=2**63 - 1)", "F.adaptive_avg_pool2d(L.ones(1, 4, 4), (None, 2))",
    "F.adaptive_max_pool3d(L.ones(1, 4, 4, 4), (None, 2, np.int64(2)))",
    *(f"F.adaptive_avg_pool{n}d(L.ones({shape}), 1)" for n, shape in (
        (1, "1, 2, 0"), (1, "2, 0"), (2, "1, 2, 0, 5"), (2, "2, 5, 0"), (3, "1, 0, 2, 5, 5"))),
    "L.tensor([-2.0, -0.5]).double() ** (2**63 - 1)", "L.tensor([-1.0]).double() ** (2**53 + 1)",
    "L.tensor([-1.0]).double() ** (2**24 + 1)", "(-x) ** 5", "(-x) ** -5.0",
    "F.soft_margin_loss(x.cfloat() * (1 + 1j), x)",
    "L.fake_quantize_per_tensor_affine(x, 0.1, 0, -8, 7)",
    "L.binary_cross_entropy_with_logits(x[0], x)", "F.pad(x, (np.int64(1), 2))",
    "L.binary_cross_entropy_with_logits(g[:1], x[:0, :0], None, None, 1)",
    "L.lerp(x, x, L.tensor(0.5).double())", "L.nn.utils.clip_grads_with_norm_(g, 0.5, [x, x])",
    "L.histogramdd(x.double(), [1, 2, 3], weight=L.ones(2).double()).hist",
    "L.triangular_solve(L.ones(1, 1, 1, 1, requires_grad=True), L.ones(1, 1, 1, 1))",
    "L.triangular_solve(L.ones(2, 1), L.ones(1, 2, 2, requires_grad=True))",
])  # fmt: skip
def test_results_are_pytorchs(text: str) -> None:
    ours, theirs = evaluated(text, ad), evaluated(text, torch)
    assert ours == theirs


def test_the_borders_of_a_histogram_are_rounded_as_pytorchs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        values = rng.normal(size=50).round(1).tolist()
        bins, low, high = int(rng.integers(1, 30)), *sorted(rng.normal(size=2).round(1).tolist())
        for kind in ("float32", "float64"):
            ours, theirs = (
                L.histc(L.tensor(values, dtype=getattr(L, kind)), bins, low, high).tolist()
                for L in (ad, torch)
            )
            assert ours == theirs, (values, bins, low, high, kind)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam"])
def test_one_beta_is_too_few(name: str) -> None:
    for L in (ad, torch):
        with pytest.raises(IndexError):
            getattr(L.optim, name)([L.nn.Parameter(L.ones(2))], betas=(0.9,))


def test_lbfgs_of_two_groups() -> None:
    for L in (ad, torch):
        first, second = (L.nn.Parameter(L.ones(n)) for n in (2, 1))
        optimizer = L.optim.LBFGS([first])
        optimizer.add_param_group({"params": [second]})
        with pytest.raises(AssertionError, match="Expected exactly one param_group, but got 2"):
            optimizer.step(lambda first=first: first.sum())


def test_weight_norm_is_deprecated() -> None:
    for L in (ad, torch):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            L.nn.utils.weight_norm(L.nn.Linear(2, 2))
        assert [w.category for w in found] == [FutureWarning]
        assert L is torch or found[0].filename == __file__


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_causal_hint_without_a_mask(
    nested: bool, norm_first: bool, batch_first: bool, training: bool, recorded: bool
) -> None:
    found = []
    for L in (ad, torch):
        layer = L.nn.TransformerEncoderLayer(
            4, 2, 8, dropout=0.0, batch_first=batch_first, norm_first=norm_first
        )
        model = (L.nn.TransformerEncoder(layer, 2) if nested else layer).train(training)
        with L.no_grad():
            for p in model.parameters():
                p.copy_(L.sin(L.arange(float(p.numel()))).reshape(p.shape) * 0.3)
        try:
            with L.set_grad_enabled(recorded):
                found.append(model(L.sin(L.arange(24.0)).reshape(2, 3, 4), is_causal=True).tolist())
        except RuntimeError as error:
            found.append(str(error)[:30])
    assert type(found[0]) is type(found[1])
    if isinstance(found[0], str):
        assert found[0] == found[1]
    else:
        np.testing.assert_allclose(found[0], found[1], 1e-4, 1e-5)


def test_what_watches_writes_takes_tensors() -> None:
    with pytest.raises(TypeError, match="takes a Tensor, not int"):
        ad.autograd.graph.allow_mutation_on_saved_tensors().writing(3)  # type: ignore[arg-type]
