"""The conformance kit finds what it is for: each kind of fault, put in on purpose, is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import backend as backends
from anadrome import testing
from anadrome.op import FLOAT, op, table
from anadrome.samples import Arr, Sample, binary, call, unary
from anadrome.tensor import Tensor


@pytest.fixture
def declare() -> Iterator[Callable[..., str]]:
    """Declare an op for the length of a test; returns its name."""
    made = []

    def new(forward: Any, samples: Any = None, **rest: Any) -> str:
        name = f"fault_{len(made)}"
        made.append(name)
        op(name, forward, samples=samples or unary(0.5, 2), method=False, **rest)
        return name

    yield new
    for name in made:
        del table[name]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a kernel into the NumPy backend for the length of a test."""

    def put(name: str, function: Any) -> None:
        adapter = backends.get("numpy")
        monkeypatch.setattr(adapter, "kernels", {**adapter.kernels, name: function})
        monkeypatch.setitem(table[name].implementations, np.ndarray, function)

    return put


def fails(name: str, check: str, text: str, **options: Any) -> None:
    with pytest.raises(AssertionError, match=text):
        testing.check_op(name, checks=[check], **options)


def test_good_op_passes(declare: Any) -> None:
    name = declare(lambda xp, x: xp.exp(x), x=lambda g, out: g * out, dtype=FLOAT)
    assert testing.check_op(name) == len(testing.CHECKS)


def test_wrong_rule(declare: Any) -> None:
    name = declare(lambda xp, x: xp.exp(x), x=lambda g, out: g * out * 1.01)
    fails(name, "gradcheck", "Jacobian mismatch")
    fails(name, "gradgradcheck", "Jacobian mismatch")


def test_rule_that_cannot_be_differentiated_again(declare: Any) -> None:
    def rule(g: Any, x: Any) -> Any:
        return g * (x.detach() if isinstance(x, Tensor) else x) * 2.0

    name = declare(lambda xp, x: x * x, x=rule)
    assert testing.check_op(name, checks=["gradcheck", "gradient", "readings"])
    fails(name, "gradgradcheck", "Jacobian mismatch")


def test_readings_that_differ(declare: Any) -> None:
    def rule(g: Any, x: Any) -> Any:
        return g * (x + x) if isinstance(g, Tensor) else (g + g) * (x + 1e-12)

    name = declare(lambda xp, x: x * x, x=rule)
    fails(name, "readings", "not the same bits", dtypes=["float64"])


def test_rule_that_cannot_be_captured(declare: Any) -> None:
    """A rule that looks at a value is not a program."""
    name = declare(
        lambda xp, x: x * 2.0, samples=call(Arr((3, 4))), x=lambda g: g * (2.0 if g[0, 0] else 2)
    )
    assert testing.check_op(name, checks=["gradcheck", "readings"])
    fails(name, "captured", "cannot take a value out of a Tensor")


def test_wrong_kernel(kernel: Any) -> None:
    kernel("sinh", lambda x: np.sinh(x) * (1 + 1e-8))
    fails("sinh", "value", "Greatest relative difference", dtypes=["float64"])


def test_kernel_that_loses_precision(kernel: Any) -> None:
    kernel("cosh", lambda x: np.cosh(x.astype(np.float16)).astype(x.dtype))
    fails("cosh", "value", "float32", dtypes=["float32"])


def test_kernel_that_is_right_where_the_op_says_what_is(kernel: Any) -> None:
    """Among values in order, a place is a count; libraries differ where they are in none."""

    def count(sequence: Any, x: Any, *, right: bool = False) -> Any:
        below = np.less_equal if right else np.less
        x = x[..., None]
        return (below(sequence[..., None, :], x) | np.isnan(x)).sum(-1)  # NaN comes last

    kernel("searchsorted", count)
    assert testing.check_op("searchsorted") == len(testing.CHECKS)


def test_kernel_that_swallows_nan(kernel: Any) -> None:
    kernel("expm1", lambda x: np.expm1(np.nan_to_num(x)))
    fails("expm1", "nonfinite", "nan in argument 0 of expm1")


def test_kernel_that_needs_compact_memory(kernel: Any) -> None:
    kernel("tan", lambda x: np.tan(np.lib.stride_tricks.as_strided(
        x, strides=np.empty(x.shape, x.dtype).strides)))  # fmt: skip
    fails("tan", "strides", "tan with ", dtypes=["float64"])


