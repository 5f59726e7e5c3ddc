"""NumPy's own forwards, keyed by op name; one file a family.

A kernel is called as ``kernel(*arrays, **metadata)`` with the arguments of the op's forward. It
takes the common case and leaves the rest to the declaration (``common.declared``); it writes into
none of its arguments. Those of one ufunc are that ufunc, so that no Python frame lies in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    activation,
    attending,
    blocks,
    clipping,
    complex,
    condensed,
    convolve,
    determinants,
    elementwise,
    finite,
    grouped,
    indexing,
    losses,
    masking,
    normalise,
    optimizers,
    piecewise,
    pool,
    products,
    recurrent,
    reduce,
    scans,
    scattering,
    selection,
    shape,
    stepwise,
    strided,
    triangular,
)

KERNELS: dict[str, Callable[..., Any]] = {
    **elementwise.KERNELS,
    **activation.KERNELS,
    **attending.KERNELS,
    **blocks.KERNELS,
    **clipping.KERNELS,
    **complex.KERNELS,
    **condensed.KERNELS,
    **convolve.KERNELS,
    **determinants.KERNELS,
    **finite.KERNELS,
    **grouped.KERNELS,
    **indexing.KERNELS,
    **losses.KERNELS,
    **masking.KERNELS,
    **normalise.KERNELS,
    **optimizers.KERNELS,
    **piecewise.KERNELS,
    **pool.KERNELS,
    **products.KERNELS,
    **recurrent.KERNELS,
    **reduce.KERNELS,
    **scans.KERNELS,
    **scattering.KERNELS,
    **selection.KERNELS,
    **shape.KERNELS,
    **strided.KERNELS,
    **triangular.KERNELS,
}
OUT_KERNELS: dict[str, Callable[..., Any]] = {**elementwise.OUT_KERNELS}
HALF_KERNELS = stepwise.HALF_KERNELS
