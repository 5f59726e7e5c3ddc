"""products: matrix products; the heavy work, done by the backend's BLAS."""

from __future__ import annotations

from typing import Any

from ..dtypes import from_native
from ..op import HALF, WIDEST, op
from ..samples import shapes
from ..tensor import Tensor
from .arithmetic import factor
from .shape import reshape


def product(xp: Any, a: Any, b: Any) -> Any:
    """``a @ b``; half precision is multiplied and accumulated in float32, and rounded once."""
    kind = from_native[a.dtype]
    if kind.is_floating_point and kind.itemsize == 2:
        wide = xp.matmul(xp.astype(a, xp.float32), xp.astype(b, xp.float32))
        return xp.astype(wide, a.dtype)
    return xp.matmul(a, b)


def swap(x: Any) -> Any:
    """The last two dimensions exchanged; arrays, Tensors and traced arrays alike."""
    return x.mT


# fmt: off
mm = op("mm", lambda xp, a, b: product(xp, a, b),
        a=lambda g, b: mm(g, swap(b)), b=lambda g, a: mm(swap(a), g),
        amp=HALF, method=False, samples=shapes("2,3 3,4", "0,3 3,2"))
bmm = op("bmm", lambda xp, a, b: product(xp, a, b),
         a=lambda g, b: bmm(g, swap(b)), b=lambda g, a: bmm(swap(a), g),
         amp=HALF, method=False, samples=shapes("5,2,3 5,3,4"))
#: Batched with broadcasting; both have at least two dimensions.
matmul_batched = op("matmul", lambda xp, a, b: product(xp, a, b),
                    a=lambda g, b: matmul_batched(g, swap(b)),
                    b=lambda g, a: matmul_batched(swap(a), g),
                    amp=HALF, method=False,
                    samples=shapes("2,3 3,4", "5,2,3 3,4", "2,1,2,3 4,3,2"))
mv = op("mv", lambda xp, a, b: product(xp, a, b),
        a=lambda g, b: outer(g, b), b=lambda g, a: mv(swap(a), g),
        amp=HALF, method=False, samples=shapes("2,3 3"))
dot = op("dot", lambda xp, a, b: product(xp, a, b),
         a=lambda g, b: g * b, b=lambda g, a: g * a,
         amp=WIDEST, method=False, samples=shapes("3 3"))
outer = op("outer", lambda xp, a, b: a[:, None] * b[None, :],
           a=lambda g, b: mv(g, b), b=lambda g, a: mv(swap(g), a),
           method=False, node="MulBackward0", samples=shapes("2 3"))
addmm = op("addmm", lambda xp, x, a, b, *, beta=1.0, alpha=1.0: _addmm(xp, x, a, b, beta, alpha),
           x=lambda g, beta: g if beta == 1 else g * beta,
           a=lambda g, b, alpha: mm(g, swap(b)) if alpha == 1 else mm(g, swap(b)) * alpha,
           b=lambda g, a, alpha: mm(swap(a), g) if alpha == 1 else mm(swap(a), g) * alpha,
           amp=HALF, method=False,
           samples=shapes("4 2,3 3,4", "2,4 2,3 3,4") + shapes("4 2,3 3,4", beta=0.5, alpha=2.0))
#: ``x @ weight.T + bias`` for any number of leading dimensions. One op rather than ``addmm`` of a
#: transposed weight, because so the weight's gradient comes out in the weight's own layout.
linear = op("linear", lambda xp, x, weight, bias=None: _linear(xp, x, weight, bias),
            x=lambda g, weight: _like(mm(_rows(g), weight), g),
            weight=lambda g, x: mm(swap(_rows(g)), _rows(x)),
            bias=lambda g: g,
            amp=HALF, method=False, node="AddmmBackward0",
            samples=shapes("5,2,3 4,3 4", "2,3 4,3 4", "3 4,3 4", "2,2,2,3 4,3"))
#: Of vectors of three, along ``dim``.
linalg_cross = op("linalg_cross", lambda xp, a, b, *, dim=-1: _cross(xp, a, b, dim),
                  a=lambda g, b, dim: linalg_cross(b, g, dim=dim),
                  b=lambda g, a, dim: linalg_cross(g, a, dim=dim), method=False,
                  samples=shapes("2,3 2,3", "3 4,3") + shapes("3,2 3,1", dim=0))
# fmt: on


def _cross(xp: Any, a: Any, b: Any, dim: int) -> Any:
    a, b = xp.broadcast_arrays(a, b)

    def turned(x: Any, by: int) -> Any:
        return xp.roll(x, -by, axis=dim)

    return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)


