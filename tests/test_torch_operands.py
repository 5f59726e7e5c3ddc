"""Python's operators beside what is no operand: the other object is asked, as by PyTorch's."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

import pytest
from oracle import numbers

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch

BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor",
          "lshift", "rshift")  # fmt: skip
IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor",
            "ilshift", "irshift")  # fmt: skip
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


class Other:
    """What knows each operator itself, and nothing of Tensors."""


for _name in BINARY:
    setattr(Other, f"__r{_name.rstrip('_')}__", lambda self, x, n=_name: ("reflected", n))
for _name in COMPARISONS:
    setattr(Other, f"__{_name}__", lambda self, x, n=_name: ("compared", n))


def found(call: Any, L: Any) -> Any:
    """What a call gives, or the TypeError's words."""
    try:
        out = call(L)
    except TypeError as error:
        return f"TypeError: {error}"
    return out.tolist() if isinstance(out, L.Tensor) else out


def agree(call: Any) -> None:
    both = [found(call, L) for L in (ad, torch)]
    same = both[0] == both[1]
    assert same or (isinstance(both[1], str) and both[0].startswith(both[1]))  # and says more


@pytest.mark.parametrize("name", [*BINARY, *IN_PLACE, *COMPARISONS])
def test_the_other_object_is_asked(name: str) -> None:
    agree(lambda L: getattr(operator, name)(L.ones(2, dtype=L.int64), Other()))


NO_OPERANDS = [None, "a", b"a", [1, 1], (1,), {}, object]
COMPARED = [(n, o) for n in ("eq", "ne", "lt", "ge") for o in NO_OPERANDS]


# Complex numbers have no order: `lt` of one is refused in words that are not Python's.
@pytest.mark.parametrize(("name", "other"), [*COMPARED, ("eq", 1j), ("ne", 1j)], ids=repr)
def test_comparisons_with_what_is_no_operand(name: str, other: Any) -> None:
    agree(lambda L: getattr(operator, name)(L.ones(2), other))
    agree(lambda L: getattr(operator, name)(other, L.ones(2)))


def test_a_tensor_is_in_no_list_of_other_things() -> None:
    for L in (ad, torch):
        assert L.ones(2) not in [None, "a"]
        assert (L.ones(2), None).index(None) == 1
        assert L.ones(2) != "mean"


@pytest.mark.parametrize("other", [None, "a", [1, 1], {}], ids=repr)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "matmul", "and_"])
def test_the_words_of_a_refusal_are_pythons(name: str, other: Any) -> None:
    agree(lambda L: getattr(operator, name)(L.ones(2), other))
    if not isinstance(other, list):  # lists have operators of their own
        agree(lambda L: getattr(operator, name)(other, L.ones(2)))


def test_powers_of_fractions_are_the_fractions_own() -> None:
    agree(lambda L: L.tensor([4.0, 9.0]) ** Fraction(1, 2))
    agree(lambda L: L.tensor([4.0, 9.0]) ** Fraction(4, 2))
    agree(lambda L: L.ones(2) * Fraction(1, 2))


def test_under_a_mode_too() -> None:
    for L in (ad, torch):
        with L.autocast("cpu", dtype=L.bfloat16):
            assert L.ones(2) != None  # noqa: E711
            assert L.ones(2, dtype=L.int64) + Other() == ("reflected", "add")


def test_methods_and_functions_refuse() -> None:
    for L in (ad, torch):
        x = L.tensor(numbers(3))
        for call in (x.add, x.eq, x.pow, x.pow_, x.matmul, x.add_):
            with pytest.raises(TypeError):
                call("a")
        assert L.Tensor.__eq__(x, "a") is NotImplemented
        assert L.Tensor.__add__(x, "a") is NotImplemented
