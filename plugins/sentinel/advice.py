"""advice: what to write instead, by op and by what its inputs were."""

from __future__ import annotations

import math

from .ranges import Range
from .trace import Call

#: Ops that leave some of their input's values out, so that these get a gradient of zero.
MASKS = frozenset(
    ("where", "masked_fill", "masked_scatter", "getitem", "index_select", "masked_select",
     "take_along_dim", "gather", "relu", "clamp", "clip", "maximum", "minimum", "amax", "amin",
     "max", "min", "nan_to_num", "triu", "tril", "topk", "sort")
)  # fmt: skip

#: A value that an op and its derivative can stand, where it is not 1.
_SAFE = {"acos": "0.0", "asin": "0.0", "atanh": "0.0", "acosh": "2.0", "log1p": "0.0",
         "logit": "0.5", "erfinv": "0.0"}  # fmt: skip


#: What the user writes for ops that are called otherwise in the table.
_WRITTEN = {"pow_number": "pow"}

_LARGEST = {"float16": 65504.0, "bfloat16": 3.4e38, "float32": 3.4e38}
_DOUBLE = 1.797e308


def for_masked(op: str, mask: Call) -> list[str]:
    """The masked-branch pattern, and its rewrite."""
    where = f" ({mask.op} at {mask.where})"
    name = _WRITTEN.get(op, op)
    dangerous, result = ("y", "x / safe") if op == "div" else ("x", f"{name}(safe)")
    return [
        f"This is the masked branch: such values are left out later{where}, so the gradient that "
        "arrives for them is 0, and 0 times an infinite derivative is NaN. Mask what goes in as "
        "well, so that the derivative is finite there:",
        f"    safe = where(mask, {dangerous}, {_SAFE.get(op, '1.0')})",
        f"    where(mask, {result}, 0.0)",
    ]


def for_forward(op: str, inputs: list[Range], result: Range) -> list[str]:
    """What to write in place of a forward that made NaN or an infinity."""
    op = _WRITTEN.get(op, op)
    if result.half and _overflows(inputs, result):
        return _overflow(result)
    lowest = min((r.low for r in inputs if r.low is not None), default=0.0)
    if op in ("log", "log2", "log10") and lowest <= 0:
        return [
            "A logarithm of 0 is -inf, of a negative number NaN: keep its input away from 0 "
            "(`x.clamp(min=1e-8)`), or use what never leaves the logarithm (`log_softmax`, "
            "`logsigmoid`, `binary_cross_entropy_with_logits`)"
        ]
    if op in ("sqrt", "rsqrt") and lowest <= 0:
        return [f"`{op}` needs positive values: `x.clamp(min=0)`, or add a small eps inside"]
    if op in ("div", "reciprocal") and holds_zero(inputs[-1]):
        return ["The divisor holds 0: add a small eps to it, or divide where it is not 0 only"]
    if op == "pow" and lowest <= 0:
        return ["A power of 0 or of a negative number: keep the base positive (`clamp(min=eps)`)"]
    if op in ("exp", "expm1", "exp2", "cosh", "sinh"):
        return [f"`{op}` leaves float32 beyond about 88: subtract the maximum first, or use "
                "`softmax`, `logsumexp`, `softplus`"]  # fmt: skip
    if "softmax" in op:
        return ["A row in which everything is masked out (-inf) has no softmax: leave an entry in "
                "each, or mask with a large finite number (`-1e4`)"]  # fmt: skip
    return _overflow(result) if _overflows(inputs, result) else []


def for_backward(op: str, inputs: list[Range], result: Range | None) -> list[str]:
    """What to write in place of an op whose derivative was not finite."""
    op = _WRITTEN.get(op, op)
    if result is not None and result.half and _overflows(inputs, result):
        return _overflow(result)
    if op in ("sqrt", "pow", "norm", "std", "cdist"):
        return [f"The derivative of `{op}` is infinite at 0: add a small eps inside "
                "(`(x + 1e-12).sqrt()`)"]  # fmt: skip
    if op in ("div", "reciprocal", "log", "log2", "log10", "rsqrt"):
        return ["The derivative is infinite at 0: keep the input away from 0 "
                "(`x.clamp(min=eps)`)"]  # fmt: skip
    if op in ("acos", "asin", "atanh"):
        return [f"The derivative of `{op}` is infinite at ±1: `x.clamp(-1 + 1e-6, 1 - 1e-6)`"]
    return []


def for_given(kind: str) -> list[str]:
    """What to do about a value that came in bad."""
    return {
        "argument": ["The batch itself is not finite: look at how it was read and normalised"],
        "parameter": [
            "A parameter is not finite before the step: an earlier update made it so (watch from "
            "the first step on; smaller learning rate, `clip_grad_norm_`), or it was loaded so"
        ],
        "buffer": ["A buffer is not finite before the step: an earlier forward wrote it"],
    }.get(kind, [])


def _overflows(inputs: list[Range], result: Range) -> bool:
    """Finite inputs, and a result that is infinite, or NaN where their squares would be inf."""
    if any(r.bad for r in inputs):
        return False
    largest = max([abs(v) for r in inputs for v in (r.low, r.high) if v is not None], default=0.0)
    return bool(result.inf) or largest > math.sqrt(_LARGEST.get(result.dtype, _DOUBLE))


def _overflow(result: Range) -> list[str]:
    end = f"Overflow: {result.dtype} ends at {_LARGEST.get(result.dtype, _DOUBLE):.5g}. "
    if result.half:
        return [
            f"{end}Compute this in float32 (`with ad.autocast(device, enabled=False)`, "
            "`.float()`), or use bfloat16, which has float32's range, or scale the values down"
        ]
    return [f"{end}What goes in has grown too large: a smaller learning rate, clipping, or a "
            "normalisation before it"]  # fmt: skip


def holds_zero(seen: Range) -> bool:
    """Whether zero is between the lowest and the highest value."""
    return seen.low is not None and seen.high is not None and seen.low <= 0 <= seen.high
