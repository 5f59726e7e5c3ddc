"""The `nested` plugin: PyTorch's ``nested``, a batch of tensors of uneven sizes as one Tensor.

Reading order: ``ragged`` (the size that differs), ``base`` (the class), ``dense`` (between lengths
and padding), ``jagged`` (one packed Tensor, uneven in one dimension) with ``shapes`` and ``along``,
``strided`` (uneven in any), ``making`` (the public functions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

_NAMES = (
    "as_nested_tensor masked_select narrow nested_tensor nested_tensor_from_jagged to_padded_tensor"
)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names."""
    found = {f"nested.{name}": f"{__name__}.making:{name}" for name in _NAMES.split()}
    found["_utils._rebuild_nested_tensor"] = f"{__name__}.strided:rebuilt"
    there = "nested._internal.nested_tensor"
    found[f"{there}._rebuild_njt"] = f"{__name__}.making:rebuilt_njt"
    found[f"{there}.NestedTensor"] = f"{__name__}.base:NestedTensor"
    found["jagged"] = f"{__name__}.base:jagged"
    return found
