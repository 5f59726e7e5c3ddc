"""Where PyTorch's list of autocast ops for the CPU differs from its list for CUDA.

The `amp=` of an op is its class on CUDA. PyTorch's CPU list holds fewer ops: those below run there
in the type they are given. (`mv` is not in it either; it is HALF here, because `matrix @ vector`
is, and is the same op.)
"""

from __future__ import annotations

AS_GIVEN_ON_CPU = frozenset(
    (
        "acos", "asin", "cosh", "exp", "expm1", "log", "log10", "log1p", "log2", "reciprocal",
        "rsqrt", "sinh", "square", "tan", "pow_number", "pow_tensor",
        "softmax", "log_softmax", "softplus", "layer_norm",
        "sum", "cumsum", "logsumexp", "norm2",
        "addcdiv", "addcmul", "addmv", "addr", "atan2", "dot", "index_put",
    )
)  # fmt: skip

#: Device type to the names of the ops that autocast leaves alone there.
AS_GIVEN = {"cpu": AS_GIVEN_ON_CPU}
