"""differing: results that differ from PyTorch's, and why that is as it should be.

As in ``explained``, a reason is for the function, the words of the difference and the call; where
these say too little, its ``check`` looks at the arguments and at both results, so that another
difference of the same function is a finding.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Check = Callable[[list[Any], Any, Any], bool]


def values(x: Any) -> Any:
    """What a Tensor of either library, or a number, holds, in double precision."""
    if not hasattr(x, "detach"):
        return np.asarray(x)
    x = x.detach()
    host = x.tolist()
    return np.asarray(host, dtype=complex if x.dtype.is_complex else float).reshape(tuple(x.shape))


def _tensors(args: list[Any]) -> list[Any]:
    return [values(a) for a in args if hasattr(a, "detach")]


def _close(a: Any, b: Any, loose: float = 1e-3) -> bool:
    a, b = values(a), values(b)
    return a.shape == b.shape and bool(np.allclose(a, b, loose, loose, equal_nan=True))


def infinite(args: list[Any], ours: Any, theirs: Any) -> bool:
    """An argument holds an infinity or NaN, or numbers whose square is one in single precision."""
    numbers = [values(a) for a in args if isinstance(a, (int, float, complex))]
    return any(
        bool((~np.isfinite(x) | (np.abs(x) > 1e19)).any()) for x in [*_tensors(args), *numbers]
    )


def singular(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The matrix has no inverse, or only for rounding."""
    x = _tensors(args)[0]
    if x.ndim < 2 or not np.isfinite(x).all() or 0 in x.shape:
        return True
    sizes = np.linalg.svd(x, compute_uv=False)
    return bool((sizes[..., -1] <= 1e-4 * sizes[..., 0]).any())


