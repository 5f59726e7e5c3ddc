"""namespace: the public functions, under PyTorch's names.

An op's own call takes what its forward takes; where PyTorch's signature is friendlier, the function
here is the friendly one. Every public name here becomes ``anadrome.<name>``.
"""

from __future__ import annotations

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
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .functional import (
    add,
    allclose,
    clamp_max,
    clamp_min,
    div,
    einsum,
    equal,
    isclose,
    sub,
)
from .ops.activation import relu, sigmoid
from .ops.arithmetic import (
    addcdiv,
    addcmul,
    atan2,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    clamp,
    eq,
    floor_divide,
    ge,
    gt,
    le,
    lerp,
    logaddexp,
    logical_and,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    pow,
    remainder,
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
from .ops.convert import clone
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
from .ops.indexing import _gather as gather
from .ops.indexing import _where as where
from .ops.indexing import (
    index_select,
    masked_fill,
    masked_select,
    narrow,
    nonzero,
    select,
)
from .ops.joining import cat, chunk, split, stack, unbind
from .ops.products import _addmm_form as addmm
from .ops.products import _bmm as bmm
from .ops.products import _dot as dot
from .ops.products import _mm as mm
from .ops.products import _mv as mv
from .ops.products import _outer as outer
from .ops.products import matmul
from .ops.reduce import _meaned as mean
from .ops.reduce import _summed as sum
from .ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumsum,
    logsumexp,
    max,
    min,
    norm,
    prod,
    std,
)
from .ops.reduce import variance as var
from .ops.shape import (
    broadcast_to,
    flatten,
    flip,
    movedim,
    permute,
    reshape,
    roll,
    squeeze,
    t,
    transpose,
    tril,
    triu,
    unflatten,
    unsqueeze,
)

multiply, subtract, divide, concat = mul, sub, div, cat

from .nn.functional import log_softmax, softmax
