"""contractions: products that are made of matrix products: tensordot, kron, addmv and their kin."""

from __future__ import annotations

import operator
from typing import Any

from ..dtypes import bool_, float32, result_type
from ..errors import UnsupportedError
from ..out import takes_out
from ..refusals import refusing
from ..size import is_index
from ..tensor import Tensor
from . import products
from .products import batches, checked_mv, expandable, factors


def _blended(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """``beta * input + alpha * product``; nothing of ``input`` is read if ``beta`` is zero."""
    beta, alpha = factors(input, beta, alpha)
    expandable(input, tuple(product.shape))
    products.same_dtype("expected input and product to have the same dtype", input, product)
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return product + (input if beta == 1 else input * beta)


@takes_out
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)`` (PyTorch: ``torch.addmv``)."""
    checked_mv("addmv", mat, vec)
    return _blended(input, products.mv(mat, vec), beta, alpha)


@takes_out
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)`` (PyTorch: ``torch.addr``).

    Of their common type; of booleans ``&`` and ``|`` take the place of product and sum.
    """
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
    kind = result_type([(x.dtype, 2 if x.ndim else 1) for x in (input, vec1, vec2)])
    input, vec1, vec2 = input.to(kind), vec1.to(kind), vec2.to(kind)
    product = products.outer(vec1, vec2)
    if kind is bool_:
        expandable(input, tuple(product.shape))
        product = product & bool(alpha)
        return product | input if beta else product
    for label, value in (("beta", beta), ("alpha", alpha)):
        if isinstance(value, bool):
            raise RuntimeError(f"Boolean {label} only supported for Boolean results.")
    return _blended(input, product, beta, alpha)


@takes_out
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2)`` (PyTorch: ``torch.baddbmm``)."""
    batches("baddbmm", batch1, batch2)
    return _blended(input, products.bmm(batch1, batch2), beta, alpha)


@takes_out
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2).sum(0)`` (PyTorch: ``torch.addbmm``)."""
    batches("addbmm", batch1, batch2)
    n, p = batch1.shape[1], batch2.shape[2]
    # One product over the batch and the inner dimension together.
    left = batch1.permute((1, 0, 2)).reshape((n, batch1.shape[0] * batch1.shape[2]))
    right = batch2.reshape((batch2.shape[0] * batch2.shape[1], p))
    return _blended(input, products.mm(left, right), beta, alpha)


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
