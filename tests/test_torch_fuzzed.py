"""What calls drawn by ``tests/fuzz`` showed to differ from PyTorch, or to be taken by it alone."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from expressions import refused, same
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

X = numbers(3, 4)


@pytest.mark.parametrize("text", [
    "L.logaddexp2(x, y)", "L.logaddexp2(x, x * 20)",
    "L.ldexp(x, L.tensor([1, 2, 3, 40]))",
    "L.ldexp(x.detach(), L.tensor([-3, 1000, 5, 0]))", "L.ldexp(x, y)",
    "x[:1, :1].norm(100)", "L.linalg.vector_norm(x[:, :1].detach(), 1e4, dim=1)", "x[0, 0].norm(7)",
    "(x[:1, :1] * 1e300).norm()",
    "L.cumulative_trapezoid(x[:, :0], dim=1)", "L.trapezoid(x[:0].detach(), dim=0)",
    "L.celu(x - 1, L.tensor(2))", "x.as_strided((2, True), (1, 2))",
    "x[..., L.tensor([True, False, True, True]), ...]", "x[y > 0.5, ..., ...]",
])  # fmt: skip
def test_agrees(text: str) -> None:
    same(text, X, numbers(3, 4, seed=1))


@pytest.mark.parametrize("text", [
    "L.ldexp(x.bfloat16(), L.tensor([1, 2])).dtype is L.bfloat16",
    "L.ldexp(x.to(L.float16) * 0 + 1e-4, L.tensor(20)).tolist()",
    "L.ldexp(x.float() * 0 + 1e-30, L.tensor(130)).isfinite().tolist()",
    "L.ldexp(x.long(), L.tensor(2)).dtype is L.float32",
    "L.linalg.eigh(L.tensor([[1.0, float('nan')], [2.0, 3.0]]))[0].round(decimals=3).tolist()",
    "L.nn.utils.get_total_norm([L.tensor([3.0])], 1e308).item()",
])  # fmt: skip
def test_same_values(text: str) -> None:
    both = [eval(text, {"L": L, "x": L.ones(2)}) for L in (ad, torch)]
    assert both[0] == both[1]


@pytest.mark.parametrize("number", [np.float64(1.5), np.float32(1.5), np.float64("nan")])
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_a_number_of_numpy_before_a_tensor_without_dimensions(number: object, kind: str) -> None:
    found = []
    for L in (ad, torch):
        out = L.div(number, L.tensor(2.0, dtype=getattr(L, kind), requires_grad=True))
        found.append((str(out.dtype).rpartition(".")[2], str(out.item())))
    assert found[0] == found[1]


def test_permute_of_one_dimension_has_a_gradient() -> None:
    x = ad.ones(3, requires_grad=True)
    x.permute(dims=0).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_one_matrix_of_nan_spoils_no_other() -> None:
    x = ad.eye(2).repeat(2, 1, 1)
    x[1, 1, 0] = float("nan")
    values, vectors = ad.linalg.eigh(x)
    assert values[0].tolist() == [1.0, 1.0] and vectors[0].isfinite().all()
    assert values[1].isnan().all() and vectors[1].isnan().all()


def test_logaddexp2_of_halves_is_rounded_once() -> None:
    a = torch.linspace(-3, 3, 50).bfloat16()
    b = torch.linspace(2, -2, 50)
    for low, other in ((a, b), (a, a.flip(0))):
        ours = ad.logaddexp2(
            ad.tensor(low.float().numpy()).bfloat16(),
            ad.tensor(other.float().numpy()).to(getattr(ad, str(other.dtype)[6:])),
        )
        theirs = torch.logaddexp2(low, other)
        np.testing.assert_allclose(ours.float().numpy(), theirs.float().numpy(), rtol=1e-6)


@pytest.mark.parametrize("text", [
    "L.set_anomaly_enabled('on')", "L.set_anomaly_enabled(True, 'on')",
    "L.fft.fftshift(set(), 0)", "L.fft.ifftn(x, [None])",
    "x[0].detach().polygamma_(2.0)", "L.polygamma(2.0, x)",
    "L.rrelu(x, float('-inf'))", "L.rrelu(x, 0.1, float('nan'))",
    "x.to_sparse(3)", "x.renorm(2, 0, float('nan'))", "L.detach_(L.Tensor)",
    "L.ones([__import__('decimal').Decimal('1.5')])", "x.new_ones(__import__('numpy').float32(2))",
    "L.ones(2).double().set_(x.detach(), 3)", "L.ones(2).resize_(2, memory_format=1)",
    "L.nn.functional.huber_loss(x, x.detach(), delta=float('nan'))",
    "L.linalg.matrix_rank(x[:, :0], atol=b'a')",
    "L.nn.FractionalMaxPool2d(2, output_ratio=(0.5,))",
    "L.nn.functional.fractional_max_pool2d(L.ones(1, 1, 4, 4), 2, output_ratio=(0.5,))",
    "L.autograd.graph.register_multi_grad_hook(range(3), print)",
    "L.where(x > 0, __import__('numpy').array(['a', 'b']), x)",
    "x[x[:0, 0] > 0, x[:0, 0] > 0]",
])  # fmt: skip
def test_refused(text: str) -> None:
    refused(text, X)


def test_the_class_is_no_tensor_to_be_detached() -> None:
    with pytest.raises(TypeError):
        ad.detach_(ad.Tensor)
    assert ad.ones(2, requires_grad=True).mul(2).grad_fn is not None


@pytest.mark.parametrize("write", ["x[3:1] = v", "x[3:1].copy_(v)", "x[:, 0:0].mul_(v)"])
def test_what_is_written_nowhere_has_a_gradient_of_zero(write: str) -> None:
    found = []
    for L in (ad, torch):
        x, v = L.ones(3, 2, requires_grad=True) * 1, L.ones((), requires_grad=True)
        exec(write, {"x": x, "v": v})
        x.sum().backward()
        found.append(v.grad.tolist())
    assert found == [0.0, 0.0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_function_of_real_values_has_no_complex_gradient(create_graph: bool) -> None:
    for L in (ad, torch):

        class Turned(L.autograd.Function):  # type: ignore[misc, name-defined]
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, grad):
                return grad * (1 + 2j)

        x = L.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError):
            L.autograd.grad(Turned.apply(x).sum(), x, create_graph=create_graph)
        z = L.ones(2, dtype=L.complex64, requires_grad=True)
        assert L.autograd.grad(Turned.apply(z).real.sum(), z)[0].dtype is L.complex64


def test_older_arguments_beside_a_batchs_mean() -> None:
    x, y = numbers(3, 2), numbers(3, 2, low=0.1)
    agree(lambda L, x, y: L.nn.functional.kl_div(x, y, True, None, "batchmean"), x, y)
    agree(lambda L, x, y: L.nn.functional.kl_div(x, y, False, None, "batchmean"), x, y)


@pytest.mark.parametrize("call", [
    lambda L, x: L.tensor([2, 1]) ** np.int64(-3),
    lambda L, x: L.nn.functional.ctc_loss(x, L.ones(1, 1, 1, dtype=L.int64), [3], [1]),
])  # fmt: skip
def test_numbers_of_numpy_and_labels_in_three_dimensions_are_refused(call: Any) -> None:
    refuse(call, numbers(3, 1, 2))


def test_powers_of_fractions_and_of_numpys_numbers() -> None:
    """Python 3.12 gave fractions a method that NumPy's numbers have."""
    x = ad.tensor([4.0, 9.0])
    for half in (np.float32(0.5), np.float64(0.5)):
        assert (x**half).tolist() == [2.0, 3.0]
    assert (x ** np.int64(2)).tolist() == [16.0, 81.0]
    assert (x ** Fraction(1, 2)).tolist() == [2.0, 3.0]  # Python's own, as beside PyTorch
    with pytest.raises(TypeError, match="must be Tensor or Number, not Fraction"):
        ad.pow(x, Fraction(1, 2))