def test_layouts_that_a_library_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PyTorch's tensors, which have no negative strides."""
    cls = backends.get("strict").array_type
    get = cls.__getitem__  # type: ignore[attr-defined]

    def without_negative_steps(self: Any, key: Any) -> Any:
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, slice) and (part.step or 1) < 0:
                raise ValueError("step must be greater than zero")
        return get(self, key)

    monkeypatch.setattr(cls, "__getitem__", without_negative_steps)
    assert testing.check_op("sinc", "strict", checks=["strides"]) == 1


@pytest.mark.parametrize("name", ["last_scattered", "logsumexp", "gather", "index_select"])
def test_an_op_asks_no_array_for_its_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's tensors have a method of that name."""
    cls = backends.get("strict").array_type
    monkeypatch.setattr(cls, "size", lambda self: self.shape)
    assert testing.check_op(name, "strict", checks=["value", "gradient", "empty"]) == 3


def test_kernel_of_the_wrong_type(kernel: Any) -> None:
    kernel("sqrt", lambda x: np.sqrt(x.astype(np.float64)))
    fails("sqrt", "outputs", r"sqrt of .*float32 gave .*float64", dtypes=["float32"])


def test_kernel_that_returns_something_else(declare: Any) -> None:
    name = declare(lambda xp, x: (x, x), outputs=("a", "b", "c"), x=lambda g: g)
    fails(name, "outputs", "")


def test_forward_that_writes_into_its_input(declare: Any) -> None:
    def forward(xp: Any, x: Any) -> Any:
        x += 1.0
        return x * 2.0

    name = declare(forward, samples=call(Arr((3, 4))), x=lambda g: g * 2.0)
    fails(name, "untouched", "argument 0 .* after forward and backward", dtypes=["float64"])


def test_rule_that_writes_into_the_gradient(declare: Any) -> None:
    def rule(g: Any) -> Any:
        if not isinstance(g, Tensor):
            g *= 2.0
            return g
        return g * 2.0

    name = declare(lambda xp, x: x * 2.0, samples=call(Arr((3, 4))), x=rule)
    fails(name, "untouched", "the gradient given to", dtypes=["float64"])


def test_forward_that_does_not_broadcast(declare: Any) -> None:
    def forward(xp: Any, a: Any, b: Any) -> Any:
        return a + (b if a.shape == b.shape else b * 2.0)

    name = declare(forward, samples=binary(), a=lambda g: g, b=lambda g: g)
    fails(name, "broadcasting", "not close", dtypes=["float64"])


def test_rule_that_fails_on_empty_arrays(declare: Any) -> None:
    name = declare(
        lambda xp, x: x * x, samples=call(Arr((3, 4))), x=lambda g, x: g * x * (6.0 / x.shape[0])
    )
    assert testing.check_op(name, checks=["gradcheck"])
    fails(name, "empty", "ZeroDivisionError", dtypes=["float64"])


def test_mixed_types_must_meet(declare: Any) -> None:
    name = declare(
        lambda xp, a, b: xp.astype(a * b, xp.float32),
        samples=binary(),
        a=lambda g, b: g * b,
        b=lambda g, a: g * a,
    )
    fails(name, "mixed", "gave anadrome.float32, not anadrome.float64")


def test_failures_name_the_sample_and_all_others(declare: Any) -> None:
    samples = [Sample((Arr((2,)),), {"k": k}) for k in (1.0, 2.0, 3.0)]
    name = declare(lambda xp, x, *, k: x * k, samples=samples, x=lambda g, k: g * min(k, 2.0))
    fails(name, "gradcheck", r"sample 2 .*'k': 3\.0")


def test_make_args_is_the_same_on_every_backend() -> None:
    sample = Sample((Arr((3, 4)), Arr((2,), 0, 9, "int"), 0.5, Arr((5,), distinct=True)), {"k": 1})
    a, keywords = testing.make_args(sample, dtype="float32", seed=3, requires_grad=True)
    b, _ = testing.make_args(sample, backend="strict", dtype="float32", seed=3)
    c, _ = testing.make_args(sample, dtype="float32", seed=4)
    assert keywords == {"k": 1} and a[2] == 0.5
    testing.assert_close(a, b, rtol=0, atol=0, check_device=False)
    assert a[0].requires_grad and a[3].requires_grad and not a[1].requires_grad
    assert a[1].dtype is ad.int64 and not (a[0] == c[0]).all().item()
    assert len(set(a[3].tolist())) == 5 and all(0 <= i < 9 for i in a[1].tolist())


def test_make_args_for_integers() -> None:
    (x,), _ = testing.make_args(Sample((Arr((50,), 0.1, 3),), {}), dtype=ad.int32)
    assert x.dtype is ad.int32 and set(x.tolist()) == {1, 2, 3}
    (x,), _ = testing.make_args(Sample((Arr((50,)),), {}), dtype=ad.uint8)
    assert set(x.tolist()) == {0, 1, 2}


