"""fft: discrete Fourier transforms under PyTorch's names (``torch.fft``).

Imported when first asked for. In all of them ``n`` (``s``) is the length (lengths) to which the
input is cut or filled up with zeros, ``dim`` where it lies, and ``norm`` where the scale 1/n goes:
"backward" (the default), "forward" or "ortho" (1/sqrt(n) both ways). float32 gives complex64,
integers the default floating type.
"""

from __future__ import annotations

import math
from typing import Any

from . import creation
from .composite import one
from .dtypes import as_dtype, bfloat16, float16, float32, get_default_dtype
from .errors import ArgumentError, DtypeError
from .making import creates, finished, number
from .ops import spectral
from .ops.arranging import roll
from .ops.reduce import as_dim, axis_of, whole
from .out import takes_out
from .refusals import refusing
from .size import is_index
from .tensor import Tensor

_NORMS = ("backward", "forward", "ortho")


def _prepared(name: str, input: Any, norm: str | None, only_real: bool = False) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if norm is not None and norm not in _NORMS:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"; there are {_NORMS}')
    if only_real and input.dtype.is_complex:
        raise RuntimeError(
            f"{name} expects a real input tensor, but got {input.dtype.name}; take `.real`"
        )
    if input.dtype in (float16, bfloat16):
        raise RuntimeError(
            f"Unsupported dtype {input.dtype.name}; write e.g. `x.float()` for {name}()"
        )
    return input if input.dtype.category >= float32.category else input.to(get_default_dtype())