def test_far_arguments_of_zeta_and_signs_of_spacings() -> None:
    x = np.array([0.5, 1.0, 2.0, 3.5])
    agree(lambda L, x: L.special.zeta(10000.0, x.float()), x, gradients=False)
    agree(lambda L, x: L.fft.rfftfreq(2, -0.0) + L.fft.fftfreq(2, -0.0), x, gradients=False)


@pytest.mark.parametrize("s", [1.5, 2.0, 3.0, 4.0, 11.0, float("inf")])
def test_zeta_below_zero(s: float) -> None:
    x = np.array([0.0, -0.0, 0.5, 1.0, -1.0, -0.5, -2.25, -3.0, -(2.0**63), -np.inf, np.nan])
    agree(lambda L, x: L.special.zeta(s, x), x, gradients=False)


@pytest.mark.parametrize("kind", ["bfloat16", "float32"])
def test_integers_of_64_bits_beside_fractions(kind: str) -> None:
    for L in (ad, torch):
        x = L.ones(2, dtype=getattr(L, kind))
        assert (x == 2**63).tolist() == [False, False]
        assert (x < 2**63).tolist() == [True, True]
    for text in ("x + 2**63", "x.fill_(2**63)", "L.full_like(x, 2**63)", "L.tensor([2**63])",
                 "x.masked_fill(L.tensor([True, False]), 2**63)",
                 "L.where(L.tensor([True, False]), x, 2**63)", "x.index_fill(0, i, 2**63)",
                 "x.scatter(0, i, 2**63)"):  # fmt: skip
        text = text.replace("63])", f"63], dtype=L.{kind})")
        names = [{"L": L, "x": L.ones(2, dtype=getattr(L, kind)), "i": L.tensor([0])}
                 for L in (ad, torch)]  # fmt: skip
        assert len({str(eval(text, n).tolist()) for n in names}) == 1, text


