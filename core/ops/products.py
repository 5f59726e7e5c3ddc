"""products: matrix products; the heavy work, done by the backend's BLAS."""

from __future__ import annotations

from typing import Any

from ..backend import by_type
from ..composite import one
from ..dtypes import bool_, from_native
from ..errors import RangeError, UnsupportedError
from ..looking import answered, met
from ..modes import current
from ..op import EQUAL, HALF, WIDEST, op
from ..out import takes_out
from ..refusals import refusing
from ..samples import shapes
from ..tensor import Tensor
from .arithmetic import factor
from .factors import factors, older_form
from .shape import reshape


def product(xp: Any, a: Any, b: Any) -> Any:
    """``a @ b``; half precision is multiplied and accumulated in float32, and rounded once."""
    kind = from_native[a.dtype]
    if kind is bool_:
        raise UnsupportedError(
            "a product of matrices is not implemented for bool; write e.g. `a.float() @ b.float()`"
        )
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
addmm = op("addmm", lambda xp, x, a, b, *, beta=1.0, alpha=1.0:
               blended(x, product(xp, a, b), beta, alpha),
           x=lambda g, beta: times(g, beta),
           a=lambda g, b, alpha: times(mm(g, swap(b)), alpha),
           b=lambda g, a, alpha: times(mm(swap(a), g), alpha),
           dtype=EQUAL, amp=HALF, method=False,
           samples=shapes("4 2,3 3,4", "2,4 2,3 3,4") + shapes("4 2,3 3,4", beta=0.5, alpha=2.0))
#: ``x @ weight.T + bias`` for any number of leading dimensions. One op rather than ``addmm`` of a
#: transposed weight, because so the weight's gradient comes out in the weight's own layout.
linear = op("linear", lambda xp, x, weight, bias=None: _linear(xp, x, weight, bias),
            only_tensors=("x", "weight", "bias"),
            x=lambda g, weight: _like(mm(_rows(g), weight), g),
            weight=lambda g, x: mm(swap(_rows(g)), _rows(x)),
            bias=lambda g: g,
            dtype=EQUAL, amp=HALF, method=False, node="AddmmBackward0",
            named=lambda shape, edges: _linear_name(len(shape), edges[2] is not None),
            shown=lambda edges: (2, 0, 1) if edges[2] is not None else (0, 1),
            samples=shapes("5,2,3 4,3 4", "2,3 4,3 4", "3 4,3 4", "2,2,2,3 4,3"))
#: Of vectors of three, along ``dim``.
linalg_cross = op("linalg_cross", lambda xp, a, b, *, dim=-1: _cross(xp, a, b, dim),
                  a=lambda g, b, dim: linalg_cross(b, g, dim=dim),
                  b=lambda g, a, dim: linalg_cross(g, a, dim=dim), method=False,
                  dtype=EQUAL, refuses=("bool",),
                  samples=shapes("2,3 2,3", "3 4,3") + shapes("3,2 3,1", dim=0))
# fmt: on


def _cross(xp: Any, a: Any, b: Any, dim: int) -> Any:
    a, b = xp.broadcast_arrays(a, b)

    def turned(x: Any, by: int) -> Any:
        return xp.roll(x, -by, axis=dim)

    return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)


def times(g: Any, number: Any) -> Any:
    """What a rule gives, times a factor that mostly is 1."""
    return g if number == 1 else g * number


def blended(x: Any, product: Any, beta: Any, alpha: Any, skips: bool = True) -> Any:
    """``beta * x + alpha * product``, of arrays; what is multiplied by zero may hold NaN.

    ``skips``: so may the product.
    """
    if alpha == 0 and skips:
        product = by_type[product.__class__].xp.zeros(product.shape, dtype=product.dtype)
    elif alpha != 1:
        product = product * factor(x, alpha)
    if beta == 0:
        return product
    return product + (x if beta == 1 else x * factor(x, beta))


def _linear_name(ndim: int, biased: bool) -> str:
    """PyTorch's name of the last thing that it does for ``linear``."""
    if ndim == 2:
        return "AddmmBackward0" if biased else "MmBackward0"
    if biased:
        return "ViewBackward0"
    return "SqueezeBackward4" if ndim == 1 else "UnsafeViewBackward0"


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
def same_dtype(text: str, a: Tensor, b: Tensor) -> None:
    """Raise as PyTorch's products do of two element types; a mode (autocast) may still cast."""
    x, y = a._data.dtype, b._data.dtype
    if a._data.__class__ is not b._data.__class__:
        return  # on two devices; the op says so
    if x is not y and x != y and not current().modes:
        raise RuntimeError(
            f"{text}, but got: {a.dtype.name} != {b.dtype.name}; cast one with `.to(...)`"
        )


