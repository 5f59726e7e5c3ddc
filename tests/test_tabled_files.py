"""Tensors that are more than their values are not written into files without the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import anadrome as ad


@pytest.mark.parametrize("name", ["kept.pt", "kept.safetensors"])
@pytest.mark.parametrize("kind", ["masked tensor", "nested tensor"])
def test_a_file_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    values = ad.tensor([1.0, 2.0])
    made: Any
    if kind == "masked tensor":
        made = ad.masked.masked_tensor(values, ad.tensor([True, False]))
    else:
        made = ad.nested.nested_tensor([values, values[:1]], layout=ad.jagged)
    with pytest.raises(ad.errors.SerializationError, match=f"cannot hold a {kind}"):
        ad.save({"x": made}, tmp_path / name)
    assert not (tmp_path / name).exists()
