"""transforms: invertible functions of samples (``distributions.transforms``).

``transform(x)`` is y, ``transform.inv(y)`` is x, and ``log_abs_det_jacobian(x, y)`` the logarithm
of how much it stretches space there. ``domain`` and ``codomain`` are constraints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.border import Bordered, bordered
from anadrome.nn import functional as F

from . import constraints
from .values import sum_rightmost


class Transform(Bordered):
    """Base of all transforms: override ``_call``, ``_inverse`` and ``log_abs_det_jacobian``.

    With ``cache_size=1`` the last pair of x and y is kept, so that the inverse of a result is what
    it was made from.
    """

    bijective = False
    domain: Any
    codomain: Any
    #: The attributes in which two of a class agree that are equal; None if only itself is.
    _told_by: tuple[str, ...] | None = None

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._cached: tuple[Any, Any] = (None, None)

    @property
    def sign(self) -> Any:
        """1 if it rises, -1 if it falls."""
        raise NotImplementedError(f"{type(self).__name__} has no sign: it is not monotone")

    @property
    def inv(self) -> Transform:
        """The inverse transform."""
        return _Inverse(self)

    @bordered
    def __call__(self, x: Tensor) -> Tensor:
        if self._cache_size and self._cached[0] is x:
            return self._cached[1]
        y = self._call(x)
        if self._cache_size:
            self._cached = (x, y)
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and self._cached[1] is y:
            return self._cached[0]
        x = self._inverse(y)
        if self._cache_size:
            self._cached = (x, y)
        return x

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _call()")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _inverse()")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the absolute value of the derivative's determinant at x."""
        raise NotImplementedError(f"{type(self).__name__} does not define log_abs_det_jacobian()")

    def forward_shape(self, shape: Any) -> Any:
        """The shape that a value of this shape is turned into."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The reverse."""
        return shape

    def __eq__(self, other: object) -> bool:
        names = self._told_by
        if self is other or names is None or type(self) is not type(other):
            return self is other
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return all(bool(ad.as_tensor(mine == theirs).all()) for mine, theirs in pairs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    _told_by = ("_inv",)

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self._inv = transform
        self.bijective = transform.bijective

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return self._inv.codomain

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return self._inv.domain

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def inv(self) -> Transform:
        return self._inv

    @bordered
    def __call__(self, x: Tensor) -> Tensor:
        return self._inv._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> Any:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._inv.forward_shape(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__.lstrip('_')}({self._inv!r})"


class ComposeTransform(Transform):
    """Several transforms, one after the other."""

    _told_by = ("parts",)

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = list(parts)
        self.bijective = all(part.bijective for part in self.parts)

    @property
    def domain(self) -> Any:  # type: ignore[override]
        if not self.parts:
            return constraints.real
        dims = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            dims = max(dims + part.domain.event_dim - part.codomain.event_dim,
                       part.domain.event_dim)  # fmt: skip
        return _of_dims(self.parts[0].domain, dims)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        if not self.parts:
            return constraints.real
        dims = self.parts[0].domain.event_dim
        for part in self.parts:
            dims = max(dims + part.codomain.event_dim - part.domain.event_dim,
                       part.codomain.event_dim)  # fmt: skip
        return _of_dims(self.parts[-1].codomain, dims)

    @property
    def sign(self) -> Any:
        sign: Any = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        if not self.parts:
            return ad.zeros_like(x)
        total: Any = 0.0
        dims = self.domain.event_dim
        for part in self.parts:
            y = part(x)
            stretch = part.log_abs_det_jacobian(x, y)
            total = total + sum_rightmost(stretch, dims - part.domain.event_dim)
            dims += part.codomain.event_dim - part.domain.event_dim
            x = y
        return total

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        return f"ComposeTransform({self.parts!r})"


def _of_dims(constraint: Any, dims: int) -> Any:
    more = dims - constraint.event_dim
    return constraints.independent(constraint, more) if more > 0 else constraint


identity_transform = ComposeTransform([])


class _Rising(Transform):
    """An increasing function of each value."""

    domain: Any = constraints.real
    codomain: Any = constraints.real
    bijective = True
    sign = 1

    _told_by = ()


class ExpTransform(_Rising):
    """y = exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


def clipped_sigmoid(x: Tensor) -> Tensor:
    """The sigmoid, kept off 0 and 1."""
    info = ad.finfo(x.dtype)
    return ad.clamp(ad.sigmoid(x), info.tiny, 1.0 - info.eps)


class SigmoidTransform(_Rising):
    """y = sigmoid(x), kept off 0 and 1."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return clipped_sigmoid(x)

    def _inverse(self, y: Tensor) -> Tensor:
        info = ad.finfo(y.dtype)
        y = ad.clamp(y, info.tiny, 1.0 - info.eps)
        return y.log() - ad.log1p(-y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x) - F.softplus(x)


class TanhTransform(_Rising):
    """y = tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return ad.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class SoftplusTransform(_Rising):
    """y = log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return F.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-ad.expm1(-y)).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x)


class PowerTransform(Transform):
    """y = x ** exponent, of positive values."""

    _told_by = ("exponent",)
    domain: Any = constraints.positive
    codomain: Any = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent if isinstance(exponent, Tensor) else ad.tensor(float(exponent))

    @property
    def sign(self) -> Any:
        return self.exponent.sign()

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.exponent * y / x).abs().log()


class AbsTransform(Transform):
    """y = |x|; the inverse gives the positive one."""

    _told_by = ()
    domain: Any = constraints.real
    codomain: Any = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class AffineTransform(Transform):
    """y = loc + scale * x; ``event_dim`` says how many dimensions make one value."""

    _told_by = ("loc", "scale")
    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        for name, value in (("loc", loc), ("scale", scale)):
            if not isinstance(value, (Tensor, int, float, complex)):
                raise TypeError(f"{name} is a Tensor or a number, not {type(value).__name__}")
        if not isinstance(event_dim, int):
            raise TypeError(f"event_dim is an int, not {type(event_dim).__name__}")
        self.loc = loc
        self.scale = scale
        self._event_dim = event_dim

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return _of_dims(constraints.real, self._event_dim)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return _of_dims(constraints.real, self._event_dim)

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return int(self.scale > 0) - int(self.scale < 0)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        if isinstance(self.scale, Tensor):
            stretch = self.scale.abs().log()
        else:
            stretch = ad.full_like(x, math.log(abs(self.scale)), requires_grad=False)
        stretch = stretch.expand(ad.broadcast_shapes(stretch.shape, x.shape))
        return sum_rightmost(stretch, self._event_dim)

    def forward_shape(self, shape: Any) -> Any:
        return tuple(ad.broadcast_shapes(shape, _shape(self.loc), _shape(self.scale)))

    inverse_shape = forward_shape


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))