@pytest.mark.parametrize("text", [
    "L.gather(x, 0, L.ones(0))", "x.gather(0, L.ones(0, 3))", "x.scatter(0, L.ones(0), 1.0)",
    "x.scatter_add(0, L.ones(0), x)", "x.scatter_reduce(0, L.ones(0), x, 'sum')",
])  # fmt: skip
def test_an_index_of_nothing_may_be_of_any_type(text: str) -> None:
    both = [eval(text, {"L": L, "x": L.ones(2, 3)}) for L in (ad, torch)]
    assert both[0].tolist() == both[1].tolist() and both[0].shape == tuple(both[1].shape)


@pytest.mark.parametrize("text", [
    "L.renorm(x, float('nan'), 0, 1.0)", "L.distributions.LKJCholesky(2.5)", "L.Size((2.5,))",
    "L.Size([1, 'a'])", "x.shape + (2.5,)", "L.func.linearize(lambda x: x * 2, 'mean')",
    "L.func.jvp(lambda x: x[0] * 2, ([x, 3],), ([x, 3],))", "L.nn.functional.softmax(x, 0.0)",
    "L.nn.functional.softmin(x, dim=0.0)", "x.flip({0})", "L.fft.fftshift(x, {0})",
    "L.fft.fftn(x, dim={0})", "x.roll(1, L_np.float32(0))", "L.cuda.device_of(L_np.int64(2))",
    "x.double().map_(x, lambda a, b: a)", "L.sparse_coo_tensor(x.bool())",
    "L.sparse_coo_tensor(x.long(), size=[2, 3])", "L.histogramdd(x, L.ones(3))",
    "x.to(x.long(), dtype=L.float64)", "x.to(L.float64, dtype=L.float64)",
    "x.to('cpu', device='cpu')", "x.std(correction=0, unbiased=False)", "L.is_inference(L.Tensor)",

    "L.nn.functional.embedding_bag(x.long(), L.ones(3, 1), padding_idx=-9)",
    "L.autograd.graph.register_multi_grad_hook(3, print)", "L.UntypedStorage.from_file([1])",
    "L.max_pool1d_with_indices(x, 2, stride=L_np.float32(1.5))",
    "L.is_same_size(L.Tensor, x)", "x.dist(lambda x: x)", "L.logit(x, 1j)",
    "L.utils.checkpoint.set_device_states('cpu', [1], device_type=x)",
    "L.save(x, L_io.BytesIO(), pickle_module=3)", "L.save(x, L_io.BytesIO(), pickle_protocol=99)",
    "L.autograd.grad((x.requires_grad_() * 2).sum(), L.autograd.graph.GradientEdge(1, 2))",
])  # fmt: skip
def test_both_refuse(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises((TypeError, RuntimeError, ValueError, AttributeError)):
            eval(text, {"L": L, "L_np": np, "L_io": io, "x": L.ones(2, 3)})


@pytest.mark.parametrize("text", [
    "[p.tolist() for p in L.ones(4, 2).vsplit(L_np.int64(2))]",
    "[p.tolist() for p in L.ones(4, 2).tensor_split(L_np.int64(2))]",
    "L.sparse_coo_tensor(size=[2, 3]).shape == (2, 3)",
    "L.histogramdd(L.ones(2, 1), L.tensor(3))[0].tolist()",
    "list(L.Size([L.tensor(3), True, L_np.int64(2)]))", "L.Size(L.tensor([1, 2])) == (1, 2)",
    "L.fft.ifftshift(L.arange(4).half()).tolist()", "L.fft.fftshift(L.arange(4).bool()).tolist()",
    "(lambda x: (x.__setitem__((slice(None), [True, False]), L.tensor(2)), x.tolist()))(L.eye(2))",
    "len(L.nn.Transformer(8, 2, 1, 1, 16, 0.1, L.ones(2, 3)).state_dict())",
    "type(L.nn.DataParallel(L.nn.Linear(2, 2), [0, 1]).device_ids)",
    "tuple(L.autograd.graph.GradientEdge(1, 2, 3))",
])  # fmt: skip
def test_both_work(text: str) -> None:
    both = [eval(text, {"L": L, "L_np": np}) for L in (ad, torch)]
    assert both[0] == both[1]


@pytest.mark.parametrize("eps", [None, 0.3, 0.7, float("nan"), -1, 0])
def test_bounds_of_logit_that_cross_or_bound_nothing(eps: object) -> None:
    x = np.array([0.2, 0.5, 0.9, -1.0, 2.0, 0.0, 1.0])
    agree(lambda L, x: L.logit(x, eps), x, second=False)


@pytest.mark.parametrize("text", [
    "L.zeros(1, dtype=float)", "L.zeros(1, dtype=complex)", "L.ones(1).to(float)",
    "L.arange(3, dtype=float)",
    "L.ones(2).sum(0, dtype=complex)", "L.nn.Linear(2, 2, dtype=float).weight * 0",
    "L.nn.Linear(2, 2).to(float).bias * 0", "L.tensor([1], dtype=int)", "L.zeros(1, dtype=bool)",
    "L.sum(x, 0, out=L.empty(3, dtype=L.int64))", "L.prod(x, 0, out=L.empty(3, dtype=L.int64))",
    "L.cumsum(x, 0, out=L.empty(2, 3, dtype=L.int64))",
    "L.cumprod(x, 0, out=L.empty(2, 3, dtype=L.int64))",
    "L.sum(x > 0, 0, out=L.empty(3, dtype=L.bool))", "L.sum(x, 0, out=L.empty(3).double())",
    "L.aminmax(x, dim=L_np.int64(0))[1]",
])  # fmt: skip
def test_the_element_types_of_results(text: str) -> None:
    """Python's ``float`` is float64, whatever the default; ``out=`` decides how sums are made."""
    both = [eval(text, {"L": L, "L_np": np, "x": L.ones(2, 3) * 1.5}) for L in (ad, torch)]
    assert str(both[0].dtype).rpartition(".")[2] == str(both[1].dtype).rpartition(".")[2]
    assert both[0].tolist() == both[1].tolist()
