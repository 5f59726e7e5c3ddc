"""contractions: products that are made of matrix products: tensordot, kron, addmv and their kin."""

from __future__ import annotations

import operator
from typing import Any

from ..composite import one
from ..dtypes import bool_, float32, result_type
from ..errors import UnsupportedError
from ..op import EQUAL, HALF, op
from ..out import takes_out
from ..refusals import refusing
from ..samples import shapes
from ..size import is_index
from ..tensor import Tensor
from . import products
from .factors import factors, older_form
from .products import (
    batches,
    blended,
    bmm,
    checked_mv,
    expandable,
    matmul_batched,
    mv,
    outer,
    product,
    swap,
    times,
)  # fmt: skip

# fmt: off
addmv_op = op("addmv", lambda xp, x, a, b, *, beta=1.0, alpha=1.0:
                  blended(x, product(xp, a, b), beta, alpha),
              x=lambda g, beta: times(g, beta),
              a=lambda g, b, alpha: times(outer(g, b), alpha),
              b=lambda g, a, alpha: times(mv(swap(a), g), alpha),
              dtype=EQUAL, amp=HALF, method=False,
              samples=shapes("2 2,3 3") + shapes("1 2,3 3", beta=0.5, alpha=2.0))
addr_op = op("addr", lambda xp, x, a, b, *, beta=1.0, alpha=1.0:
                 blended(x, a[:, None] * b[None, :], beta, alpha, skips=False),
             x=lambda g, beta: times(g, beta),
             a=lambda g, b, alpha: times(mv(g, b), alpha),
             b=lambda g, a, alpha: times(mv(swap(g), a), alpha),
             dtype=EQUAL, amp=HALF, method=False,
             samples=shapes("2,3 2 3") + shapes("3 2 3", beta=0.5, alpha=2.0))
baddbmm_op = op("baddbmm", lambda xp, x, a, b, *, beta=1.0, alpha=1.0:
                    blended(x, product(xp, a, b), beta, alpha, skips=False),
                x=lambda g, beta: times(g, beta),
                a=lambda g, b, alpha: times(bmm(g, swap(b)), alpha),
                b=lambda g, a, alpha: times(bmm(swap(a), g), alpha),
                dtype=EQUAL, amp=HALF, method=False,
                samples=shapes("5,2,4 5,2,3 5,3,4")
                + shapes("4 5,2,3 5,3,4", beta=0.5, alpha=2.0))
#: One product over the batch and the inner dimension together.
addbmm_op = op("addbmm", lambda xp, x, a, b, *, beta=1.0, alpha=1.0:
                   blended(x, _summed(xp, a, b), beta, alpha),
               x=lambda g, beta: times(g, beta),
               a=lambda g, b, alpha: times(matmul_batched(g, swap(b)), alpha),
               b=lambda g, a, alpha: times(matmul_batched(swap(a), g), alpha),
               dtype=EQUAL, amp=HALF, method=False,
               samples=shapes("2,4 5,2,3 5,3,4") + shapes("4 5,2,3 5,3,4", beta=0.5, alpha=2.0))
# fmt: on


def _summed(xp: Any, a: Any, b: Any) -> Any:
    batch, n, inner = a.shape
    left = xp.reshape(xp.permute_dims(a, (1, 0, 2)), (n, batch * inner))
    return product(xp, left, xp.reshape(b, (batch * inner, b.shape[2])))


def _blended(call: Any, input: Tensor, a: Tensor, b: Tensor, beta: Any, alpha: Any) -> Tensor:
    beta, alpha = factors(input, beta, alpha)
    products.same_dtype("expected input and product to have the same dtype", input, a)
    return call(input, a, b, beta=beta, alpha=alpha)


@takes_out
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *older: Any, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)`` (PyTorch: ``torch.addmv``)."""
    if older:
        return older_form(addmv, [input, mat, vec, *older], beta, alpha)
    checked_mv("addmv", mat, vec)
    expandable(input, (mat.shape[0],))
    return _blended(addmv_op, input, mat, vec, beta, alpha)


@takes_out
@one()
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *older: Any, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)`` (PyTorch: ``torch.addr``).

    Of their common type; of booleans ``&`` and ``|`` take the place of product and sum.
    """
    if older:
        return older_form(addr, [input, vec1, vec2, *older], beta, alpha)
    for label, x in (("vec1", vec1), ("vec2", vec2)):
        if x.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {label}, but got {x.ndim}-D")
    if input.dtype.category < float32.category:
        for label, value in (("beta", beta), ("alpha", alpha)):
            if isinstance(value, float):
                raise RuntimeError(
                    f"For integral input tensors, argument {label} must not be a floating point "
                    "number."
                )
    kind = result_type([(x.dtype, 2) for x in (input, vec1, vec2)])  # a scalar's counts as well
    input, vec1, vec2 = input.to(kind), vec1.to(kind), vec2.to(kind)
    expandable(input, (vec1.shape[0], vec2.shape[0]))
    if kind is bool_:
        product = outer(vec1, vec2) & bool(alpha)
        return product | input if beta else product
    for label, value in (("beta", beta), ("alpha", alpha)):
        if isinstance(value, bool):
            raise RuntimeError(f"Boolean {label} only supported for Boolean results.")
    return _blended(addr_op, input, vec1, vec2, beta, alpha)


