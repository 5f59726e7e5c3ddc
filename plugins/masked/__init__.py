"""The `masked` plugin: PyTorch's ``masked``: functions that leave out values, Tensors with a mask.

Reading order: ``reductions`` and ``scans`` (the functions), ``tensor`` (the class), ``what``
(what is done with it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

_REDUCTIONS = "amax amin argmax argmin logsumexp mean median norm prod std sum var"
_SCANS = "cumprod cumsum log_softmax logaddexp normalize softmax softmin"
_TENSOR = "MaskedTensor as_masked_tensor is_masked_tensor masked_tensor"


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names."""
    files = {"reductions": _REDUCTIONS, "scans": _SCANS, "tensor": _TENSOR}
    there = {"core": "MaskedTensor is_masked_tensor", "creation": "as_masked_tensor masked_tensor"}
    kept = {
        f"masked.maskedtensor.{place}.{name}": f"{__name__}.tensor:{name}"
        for place, names in there.items()
        for name in names.split()
    }
    return kept | {
        f"masked.{name}": f"{__name__}.{file}:{name}"
        for file, names in files.items()
        for name in names.split()
    }