def _is_tensor(name: str, **given: Any) -> None:
    for label, x in given.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}(): argument '{label}' must be Tensor, not {type(x).__name__}")


def multipliable(a: Tensor, b: Tensor) -> None:
    """Raise unless two matrices can be multiplied."""
    if a._data.shape[-1] != b._data.shape[-2 if b.ndim > 1 else 0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_by(a)} and {_by(b)})")
    same_dtype("expected m1 and m2 to have the same dtype", a, b)


def _by(x: Tensor) -> str:
    return "x".join(map(str, x.shape))


@takes_out
def _mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices (PyTorch: ``torch.mm``)."""
    if isinstance(input, Tensor) and isinstance(mat2, Tensor):  # what nearly every call is
        a, b = input._data, mat2._data
        if a.ndim == 2 == b.ndim and a.shape[1] == b.shape[0] and a.dtype is b.dtype:
            return mm(input, mat2)
    _is_tensor("mm", input=input, mat2=mat2)
    for label, x in (("self", input), ("mat2", mat2)):
        if x._data.ndim != 2:
            raise RuntimeError(
                f"{label} must be a matrix, not {x.ndim}-D; `matmul` (or `@`) takes any"
            )
    multipliable(input, mat2)
    return mm(input, mat2)


def batches(name: str, a: Tensor, b: Tensor) -> None:
    """Raise unless these are batches of matrices that can be multiplied."""
    _is_tensor(name, batch1=a, batch2=b)
    for label, x in (("batch1", a), ("batch2", b)):
        if x.ndim != 3:
            raise RangeError(f"{label} must be a 3D tensor, not {x.ndim}D; `matmul` takes any")
    if b.shape[:2] != (a.shape[0], a.shape[2]):
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"{[a.shape[0], a.shape[2]]} but got: {list(b.shape[:2])}."
        )
    same_dtype("expected scalar type of both batches to be the same", a, b)


@takes_out
def _bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices (PyTorch: ``torch.bmm``)."""
    if isinstance(input, Tensor) and isinstance(mat2, Tensor):
        a, b = input._data, mat2._data
        if a.ndim == 3 == b.ndim and a.dtype is b.dtype:
            if a.shape[0] == b.shape[0] and a.shape[2] == b.shape[1]:
                return bmm(input, mat2)
    batches("bmm", input, mat2)
    return bmm(input, mat2)


def checked_mv(name: str, mat: Tensor, vec: Tensor) -> None:
    """Raise unless a matrix and a vector can be multiplied."""
    _is_tensor(name, mat=mat, vec=vec)
    if mat.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got 1, {mat.ndim}, {vec.ndim} dimensions"
        )
    if mat.shape[1] != vec.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({mat.shape[0]}), mat ({_by(mat)}), vec ({vec.shape[0]})"
        )
    same_dtype("expected scalar type of matrix and vector to be the same", mat, vec)


@takes_out
@one("mv")
def _mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector (PyTorch: ``torch.mv``)."""
    checked_mv("mv", input, vec)
    return mv(input, vec)


def _vectors(name: str, a: Any, b: Any) -> None:
    _is_tensor(name, input=a, tensor=b)
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    same_dtype(f"{name} : expected both vectors to have same dtype", a, b)
    if a.shape != b.shape:
        n, m = a.shape[0], b.shape[0]
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same "
            f"number of elements, but got {n} and {m} elements respectively"
        )


@takes_out
def _dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Scalar product of two vectors (PyTorch: ``torch.dot``); nothing is conjugated."""
    _vectors("dot", input, tensor)
    return dot(input, tensor)


@takes_out
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """``dot`` with the first vector conjugated (PyTorch: ``torch.vdot``)."""
    _vectors("vdot", input, other)
    return dot(input.conj(), other)


