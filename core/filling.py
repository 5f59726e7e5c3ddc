"""filling: random numbers written into a Tensor, under PyTorch's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import dtypes, modes
from .errors import DtypeError
from .functional import copy_
from .inplace import check_writable, write
from .making import number
from .ops.complex import view_as_complex
from .ops.reduce import whole
from .random import draw, stream_of
from .refusals import refusing
from .sampling import bernoulli, holding
from .tensor import Tensor, wrap


def _real(value: Any, name: str) -> Any:
    """A number that is not complex."""
    value = number(value, name)
    if isinstance(value, complex):
        raise TypeError(f"{name} must be float, not complex")
    return value


def _filled(self: Tensor, values: Tensor) -> Tensor:
    """Write values that no gradient leads back from."""
    check_writable(self)
    modes.touch(self)
    if modes.is_grad_enabled() and self.requires_grad:
        return copy_(self, values)
    write(self, Ellipsis, values.to(self.dtype)._data)
    return self


def _made(
    self: Tensor, name: str, kind: str, generator: Any, change: Callable[[Tensor], Tensor]
) -> Tensor:
    """Fill with ``change`` of uniform or normal values in this Tensor's type."""
    kind_of = self.dtype
    both = kind_of.is_complex and name in ("uniform", "normal")  # two parts, drawn independently
    if not (kind_of.is_floating_point or both):
        raise DtypeError(
            f"{name}_() is not implemented for {kind_of.name}; it fills floating-point Tensors"
        )
    shape = (*self.shape, 2) if both else tuple(self.shape)
    part = self.real.dtype if both else kind_of
    values = change(wrap(draw(kind, shape, part, self.device, generator)))
    return _filled(self, view_as_complex(values) if both else values)


def _ends(name: str, ends: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """PyTorch's arguments ``from`` and ``to``; Python has no parameter of the first name."""
    if len(ends) > 2:
        raise TypeError(f"{name}() takes 2 positional arguments but {len(ends)} were given")
    given = dict(zip(("from", "to"), ends))
    for word, value in named.items():
        if word not in ("from", "to"):
            raise TypeError(f"{name}() got an unexpected argument {word!r}")
        if word in given:
            raise TypeError(f"{name}() got multiple values for argument {word!r}")
        given[word] = value
    return given


@refusing
def uniform_(self: Tensor, *ends: float, generator: Any = None, **named: float) -> Tensor:
    """Fill with uniform values in [from, to), which are 0 and 1 if they are not given."""
    given = {"from": 0.0, "to": 1.0, **_ends("uniform_", ends, named)}
    a, b = given["from"], given["to"]
    a, b = _real(a, "uniform_'s from"), _real(b, "uniform_'s to")
    if not a <= b:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}"
        )
    return _made(self, "uniform", "uniform", generator, lambda u: u * (b - a) + a)


@refusing
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal values."""
    mean, std = _real(mean, "normal_'s mean"), _real(std, "normal_'s std")
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if self.dtype.is_complex:  # the two parts share the variance
        std = std / 2**0.5
    return _made(self, "normal", "normal", generator, lambda n: n * std + mean)


@refusing
def random_(self: Tensor, *ends: int, generator: Any = None, **named: int) -> Tensor:
    """Fill with integers: below ``to``, or as many as the type holds exactly.

    ``random_()``, ``random_(to)``, ``random_(from, to)`` and ``random_(from, None)`` as in PyTorch.
    """
    given = _ends("random_", ends, named)
    if ends and len(given) == 1:
        given = {"to": given["from"]}
    if named and "from" in given and "to" not in given:
        raise TypeError("random_() is missing the argument 'to'")
    start = whole(given.get("from", 0), "from")
    if given.get("to") is None and len(given) != 1:
        end = _largest(self.dtype) + 1
    else:
        end = whole(given["to"], "to")
    if start >= end:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={start} >= to={end}"
        )
    holding(self.dtype, start, end - 1)
    top = min(end, 2**63 - 1)
    values = draw("integers", tuple(self.shape), dtypes.int64, self.device, generator,
                  low=start, high=top)  # fmt: skip
    return _filled(self, wrap(values))


def _largest(kind: dtypes.dtype) -> int:
    if kind is dtypes.bool_:
        return 1
    if kind.is_floating_point:
        return int(2 / dtypes.finfo(kind).eps)
    return dtypes.iinfo(kind).max


@refusing
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with values of the exponential distribution of that rate."""
    lambd = _real(lambd, "exponential_'s lambd")
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _made(self, "exponential", "uniform", generator, lambda u: (-u).log1p() / -lambd)


@refusing
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with values of the Cauchy distribution."""
    median, sigma = _real(median, "cauchy_'s median"), _real(sigma, "cauchy_'s sigma")
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _made(self, "cauchy", "uniform", generator,
                 lambda u: ((u - 0.5) * math.pi).tan() * sigma + median)  # fmt: skip


@refusing
def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None
) -> Tensor:
    """Fill with values whose logarithm is normal."""
    mean, std = _real(mean, "log_normal_'s mean"), _real(std, "log_normal_'s std")
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return _made(self, "log_normal", "normal", generator, lambda n: (n * std + mean).exp())


@refusing
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success, each of probability ``p``."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    u = wrap(draw("uniform", tuple(self.shape), dtypes.float64, self.device, generator))
    return _filled(self, ((-u).log1p() / math.log1p(-p)).ceil().clamp(min=1.0))


@refusing
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 of probability ``p`` (a number, or a Tensor of each one's), else 0."""
    if isinstance(p, Tensor):
        stream_of(generator)
        if not self.numel():
            return self
        values = bernoulli(p.detach().expand(tuple(self.shape)), generator=generator)
        return _filled(self, values)
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    u = wrap(draw("uniform", tuple(self.shape), dtypes.float32, self.device, generator))
    return _filled(self, u < p)


def _install() -> None:
    for function in (uniform_, normal_, random_, exponential_, cauchy_, log_normal_, geometric_,
                     bernoulli_):  # fmt: skip
        setattr(Tensor, function.__name__, function)


_install()
