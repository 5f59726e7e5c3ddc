"""PyTorch's type promotion: every pair of dtypes, every mix of arrays, 0-d arrays and numbers."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import anadrome as ad
from anadrome import dtypes

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

NAMES = [d.name for d in dtypes.ALL]
EVERY = list(dtypes.BY_NAME)
NUMBERS = [True, 2, 2.5, 1 + 2j]


def ours(name: str, shape: tuple[int, ...]) -> Any:
    return ad.ones(shape, dtype=dtypes.BY_NAME[name])


def theirs(name: str, shape: tuple[int, ...]) -> Any:
    return torch.ones(shape, dtype=getattr(torch, name))


def outcome(function: Any, *args: Any) -> str:
    """The name of the result's dtype, or of the error's class."""
    try:
        return str(function(*args).dtype).split(".")[-1]
    except (RuntimeError, TypeError, ValueError):
        return "refused"


@pytest.mark.parametrize("a", EVERY)
def test_promote_types(a: str) -> None:
    def told(L: Any, b: str) -> str:
        try:
            return str(L.promote_types(getattr(L, a), getattr(L, b))).split(".")[1]
        except RuntimeError as error:
            return str(error).split(";")[0]

    assert [told(ad, b) for b in EVERY] == [told(torch, b) for b in EVERY]


def agree(name: str, found: str, wanted: str, what: str) -> None:
    """Equal, but that we have no complex32, and subtract booleans as integers."""
    narrow = "float16" in what.replace("bfloat16", "")
    if wanted == "complex32" or (wanted == "refused" and found == "complex64" and narrow):
        return
    if wanted == "refused" and name == "sub" and ("bool" in what or "True" in what):
        return
    assert found == wanted, f"{name} of {what}"


def _two(L: Any) -> dict[str, Any]:
    return {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "eq": lambda a, b: a == b,
        "maximum": lambda a, b: L.maximum(a, b),
        "where": lambda a, b: L.where(L.tensor([True, False]), a, b),
        "cat": lambda a, b: L.cat([a, b]),
    }


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "eq"])
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,)), ((), ()), ((1, 2), (2,))])
def test_two_arrays(name: str, shapes: Any) -> None:
    for a, b in itertools.product(NAMES, NAMES):
        found = outcome(_two(ad)[name], ours(a, shapes[0]), ours(b, shapes[1]))
        wanted = outcome(_two(torch)[name], theirs(a, shapes[0]), theirs(b, shapes[1]))
        agree(name, found, wanted, f"{a} {shapes[0]} and {b} {shapes[1]}")


@pytest.mark.parametrize("name", ["maximum", "where", "cat"])
def test_functions_of_two(name: str) -> None:
    ordered = [n for n in NAMES if not n.startswith("complex")]
    for a, b in itertools.product(ordered if name == "maximum" else NAMES, repeat=2):
        found = outcome(_two(ad)[name], ours(a, (2,)), ours(b, (2,)))
        wanted = outcome(_two(torch)[name], theirs(a, (2,)), theirs(b, (2,)))
        agree(name, found, wanted, f"{a} and {b}")


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "eq"])
@pytest.mark.parametrize("shape", [(2,), ()])
@pytest.mark.parametrize("number", NUMBERS)
def test_array_and_number(name: str, shape: Any, number: Any) -> None:
    for a in NAMES:
        for swapped in (False, True):
            mine, other = [ours(a, shape), number], [theirs(a, shape), number]
            if swapped:
                mine, other = mine[::-1], other[::-1]
            agree(name, outcome(_two(ad)[name], *mine), outcome(_two(torch)[name], *other),
                  f"{a} {shape} and {number}, swapped: {swapped}")  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["exp", "sqrt", "sin", "tanh", "sigmoid", "erf", "abs", "neg", "sign", "floor", "round",
     "square", "reciprocal", "isnan", "logical_not", "relu", "sum", "prod", "mean", "cumsum0",
     "amax", "argmax", "var", "std", "all", "logsumexp0", "softmax0", "clamp_int", "clamp_float",
     "pow2", "pow_half", "nan_to_num", "log1p", "bitwise_not"],
)  # fmt: skip
def test_one_array(name: str) -> None:
    special = {
        "cumsum0": lambda L, x: L.cumsum(x, 0),
        "logsumexp0": lambda L, x: L.logsumexp(x, 0),
        "softmax0": lambda L, x: L.softmax(x, 0),
        "clamp_int": lambda L, x: L.clamp(x, min=1),
        "clamp_float": lambda L, x: L.clamp(x, min=0.5),
        "pow2": lambda L, x: x**2,
        "pow_half": lambda L, x: x**0.5,
    }
    function = special.get(name) or (lambda L, x: getattr(L, name)(x))
    for a in NAMES:
        if a.startswith("complex") or (a, name) in DIFFERENT:
            continue
        found = outcome(function, ad, ours(a, (2,)))
        wanted = outcome(function, torch, theirs(a, (2,)))
        if wanted == "refused" and (a, name) in LENIENT:
            continue
        assert found == wanted, f"{name} of {a}"


#: There, ``all`` of uint8 is uint8; here, the square of a bool is NumPy's, of int8.
DIFFERENT = {("uint8", "all"), ("bool", "square")}
#: What PyTorch has no kernel for and we compute.
LENIENT = {
    *((d, n) for n in ("floor", "round", "sign", "abs", "neg", "square", "relu", "amax", "argmax",
                       "softmax0", "clamp_int", "clamp_float", "cumsum0", "logsumexp0")
      for d in ("bool", "uint8", "int8", "int16", "int32", "int64")),
}  # fmt: skip


@pytest.mark.parametrize("a", [n for n in NAMES if not n.startswith("complex")])
def test_in_place(a: str) -> None:
    """The result must fit the type that is there: no float into an integer."""
    for b in NAMES:
        for shape in ((2,), ()):
            found = outcome(lambda x, y: x.add_(y), ours(a, (2,)), ours(b, shape))
            wanted = outcome(lambda x, y: x.add_(y), theirs(a, (2,)), theirs(b, shape))
            assert found == wanted, f"{a}.add_({b} {shape})"


def test_default_dtype() -> None:
    ad.set_default_dtype(ad.float64)
    torch.set_default_dtype(torch.float64)
    try:
        for a in NAMES:
            for number in NUMBERS:
                found = outcome(lambda x, n: x * n, ours(a, (2,)), number)
                wanted = outcome(lambda x, n: x * n, theirs(a, (2,)), number)
                agree("mul", found, wanted, f"{a} and {number}")
            assert outcome(lambda x: x / x, ours(a, ())) == outcome(lambda x: x / x, theirs(a, ()))
        assert ad.tensor(1.5).dtype is ad.float64 and ad.tensor([1.5]).dtype is ad.float64
        assert ad.tensor(1j).dtype is ad.complex128 and ad.arange(3).dtype is ad.int64
        assert (ad.ones(2, dtype=ad.int64) ** 0.5).dtype is ad.float64
        assert ad.exp(ad.ones(2, dtype=ad.int32)).dtype is ad.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", [n for n in NAMES if "float" in n])
def test_finfo(name: str) -> None:
    found, wanted = ad.finfo(dtypes.BY_NAME[name]), torch.finfo(getattr(torch, name))
    for fact in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "dtype"):
        assert getattr(found, fact) == getattr(wanted, fact), fact


@pytest.mark.parametrize("name", [n for n in NAMES if "int" in n])
def test_iinfo(name: str) -> None:
    found, wanted = ad.iinfo(dtypes.BY_NAME[name]), torch.iinfo(getattr(torch, name))
    for fact in ("bits", "max", "min", "dtype"):
        assert getattr(found, fact) == getattr(wanted, fact), fact


def test_info_of_the_wrong_kind() -> None:
    with pytest.raises(TypeError, match=r"use iinfo\(\)"):
        ad.finfo(ad.int64)
    with pytest.raises(TypeError, match=r"use finfo\(\)"):
        ad.iinfo(ad.float32)