@takes_out
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *older: Any, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2)`` (PyTorch: ``torch.baddbmm``)."""
    if older:
        return older_form(baddbmm, [input, batch1, batch2, *older], beta, alpha)
    batches("baddbmm", batch1, batch2)
    expandable(input, (*batch1.shape[:2], batch2.shape[2]))
    return _blended(baddbmm_op, input, batch1, batch2, beta, alpha)


@takes_out
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *older: Any, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2).sum(0)`` (PyTorch: ``torch.addbmm``)."""
    if older:
        return older_form(addbmm, [input, batch1, batch2, *older], beta, alpha)
    batches("addbmm", batch1, batch2)
    expandable(input, (batch1.shape[1], batch2.shape[2]))
    return _blended(addbmm_op, input, batch1, batch2, beta, alpha)


@takes_out
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over some dimensions of each (PyTorch: ``torch.tensordot``).

    ``dims``: how many, the last ones of ``a`` and the first of ``b``; or two lists of them.

    >>> import anadrome as ad
    >>> ad.tensordot(ad.ones(2, 3, 4), ad.ones(3, 4, 5)).shape
    anadrome.Size([2, 5])
    """
    if isinstance(dims, Tensor):
        dims = int(dims) if dims.numel() == 1 else dims.tolist()
    if hasattr(dims, "__index__"):
        dims = operator.index(dims)
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims} for "
                f"{a.ndim} and {b.ndim} dimensions"
            )
        of_a, of_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        of_a, of_b = ([operator.index(d)] if is_index(d) else list(d) for d in dims)
    if len(of_a) != len(of_b):
        raise RuntimeError(
            f"both dimension lists should have same length, not {len(of_a)} and {len(of_b)}"
        )
    products.same_dtype("both inputs should have same dtype", a, b)
    for d, x in ((d, x) for ds, x in ((of_a, a), (of_b, b)) for d in ds):
        n = max(x.ndim, 1)
        if not -n <= d < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})"
            )
    of_a, of_b = [d % a.ndim for d in of_a], [d % b.ndim for d in of_b]
    for i, j in zip(of_a, of_b):
        m, n = a.shape[i], b.shape[j]
        if m == n:
            continue
        if n == 1:
            a = a.sum(i, keepdim=True).to(a.dtype)
        elif m == 1:
            b = b.sum(j, keepdim=True).to(b.dtype)
        else:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {m} in dim {i} and "
                f"second has size {n} in dim {j}"
            )
    rest_a = [d for d in range(a.ndim) if d not in of_a]
    rest_b = [d for d in range(b.ndim) if d not in of_b]
    shape_a, shape_b = [a.shape[d] for d in rest_a], [b.shape[d] for d in rest_b]
    inner = _size([a.shape[d] for d in of_a])
    left = a.permute((*rest_a, *of_a)).reshape((_size(shape_a), inner))
    right = b.permute((*of_b, *rest_b)).reshape((inner, _size(shape_b)))
    if left.shape[0] == 1 == right.shape[1]:  # PyTorch's is this product, not that of matrices
        return products.dot(left.reshape(-1), right.reshape(-1)).reshape((*shape_a, *shape_b))
    return products.mm(left, right).reshape((*shape_a, *shape_b))


def _size(shape: list[int]) -> int:
    out = 1
    for n in shape:
        out *= n
    return out


@takes_out
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products over the last dimension of each (PyTorch: ``torch.inner``)."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@takes_out
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product (PyTorch: ``torch.kron``).

    >>> import anadrome as ad
    >>> ad.kron(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 10.0])).tolist()
    [1.0, 10.0, 2.0, 20.0]
    """
    for label, x in (("input", input), ("other", other)):
        if not isinstance(x, Tensor):
            raise TypeError(f"kron(): argument '{label}' must be Tensor, not {type(x).__name__}")
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    left = input.reshape(tuple(k for size in a for k in (size, 1)))
    right = other.reshape(tuple(k for size in b for k in (1, size)))
    return (left * right).reshape(tuple(x * y for x, y in zip(a, b)))


@refusing
@one()
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix (PyTorch: ``torch.trace``)."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, not {input.ndim} dimensions")
    if input.dtype is bool_:
        raise UnsupportedError("\"trace\" not implemented for 'Bool'; write e.g. `x.long()`")
    return input.diagonal().sum()


@takes_out
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross products of vectors of three (PyTorch: ``torch.cross``).

    ``dim``: where they lie; the first dimension of three if it is not given.
    """
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = tuple(input.shape).index(3)
    from .linalg_products import cross as checked

    return checked(input, other, dim=dim)


def _install() -> None:
    from ..forms import inplace_composite

    for form in (addmv, addr, baddbmm, addbmm, products._addmm_form):
        name = form.__name__.removesuffix("_form").lstrip("_")
        setattr(Tensor, name + "_", inplace_composite(form, name + "_"))
    for function in (addmv, addr, baddbmm, addbmm, inner, kron, trace, cross):
        setattr(Tensor, function.__name__, function)


_install()