def test_tolerances_grow_with_less_precision() -> None:
    rtols = [
        testing.tolerance_of(d).rtol for d in (ad.float64, ad.float32, ad.float16, ad.bfloat16)
    ]
    assert rtols == sorted(rtols) and rtols[0] < 1e-10 and testing.tolerance_of(ad.int64).rtol == 0
    assert testing.tolerance_of(ad.float32, order=1).rtol > testing.tolerance_of(ad.float32).rtol


class TestAssertClose:
    def test_messages(self) -> None:
        a = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
        b = a.clone()
        b[0, 1] = 2.5
        b[1, 0] = 3.25
        with pytest.raises(AssertionError) as info:
            testing.assert_close(a, b)
        text = str(info.value)
        assert "Tensor-likes are not close!" in text
        assert "Mismatched elements: 2 / 4 (50.0%)" in text
        assert "Greatest absolute difference: 0.5 at index (0, 1) (up to 1e-05 allowed)" in text
        assert "Greatest relative difference: 0.2 at index (0, 1) (up to 1.3e-06 allowed)" in text

    @pytest.mark.parametrize(
        ("a", "b", "text"),
        [
            (ad.ones(2), ad.ones(3), "'shape' do not match: (2,) != (3,)"),
            (ad.ones(2), ad.ones(2, dtype=ad.float64), "'dtype' do not match: anadrome.float32"),
            (1.0, 1.1, "Scalars are not close!"),
            ([ad.ones(1)], [ad.ones(1), ad.ones(1)], "length of the sequences mismatch: 1 != 2"),
            ({"a": 1.0}, {"b": 1.0}, "keys of the mappings do not match"),
            ({"a": [1.0, 2.0]}, {"a": [1.0, 3.0]}, "item ['a'][1]"),
            (ad.tensor([1, 2]), ad.tensor([1, 3]), "not equal!"),
            (math.nan, math.nan, "Scalars are not close!"),
            (math.inf, 1.0, "Scalars are not close!"),
            (1e300, math.inf, "Scalars are not close!"),
            (None, 1.0, "None mismatch"),
        ],
    )
    def test_finds(self, a: Any, b: Any, text: str) -> None:
        with pytest.raises(AssertionError) as info:
            testing.assert_close(a, b)
        assert text in str(info.value)

    @pytest.mark.parametrize(
        ("a", "b", "options"),
        [
            (1.0, 1.0 + 1e-8, {}),
            (math.nan, math.nan, {"equal_nan": True}),
            (math.inf, math.inf, {}),
            (ad.ones(2), np.ones(2, np.float32), {}),
            (ad.ones(2), ad.ones(2, dtype=ad.float64), {"check_dtype": False}),
            (ad.zeros(0), ad.zeros(0), {}),
            ([1.0, {"a": (2.0, None)}], [1.0, {"a": (2.0, None)}], {}),
            (ad.tensor([1 + 1j]), ad.tensor([1 + 1j]), {}),
            (1.0, 1.5, {"rtol": 0.0, "atol": 0.5}),
        ],
    )
    def test_passes(self, a: Any, b: Any, options: Any) -> None:
        testing.assert_close(a, b, **options)

    def test_devices(self) -> None:
        a, b = ad.ones(2), ad.ones(2, device="strict")
        with pytest.raises(AssertionError, match="'device' do not match: cpu != strict"):
            testing.assert_close(a, b)
        testing.assert_close(a, b, check_device=False)

    def test_options(self) -> None:
        with pytest.raises(ValueError, match="both be specified or both be unspecified"):
            testing.assert_close(1.0, 1.0, rtol=1e-3)
        with pytest.raises(AssertionError, match="^mine$"):
            testing.assert_close(1.0, 2.0, msg="mine")
        with pytest.raises(AssertionError, match="^here: Scalars"):
            testing.assert_close(1.0, 2.0, msg=lambda text: f"here: {text}")


def test_same_bits() -> None:
    testing.assert_same_bits(ad.tensor([math.nan, 0.0]), ad.tensor([math.nan, 0.0]))
    with pytest.raises(AssertionError, match="zeros: not the same bits"):
        testing.assert_same_bits(ad.tensor([0.0]), ad.tensor([-0.0]), "zeros")
    with pytest.raises(AssertionError, match="dtype"):
        testing.assert_same_bits(ad.ones(1), ad.ones(1, dtype=ad.float64))
