"""Tensors that are more than their values are not written without the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import anadrome as ad


@pytest.mark.parametrize("kind", ["masked tensor", "nested tensor"])
def test_a_safetensors_file_is_refused(kind: str, tmp_path: Path) -> None:
    values = ad.tensor([1.0, 2.0])
    made: Any
    if kind == "masked tensor":
        made = ad.masked.masked_tensor(values, ad.tensor([True, False]))
    else:
        made = ad.nested.nested_tensor([values, values[:1]], layout=ad.jagged)
    path = tmp_path / "kept.safetensors"
    with pytest.raises(ad.errors.SerializationError, match=f"cannot hold a {kind}"):
        ad.save({"x": made}, path)
    assert not path.exists()
