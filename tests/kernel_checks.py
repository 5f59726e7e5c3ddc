"""How the tests of the NumPy kernels make arrays, and compare a kernel with its declaration."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from anadrome import backend
from anadrome.op import table

NUMPY = backend.get("numpy")
KERNELS = NUMPY.kernels
BF16 = np.dtype(ml_dtypes.bfloat16)
TOLERANCE = {
    np.dtype(np.float32): 2e-6,
    np.dtype(np.float64): 1e-13,
    np.dtype(np.float16): 2e-3,
    BF16: 1.6e-2,
}
DTYPES = st.sampled_from(list(TOLERANCE))
SHAPES = st.sampled_from(
    [(3, 4), (5,), (1, 1), (2, 3, 4), (0, 3), (3, 0), (40, 50), (2, 17, 130), (70, 300)]
)
VIEWS = {name for name in KERNELS if table[name].view}


def made(rng: Any, shape: Any, dtype: Any, layout: str = "C", special: str = "") -> Any:
    """Normal values in some memory layout; ``special`` values replace about one in ten."""
    data = rng.standard_normal(shape)
    for name in special.split():
        data = np.where(rng.random(shape) < 0.1, float(name), data)
    data = np.asarray(data, dtype)
    if layout == "strided":
        wide = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)
        wide[..., ::2] = data
        return wide[..., ::2]
    if layout == "reversed":
        return data[::-1].copy()[::-1]
    return np.asfortranarray(data) if layout == "F" else data


LAYOUTS = st.sampled_from(["C", "F", "strided", "reversed"])


def check(name: str, *arrays: Any, tolerance: float = 1.0, **metadata: Any) -> None:
    """The kernel against the declaration in float64; and it leaves its arguments alone."""
    kept = [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
    got = KERNELS[name](*arrays, **metadata)
    for before, after in zip(kept, arrays):
        if isinstance(before, np.ndarray):
            assert before.tobytes() == after.tobytes(), f"{name} wrote into an argument"
    kinds = [a.dtype for a in arrays if getattr(a, "dtype", None) in TOLERANCE]
    exact = [a.astype(np.float64) if getattr(a, "dtype", None) in TOLERANCE else a for a in arrays]
    with np.errstate(all="ignore"):
        want = table[name].forward(np, *exact, **metadata)
    results = zip(got, want) if isinstance(want, tuple) else [(got, want)]
    for g, w in results:
        assert g.shape == w.shape
        if kinds and w.dtype == np.float64:
            assert g.dtype in (kinds[0], np.float32)
            bound = TOLERANCE[kinds[0]] * tolerance
            scale = max(1.0, float(np.max(np.abs(w[np.isfinite(w)]), initial=0.0)))
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(
                    np.asarray(g, np.float64), w, rtol=bound, atol=bound * scale
                )
        elif w.dtype.kind == "c":
            np.testing.assert_allclose(g, w, rtol=1e-5 if w.dtype == np.complex64 else 1e-12)
        else:
            np.testing.assert_array_equal(g, w)
        if name not in VIEWS:
            assert not any(np.may_share_memory(g, a) for a in arrays if isinstance(a, np.ndarray))
