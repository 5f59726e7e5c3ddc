"""Python's operators beside what is no Tensor and no number, as in PyTorch."""

from __future__ import annotations

import operator
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Other:
    """An operand of the user's own, with a meaning beside a Tensor."""

    def _say(name: str) -> Any:  # type: ignore[misc]
        return lambda self, other: f"{name} {type(other).__name__}"

    __radd__, __rsub__, __rtruediv__ = map(_say, "+-/")
    __rfloordiv__, __rmod__, __rpow__, __rmatmul__ = map(_say, ("//", "%", "**", "@"))
    __rand__, __ror__, __rxor__ = map(_say, "&|^")
    __eq__, __lt__, __ge__ = map(_say, ("==", "<", ">="))  # type: ignore[assignment]


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.matmul, operator.and_, operator.or_, operator.xor, operator.eq,
    operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


def _outcome(call: Any) -> Any:
    try:
        return str(call())
    except TypeError as error:
        return str(error).split(", not float32")[0]


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [None, "%s", [1, 2], (1,), {}, object(), Other(), Other])
def test_what_is_no_operand(function: Any, other: Any) -> None:
    for turned in (False, True):

        def run(L: Any, turned: bool = turned) -> Any:
            pair = (L.ones(2), other)
            return _outcome(lambda: function(*(pair[::-1] if turned else pair)))

        assert run(ad) == run(torch)


@pytest.mark.parametrize("L", [ad, torch], ids=["anadrome", "torch"])
def test_questions_and_lists(L: Any) -> None:
    x = L.tensor([1.0, 2.0], requires_grad=True)
    assert (x == None) is False and (x != None) is True and (None == x) is False  # noqa: E711
    assert None not in [x] and "mean" not in (x, x)
    kept: Any = [0]
    kept += x.detach()
    assert kept == [0, 1.0, 2.0]
    assert [7] * L.tensor(2) == [7, 7] and "ab" * L.tensor(2) == "abab"
    for refused in (lambda: L.add(x, None), lambda: L.eq(x, "a"), lambda: L.pow(x, None),
                    lambda: x.mul([1.0, 2.0]), lambda: L.matmul(x, None)):  # fmt: skip
        with pytest.raises(TypeError):
            refused()
    ((x + x) * x / 2 - x**2).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["bool", "int64", "float32", "complex64"])
@pytest.mark.parametrize("alpha", [True, 2, 0.5, 2j, 1, 1.0])
@pytest.mark.parametrize("other", [True, 3, 1.5, "bool", "int64", "float64"])
def test_factors_of_sums(kind: str, alpha: Any, other: Any) -> None:
    def run(L: Any, form: str) -> Any:
        x = L.tensor([1, 0, 1]).to(getattr(L, kind))
        y = L.tensor([1, 1, 0]).to(getattr(L, other)) if isinstance(other, str) else other
        try:
            out = getattr(x, form)(y, alpha=alpha)
        except RuntimeError:
            return "refused"
        return out.tolist(), str(out.dtype).split(".")[1]

    for form in ("add", "sub", "add_", "sub_"):
        if not (form.startswith("sub") and other is True):  # a number is subtracted, PyTorch asks
            assert run(ad, form) == run(torch, form), form
