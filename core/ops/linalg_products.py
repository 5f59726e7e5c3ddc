"""linalg_products: products of matrices in the order that costs least, powers, tensor equations."""

from __future__ import annotations

from operator import index
from typing import Any

from ..composite import one
from ..dtypes import bfloat16, bool_, float16, float32
from ..op import HALF
from ..out import takes_out
from ..refusals import refusing
from ..tensor import Tensor
from . import linalg_solve
from .complex import _conj
from .linalg_checks import square
from .products import linalg_cross
from .products import matmul_form as matmul
from .reduce import axis_of, whole


@takes_out
def matrix_power(A: Tensor, n: int) -> Tensor:
    """``A @ A @ … @ A`` (PyTorch: ``torch.linalg.matrix_power``); of the inverse for n < 0.

    >>> import anadrome as ad
    >>> ad.linalg.matrix_power(ad.tensor([[1.0, 1.0], [0.0, 1.0]]), 5).tolist()
    [[1.0, 5.0], [0.0, 1.0]]
    """
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_power: The input tensor A must have at least 2 dimensions."
        )
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{A.shape[-2]} by {A.shape[-1]} matrices"
        )
    n = index(n)  # NumPy's own integers have a lowest one, whose opposite is itself
    if n == 0:
        from ..creation import eye

        return A.clone().copy_(eye(A.shape[-1], dtype=A.dtype, device=A.device))
    if n < 0:
        A, n = _inverse_of_power(A), -n
    if n == 1:
        return A.clone()
    out: Any = None
    while n:
        if n & 1:
            out = A if out is None else matmul(out, A)
        n >>= 1
        if n:
            A = matmul(A, A)
    return out


@refusing
@one("inverse")
def _inverse_of_power(A: Tensor) -> Tensor:
    square("linalg.matrix_power", A)
    return linalg_solve.inv(A)


@takes_out
def multi_dot(tensors: Any) -> Tensor:
    """The product of matrices, in the order that costs least (``torch.linalg.multi_dot``).

    The first and the last may be vectors.

    >>> import anadrome as ad
    >>> ad.linalg.multi_dot([ad.ones(2, 30), ad.ones(30, 2), ad.ones(2)]).shape
    anadrome.Size([2])
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(chain)}")
    first, last = chain[0].ndim == 1, chain[-1].ndim == 1
    for i, x in enumerate(chain):
        ends = i in (0, len(chain) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            kinds = "1D or 2D" if ends else "2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {kinds} but got {x.ndim}D")
    if first:
        chain[0] = chain[0].unsqueeze(0)
    if last:
        chain[-1] = chain[-1].unsqueeze(1)
    for i in range(len(chain) - 1):
        a, b = chain[i : i + 2]
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and "
                f"{list(b.shape)} cannot be multiplied"
            )
    out = _joined(chain, _splits([x.shape[0] for x in chain] + [chain[-1].shape[1]]))
    if first:
        out = out.squeeze(0)
    return out.squeeze(-1) if last else out


def _splits(sizes: list[int]) -> Any:
    """Where to cut each part of the chain: Cormen et al., chapter 15.2."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return cut


def _joined(chain: list[Tensor], cut: Any) -> Tensor:
    def part(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        return matmul(part(i, cut[i][j]), part(cut[i][j] + 1, j))

    return part(0, len(chain) - 1)


@takes_out
def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of three (PyTorch: ``torch.linalg.cross``); broadcasts.

    >>> import anadrome as ad
    >>> ad.linalg.cross(ad.tensor([1.0, 0.0, 0.0]), ad.tensor([0.0, 1.0, 0.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    name = "linalg.cross"
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"{name}: inputs must have the same number of dimensions, not {input.ndim} and "
            f"{other.ndim}."
        )
    n = max(input.ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    if input.ndim == 0 or input.shape[dim] != 3 or other.shape[dim] != 3:
        lengths = (input.shape[dim], other.shape[dim]) if input.ndim else (1, 1)
        raise RuntimeError(
            f"{name}: inputs dimension {dim} must have length 3. Got {lengths[0]} and {lengths[1]}"
        )
    return linalg_cross(input, other, dim=dim)


@takes_out
@one("linalg_vecdot", amp=HALF)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Products of vectors along a dimension (``torch.linalg.vecdot``); ``x`` is conjugated."""
    if x.dtype.category < float32.category:
        raise RuntimeError(
            "linalg.vecdot: Expected a floating point or complex tensor as input. Got "
            f"{x.dtype.name}; write e.g. `x.float()`"
        )
    return (_conj(x) * y).sum(dim)


@refusing
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, the last two dimensions by default (``torch.linalg.diagonal``)."""
    return A.diagonal(offset, dim1, dim2)


@refusing
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0 … N - 1 of each value, along a new dimension (``torch.linalg.vander``)."""
    if x.dtype in (bool_, float16, bfloat16):
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got "
            f"{x.dtype.name}"
        )
    return powers(x, N)


def powers(x: Tensor, N: int | None) -> Tensor:
    """``vander`` of any type, as the older ``torch.vander`` takes it."""
    from ..creation import ones
    from .joining import cat

    if x.ndim == 0 and N is None:
        raise RuntimeError("linalg.vander: The input tensor must be at least 1-dimensional")
    if x.ndim == 0:
        x = x.reshape((1,))
    if N is not None:
        N = whole(N, "N")
    if N is not None and N <= 1:
        raise RuntimeError(f"N must be greater than 1, but got {N}")
    count = x.shape[-1] if N is None else N
    kind = x.dtype if x.dtype.category > 1 else (x.sum()).dtype
    start = ones((*x.shape, 1), dtype=kind, device=x.device)
    rows = x.unsqueeze(-1).expand((*x.shape, count - 1))
    return cat([start, rows.cumprod(-1)], -1)


@takes_out
@one("linalg_tensorinv")
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse for ``tensordot(A, x, ind)`` (PyTorch: ``torch.linalg.tensorinv``)."""
    if not 0 < ind <= max(A.ndim, 1):
        raise RuntimeError(
            f"Expected a strictly positive integer for 'ind', up to the {A.ndim} dimensions of A, "
            f"not {ind}"
        )
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n = _product(first)
    if n != _product(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {_product(last)} != {n}"
        )
    return _inverse(A.reshape((n, n))).reshape((*last, *first))


@takes_out
@one("linalg_tensorsolve")
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """The X of ``tensordot(A, X, X.ndim) = B`` (PyTorch: ``torch.linalg.tensorsolve``)."""
    if dims is not None:
        dims = tuple(d % A.ndim for d in dims)
        dims = tuple(axis_of(d, A.ndim) for d in dims)
        A = A.permute((*(i for i in range(A.ndim) if i not in dims), *dims))
    rest = tuple(A.shape[B.ndim :])
    n = _product(rest)
    if n != B.numel() or A.numel() != n * n:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {n} != {B.numel()}"
        )
    return _solution(A.reshape((n, n)), B.reshape((n,))).reshape(rest)


def _product(shape: tuple[int, ...]) -> int:
    out = 1
    for n in shape:
        out *= n
    return out


def _inverse(A: Tensor) -> Tensor:
    from ..linalg import inv

    return inv(A)


def _solution(A: Tensor, B: Tensor) -> Tensor:
    from ..linalg import solve

    return solve(A, B)