def _dim(x: Tensor, dim: int) -> int:
    n = max(x.ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    if x.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return dim % n


def _resized(x: Tensor, n: int | None, dim: int) -> Tensor:
    """Cut, or filled up with zeros, to the length ``n``."""
    length = x.shape[dim]
    if n is None or n == length:
        if length < 1:
            raise RuntimeError(f"Invalid number of data points ({length}) specified")
        return x
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    if n < length:
        return x.narrow(dim, 0, n)
    from .ops.joining import cat

    shape = list(x.shape)
    shape[dim] = n - length
    return cat([x, creation.zeros(shape, dtype=x.dtype, device=x.device)], dim)


def _one(name: str, input: Tensor, n: Any, dim: int, norm: str | None, inverse: bool) -> Tensor:
    x = _prepared(name, input, norm)
    dim = _dim(x, dim)
    x = _resized(x, n, dim)
    return spectral.fft_c2c(x, dim=(dim,), norm=norm or "backward", inverse=inverse)


@takes_out
@one("fft_fft")
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The spectrum along one dimension (PyTorch: ``torch.fft.fft``).

    >>> import anadrome as ad
    >>> ad.fft.fft(ad.tensor([1.0, 0.0, 0.0, 0.0])).tolist()
    [(1+0j), (1+0j), (1+0j), (1+0j)]
    """
    return _one("fft", input, n, dim, norm, False)


@takes_out
@one("fft_ifft")
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Of a spectrum the values (PyTorch: ``torch.fft.ifft``)."""
    return _one("ifft", input, n, dim, norm, True)


@takes_out
@one("fft_rfft")
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The half of a real signal's spectrum, n // 2 + 1 values (PyTorch: ``torch.fft.rfft``).

    >>> import anadrome as ad
    >>> ad.fft.rfft(ad.tensor([1.0, 1.0, 1.0, 1.0])).tolist()
    [(4+0j), 0j, 0j]
    """
    x = _prepared("rfft", input, norm, only_real=True)
    dim = _dim(x, dim)
    return spectral.fft_r2c(_resized(x, n, dim), dim=dim, norm=norm or "backward")


@takes_out
@one("fft_irfft")
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Of half a spectrum the ``n`` real values, 2 (m - 1) by default (``torch.fft.irfft``)."""
    return _to_real("irfft", input, n, dim, norm, True)


@takes_out
@one("fft_hfft")
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The real spectrum of a Hermitian signal, given by its half (``torch.fft.hfft``)."""
    return _to_real("hfft", input, n, dim, norm, False)


@takes_out
@one("fft_ihfft")
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Of a real spectrum half of the Hermitian signal (PyTorch: ``torch.fft.ihfft``)."""
    x = _prepared("ihfft", input, norm, only_real=True)
    dim = _dim(x, dim)
    return spectral.fft_r2c(_resized(x, n, dim), dim=dim, norm=norm or "backward", inverse=True)


def _to_real(
    name: str, input: Tensor, n: int | None, dim: int, norm: str | None, inverse: bool
) -> Tensor:
    x = _prepared(name, input, norm)
    dim = _dim(x, dim)
    n = 2 * (x.shape[dim] - 1) if n is None else n
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    x = _resized(x, n // 2 + 1, dim)
    return spectral.fft_c2r(x, n=n, dim=dim, norm=norm or "backward", inverse=inverse)


def _listed(dim: Any) -> tuple[Any, ...]:
    dim = as_dim(dim)
    return () if dim is None else (dim,) if is_index(dim) else tuple(dim)


# -- several dimensions -----------------------------------------------------------------------
def _several(name: str, x: Tensor, s: Any, dim: Any) -> tuple[list[Any], list[int]]:
    """The lengths (None: as they are) and the dimensions meant."""
    sizes = None if s is None else [whole(n, "s") for n in ((s,) if is_index(s) else s)]
    if dim is None and name.endswith("2"):
        raise ArgumentError(f"{name}(): argument 'dim' must be tuple of ints, not NoneType")
    if dim is None:
        dims = list(range(x.ndim)) if sizes is None else list(range(x.ndim - len(sizes), x.ndim))
        if sizes is not None and len(sizes) > x.ndim:
            raise RuntimeError(
                f"Got shape with {len(sizes)} values but input tensor only has {x.ndim} dimensions."
            )
    else:
        dims = [_dim(x, d) for d in _listed(dim)]
    if len(set(dims)) != len(dims):
        raise RuntimeError("FFT dims must be unique")
    if sizes is not None and len(sizes) != len(dims):
        raise RuntimeError(
            "When given, dim and shape arguments must have the same length, not "
            f"{len(dims)} and {len(sizes)}"
        )
    lengths = [None if k == -1 else k for k in sizes] if sizes is not None else [None] * len(dims)
    return lengths, dims


def _all_resized(x: Tensor, lengths: list[Any], dims: list[int]) -> Tensor:
    for n, d in zip(lengths, dims):
        x = _resized(x, n, d)
    return x


def _many(name: str, input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool) -> Tensor:
    x = _prepared(name, input, norm)
    lengths, dims = _several(name, x, s, dim)
    x = _all_resized(x, lengths, dims)
    if not dims:
        return x.to(_complex_of(x))
    return spectral.fft_c2c(x, dim=tuple(dims), norm=norm or "backward", inverse=inverse)


def _complex_of(x: Tensor) -> Any:
    from .dtypes import complex64, complex128

    if x.dtype.is_complex:
        return x.dtype
    return complex128 if x.dtype.itemsize == 8 else complex64


def _real_to_half(
    name: str, input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool
) -> Tensor:
    x = _prepared(name, input, norm, only_real=True)
    lengths, dims = _several(name, x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    x = _all_resized(x, lengths, dims)
    norm = norm or "backward"
    out = spectral.fft_r2c(x, dim=dims[-1], norm=norm, inverse=inverse)
    if len(dims) == 1:
        return out
    return spectral.fft_c2c(out, dim=tuple(dims[:-1]), norm=norm, inverse=inverse)


def _half_to_real(
    name: str, input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool
) -> Tensor:
    x = _prepared(name, input, norm)
    lengths, dims = _several(name, x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    last = 2 * (x.shape[dims[-1]] - 1) if lengths[-1] is None else lengths[-1]
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    x = _all_resized(x, [*lengths[:-1], last // 2 + 1], dims)
    norm = norm or "backward"
    if len(dims) > 1:
        x = spectral.fft_c2c(x, dim=tuple(dims[:-1]), norm=norm, inverse=inverse)
    return spectral.fft_c2r(x, n=last, dim=dims[-1], norm=norm, inverse=inverse)


_LAST_TWO = (-2, -1)


@takes_out
@one("fft_fftn")
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The spectrum over several dimensions, all by default (``torch.fft.fftn``)."""
    return _many("fftn", input, s, dim, norm, False)


@takes_out
@one("fft_ifftn")
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Of a spectrum the values, over several dimensions (PyTorch: ``torch.fft.ifftn``)."""
    return _many("ifftn", input, s, dim, norm, True)


@takes_out
@one("fft_fft2")
def fft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Tensor:
    """``fftn`` over the last two dimensions (PyTorch: ``torch.fft.fft2``)."""
    return _many("fft2", input, s, dim, norm, False)


@takes_out
@one("fft_ifft2")
def ifft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Tensor:
    """``ifftn`` over the last two dimensions (PyTorch: ``torch.fft.ifft2``)."""
    return _many("ifft2", input, s, dim, norm, True)


@takes_out
@one("fft_rfftn")
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The spectrum of real values, half of it in the last dimension (``torch.fft.rfftn``)."""
    return _real_to_half("rfftn", input, s, dim, norm, False)


@takes_out
@one("fft_irfftn")
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Of such a half of a spectrum the real values (PyTorch: ``torch.fft.irfftn``)."""
    return _half_to_real("irfftn", input, s, dim, norm, True)


@takes_out
@one("fft_rfft2")
def rfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Tensor:
    """``rfftn`` over the last two dimensions (PyTorch: ``torch.fft.rfft2``)."""
    return _real_to_half("rfft2", input, s, dim, norm, False)


@takes_out
@one("fft_irfft2")
def irfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Tensor:
    """``irfftn`` over the last two dimensions (PyTorch: ``torch.fft.irfft2``)."""
    return _half_to_real("irfft2", input, s, dim, norm, True)


@takes_out
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """``hfft`` over several dimensions (PyTorch: ``torch.fft.hfftn``)."""
    return _half_to_real("hfftn", input, s, dim, norm, False)


@takes_out
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """``ihfft`` over several dimensions (PyTorch: ``torch.fft.ihfftn``)."""
    return _real_to_half("ihfftn", input, s, dim, norm, True)


@takes_out
def hfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Tensor:
    """``hfftn`` over the last two dimensions (PyTorch: ``torch.fft.hfft2``)."""
    return _half_to_real("hfft2", input, s, dim, norm, False)


@takes_out
def ihfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None) -> Tensor:
    """``ihfftn`` over the last two dimensions (PyTorch: ``torch.fft.ihfft2``)."""
    return _real_to_half("ihfft2", input, s, dim, norm, True)


# -- around them ------------------------------------------------------------------------------
def _steps(name: str, n: Any, d: Any, dtype: Any) -> tuple[Any, float]:
    """The element type, and the distance between two frequencies."""
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not (kind.is_floating_point or kind.is_complex):
        raise DtypeError(f"{name} requires a floating point or complex dtype, not {kind.name}")
    if whole(n, "n") < 0:
        raise RuntimeError(f"{name}: a number of values is not negative, but n is {n}")
    span = whole(n, "n") * float(number(d, f"{name}'s d"))
    return kind, 1.0 / span if span else math.copysign(math.inf, span)


@creates
def fftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """The frequencies of ``fft``'s values, ``d`` being the spacing (``torch.fft.fftfreq``).

    >>> import anadrome as ad
    >>> ad.fft.fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    kind, step = _steps("fftfreq", n, d, dtype)
    rising = creation.arange(n, dtype=kind, device=device)
    out = rising.where(rising < (n + 1) // 2, rising - n) * step
    return finished(out, requires_grad)


@creates
def rfftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:  # fmt: skip
    """The frequencies of ``rfft``'s values (PyTorch: ``torch.fft.rfftfreq``)."""
    kind, step = _steps("rfftfreq", n, d, dtype)
    out = creation.arange(n // 2 + 1, dtype=kind, device=device) * step
    return finished(out, requires_grad)


@refusing
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The zero frequency moved to the middle (PyTorch: ``torch.fft.fftshift``).

    >>> import anadrome as ad
    >>> ad.fft.fftshift(ad.tensor([0.0, 1.0, -2.0, -1.0])).tolist()
    [-2.0, -1.0, 0.0, 1.0]
    """
    return _shifted("fftshift", input, dim, lambda n: n // 2)


@refusing
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of ``fftshift`` (PyTorch: ``torch.fft.ifftshift``)."""
    return _shifted("ifftshift", input, dim, lambda n: (n + 1) // 2)


def _shifted(name: str, input: Tensor, dim: Any, by: Any) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if dim is None:
        dims = tuple(range(input.ndim))
    else:
        dims = _listed(dim)
    dims = tuple(axis_of(d, input.ndim) for d in dims)
    if not dims:
        return input
    return roll(input, tuple(by(input.shape[d]) for d in dims), dims)
