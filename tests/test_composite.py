"""Functions of several ops that are announced as one, and the modes that take them."""

from __future__ import annotations

from typing import Any

import pytest

import anadrome as ad
from anadrome.composite import Composite, one


def test_modes_that_do_not_take_functions_see_their_ops() -> None:
    seen: list[str] = []

    class Log(ad.Mode):
        def intercept(self, op: Any, args: Any, kwargs: Any) -> Any:
            seen.append(f"{op.op.name} {args[0].dtype.name}")
            return op(*args, **kwargs)

    x = ad.ones(4, 4, dtype=ad.bfloat16)
    with Log(), ad.autocast("cpu"):
        outer = ad.trace(x)
    first, seen[:] = list(seen), []
    with ad.autocast("cpu"), Log():
        inner = ad.trace(x)
    assert outer.dtype is inner.dtype is ad.float32
    assert first == seen == ["to_dtype bfloat16", "diagonal float32", "sum float32"]


def test_a_mode_takes_a_function_as_one() -> None:
    class Taking(ad.Mode):
        calls: list[str] = []

        def takes(self, composite: Composite) -> bool:
            return composite.name == "trace"

        def taken(self, composite: Composite, args: Any, kwargs: Any) -> Any:
            self.calls.append(composite.name)
            return composite(*args, **kwargs) * 2

        def intercept(self, op: Any, args: Any, kwargs: Any) -> Any:
            self.calls.append(op.op.name)
            return op(*args, **kwargs)

    x = ad.eye(3)
    with Taking() as taking:
        assert ad.trace(input=x).item() == 6
        assert ad.modes.current().modes == (taking,)
        with pytest.raises(RuntimeError, match="expected a matrix"):
            ad.trace(ad.ones(3))
        assert ad.modes.current().modes == (taking,)
    assert taking.calls == ["trace", "trace"]  # and nothing of what is inside


def test_two_functions_are_not_announced_under_one_name() -> None:
    ad.trace(ad.eye(2))
    with pytest.raises(ValueError, match="two functions are announced as 'trace'"):
        one("trace")(lambda x: x)
