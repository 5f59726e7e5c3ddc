"""dropping: dropout. The mask is drawn again from its key in backward, so nothing is saved."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..dtypes import float32, from_native
from ..errors import DtypeError
from ..op import op
from ..samples import Arr, call

# fmt: off
dropout = op("dropout", lambda xp, x, *, p, key, shape=None: _dropout(xp, x, p, key, shape),
             x=lambda g, p, key, shape: dropout(g, p=p, key=key, shape=shape),
             method=False, node="NativeDropoutBackward0",
             refuses=("complex",),
             samples=call(Arr((3, 4)), p=0.5, key=(7, 1))
             + call(Arr((3, 4)), p=0.3, key=(7, 2), shape=(3, 1)))
# fmt: on


def _dropout(xp: Any, x: Any, p: float, key: Any, shape: Any) -> Any:
    """``shape``: of the mask, where it is broadcast (whole channels); None for that of x."""
    if from_native[x.dtype].category < float32.category:
        raise DtypeError(
            "result type Float can't be cast to the desired output type "
            f"{from_native[x.dtype].name}: dropout scales what it keeps; write `input.float()`"
        )
    if p >= 1:
        return xp.zeros_like(x)
    backend = backends.by_type[x.__class__]
    mask = backend.generator().keep_mask(key, x.shape if shape is None else shape, 1 - p)
    return xp.where(mask, x * (1 / (1 - p)), 0.0)
