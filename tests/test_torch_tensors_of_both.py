"""A Tensor of PyTorch's among the arguments is refused by our words, or read, also where classes
are asked: each library's Tensor asked, made the same call again, without end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "add": ad.add, "+": lambda a, b: a + b, "reversed": lambda a, b: b + a, "matmul": ad.matmul,
    "relu": lambda a, b: ad.relu(b), "cat": lambda a, b: ad.cat([a, b]),
    "ones_like": lambda a, b: ad.ones_like(b), "where": lambda a, b: ad.where(a > 0, b, 1.0),
    "linear": lambda a, b: ad.nn.functional.linear(b, ad.ones(2, 2)), "equal": ad.equal,
    "Linear": lambda a, b: ad.nn.Linear(2, 2)(b), "sum": lambda a, b: ad.sum(b),
    "<": lambda a, b: a < b, "method": lambda a, b: a.mul(b),
    "keyword": lambda a, b: ad.add(a, other=b),
    "torch's": lambda a, b: torch.add(b, a), "of torch": lambda a, b: torch.relu(a),
}  # fmt: skip


class Own(ad.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_function__(func, types, args, kwargs)


@pytest.mark.parametrize("kind", [ad.Tensor, Own])
@pytest.mark.parametrize("name", CALLS)
def test_it_is_refused(name: str, kind: Any) -> None:
    ad.ones(2).as_subclass(Own).sum()  # from now on calls look at their arguments
    with pytest.raises((TypeError, ad.errors.AnadromeError)) as caught:
        CALLS[name](ad.ones(2).as_subclass(kind), torch.ones(2))
    assert not isinstance(caught.value, RecursionError)


def test_or_read() -> None:
    ad.ones(2).as_subclass(Own).sum()
    assert ad.zeros(2).copy_(torch.ones(2)).tolist() == [1.0, 1.0]
    assert ad.zeros(2)[torch.tensor([0])].tolist() == [0.0]


def test_who_calls_the_same_function_of_others_is_asked_again() -> None:
    class Box:
        """Holds Tensors, or boxes of them."""

        def __init__(self, value: Any) -> None:
            self.value = value

        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return cls(
                func(*[a.value if isinstance(a, Box) else a for a in args], **(kwargs or {}))
            )

    found = ad.add(Box(Box(ad.ones(2))), 1.0)  # type: ignore[arg-type]
    assert isinstance(found.value, Box) and found.value.value.tolist() == [2.0, 2.0]


def test_an_operator_whose_arguments_do_not_fit_declines() -> None:
    ad.ones(2).as_subclass(Own).sum()
    for L in (ad, torch):
        x = L.ones(2)
        assert L.Tensor.__eq__(x, x, dim=0) is NotImplemented
