"""namespace: the public functions, under PyTorch's names.

An op's own call takes what its forward takes; where PyTorch's signature is friendlier, the function
here is the friendly one. Every public name here becomes ``anadrome.<name>``.
"""

from __future__ import annotations

from math import e, inf, nan, pi

from . import filling
from .creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    scalar_tensor,
    tensor,
    zeros,
    zeros_like,
)
from .dtypes import can_cast, cdouble, cfloat
from .exchange import asarray, from_dlpack
from .facts import (
    get_device,
    is_floating_point,
    is_inference,
    is_nonzero,
    is_same_size,
    is_signed,
    is_storage,
    is_tensor,
    numel,
    result_type,
    typename,
)
from .functional import (
    add,
    allclose,
    dist,
    div,
    einsum,
    equal,
    fill,
    isclose,
    sub,
    subtract,
)
from .layouts import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .ops.activation import relu, sigmoid
from .ops.arithmetic import _pow as pow
from .ops.arithmetic import (
    addcdiv,
    addcmul,
    atan2,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    eq,
    floor_divide,
    ge,
    gt,
    le,
    lerp,
    logaddexp,
    logaddexp2,
    logical_and,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    remainder,
)
from .ops.arranging import (
    cartesian_prod,
    combinations,
    flip,
    fliplr,
    flipud,
    meshgrid,
    repeat_interleave,
    roll,
    rot90,
    tile,
    tril,
    triu,
)
from .ops.complex import _complex as complex
from .ops.complex import _conj as conj
from .ops.complex import _conj as conj_physical
from .ops.complex import _imag as imag
from .ops.complex import _is_complex as is_complex
from .ops.complex import _itself as resolve_conj
from .ops.complex import _itself as resolve_neg
from .ops.complex import _never as is_conj
from .ops.complex import _never as is_neg
from .ops.complex import _real as real
from .ops.complex import _view_as_complex as view_as_complex
from .ops.complex import _view_as_real as view_as_real
from .ops.complex import adjoint, angle, isreal, polar, sgn
from .ops.contractions import (
    addbmm,
    addmv,
    addr,
    baddbmm,
    cross,
    inner,
    kron,
    tensordot,
    trace,
)
from .ops.convert import clone
from .ops.counting import bincount, histc
from .ops.diagonal import (
    diag,
    diag_embed,
    diagflat,
    diagonal,
    tril_indices,
    triu_indices,
)
from .ops.distinct import unique, unique_consecutive
from .ops.elementary import acosh, asinh, atanh, exp2, frac, signbit
from .ops.elementwise import (
    abs,
    acos,
    asin,
    atan,
    ceil,
    cos,
    cosh,
    erf,
    exp,
    expm1,
    floor,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    log2,
    log10,
    logical_not,
    nan_to_num,
    neg,
    reciprocal,
    round,
    rsqrt,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
)
from .ops.extremes import amax, amin, aminmax, argmax, argmin, max, min
from .ops.indexing import index_select, narrow, select
from .ops.joining import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    cat,
    column_stack,
    dstack,
    hstack,
    stack,
    vstack,
)
from .ops.masking import _where as where
from .ops.masking import argwhere, masked_fill, masked_scatter, masked_select, nonzero
from .ops.norms import norm
from .ops.pairs import (
    bitwise_left_shift,
    bitwise_right_shift,
    copysign,
    fmax,
    fmin,
    fmod,
    gcd,
    heaviside,
    hypot,
)
from .ops.placing import gather, put, scatter, scatter_add, scatter_reduce, take, take_along_dim
from .ops.products import _addmm_form as addmm
from .ops.products import _bmm as bmm
from .ops.products import _dot as dot
from .ops.products import _mm as mm
from .ops.products import _mv as mv
from .ops.products import _outer as ger
from .ops.products import _outer as outer
from .ops.products import matmul_form as matmul
from .ops.products import vdot
from .ops.quantiles import median, nanmedian, nanquantile, quantile
from .ops.reduce import _meaned as mean
from .ops.reduce import _summed as sum
from .ops.reduce import all, any, count_nonzero, logsumexp, nanmean, nansum, prod
from .ops.scan import cummax, cummin, cumprod, cumsum, diff, logcumsumexp
from .ops.shape import _swap_axes as swapaxes
from .ops.shape import (
    broadcast_shapes,
    broadcast_tensors,
    broadcast_to,
    flatten,
    movedim,
    permute,
    ravel,
    reshape,
    squeeze,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .ops.slices import (
    diagonal_scatter,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_put_,
    index_reduce,
    select_scatter,
    slice_scatter,
)
from .ops.sorting import (
    argsort,
    bucketize,
    isin,
    kthvalue,
    mode,
    msort,
    searchsorted,
    sort,
    topk,
)
from .ops.special import digamma, erfc, erfinv, lgamma, logit, sinc, xlogy
from .ops.splitting import (
    chunk,
    dsplit,
    hsplit,
    split,
    split_with_sizes,
    tensor_split,
    unbind,
    vsplit,
)
from .ops.statistics import std, std_mean, var, var_mean
from .ops.strided import as_strided
from .pointwise import (
    absolute,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    clamp,
    clamp_max,
    clamp_min,
    clip,
    deg2rad,
    fix,
    float_power,
    greater,
    greater_equal,
    isneginf,
    isposinf,
    lcm,
    ldexp,
    less,
    less_equal,
    negative,
    not_equal,
    polygamma,
    positive,
    rad2deg,
    rsub,
)
from .ranges import range
from .refusals import refusing as _refusing
from .tensor import Tensor

multiply, divide, concat = mul, div, cat
concatenate, moveaxis, swapdims, row_stack = cat, movedim, transpose, vstack
true_divide = div
newaxis = None

from .nn._activations import _log_softmax as log_softmax
from .nn._activations import _softmax as softmax

# PyTorch has most in-place forms as functions too: ``relu_(x)``, ``exp_(x)``.
_IN_PLACE = """abs addmv as_strided acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin
    asinh atan atanh ceil clamp clamp_max clamp_min clip cos cosh deg2rad detach erf erfc exp exp2
    expm1 fill fix floor frac gcd lcm ldexp log log10 log1p log2 logit nan_to_num neg negative
    rad2deg reciprocal round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero"""
globals().update({f"{_name}_": getattr(Tensor, f"{_name}_") for _name in _IN_PLACE.split()})
detach, detach_ = _refusing(Tensor.detach), _refusing(Tensor.detach_)
