"""PyTorch's version is compared as one: "2.13" is above "2.4"."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from anadrome.torch_version import TorchVersion

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

VERSIONS = [
    "2.13.0", "2.13", "2.4", "2.4.0", "2.13.0+cpu", "2.13.0+cu118", "2.13.0+5", "2.0rc1", "2.0a0",
    "2.0.dev3", "2.0.post1", "2.0-1", "1!1.0", "v2.13", "2.0alpha2", "2.0.0a0+git1.x", "parrot", "",
    "2.0b1.dev2", "02.4",
]  # fmt: skip
OTHERS: list[Any] = [(2, 13), [2, 4], (1, 6, 0), (2, 13, "0+cpu"), 3, None]


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_versions_are_compared(name: str) -> None:
    compare = getattr(operator, name)

    def outcome(kind: Any, a: Any, b: Any) -> Any:
        try:
            return compare(kind(a), b)
        except TypeError:
            return "TypeError"

    for a in VERSIONS:
        for b in [*VERSIONS, *OTHERS]:
            wanted = outcome(torch.torch_version.TorchVersion, a, b)
            assert outcome(TorchVersion, a, b) == wanted, (a, name, b)


def test_a_version_is_a_text() -> None:
    version = TorchVersion("2.13.0+cpu")
    assert isinstance(version, str) and version.split("+")[0] == "2.13.0"
    assert {version: 1}[TorchVersion("2.13.0+cpu")] == 1
