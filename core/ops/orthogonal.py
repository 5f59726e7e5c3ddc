"""orthogonal: orthogonal polynomials (``torch.special``), with derivatives of any order."""

from __future__ import annotations

from typing import Any

from ..numerics.orthogonal import FAMILIES, polynomial
from ..op import FLOAT, NONE, op
from ..out import takes_out
from ..samples import Arr, call
from ..tensor import Tensor
from .special import _arrays

_CALLS: Any = call(Arr((3, 4)), 3.0) + call(Arr((3, 4), -1, 1), Arr((4,), 0, 6, "int"))


def _declared(name: str) -> Any:
    family = FAMILIES[name]
    derivative = op(
        name,
        lambda xp, x, n, *, order=0: polynomial(xp, *_arrays(xp, x, n), family, order),
        x=lambda g, x, n, order: g * derivative(x, n, order=order + 1),
        n=NONE, dtype=FLOAT, refuses=("complex",), method=False, samples=_CALLS,
    )  # fmt: skip

    def function(input: Tensor | float, n: Tensor | float) -> Any:
        return derivative(input, n)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The polynomial of degree ``n`` at ``input`` (``torch.special.{name}``).

    ``n``: a number, or a Tensor of degrees, which broadcasts with ``input`` (and one of the two is
    a Tensor). Computed in float64; of a negative degree it is zero. PyTorch has no derivative.

    >>> import anadrome as ad
    >>> ad.special.{name}(ad.tensor([1.0]), -1)
    tensor([0.])
    """
    return takes_out(function)


chebyshev_polynomial_t = _declared("chebyshev_polynomial_t")
chebyshev_polynomial_u = _declared("chebyshev_polynomial_u")
chebyshev_polynomial_v = _declared("chebyshev_polynomial_v")
chebyshev_polynomial_w = _declared("chebyshev_polynomial_w")
hermite_polynomial_h = _declared("hermite_polynomial_h")
hermite_polynomial_he = _declared("hermite_polynomial_he")
laguerre_polynomial_l = _declared("laguerre_polynomial_l")
legendre_polynomial_p = _declared("legendre_polynomial_p")
shifted_chebyshev_polynomial_t = _declared("shifted_chebyshev_polynomial_t")
shifted_chebyshev_polynomial_u = _declared("shifted_chebyshev_polynomial_u")
shifted_chebyshev_polynomial_v = _declared("shifted_chebyshev_polynomial_v")
shifted_chebyshev_polynomial_w = _declared("shifted_chebyshev_polynomial_w")
