"""circular: angles around a direction."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.special import i0e, i1e

from . import constraints
from .base import Distribution
from .values import plain

#: Beyond this concentration the distribution is the normal one, to ten digits.
_NARROW = 1e10


class VonMises(Distribution):
    """Angles in radians around ``loc``, the closer the larger ``concentration``
    (``distributions.VonMises``).

    Densities are exact to the last digits, where PyTorch's Bessel functions are to seven. Draws are
    by Best and Fisher, "Efficient Simulation of the von Mises Distribution", 1979.

    >>> import anadrome as ad
    >>> ad.distributions.VonMises(ad.tensor(0.0), ad.tensor(1.0)).log_prob(ad.tensor(0.0)).exp()
    tensor(0.3417)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support: Any = constraints.real
    loc: Tensor
    concentration: Tensor

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, loc=loc, concentration=concentration)

    def log_prob(self, value: Tensor) -> Tensor:
        k = self.concentration
        height = k * (ad.cos(self._checked(value) - self.loc) - 1)
        return height - math.log(2 * math.pi) - i0e(k).log()

    @property
    def mean(self) -> Tensor:
        """The circular one."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The circular one: 1 less the length of the mean of unit vectors."""
        return 1 - i1e(self.concentration) / i0e(self.concentration)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = plain(self._extended_shape(sample_shape))
        with ad.no_grad():
            k = self.concentration.expand(shape).reshape(-1).double()
            # Where it is so narrow that rounding leaves nothing of the rejection, it is normal.
            out = ad.randn(k.shape, dtype=k.dtype, device=k.device) * ad.rsqrt(k)
            out = ad.where(k >= 0, out, math.nan)
            left = ((k >= 0) & (k < _NARROW)).nonzero().reshape(-1)
            while left.numel():  # each round accepts at least two in three
                c = k[left].clamp(min=1e-300)
                tau = 1 + ad.sqrt(1 + 4 * c * c)
                rho = (tau - ad.sqrt(2 * tau)) / (2 * c)
                r = ad.where(c < 1e-5, 1 / c + c, (1 + rho * rho) / (2 * rho))
                u, v, side = ad.rand((3, c.numel()), dtype=c.dtype, device=c.device).unbind()
                z = ad.cos(math.pi * u)
                f = (1 + r * z) / (r + z)
                d = c * (r - f)
                good = (d * (2 - d) > v) | (ad.log(d / v) + 1 - d >= 0)
                angle = ad.acos(f.clamp(-1, 1)) * ad.sign(side - 0.5)
                out[left[good]] = angle[good]
                left = left[~good]
            out = out.reshape(shape) + self.loc.double()
            return ((out + math.pi) % (2 * math.pi) - math.pi).to(self.loc.dtype)