@takes_out
def _outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements (PyTorch: ``torch.outer``, ``torch.ger``)."""
    _is_tensor("outer", input=input, vec2=vec2)
    for label, x in (("self", input), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {label}, but got {x.ndim}-D")
    return outer(input, vec2)


@takes_out
def _addmm_form(
    input: Tensor, mat1: Tensor, mat2: Tensor, *older: Any, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` (PyTorch: ``torch.addmm``)."""
    if older:
        return older_form(_addmm_form, [input, mat1, mat2, *older], beta, alpha)
    _is_tensor("addmm", input=input, mat1=mat1, mat2=mat2)
    for label, x in (("mat1", mat1), ("mat2", mat2)):
        if x._data.ndim != 2:
            raise RuntimeError(f"{label} must be a matrix, got {x.ndim}-D tensor")
    multipliable(mat1, mat2)
    beta, alpha = factors(input, beta, alpha)
    expandable(input, (mat1._data.shape[0], mat2._data.shape[1]))
    return addmm(input, mat1, mat2, beta=beta, alpha=alpha)


def expandable(x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless ``x`` broadcasts to ``shape``, and no further."""
    own = tuple(x._data.shape)
    if own == shape:
        return
    if len(own) > len(shape):
        raise RuntimeError(
            f"expand(Tensor{{{list(own)}}}, size={list(shape)}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(own)})"
        )
    for i in range(1, len(own) + 1):
        if own[-i] not in (1, shape[-i]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[-i]}) must match the existing size "
                f"({own[-i]}) at non-singleton dimension {len(shape) - i}.  Target sizes: "
                f"{list(shape)}.  Tensor sizes: {list(own)}"
            )


@refusing
@one("matmul", amp=HALF)
def _scalar_product(a: Tensor, b: Tensor) -> Tensor:
    """``dot`` as a case of ``matmul``, which has another class."""
    return _dot(a, b)


def matmul(a: Any, b: Any) -> Any:
    """Matrix product with PyTorch's rules for every number of dimensions (``torch.matmul``)."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        if hasattr(a, "ndim") and hasattr(b, "ndim"):
            return matmul_batched(a, b)
        kinds = f"{type(a).__name__} and {type(b).__name__}"
        return answered(TypeError(f"matmul takes two Tensors, got {kinds}"))
    m, n = a._data.ndim, b._data.ndim
    if m == 2 and n == 2 and a._data.shape[1] == b._data.shape[0]:
        if a._data.dtype is not b._data.dtype:
            same_dtype("expected m1 and m2 to have the same dtype", a, b)
        return mm(a, b)
    if m == 0 or n == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {m}D and {n}D; use `*`"
        )
    if m == 1 and n == 1:
        return _scalar_product(a, b) if current().modes else _dot(a, b)
    multipliable(a, b)
    if m == 2 and n == 1:
        return mv(a, b)
    if n == 1:
        return matmul_batched(a, b.unsqueeze(-1)).squeeze(-1)
    if m == 1:
        return matmul_batched(a.unsqueeze(0), b).squeeze(-2)
    if n == 2:  # one product of all rows
        return reshape(mm(_rows(a), b), shape=(*a._data.shape[:-1], b._data.shape[1]))
    if m == 3 and n == 3 and a._data.shape[0] == b._data.shape[0]:
        return bmm(a, b)
    return matmul_batched(a, b)


def _matmul_operator(a: Any, b: Any) -> Any:
    """The operator ``@``; what is no array is asked what it makes of a Tensor."""
    if hasattr(a, "ndim") and hasattr(b, "ndim"):
        return matmul(a, b)
    again = met(None, (a, b), {}, 1)
    return NotImplemented if again is None else again()


@takes_out
def matmul_form(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product with PyTorch's rules for every number of dimensions (``torch.matmul``).

    >>> import anadrome as ad
    >>> ad.matmul(ad.ones(5, 2, 3), ad.ones(3, 4)).shape
    anadrome.Size([5, 2, 4])
    """
    return matmul(input, other)


matmul_form.__name__ = matmul_form.__qualname__ = "matmul"


def _install() -> None:
    for name, function in {
        "mm": _mm,
        "bmm": _bmm,
        "mv": _mv,
        "dot": _dot,
        "outer": _outer,
        "addmm": _addmm_form,
        "ger": _outer,
        "vdot": vdot,
        "matmul": matmul,
        "__matmul__": _matmul_operator,
    }.items():
        setattr(Tensor, name, function)
    Tensor.__rmatmul__ = lambda self, other: _matmul_operator(other, self)


_install()
