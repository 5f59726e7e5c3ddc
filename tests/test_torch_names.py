"""Names that PyTorch's programs import, and the places they import them from."""

from __future__ import annotations

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", ["e", "inf", "nan", "newaxis", "pi"])
def test_constants(name):
    assert getattr(ad, name) is getattr(torch, name) or getattr(ad, name) == getattr(torch, name)