def _addmm(xp: Any, x: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
    out = product(xp, a, b)
    if alpha != 1:
        out = out * factor(x, alpha)
    return out + (x if beta == 1 else x * factor(x, beta))


def _linear(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    out = product(xp, _rows(x), weight.T)
    if bias is not None:
        out += bias
    return out if x.ndim == 2 else xp.reshape(out, (*x.shape[:-1], weight.shape[0]))


def _rows(x: Any) -> Any:
    """Two dimensions: the last one, and all others together."""
    if len(x.shape) == 2:
        return x
    rows = 1
    for n in x.shape[:-1]:
        rows *= n
    return reshape(x, shape=(rows, x.shape[-1]))


def _like(rows: Any, x: Any) -> Any:
    """``rows`` with the leading dimensions of ``x``."""
    return rows if len(x.shape) == 2 else reshape(rows, shape=(*x.shape[:-1], rows.shape[-1]))


# -- PyTorch's forms --------------------------------------------------------------------------
def _matrices(name: str, *expected: tuple[str, Any, int]) -> None:
    for label, x, ndim in expected:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}(): {label} must be a Tensor, not {type(x).__name__}")
        if x.ndim != ndim:
            raise RuntimeError(
                f"{name}(): {label} must be {ndim}-D, got {x.ndim}-D of shape {tuple(x.shape)}; "
                "`matmul` (or `@`) takes any"
            )


def _inner(name: str, a: Tensor, b: Tensor, along: int = 0) -> None:
    if a._data.shape[-1] != b._data.shape[along]:
        raise RuntimeError(
            f"{name}: mat1 and mat2 shapes cannot be multiplied ({_by(a)} and {_by(b)})"
        )


def _by(x: Tensor) -> str:
    return "x".join(map(str, x.shape))


def _mm(self: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices (PyTorch: ``torch.mm``)."""
    if isinstance(self, Tensor) and isinstance(mat2, Tensor):
        a, b = self._data.shape, mat2._data.shape
        if len(a) == 2 == len(b) and a[1] == b[0]:
            return mm(self, mat2)
    _matrices("mm", ("self", self, 2), ("mat2", mat2, 2))
    _inner("mm", self, mat2)
    return mm(self, mat2)


def _bmm(self: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices (PyTorch: ``torch.bmm``)."""
    _matrices("bmm", ("self", self, 3), ("mat2", mat2, 3))
    _inner("bmm", self, mat2, -2)
    return bmm(self, mat2)


def _mv(self: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector (PyTorch: ``torch.mv``)."""
    _matrices("mv", ("self", self, 2), ("vec", vec, 1))
    _inner("mv", self, vec)
    return mv(self, vec)


def _dot(self: Tensor, other: Tensor) -> Tensor:
    """Scalar product of two vectors (PyTorch: ``torch.dot``)."""
    _matrices("dot", ("self", self, 1), ("other", other, 1))
    _inner("dot", self, other)
    return dot(self, other)


def _outer(self: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements (PyTorch: ``torch.outer``)."""
    _matrices("outer", ("self", self, 1), ("vec2", vec2, 1))
    return outer(self, vec2)


def _addmm_form(
    x: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * x + alpha * (mat1 @ mat2)`` (PyTorch: ``torch.addmm``)."""
    _matrices("addmm", ("mat1", mat1, 2), ("mat2", mat2, 2))
    _inner("addmm", mat1, mat2)
    return addmm(x, mat1, mat2, beta=float(beta), alpha=float(alpha))


def matmul(a: Any, b: Any) -> Any:
    """Matrix product with PyTorch's rules for every number of dimensions (``torch.matmul``)."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        if hasattr(a, "ndim") and hasattr(b, "ndim"):
            return matmul_batched(a, b)
        raise TypeError(f"matmul takes two Tensors, got {type(a).__name__} and {type(b).__name__}")
    m, n = a._data.ndim, b._data.ndim
    if m == 2 and n == 2 and a._data.shape[1] == b._data.shape[0]:
        return mm(a, b)
    if m == 0 or n == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {m}D and {n}D; use `*`"
        )
    _inner("matmul", a, b, 0 if n == 1 else -2)
    if m == 1 and n == 1:
        return dot(a, b)
    if m == 2 and n == 1:
        return mv(a, b)
    if n == 1:
        return matmul_batched(a, b.unsqueeze(-1)).squeeze(-1)
    if m == 1:
        return matmul_batched(a.unsqueeze(0), b).squeeze(-2)
    if m == 3 and n == 3 and a._data.shape[0] == b._data.shape[0]:
        return bmm(a, b)
    return matmul_batched(a, b)


def _install() -> None:
    for name, function in {
        "mm": _mm,
        "bmm": _bmm,
        "mv": _mv,
        "dot": _dot,
        "outer": _outer,
        "addmm": _addmm_form,
        "matmul": matmul,
        "__matmul__": matmul,
    }.items():
        setattr(Tensor, name, function)
    Tensor.__rmatmul__ = lambda self, other: matmul(other, self)


_install()