def indefinite(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The matrix has no Cholesky factor, which both results say."""
    return bool((values(ours[1]) > 0).any()) and bool((values(theirs[1]) > 0).any())


def unordered(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The first argument does not rise along its last dimension."""
    x = _tensors(args)[0]
    return bool((~(np.diff(x, axis=-1) >= 0)).any())


def below_one(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The first argument of ``zeta`` is somewhere below 1, or huge; elsewhere both agree."""
    s = np.broadcast_to(values(args[0]), tuple(theirs.shape))
    ours, theirs = values(ours), values(theirs)
    at = (s >= 1) & (s < 2.0**50)
    return bool((~at).any()) and bool(np.allclose(ours[at], theirs[at], 1e-3, 1e-3, equal_nan=True))


def equal_values(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The values are the same; our indices are of others that are equal, or NaN."""
    x, found, at = _tensors(args)[0], values(ours[0]), values(ours[1]).astype(int)
    along = range(x.ndim) if found.ndim == x.ndim else ()
    there = [np.take_along_axis(x, at, d) for d in along if _fits(x, at, d)]
    if found.ndim == x.ndim - 1:  # without the dimension
        there = [
            np.take_along_axis(x, np.expand_dims(at, d), d).squeeze(d)
            for d in range(x.ndim)
            if found.shape == x.shape[:d] + x.shape[d + 1 :]
        ]
    same = any(np.array_equal(found, t, equal_nan=True) for t in there) or not x.ndim
    return same and _close(ours[0], theirs[0])


def _fits(x: Any, at: Any, d: int) -> bool:
    others = [i for i in range(x.ndim) if i != d]
    return all(x.shape[i] == at.shape[i] for i in others) and bool((at < x.shape[d]).all())


def other_signs(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The same but for signs, where no two eigenvalues or singular values are nearly the same."""
    both = [(values(o), values(t)) for o, t in zip(ours, theirs)]
    alone = min((o for o, _ in both), key=lambda o: o.ndim)
    apart = np.abs(np.diff(np.sort(alone, axis=-1), axis=-1))
    near = bool((apart < 1e-2).any()) or bool((np.abs(alone) < 1e-2).any())
    return all(o.shape == t.shape for o, t in both) and (
        near or all(_close(np.abs(o), np.abs(t), 2e-2) for o, t in both)
    )


def other_order(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The same eigenvalues in another order."""
    a, b = (np.sort_complex(np.round(values(v[0]), 2)) for v in (ours, theirs))
    return infinite(args, ours, theirs) or bool(np.allclose(a, b, 2e-2, 2e-2))


def beyond_32_bits(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The second argument is somewhere more than 32 bits hold."""
    return bool((np.abs(values(args[1])) >= 2**31).any())


def beyond_64_bits(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The second argument is somewhere more than 64 bits hold; elsewhere both agree."""
    near = np.broadcast_to(np.abs(values(args[1])) < 2.0**63, values(theirs).shape)
    ours, theirs = values(ours)[near], values(theirs)[near]
    return not near.all() and bool(np.allclose(ours, theirs, 1e-3, 1e-3, equal_nan=True))


def without_phase(args: list[Any], ours: Any, theirs: Any) -> bool:
    """Degrees beside which an angle has no fractions left; elsewhere both agree."""
    near = np.broadcast_to(
        np.abs(values(args[1])) < (2.0**20 if theirs.dtype.itemsize == 4 else 2.0**49),
        values(theirs).shape,
    )
    ours, theirs = values(ours)[near], values(theirs)[near]
    return not near.all() and bool(np.allclose(ours, theirs, 1e-3, 1e-3, equal_nan=True))


def beyond(args: list[Any], ours: Any, theirs: Any) -> bool:
    """Where one result is no finite number the other is none, or huge; elsewhere both agree."""
    ours, theirs = values(ours), values(theirs)
    number = np.isfinite(ours) & np.isfinite(theirs)
    alone = np.where(np.isfinite(ours), ours, np.where(np.isfinite(theirs), theirs, np.inf))
    huge = np.abs(alone[~number]) > 1e4 if ours.shape == theirs.shape else np.array(False)
    return bool(huge.all()) and bool(np.allclose(ours[number], theirs[number], 1e-2, 1e-2))


def exponential(args: list[Any], ours: Any, theirs: Any) -> bool:
    """In half precision; ours is the sum of the powers, in double."""
    x = _tensors(args)[0]
    power = total = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for n in range(1, 200):
        power = power @ x / n
        total = total + power
    return ours.dtype.itemsize == 2 and _close(ours, total, 3e-2)


def drowned(args: list[Any], ours: Any, theirs: Any) -> bool:
    """A number among the arguments beside which single precision has no fractions left."""
    return any(isinstance(a, (int, float)) and abs(a) >= 2**23 for a in args)


def signs_of_nan(args: list[Any], ours: Any, theirs: Any) -> bool:
    """Only of NaN the signs differ."""
    there = ~np.isnan(_tensors(args)[0])
    return bool((values(ours) == values(theirs))[there].all())


def where_nan(args: list[Any], ours: Any, theirs: Any) -> bool:
    """Beside infinities; where PyTorch's result is a number ours is the same."""
    there = ~np.isnan(values(theirs))
    same = np.allclose(values(ours)[there], values(theirs)[there], 1e-3, 1e-3)
    return infinite(args, ours, theirs) and bool(same)


def far(args: list[Any], ours: Any, theirs: Any) -> bool:
    """Somewhere beyond a thousand, or infinite; elsewhere both agree."""
    near = np.abs(_tensors(args)[0]) < 1e3
    ours, theirs = values(ours)[near], values(theirs)[near]
    return not near.all() and bool(np.allclose(ours, theirs, 1e-3, 1e-3, equal_nan=True))


def at_pole(args: list[Any], ours: Any, theirs: Any) -> bool:
    """At infinities and whole numbers up to zero; elsewhere both agree."""
    x = _tensors(args)[0]
    there = np.isfinite(x) & ~((x <= 0) & (x == np.floor(x)))
    ours, theirs = values(ours)[there], values(theirs)[there]
    return not there.all() and bool(np.allclose(ours, theirs, 1e-3, 1e-3, equal_nan=True))


def no_channels(args: list[Any], ours: Any, theirs: Any) -> bool:
    """The weight has no channels to sum over, and the input none; ours is the empty sum, zero."""
    x, w = _tensors(args)[:2]
    empty = 0 in w.shape[1:2] and 0 in x.shape[-w.ndim + 1 : x.ndim - w.ndim + 2]
    return bool(empty and 0 in tuple(theirs.shape))


class Difference(NamedTuple):
    """``words``, ``names``, ``given``: as in a ``Reason``; ``check``: of arguments and results."""

    why: str
    words: str
    names: str
    given: str = ""
    check: Check | None = None


#: PyTorch's result requires a gradient, which is nothing, zero or missing.
_NO_GRADIENT = r"^requires_grad False, PyTorch's True"
_TYPE = r"^\w+\d, PyTorch's torch\.\w+$"
_COMPARISONS = r"(le|lt|eq|ne|ge|gt|less|less_equal|greater|greater_equal|not_equal)"

DIFFERING = (
    # gradients of what has none
    Difference("a comparison has no gradient", _NO_GRADIENT, rf"^Tensor\.{_COMPARISONS}_$"),
    Difference("counts have no gradient", _NO_GRADIENT, r"histogram(dd)?$"),
    Difference(
        "which values there are has no gradient; PyTorch says so in backward",
        _NO_GRADIENT,
        r"unique(_consecutive)?$|heaviside_?$",
    ),
    Difference("a draw has no gradient; PyTorch's is zero", _NO_GRADIENT,
               r"(^|\.)(bernoulli_?|normal|poisson|binomial)$"),
    Difference("a gradient of nothing", r"^requires_grad True, PyTorch's False", "",
               r"<\w+ \((\d+, )*0[,)]"),
    Difference("a derivative that PyTorch has not", r"^requires_grad True, PyTorch's False",
               r"special\.\w*(bessel_\w+|polynomial_\w+|airy_ai)$"),
    Difference("PyTorch makes an integer of 64 bits of a degree", r"nan|inf", r"polynomial_\w+$",
               "", beyond_32_bits),
    Difference("the cosine of an angle that is all rounding", r"", r"chebyshev_polynomial_\w+$", "",
               without_phase),
    Difference("a degree that 64 bits do not hold", r"", r"polynomial_\w+$", "", beyond_64_bits),
    Difference("a gradient of nothing, or of a copy", _NO_GRADIENT, r"vander$|put_?$|\.new$"),
    # what is chosen among equals
    Difference("which of several equal values the index is of", r"", r"(kthvalue|topk)$", "",
               equal_values),
    Difference("PyTorch's bfloat16 of NaN has another sign than the NaN", r"", r"signbit$",
               r"<bfloat16", signs_of_nan),
    Difference("the signs of vectors", r"", r"(svd|eigh|pca_lowrank|lobpcg)$", "", other_signs),
    Difference("the order of eigenvalues", r"", r"(eig|eigvals)$", "", other_order),
    Difference("where the boundaries are not in order", r"", r"searchsorted$", "", unordered),
    Difference("where the boundaries are not in order", r"", r"bucketize$", "",
               lambda args, ours, theirs: unordered(args[1:], ours, theirs)),
    # what is beyond numbers
    Difference("below 1, and near infinity, it goes on here, and is NaN in PyTorch", r"", r"zeta$",
               "", below_one),
    Difference(
        "of infinities and NaN, or numbers whose square is one",
        r"nan|inf|[+-]?\d",
        r"(hfft2|hfftn|irfftn|geqrf|eigh|gelu|std_mean|var_mean|sgn|rsub|__rsub__|renorm|logdet|eigvalsh|mode|"
        r"polynomial_\w+|householder_product|ldl_factor|ldl_factor_ex|ldl_solve|cosine_similarity|normalize|matrix_exp|std|var|qr|slogdet)_?$",
        "",
        infinite,
    ),
    Difference("PyTorch multiplies by alpha, 1 + 0j; infinity times 0 is NaN", r"inf\+?-?nanj",
               r"(add|sub|subtract|rsub)_?$|__[ri]?(add|sub)__$", r"<complex", infinite),
    Difference("of nothing, where PyTorch's functions differ among themselves", r"nan",
               r"(std|var)(_mean)?$", r"<\w+ \((\d+, )*0[,)]"),
    Difference("an order that single precision does not hold", r"nan|inf", r"polygamma_?$",
               r"\d{16}"),
    Difference("beyond what the type holds", r"nan|inf",
               r"(polygamma_?|matrix_exp|addbmm_?|polynomial_\w+)$", "", beyond),
    Difference("of a matrix that is singular but for rounding", r"",
               r"(inverse|inv|inv_ex|slogdet|lu|lu_factor|qr|logdet|det)$", "", singular),
    Difference("of a matrix that has no factor the result is undefined", r"", r"cholesky_ex$", "",
               indefinite),
    Difference("PyTorch's is no number, in half precision", r"nan|inf", r"matrix_exp$", "",
               exponential),
    Difference("weights of zero beside an infinity say nothing; PyTorch multiplies them, to NaN",
               r"nan|inf", r"(interpolate|upsample(_\w+)?)$", "", where_nan),
    Difference("far out, where PyTorch's is NaN or rounding", r"", r"airy_ai$", "", far),
    Difference("at a pole, or in the limit, where PyTorch's is NaN or what rounding leaves", r"",
               r"polygamma_?$", "", at_pole),
    Difference("a sum over no channels is zero for each channel of the result", r"^shape",
               r"conv[123]d$", "", no_channels),
    Difference("delta=inf gives NaN in PyTorch", r"nan", r"huber_loss$", r"\binf\b"),
    Difference("margin=nan", r"nan", r"multi_margin_loss$", r"\bnan\b"),
    Difference("of NaN; PyTorch leaves it out of the sum", r"nan", r"multi_margin_loss$", "",
               infinite),
    Difference("an eps beside which only rounding is left", r"", r"triplet_margin_loss$", "",
               drowned),
    Difference("of values at an edge, in half precision", r"", r"histc$", r"<b?float16"),
    Difference("an exponent of more than 32 bits", r"", r"ldexp_?$", "", beyond_32_bits),
    # types and shapes
    Difference("the common type of both arguments, or of all", _TYPE,
               r"(binary_cross_entropy|pack_sequence|pad_sequence|soft_margin_loss|"
               r"hinge_embedding_loss)$"),
    Difference("the common type with NumPy's booleans", _TYPE, r"sub(tract)?_?$", r"np\.(Tru|Fal)"),
    Difference("the shape of nothing", r"^shape", r"pixel_unshuffle$", r"<\w+ \((\d+, )*0[,)]"),
    Difference("an x of more dimensions lies along the last one", r"^shape", r"trapz$|trapezoid$"),
    # what there is none of
    Difference("NaN is what is looked for, when anything is", r"^False, PyTorch's True$",
               r"is_anomaly_check_nan_enabled$"),
    Difference("a sparse Tensor is a dense one here", r"^\d+, PyTorch's \d+$",
               r"(dense|sparse)_dim$"),
)  # fmt: skip


def reason(
    name: str, words: str, call: str, args: list[Any], ours: Any, theirs: Any
) -> Difference | None:
    """The first reason that covers a difference."""
    for d in DIFFERING:
        if not (
            re.search(d.names, name) and re.search(d.words, words) and re.search(d.given, call)
        ):
            continue
        with contextlib.suppress(Exception):  # of arguments that are not those of a good call
            if d.check is None or d.check(args, ours, theirs):
                return d
    return None
