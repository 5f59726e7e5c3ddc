"""spectral: discrete Fourier transforms.

All are linear, and each rule is the adjoint, which is PyTorch's gradient: the transform in the
other direction, without its scale. Those from or to real values differ in what they leave out: the
half of a real signal's spectrum that is the mirror of the other.
"""

from __future__ import annotations

from typing import Any

from ..backend import by_type
from ..dtypes import complex64, complex128, float32, float64, from_native
from ..op import op
from ..samples import Arr, Sample
from .complex import is_complex, real

_Z = Arr((3, 4), kind="complex")
_SCALES = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

# fmt: off
#: Over ``dim``, a tuple; the lengths stay as they are. ``norm`` as in ``torch.fft``.
fft_c2c = op("fft_c2c", lambda xp, x, *, dim, norm="backward", inverse=False:
                 _c2c(xp, x, dim, norm, inverse),
             x=lambda g, dim, norm, inverse:
                 fft_c2c(g, dim=dim, norm=_SCALES[norm], inverse=not inverse),
             method=False, holomorphic=False, node="FftC2CBackward0",
             samples=[Sample((_Z,), {"dim": d, "norm": n, "inverse": i})
                      for d in ((1,), (0, 1)) for n in _SCALES for i in (False, True)])
#: Real values to the half of their spectrum, over one dimension.
fft_r2c = op("fft_r2c", lambda xp, x, *, dim, norm="backward", inverse=False:
                 _r2c(xp, x, dim, norm, inverse),
             x=lambda g, x_shape, dim, norm, inverse: _r2c_rule(g, x_shape, dim, norm, inverse),
             method=False, holomorphic=False, node="FftR2CBackward0",
             samples=[Sample((Arr((3, n)),), {"dim": 1, "norm": k, "inverse": i})
                      for n in (4, 5, 1) for k in _SCALES for i in (False, True)])
#: The half of a real signal's spectrum to its ``n`` values, over one dimension.
fft_c2r = op("fft_c2r", lambda xp, x, *, n, dim, norm="backward", inverse=True:
                 _c2r(xp, x, n, dim, norm, inverse),
             x=lambda g, n, dim, norm, inverse: _c2r_rule(g, n, dim, norm, inverse),
             method=False, holomorphic=False, node="FftC2RBackward0",
             samples=[Sample((Arr((3, 3), kind="complex"),),
                             {"n": n, "dim": 1, "norm": k, "inverse": i})
                      for n in (4, 5) for k in _SCALES for i in (False, True)])
# fmt: on


def _complex_kind(x: Any) -> Any:
    if from_native[x.dtype].category < float64.category:
        raise TypeError(f"a transform is of floating-point values, not of {x.dtype}")
    double = from_native[x.dtype] in (float64, complex128)
    return by_type[x.__class__].dtype(complex128 if double else complex64)


def _check_length(n: int) -> None:
    if n < 1:
        raise ValueError(f"Invalid number of data points ({n}) specified")


def _c2c(xp: Any, x: Any, dim: tuple[int, ...], norm: str, inverse: bool) -> Any:
    kind = _complex_kind(x)
    if not is_complex(x):
        x = xp.astype(x, kind)
    if 0 in x.shape:
        return xp.asarray(x, copy=True)
    function = xp.fft.ifftn if inverse else xp.fft.fftn
    out = function(x, axes=dim, norm=norm)
    return out if out.dtype == kind else xp.astype(out, kind)


def _r2c(xp: Any, x: Any, dim: int, norm: str, inverse: bool) -> Any:
    kind = _complex_kind(x)
    _check_length(x.shape[dim])
    if 0 in x.shape:
        shape = list(x.shape)
        shape[dim] = shape[dim] // 2 + 1
        return xp.zeros(tuple(shape), dtype=kind)
    if inverse:  # the conjugate, which of real values is the other direction
        out = xp.conj(xp.fft.rfft(x, axis=dim, norm=_SCALES[norm]))
    else:
        out = xp.fft.rfft(x, axis=dim, norm=norm)
    return out if out.dtype == kind else xp.astype(out, kind)


def _c2r(xp: Any, x: Any, n: int, dim: int, norm: str, inverse: bool) -> Any:
    if not is_complex(x):
        x = xp.astype(x, _complex_kind(x))
    _check_length(x.shape[dim])
    double = from_native[x.dtype] is complex128
    kind = by_type[x.__class__].dtype(float64 if double else float32)
    if 0 in x.shape:
        shape = list(x.shape)
        shape[dim] = n
        return xp.zeros(tuple(shape), dtype=kind)
    if inverse:
        out = xp.fft.irfft(x, n=n, axis=dim, norm=norm)
    else:
        out = xp.fft.irfft(xp.conj(x), n=n, axis=dim, norm=_SCALES[norm])
    return out if out.dtype == kind else xp.astype(out, kind)


def _r2c_rule(g: Any, shape: Any, dim: int, norm: str, inverse: bool) -> Any:
    """The adjoint: the half, with zeros for the rest, back by the other direction's sum."""
    from .joining import cat_arrays

    n = shape[dim]
    rest = list(g.shape)
    rest[dim] = n - g.shape[dim]
    if rest[dim] > 0:
        index = (slice(None),) * (dim % len(shape)) + (slice(0, rest[dim]),)
        g = cat_arrays(g, g[index] * 0.0, dim=dim)
    return real(fft_c2c(g, dim=(dim,), norm=_SCALES[norm], inverse=not inverse))


def _c2r_rule(g: Any, n: int, dim: int, norm: str, inverse: bool) -> Any:
    """The adjoint: the half spectrum, where what has a mirror image counts twice."""
    from .joining import cat_arrays

    half = fft_r2c(g, dim=dim, norm=_SCALES[norm], inverse=not inverse)
    count = (n - 1) // 2  # those with a mirror image

    def part(start: int, stop: int) -> Any:
        return half[(slice(None),) * (dim % len(half.shape)) + (slice(start, stop),)]

    doubled = part(1, 1 + count) * 2.0
    return cat_arrays(part(0, 1), doubled, part(1 + count, n // 2 + 1), dim=dim)
