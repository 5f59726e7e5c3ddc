"""Functions value by value: every form PyTorch has of each, and what it says to bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

#: Each function of one tensor, and where its argument may lie.
UNARY: dict[str, tuple[float, float]] = {
    name: place
    for place, names in {
        (-2.0, 2.0): """abs absolute neg negative sign sgn exp exp2 expm1 square sin cos atan arctan
            sinh cosh asinh arcsinh tanh sigmoid erf erfc isnan isinf isfinite isposinf isneginf
            logical_not nan_to_num deg2rad rad2deg positive signbit sinc isreal relu ceil floor
            trunc fix round frac""",
        (0.2, 4.0): "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma",
        (-0.9, 0.9): "asin arcsin acos arccos atanh arctanh erfinv",
        (1.1, 4.0): "acosh arccosh",
        (-1.0, 1.0): "tan",
        (0.1, 0.9): "logit",
    }.items()
    for name in names.split()
}
BINARY: dict[str, tuple[float, float]] = {
    name: place
    for place, names in {
        (-2.0, 2.0): """add sub subtract mul multiply maximum minimum fmax fmin eq ne not_equal lt
            less le less_equal gt greater ge greater_equal logical_and logical_or logical_xor
            isclose logaddexp logaddexp2 copysign""",
        (0.4, 2.0): """div divide true_divide remainder fmod pow atan2 arctan2 hypot xlogy ldexp
            float_power""",
    }.items()
    for name in names.split()
}
WITH_NUMBERS = """add sub mul div true_divide floor_divide remainder fmod eq ne lt le gt ge pow
    bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift""".split()  # noqa: SIM905
#: Those that return what they are given, or need the same shapes, or have no ``out=`` in PyTorch.
WITHOUT_OUT = {"positive", "isreal", "isclose", "isnan", "isinf", "isfinite", "relu"}
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((2, 1), (1, 3)),
    ((), (3,)),
    ((0, 3), (3,)),
]


@pytest.mark.parametrize("name", UNARY)
def test_one_tensor(name: str) -> None:
    low, high = UNARY[name]
    for shape in ((3, 4), (), (0, 2)):
        agree(lambda L, x: getattr(L, name)(x), numbers(*shape, low=low, high=high))
        agree(lambda L, x: getattr(L, name)(input=x), numbers(*shape, low=low, high=high))
        if hasattr(torch.Tensor, name):
            agree(lambda L, x: getattr(x, name)(), numbers(*shape, low=low, high=high))


@pytest.mark.parametrize("name", UNARY)
def test_one_tensor_in_place(name: str) -> None:
    low, high = UNARY[name]
    if hasattr(torch.Tensor, name + "_"):
        # PyTorch has not written the derivative of a few of these; of logical_not_ it has none and
        # lets the gradient pass as if nothing had been written, which we do not.
        with_gradient = name.removeprefix("arc").removeprefix("a") not in (
            "sinh", "cosh", "tanh", "logical_not")  # fmt: skip
        agree(lambda L, x: getattr(x * 1, name + "_")(), numbers(3, 4, low=low, high=high),
              gradients=with_gradient or name in ("sinh", "cosh", "tanh"))  # fmt: skip


@pytest.mark.parametrize("name", sorted({*UNARY, *BINARY} - WITHOUT_OUT))
def test_out(name: str) -> None:
    low, high = UNARY.get(name) or BINARY[name]
    arrays = [numbers(3, 4, low=low, high=high, seed=i) for i in range(2 - (name in UNARY))]

    def call(L: Any, *tensors: Any) -> Any:
        tensors = tuple(t.detach() for t in tensors)
        kind = getattr(L, name)(*tensors).dtype
        out = L.empty(3, 4, dtype=kind)
        grown = L.empty(0, dtype=kind)
        returned = getattr(L, name)(*tensors, out=out)
        getattr(L, name)(*tensors, out=grown)
        return out, grown, returned is out

    agree(call, *arrays, gradients=False)


@pytest.mark.parametrize("name", BINARY)
def test_two_tensors(name: str) -> None:
    low, high = BINARY[name]
    for a, b in SHAPES:
        x, y = numbers(*a, low=low, high=high), numbers(*b, low=low, high=high, seed=1)
        agree(lambda L, x, y: getattr(L, name)(x, y), x, y)
        if name not in ("pow", "float_power"):
            agree(lambda L, x, y: getattr(L, name)(input=x, other=y), x, y)
        if hasattr(torch.Tensor, name):
            agree(lambda L, x, y: getattr(x, name)(y), x, y)


@pytest.mark.parametrize("name", BINARY)
def test_two_tensors_in_place(name: str) -> None:
    low, high = BINARY[name]
    x, y = numbers(3, 4, low=low, high=high), numbers(4, low=low, high=high, seed=1)
    if hasattr(torch.Tensor, name + "_"):
        agree(lambda L, x, y: getattr(x * 1, name + "_")(y), x, y,
              gradients=not name.startswith("logical"))  # fmt: skip


@pytest.mark.parametrize("name", WITH_NUMBERS)
@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64", "bool", "float32"])
def test_integers_booleans_and_numbers(name: str, kind: str) -> None:
    values = np.array([5, 1, 7, 3]) if kind != "bool" else np.array([True, False, True, True])
    for other in (2, 3.0, True):

        def call(L: Any) -> Any:
            x = L.tensor(values.tolist(), dtype=getattr(L, kind))
            return getattr(L, name)(x, other), getattr(x, name)(other)

        try:
            call(torch)
        except Exception:
            continue
        agree(call, gradients=False)


MORE: dict[str, Callable[..., Any]] = {
    "add alpha": lambda L, x, y: L.add(x, y, alpha=0.5),
    "add_ alpha": lambda L, x, y: (x * 1).add_(y, alpha=2),
    "sub alpha": lambda L, x, y: x.sub(y, alpha=-3),
    "sub_ alpha": lambda L, x, y: (x * 1).sub_(y, alpha=0.1),
    "rsub": lambda L, x, y: L.rsub(x, y, alpha=2),
    "rsub a number": lambda L, x, y: L.rsub(x, 1.5),
    "div floor": lambda L, x, y: L.div(x, y, rounding_mode="floor"),
    "div trunc": lambda L, x, y: L.div(-x, y, rounding_mode="trunc"),
    "div_ trunc": lambda L, x, y: (x * 1).div_(y, rounding_mode="trunc"),
    "pow 2": lambda L, x, y: x**2,
    "pow 0": lambda L, x, y: x**0,
    "pow 1": lambda L, x, y: x.pow(1),
    "pow -1.5": lambda L, x, y: L.pow(x, -1.5),
    "pow of a number": lambda L, x, y: L.pow(2.5, y),
    "number ** tensor": lambda L, x, y: 2**y,
    "pow exponent=": lambda L, x, y: L.pow(input=x, exponent=y),
    "pow_": lambda L, x, y: (x * 1).pow_(3),
    "**=": lambda L, x, y: (x * 1).__ipow__(2),
    "-=": lambda L, x, y: (x * 1).__isub__(y),
    "%=": lambda L, x, y: (x * 1).__imod__(y),
    "lerp": lambda L, x, y: L.lerp(x, y, 0.3),
    "lerp past the middle": lambda L, x, y: L.lerp(x, y, weight=0.8),
    "lerp by tensor": lambda L, x, y: L.lerp(input=x, end=y, weight=x / 2),
    "lerp_": lambda L, x, y: (x * 1).lerp_(y, 0.25),
    "addcmul": lambda L, x, y: L.addcmul(x, x, y, value=0.5),
    "addcmul named": lambda L, x, y: L.addcmul(input=x, tensor1=y, tensor2=y, value=-2),
    "addcmul_": lambda L, x, y: (x * 1).addcmul_(x, y, value=0.5),
    "addcdiv": lambda L, x, y: L.addcdiv(x, x, y, value=0.5),
    "addcdiv_": lambda L, x, y: (x * 1).addcdiv_(x, y, value=-0.5),
    "clamp": lambda L, x, y: L.clamp(x, 0.7, 1.5),
    "clamp min=": lambda L, x, y: x.clamp(min=0.9),
    "clamp max=": lambda L, x, y: x.clamp(max=0.9),
    "clamp by tensors": lambda L, x, y: L.clamp(x, y * 0.5, y),
    "clamp by one tensor": lambda L, x, y: L.clamp(x, min=y),
    "clamp by crossed tensors": lambda L, x, y: L.clamp(x, min=y, max=y * 0.5),
    "clamp by NumPy's numbers": lambda L, x, y: x.float().clamp(np.float64(0.5), np.float32(1.5)),
    "clamp_": lambda L, x, y: (x * 1).clamp_(0.7, 1.5),
    "clip": lambda L, x, y: L.clip(x, max=y),
    "clamp_min": lambda L, x, y: L.clamp_min(x, 0.9),
    "clamp_max tensor": lambda L, x, y: L.clamp_max(x, y),
    "clamp_min_": lambda L, x, y: (x * 1).clamp_min_(0.9),
    "round decimals": lambda L, x, y: L.round(x, decimals=1),
    "nan_to_num": lambda L, x, y: L.nan_to_num(x / (x > 1), nan=1.0, posinf=2.0, neginf=-2.0),
    "logit eps": lambda L, x, y: L.logit(x / 2, eps=0.3),
    "polygamma": lambda L, x, y: [L.polygamma(n, x) for n in range(4)],
    "polygamma method": lambda L, x, y: x.polygamma(1),
    "special": lambda L, x, y: [
        L.special.ndtr(x), L.special.ndtri(x / 3), L.special.log_ndtr(-x * 4), L.special.expit(x),
        L.special.entr(x), L.special.erfcx(x), L.special.xlog1py(x, y), L.special.gammaln(x),
        L.special.psi(x), L.special.multigammaln(x + 2, 3), L.special.logit(x / 3),
    ],
    "bessel": lambda L, x, y: [L.i0(x), L.special.i0e(-x), L.special.i1(x * 9), L.special.i1e(-x),
                               L.mvlgamma(x + 2, 2), x.i0()],
    "in place as functions": lambda L, x, y: [L.exp_(x * 1), L.abs_(-x), L.clamp_(x * 1, 0.5, 1),
                                              L.neg_(x * 1), L.sqrt_(x * 1), L.relu_(x * 1)],
    "allclose": lambda L, x, y: (L.allclose(x, x * (1 + 1e-9)), L.allclose(x, x + 1e-3),
                                 L.allclose(x, x + 1e-3, atol=0.1), x.equal(x), L.equal(x, -x)),
    "isclose of infinities": lambda L, x, y: L.isclose(
        L.tensor([float("inf"), float("nan"), 1.0]), L.tensor([float("inf"), float("nan"), 2.0]),
        equal_nan=True),
    "isclose of masks": lambda L, x, y: L.isclose(
        L.tensor([True, False]), L.tensor([False, False]), rtol=0.0, atol=1.0),
    "isin": lambda L, x, y: (L.isin(L.tensor([1, 2, 3]), L.tensor([3, 1])),
                             L.isin(2, L.tensor([1, 2])), L.isin(L.tensor([1]), 2, invert=True)),
    "heaviside": lambda L, x, y: (L.heaviside(x.detach() - 1, y.detach()),
                                  (x.detach() - 1).heaviside_(y.detach())),
    "dist": lambda L, x, y: (L.dist(x, y), x.dist(y, 3), L.dist(x, y, p=1)),
    "fill": lambda L, x, y: (L.fill(x, 2.0), L.fill(x, y[0])),
}  # fmt: skip


@pytest.mark.parametrize("what", MORE)
def test_forms(what: str) -> None:
    agree(MORE[what], numbers(3, 4, low=0.4), numbers(4, low=0.4, seed=1))


SPECIAL_POINTS: dict[str, tuple[Callable[..., Any], list[float]]] = {
    "abs at 0": (lambda L, x: x.abs(), [0.0, -0.0, 1.0]),
    "sqrt at 0": (lambda L, x: x.sqrt(), [0.0, 1.0]),
    "square at 0": (lambda L, x: x.square(), [0.0, 1.0]),
    "pow 2 at 0": (lambda L, x: x**2, [0.0, -1.0]),
    "pow 1.5 at 0": (lambda L, x: x**1.5, [0.0, 1.0]),
    "pow 0 at 0": (lambda L, x: x**0, [0.0, 1.0]),
    "pow 1 at 0": (lambda L, x: x**1, [0.0, 1.0]),
    "pow by tensors at 0": (lambda L, x: x ** L.tensor([2.0, 1.0, 0.0, 0.5]), [0.0] * 4),
    "clamp at the ends": (lambda L, x: x.clamp(-1, 1), [-1.0, 1.0, 0.0, 2.0]),
    "maximum of equals": (lambda L, x: L.maximum(x, L.zeros(3)), [0.0, 1.0, -1.0]),
    "maximum with nan": (lambda L, x: L.maximum(x, x.flip(0)), [float("nan"), 1.0, -1.0]),
    "minimum of equals": (lambda L, x: L.minimum(x, L.zeros(3)), [0.0, 1.0, -1.0]),
    "sign at 0": (lambda L, x: x.sign(), [0.0, -2.0]),
    "relu at 0": (lambda L, x: x.relu(), [0.0, -2.0, 2.0]),
    "xlogy at 0": (lambda L, x: L.xlogy(x, L.tensor([0.0, 1.0])), [0.0, 0.0]),
    "log at 0": (lambda L, x: x.log(), [0.0, 1.0]),
    "asin at 1": (lambda L, x: x.asin(), [1.0, -1.0]),
    "lgamma at integers": (lambda L, x: x.lgamma(), [1.0, 2.0, -1.5]),
    "erfinv at the ends": (lambda L, x: x.erfinv(), [1.0, -1.0, 0.0]),
}


@pytest.mark.parametrize("what", SPECIAL_POINTS)
def test_special_points(what: str) -> None:
    function, points = SPECIAL_POINTS[what]
    agree(function, np.array(points))


def test_special_functions_over_their_whole_range() -> None:
    x = np.concatenate([np.linspace(-30, 30, 601), 10.0 ** np.linspace(-18, 8, 200), [0, np.inf]])
    for name in ("erf", "erfc", "lgamma"):
        agree(lambda L, x, n=name: getattr(L, n)(x), x, gradients=False, rtol=1e-11, atol=1e-300)
    positive = np.concatenate([np.linspace(0.01, 40, 500), 10.0 ** np.linspace(2, 8, 50)])
    agree(lambda L, x: L.digamma(x), positive, gradients=False, rtol=1e-10, atol=1e-14)
    negative = np.linspace(-9.93, -0.07, 200)
    agree(lambda L, x: (L.digamma(x), L.polygamma(2, x), L.lgamma(x)), negative, gradients=False,
          rtol=1e-9)  # fmt: skip
    u = np.concatenate([np.linspace(-1, 1, 401), 1 - 10.0 ** -np.linspace(1, 15, 50), [1.5]])
    agree(lambda L, x: L.erfinv(x), u, gradients=False, rtol=1e-12)


def test_integers_keep_their_arithmetic() -> None:
    def call(L: Any) -> Any:
        x = L.tensor([7, -7, 6, 5])
        return [
            x // 2, x % 3, -7 // L.tensor([2, -2]), L.fmod(x, 3), L.div(x, 2), x / 2, x**2,
            L.div(x, 2, rounding_mode="trunc"), L.div(x, -2, rounding_mode="floor"), 2**x.abs(),
            L.pow(2, L.tensor([-1, 0, 3])), x << 1, x >> 1, 1 << L.tensor([1, 2]), x & 3, x | 8,
            x ^ 1, ~x, L.tensor([True]).square(), L.tensor([True, False]) ** 2, L.gcd(x, x * 2 + 4),
            L.lcm(x, L.tensor(4)), x.clamp(min=1.5), x.clamp(max=3), L.tensor([True]) + True,
            L.add(L.tensor([True]), L.tensor([True]), alpha=True), x.remainder(-4),
            L.tensor([200], dtype=L.uint8) + 100, L.tensor([1], dtype=L.uint8) - 2,
            L.floor(x), L.round(x), x.abs(), x.sign(), -x, x.float() // 2, x.float() % -3,
        ]  # fmt: skip

    agree(call)


def test_in_place_operators() -> None:
    def call(L: Any) -> Any:
        x = L.tensor([7, -7, 6, 5])
        out = []
        x //= 2
        out.append(x.clone())
        x %= 3
        out.append(x.clone())
        x **= 2
        x <<= 3
        out.append(x.clone())
        x >>= 1
        x |= 1
        x &= 5
        x ^= 3
        out.append(x.clone())
        y = L.tensor([1.5, -2.5])
        y //= 1
        y %= 3
        y **= 2
        return [*out, y, x.eq_(2), y.gt_(1), y.logical_not_()]

    agree(call)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "integer by zero": lambda L: L.tensor([1]) // 0,
    "integer modulo zero": lambda L: L.tensor([1]) % 0,
    "fmod by zero": lambda L: L.fmod(L.tensor([1]), 0),
    "trunc by zero": lambda L: L.div(L.tensor([1]), L.tensor([0]), rounding_mode="trunc"),
    "shapes": lambda L: L.add(L.ones(2), L.ones(3)),
    "rounding mode": lambda L: L.div(L.ones(2), 2, rounding_mode="up"),
    "alpha of integers": lambda L: L.add(L.tensor([1]), L.tensor([1]), alpha=0.5),
    "boolean minus": lambda L: L.tensor([True]) - L.tensor([True]),
    "negative boolean": lambda L: -L.tensor([True]),
    "integer to a negative power": lambda L: L.tensor([2]) ** -1,
    "clamp by nothing": lambda L: L.clamp(L.ones(2)),
    "integers in place by a float": lambda L: L.tensor([1]).add_(1.5),
    "integer division in place": lambda L: L.tensor([1]).div_(2),
    "integer exp in place": lambda L: L.tensor([1]).exp_(),
    "in place to another shape": lambda L: L.ones(2).add_(L.ones(3, 2)),
    "fraction of integers": lambda L: L.frac(L.tensor([1])),
    "addcdiv of integers": lambda L: L.addcdiv(L.tensor([1]), L.tensor([1]), L.tensor([1])),
    "shift of floats": lambda L: L.ones(2) << 1,
    "and of floats": lambda L: L.ones(2) & 1,
    "isclose of two types": lambda L: L.isclose(L.tensor([1]), L.tensor([1.0])),
    "negative tolerance": lambda L: L.isclose(L.ones(1), L.ones(1), rtol=-1),
    "equal to a number": lambda L: L.equal(L.ones(1), 1),
    "polygamma of -1": lambda L: L.polygamma(-1, L.ones(1)),
    "a string": lambda L: L.ones(2) + "a",
    "none": lambda L: L.mul(L.ones(2), None),
    "unknown keyword": lambda L: L.add(L.ones(2), 1, beta=2),
    "missing operand": lambda L: L.add(L.ones(2)),
    "two numbers": lambda L: L.pow(2, 3),
    "out of a narrower kind": lambda L: L.exp(L.ones(2), out=L.zeros(2, dtype=L.int64)),
    "out with gradient": lambda L: L.exp(L.ones(2, requires_grad=True), out=L.zeros(2)),
    "out is no tensor": lambda L: L.exp(L.ones(2), out=[1, 2]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    assert refuse(REFUSED[what])


def test_floor_divide_has_no_gradient() -> None:
    x = ad.tensor([3.0, 5.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="floor_divide"):
        (x // 2).sum().backward()
    ad.div(x, 2, rounding_mode="floor").sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0]


def test_out_resizes_with_a_warning() -> None:
    out = ad.zeros(3)
    with pytest.warns(UserWarning, match="resized"):
        ad.exp(ad.zeros(2), out=out)
    assert out.tolist() == [1.0, 1.0]
