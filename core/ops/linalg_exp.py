"""linalg_exp: the exponential of a matrix."""

from __future__ import annotations

import math
from typing import Any

from ..op import FLOAT, FULL, op
from ..refusals import refusing
from ..samples import Arr, call
from ..tensor import Tensor
from .joining import cat_arrays
from .linalg_checks import square
from .products import swap

# fmt: off
matrix_exponential = op("matrix_exp", lambda xp, x: _exponential(xp, x),
                        x=lambda g, x: _exp_rule(g, x), dtype=FLOAT, amp=FULL, method=False,
                        node="LinalgMatrixExpBackward0",
                        samples=call(Arr((3, 3))) + call(Arr((2, 2, 2))) + call(Arr((0, 0))))
# fmt: on

#: The coefficients of the (13, 13) Padé approximant: Higham 2005,
#: https://doi.org/10.1137/04061101X. Exact to double precision up to this norm.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
    40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_REACH = 5.37


def _exponential(xp: Any, x: Any) -> Any:
    n = x.shape[-1]
    if 0 in x.shape:
        return xp.asarray(x, copy=True)
    size = float(xp.max(xp.sum(xp.abs(x), axis=-2)))
    if not math.isfinite(size):
        return x * math.nan
    halvings = max(0, math.ceil(math.log2(size / _REACH))) if size else 0
    x = x / 2.0**halvings
    one = xp.broadcast_to(xp.eye(n, dtype=x.dtype), x.shape)
    b = _PADE
    x2 = xp.matmul(x, x)
    x4 = xp.matmul(x2, x2)
    x6 = xp.matmul(x4, x2)
    odd = xp.matmul(x6, x6 * b[13] + x4 * b[11] + x2 * b[9]) + x6 * b[7] + x4 * b[5] + x2 * b[3]
    odd = xp.matmul(x, odd + one * b[1])
    even = xp.matmul(x6, x6 * b[12] + x4 * b[10] + x2 * b[8]) + x6 * b[6] + x4 * b[4] + x2 * b[2]
    even = even + one * b[0]
    out = xp.linalg.solve(even - odd, even + odd)
    for _ in range(halvings):
        out = xp.matmul(out, out)
    return out


def _exp_rule(g: Any, x: Any) -> Any:
    """The upper right corner of the exponential of ``[[x.mT, g], [0, x.mT]]``: Mathias 1996."""
    n = x.shape[-1]
    turned = swap(x)
    top = cat_arrays(turned, g, dim=-1)
    bottom = cat_arrays(turned * 0.0, turned, dim=-1)
    return matrix_exponential(cat_arrays(top, bottom, dim=-2))[..., :n, n:]


@refusing
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices (PyTorch: ``torch.linalg.matrix_exp``).

    Of half precision it is computed in float32 and rounded once (PyTorch's is NaN).

    >>> import anadrome as ad
    >>> ad.linalg.matrix_exp(ad.zeros(2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    square("linalg.matrix_exp", A, half=True)
    return matrix_exponential(A)
