"""valuewise: functions value by value, which know nothing of the structure."""

from __future__ import annotations

from typing import Any

from anadrome import Tensor

#: The functions and methods, by name; those in place have an underscore more.
_BASES = """
    abs absolute acos acosh add addcdiv addcmul alpha_dropout angle arccos arcsin arctan arctan2
    asin asinh atan atan2 atanh bernoulli bfloat16 bitwise_and bitwise_not bitwise_or bitwise_xor
    bool byte ceil celu char clamp clamp_max clamp_min clip clone conj contiguous copysign cos cosh
    cpu cuda deg2rad digamma div divide double dropout elu empty_like eq erf erfc erfinv exp exp2
    expit expm1 feature_alpha_dropout fill float float_power floor floor_divide fmax fmin fmod frac
    full_like ge gelu greater greater_equal gt half hardshrink hardsigmoid hardswish hardtanh
    heaviside hypot imag int isfinite isinf isnan le leaky_relu lerp less less_equal lgamma log
    log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit
    logsigmoid long lt masked_fill maximum minimum mish mul multiply nan_to_num ne neg negative
    not_equal ones_like positive pow rad2deg rand_like randn_like real reciprocal relu relu6
    remainder round rrelu rsqrt rsub selu sgn short sigmoid sign signbit silu sin sinc sinh softplus
    softshrink softsign sqrt square sub subtract tan tanh tanhshrink threshold to true_divide trunc
    type type_as where xlogy zero zeros_like
"""
_OPERATORS = """
    add sub mul truediv floordiv mod pow and or xor eq ne lt le gt ge radd rsub rmul rtruediv
    rfloordiv rmod rpow rand ror rxor iadd isub imul itruediv iand ior ixor neg pos abs invert
"""
NAMES = frozenset(
    [
        *_BASES.split(),
        *[f"{name}_" for name in _BASES.split()],
        *[f"__{name}__" for name in _OPERATORS.split()],
        "copy_",
        "normal_",
        "uniform_",
    ]
)


def call(func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The function of the packed values; its result has the structure of what it was given.

    Written in place, the nested tensor itself is returned.
    """
    from .base import NestedTensor, _name

    nested = [v for v in (*args, *keywords.values()) if isinstance(v, NestedTensor)]
    if not nested:
        raise NotImplementedError(f"{_name(func)}() takes no list of nested tensors")
    first = max(nested, key=lambda v: v.packed().ndim)

    def beside(value: Any) -> Any:
        return first.against(value) if isinstance(value, Tensor) else value

    name = _name(func)
    writes = (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
    if writes and name != "__invert__" and isinstance(args[0], NestedTensor):
        func(args[0], *map(beside, args[1:]), **{k: beside(v) for k, v in keywords.items()})
        return args[0]
    if name in ("to", "type_as"):  # another tensor says where to, and is no operand
        args = (args[0], *[v.packed() if isinstance(v, NestedTensor) else v for v in args[1:]])
        return args[0].like(func(args[0].packed(), *args[1:], **keywords))
    found = func(*map(beside, args), **{k: beside(v) for k, v in keywords.items()})
    return first.like(found)
