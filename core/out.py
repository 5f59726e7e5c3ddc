"""out: ``out=``, a Tensor that a function writes its result into; one way for all functions.

Every op's call takes ``out=`` and ends here, and so does every composite that is decorated with
``takes_out``. As in PyTorch the result is computed, cast and copied; a Tensor of another shape is
given the result's shape.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from . import modes, sites
from .backend import by_type
from .composite import announced
from .errors import DtypeError, GraphError
from .inplace import write
from .modes import as_given, current
from .refusals import answer
from .tensor import Tensor

#: Functions that, as in PyTorch, write only into a Tensor of their result's own type, in place too.
_EXACT = """
    abs addbmm addmm addmv all amax amin aminmax any argmax argmin avg_pool2d avg_pool3d
    baddbmm bitwise_not bmm bucketize ceil cholesky_ex complex cross cummax cummin cumprod
    cumsum det diag dot eigh eigvalsh float_power floor frac frexp gather gelu hardshrink
    heaviside histc index_add index_copy index_reduce index_select inv inv_ex isin isneginf
    isposinf kthvalue ldl_factor ldl_factor_ex ldl_solve linear log_softmax logcumsumexp
    lu_factor lu_factor_ex lu_solve lu_unpack masked_select matmul matrix_norm mm mode msort
    multi_dot mv nan_to_num nanquantile neg nonzero norm polar qr quantile renorm round
    scatter scatter_add scatter_reduce searchsorted sgn sign signbit slice_scatter slogdet
    softmax softplus softshrink solve solve_ex sort svd svdvals take take_along_dim
    tensordot topk triangular_solve tril triu trunc vdot vector_norm
"""
EXACT = frozenset(_EXACT.split())

#: PyTorch's types of masks; ``any`` and ``all`` write either.
_MASKS = {"bool", "uint8"}


def into(out: Any, result: Any, name: str, of: Any = None) -> Any:
    """Write ``result`` into ``out`` (or a tuple of them into a tuple) and return ``out``.

    ``of``: the only input, where that may be complex and the result real, which PyTorch casts.
    Raises if ``out`` or an argument requires a gradient, and if the type does not fit.
    """
    if isinstance(result, (tuple, list)):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(result)} Tensors")
        for o, r in zip(out, result):
            into(o, r, name)
        named: Any = result
        return named._replace(**dict(zip(named._fields, out))) if _named(result) else tuple(out)
    if not isinstance(result, Tensor):
        raise TypeError(f"{name}(): 'out' takes the result of Tensors, not of other arrays")
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if modes.is_grad_enabled() and (out.requires_grad or result.requires_grad):
        raise GraphError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad; leave out= away, or write under "
            "`with anadrome.no_grad():`"
        )
    if name in ("any", "all") and {result.dtype.name, out.dtype.name} <= _MASKS:
        result = result.to(out.dtype)
    made_real = isinstance(of, Tensor) and of.dtype.is_complex and not result.dtype.is_complex
    if result.dtype is not out.dtype and name in EXACT and not made_real:
        raise DtypeError(
            f"Expected out tensor to have dtype {result.dtype.name}, but got {out.dtype.name} "
            f"instead: give {name}() an out= of type {result.dtype.name}"
        )
    if result.dtype.category > out.dtype.category:
        raise DtypeError(
            f"result type {result.dtype.name} can't be cast to the desired output type "
            f"{out.dtype.name}: give {name}() an out= of type {result.dtype.name}"
        )
    modes.touch(out, result)
    array = result.to(out.device)._data
    if array.dtype != out._data.dtype:
        array = by_type[array.__class__].xp.astype(array, out._data.dtype)
    if array.shape == out._data.shape:
        write(out, Ellipsis, array)
        return out
    if out.numel():
        sites.warn(
            f"{name}(): an output with one or more elements was resized since it had shape "
            f"{list(out.shape)}, which does not match the required output shape "
            f"{list(result.shape)}; give an out= of that shape, or an empty one",
        )
    out._data = array if array is not result._data else by_type[array.__class__].asarray(array)
    out._shared_writes().bump()
    return out


def _named(result: Any) -> bool:
    return hasattr(result, "_fields")


#: Reductions that are computed in the type of ``out=``, where no other is asked for.
_COMPUTED_IN_TYPE_OF_OUT = {"sum", "prod", "cumsum", "cumprod"}


def takes_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a composite the keyword ``out=``, and NumPy's names of its arguments.

    >>> import anadrome as ad
    >>> ad.ones(2, 3).sum(axis=1, keepdims=True).shape
    anadrome.Size([2, 1])
    """

    name = {"_summed": "sum", "_meaned": "mean"}.get(
        function.__name__, function.__name__.removesuffix("_form").lstrip("_")
    )
    takes = function.__code__.co_varnames[: function.__code__.co_argcount]
    in_place = takes.index("inplace") if "inplace" in takes else sys.maxsize
    composite = announced(function)

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **keywords: Any) -> Any:
        if out is not None and (keywords.get("inplace") or any(args[in_place:][:1])):
            raise TypeError(f"{name}(): give `inplace=True` or `out=`, not both")
        if out is not None and isinstance(out, Tensor) and name in _COMPUTED_IN_TYPE_OF_OUT:
            if keywords.get("dtype") is None:
                keywords["dtype"] = out.dtype
        try:
            if not current().modes:
                result = function(*args, **keywords)
            elif out is not None:
                result = as_given(composite or function, args, keywords)
            else:
                result = (composite or function)(*args, **keywords)
        except Exception as error:
            result = answer(function, error, args, keywords)
        return result if out is None else into(out, result, name)

    return call
