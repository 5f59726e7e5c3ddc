"""complex: complex values, their parts, and what is made of them.

None of these is holomorphic, so each rule gives PyTorch's gradient (the conjugate one) itself; see
``core/conjugate.py``.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from ..backend import by_type
from ..composite import one
from ..dtypes import complex64, complex128, float32, float64, from_native
from ..errors import ArgumentError
from ..op import FLOAT, KEEP, op
from ..out import takes_out
from ..refusals import refusing
from ..samples import Arr, call
from ..tensor import Tensor
from .arithmetic import where, zeros
from .elementwise import _sign, abs, cos, sin

_complex_number = builtins.complex
_Z = Arr((3, 4), kind="complex")
_PAIRS = call(Arr((2, 3, 2))) + call(Arr((2,))) + call(Arr((0, 2)))

# fmt: off
complex = op("complex", lambda xp, re, im: joined(xp, re, im),
             re=lambda g: real(g), im=lambda g: imag(g), holomorphic=False, method=False,
             samples=call(Arr((3, 4)), Arr((4,))) + call(Arr(()), Arr(())))
#: ``x`` times the imaginary unit, with a real part of exactly zero.
imaginary = op("imaginary", lambda xp, x: joined(xp, xp.zeros_like(x), x), x=lambda g: imag(g),
               holomorphic=False, method=False, samples=call(Arr((3, 4))))
real = op("real", lambda xp, x: xp.real(x) if is_complex(x) else x, x=lambda g: g,
          dtype=KEEP, method=False, view=True, holomorphic=False, node="SelectBackward0",
          samples=call(_Z) + call(Arr((), kind="complex")))
imag = op("imag", lambda xp, x: xp.imag(x) if is_complex(x) else xp.zeros_like(x),
          x=lambda g: imaginary(g), dtype=KEEP, method=False, view=True, holomorphic=False,
          node="SelectBackward0", samples=call(_Z) + call(Arr((), kind="complex")))
conj = op("conj", lambda xp, x: xp.conj(x) if is_complex(x) else xp.asarray(x, copy=True),
          x=lambda g: conj(g), dtype=KEEP, method=False, holomorphic=False,
          samples=call(_Z) + call(Arr((), kind="complex")))
view_as_real = op("view_as_real", lambda xp, x: xp.stack((xp.real(x), xp.imag(x)), axis=-1),
                  x=lambda g: view_as_complex(g), dtype=KEEP, method=False, view=True,
                  holomorphic=False, samples=call(_Z) + call(Arr((), kind="complex")))
view_as_complex = op("view_as_complex", lambda xp, x: joined(xp, x[..., 0], x[..., 1]),
                     x=lambda g: view_as_real(g), dtype=KEEP, method=False, view=True,
                     holomorphic=False, samples=_PAIRS)
angle = op("angle", lambda xp, x: _angle(xp, x), x=lambda g, x: _angle_rule(g, x),
           dtype=FLOAT, holomorphic=False, samples=call(_Z) + call(Arr((3,))))
sgn = op("sgn", lambda xp, x: _sgn(xp, x), x=lambda g, x, out: _sgn_rule(g, x, out),
         dtype=KEEP, holomorphic=False, inplace=True, samples=call(_Z) + call(Arr((3,), 0.1, 3)))
# fmt: on


@refusing
def is_complex(x: Any) -> bool:
    """Whether the elements (of an array, Tensor or traced array) are complex."""
    kind = x.dtype
    return (kind if hasattr(kind, "is_complex") else from_native[kind]).is_complex


def complex_type(x: Any) -> Any:
    """The native complex dtype for an array's elements."""
    kind = from_native[x.dtype]
    if kind.is_complex:
        return x.dtype
    if not kind.is_floating_point:
        raise TypeError(
            f"complex values are made of floating-point ones, not of {kind.name}; "
            "write e.g. `x.float()`"
        )
    return by_type[x.__class__].dtype(complex128 if kind is float64 else complex64)


def joined(xp: Any, re: Any, im: Any) -> Any:
    """Complex values from their parts."""
    kind = complex_type(re)
    at_once = getattr(xp, "from_parts", None)
    if at_once is not None:
        return at_once(re, im, kind)
    product = xp.astype(im, kind) * 1j
    for hit, value in (  # where the product has a NaN for a real part
        (xp.isnan(im), math.nan),
        (im == math.inf, math.inf),
        (im == -math.inf, -math.inf),
    ):
        product = xp.where(hit, xp.asarray(_complex_number(0.0, value), dtype=kind), product)
    return xp.astype(re, kind) + product


def _angle(xp: Any, x: Any) -> Any:
    if is_complex(x):
        return xp.atan2(xp.imag(x), xp.real(x))
    return xp.where(xp.isnan(x), x, xp.where(x < 0, math.pi, xp.zeros_like(x)))


def _angle_rule(g: Any, x: Any) -> Any:
    if not is_complex(x):
        return zeros(g)
    size = abs(x)
    along = imaginary(where(size == 0.0, 0.0, g / where(size == 0.0, 1.0, size)))
    return along * sgn(x)


def _sgn(xp: Any, x: Any) -> Any:
    if not is_complex(x):
        return _sign(xp, x)
    size = xp.astype(xp.abs(x), x.dtype)
    zero = size == 0
    return xp.where(zero, size, x / xp.where(zero, xp.ones_like(size), size))


def _sgn_rule(g: Any, x: Any, out: Any) -> Any:
    """What is left of ``g`` without its part along ``out``, which only changes the length."""
    if not is_complex(x):
        return zeros(g)
    size = abs(x)
    across = g - out * real(conj(out) * g)
    return where(size == 0.0, 0.0, across / where(size == 0.0, 1.0, size))


