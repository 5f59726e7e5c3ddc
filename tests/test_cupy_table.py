"""The whole table on CuPy: every check of the conformance kit on the stand-in and, if there is one,
on a GPU, where gradients and values are compared with NumPy's."""

from __future__ import annotations

from typing import Any

import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

from anadrome import testing
from anadrome.op import table

# ruff: noqa: F811

NAMES = sorted(name for name, op in table.items() if op.samples and not op.mutates)
#: Finite differences are NumPy's to make; gradients are compared with its.
CHECKS = [c for c in testing.CHECKS if c not in ("gradcheck", "gradgradcheck")]


def check(name: str, kinds: tuple[str, ...]) -> None:
    assert testing.check_op(name, "cupy", checks=CHECKS, dtypes=kinds)


@pytest.mark.parametrize("name", NAMES)
def test_on_the_stand_in(fake: Any, monkeypatch: Any, name: str) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)  # the kit wants refusals at once
    check(name, ("float64", "float32", "int64"))


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu(monkeypatch: Any, name: str) -> None:
    from anadrome.backends.cupy import pending

    monkeypatch.setattr(pending, "strict", True)
    check(name, ("float64", "float32", "float16", "bfloat16", "int64"))