# -- PyTorch's forms --------------------------------------------------------------------------
@takes_out
def _complex(real: Tensor, imag: Tensor) -> Tensor:
    """Complex values from their parts, float32 or float64 (PyTorch: ``torch.complex``).

    >>> import anadrome as ad
    >>> ad.complex(ad.tensor([1.0, 2.0]), ad.tensor([0.5, -1.0])).tolist()
    [(1+0.5j), (2-1j)]
    """
    _parts("complex", real, imag)
    return complex(real, imag)


@takes_out
@one()
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Complex values from length and angle in radians (PyTorch: ``torch.polar``).

    >>> import anadrome as ad
    >>> ad.polar(ad.tensor([2.0]), ad.tensor([0.0])).tolist()
    [(2+0j)]
    """
    _parts("polar", abs, angle)
    return complex(abs * cos(angle), abs * sin(angle))


_WHOLES = (float32, float64)


def _parts(name: str, a: Tensor, b: Tensor) -> None:
    for x in (a, b):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}() takes two Tensors, not {type(x).__name__}")
    if not (a.dtype in _WHOLES and b.dtype in _WHOLES):
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{a.dtype.name} and {b.dtype.name}; {name}() here takes float32 or float64"
        )
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {a.dtype.name} but got scalar type {b.dtype.name} "
            f"for second argument of {name}()"
        )


@refusing
def _real(self: Tensor) -> Tensor:
    """The real part, a view (PyTorch: ``torch.real``); a real Tensor itself."""
    return real(self) if is_complex(self) else self


@refusing
def _imag(self: Tensor) -> Tensor:
    """The imaginary part, a view (PyTorch: ``torch.imag``); complex Tensors only."""
    if not is_complex(self):
        raise RuntimeError(
            "imag is not implemented for tensors with non-complex dtypes; that of "
            f"{self.dtype.name} values is zero"
        )
    return imag(self)


def _set_real(self: Tensor, value: Any) -> None:
    _real(self).copy_(value)


def _set_imag(self: Tensor, value: Any) -> None:
    _imag(self).copy_(value)


@takes_out
def _conj(self: Tensor) -> Tensor:
    """The conjugate values (PyTorch: ``torch.conj``); a real Tensor itself. Computed at once."""
    return conj(self) if is_complex(self) else self


def conj_physical_(self: Tensor) -> Tensor:
    """Conjugate the values in place; returns self."""
    from ..inplace import assign, check_writable

    check_writable(self)
    return assign(self, conj(self), "conj_physical_") if is_complex(self) else self


def _itself(input: Tensor) -> Tensor:
    """The Tensor itself: conjugation and negation are never put off here."""
    if not isinstance(input, Tensor):
        raise ArgumentError(f"argument 'input' must be Tensor, not {type(input).__name__}")
    return input


def _never(input: Tensor) -> bool:
    """False: conjugation and negation are never put off here."""
    return _itself(input) is None


@refusing
def _view_as_real(self: Tensor) -> Tensor:
    """The parts along a new last dimension of two, a view (PyTorch: ``torch.view_as_real``).

    >>> import anadrome as ad
    >>> ad.view_as_real(ad.tensor([1 + 2j])).tolist()
    [[1.0, 2.0]]
    """
    if not is_complex(self):
        raise RuntimeError(
            f"view_as_real is only supported for complex tensors, not for {self.dtype.name}"
        )
    return view_as_real(self)


@refusing
@one("view_as_complex")
def _view_as_complex(self: Tensor) -> Tensor:
    """A last dimension of two as the parts of complex values (``torch.view_as_complex``).

    >>> import anadrome as ad
    >>> ad.view_as_complex(ad.tensor([[1.0, 2.0]])).tolist()
    [(1+2j)]
    """
    if self.dtype not in _WHOLES:
        raise RuntimeError(
            "view_as_complex is only supported for floating point tensors, but got a tensor of "
            f"scalar type: {self.dtype.name}"
        )
    if self.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if self.shape[-1] != 2:
        raise RuntimeError(
            f"Tensor must have a last dimension of size 2, not the shape {tuple(self.shape)}"
        )
    return view_as_complex(self)


@refusing
def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is zero (PyTorch: ``torch.isreal``)."""
    return imag(input.detach()) == 0


def _is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex (PyTorch: ``torch.is_complex``)."""
    return is_complex(input)


@refusing
def adjoint(self: Tensor) -> Tensor:
    """The last two dimensions exchanged, and conjugated (PyTorch: ``torch.adjoint``)."""
    if self.ndim == 1:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got "
            f"{self.ndim}-D tensor."
        )
    return _conj(self.mT)


def hermitian(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated (``Tensor.H``)."""
    if self.ndim not in (0, 2):
        raise RuntimeError(
            "tensor.H is only supported on matrices (2-D tensors). Got "
            f"{self.ndim}-D tensor.; use `.mH` for batches"
        )
    return adjoint(self) if self.ndim else _conj(self)


def _install() -> None:
    for name, function in {
        "conj": _conj,
        "conj_physical": _conj,
        "conj_physical_": conj_physical_,
        "resolve_conj": _itself,
        "resolve_neg": _itself,
        "is_conj": _never,
        "is_neg": _never,
        "isreal": isreal,
        "is_complex": _is_complex,
        "adjoint": adjoint,
        "real": property(_real, _set_real, doc=_real.__doc__),
        "imag": property(_imag, _set_imag, doc=_imag.__doc__),
        "H": property(hermitian, doc=hermitian.__doc__),
        "mH": property(adjoint, doc=adjoint.__doc__),
    }.items():
        setattr(Tensor, name, function)


_install()
