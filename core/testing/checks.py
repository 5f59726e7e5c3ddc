"""checks: one function a property of an op; each raises ``AssertionError`` and says where.

All have the form ``check(op, sample, backend, dtype, seed)``, and do nothing where the property has
no meaning (a gradient of a comparison). What is tried on odd ranges and layouts is in ``ranges``.
"""

from __future__ import annotations

from typing import Any

from .. import autograd, dtypes, random
from .. import backend as backends
from ..capturing import capture
from ..errors import DtypeError
from ..op import EQUAL, FLOAT, KEEP, Op
from ..samples import Arr, Sample
from ..tensor import Tensor
from . import reference
from .arguments import cotangents, make_args
from .compare import assert_close, assert_same_bits, host, tolerance_of

REFUSALS = (RuntimeError, TypeError, ValueError, NotImplementedError)


def is_float(dtype: dtypes.dtype) -> bool:
    """Whether gradients exist in this dtype."""
    return dtype.is_floating_point


def called(op: Op, args: list[Any], keywords: Any, dtype: dtypes.dtype) -> list[Tensor] | None:
    """The outputs; None if the op refuses integers, as it may."""
    try:
        return reference.outputs(op, args, keywords)
    except REFUSALS:
        if is_float(dtype):
            raise
        return None


def check_value(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Each output equals the declared forward in float64, within ``tolerance_of(dtype)``."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    outs = called(op, args, keywords, dtype)
    if outs is None:
        return
    wide = reference.as_float64(args, sample)
    wanted = reference.value(op, wide, keywords, backend)
    rtol, atol = tolerance_of(narrowest(args, outs))
    assert_close(
        outs, wanted, rtol=rtol, atol=atol, equal_nan=True, check_device=False, check_dtype=False
    )


def narrowest(args: list[Any], outs: list[Tensor]) -> dtypes.dtype:
    """The least precise floating type that takes part."""
    kinds = [t.dtype for t in (*args, *outs) if isinstance(t, Tensor) and t.dtype.category >= 2]
    order = list(_EPS)
    return max(kinds, key=lambda k: order.index(k.name), default=dtypes.int64)


_EPS = ("float64", "complex128", "float32", "complex64", "float16", "bfloat16")


def check_gradient(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """The gradients equal those of the op in float64 on the host."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    if not is_float(dtype) or not reference.varied(op, args):
        return
    wide = reference.widened(args)
    outs, found = reference.vjp(op, args, keywords, seed=seed)
    with reference.drawing_as(backend):
        _, wanted = reference.vjp(op, wide, keywords, seed=seed)
    rtol, atol = tolerance_of(narrowest(args, outs), order=1)
    for i, (g, w, a) in enumerate(zip(found, wanted, reference.varied(op, args))):
        what = f"gradient {i} of {op.name}"
        assert (g is None) == (w is None), f"{what}: is {g}, in float64 {w}"
        if g is None:
            continue
        assert g.shape == a.shape, f"{what}: shape {g.shape} for an input of shape {a.shape}"
        assert g.dtype is a.dtype, f"{what}: dtype {g.dtype} for an input of dtype {a.dtype}"
        size = max(1.0, float(abs(host(w)).max()) if w is not None and w.numel() else 1.0)
        assert_close(
            g, w, rtol=rtol, atol=atol * size, equal_nan=True, check_device=False,
            check_dtype=False, msg=lambda text, what=what: f"{what}: {text}",
        )  # fmt: skip


def check_gradcheck(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """The gradients equal finite differences (float64 only)."""

    def first(function: Any, args: Any) -> None:
        autograd.gradcheck(function, args, fast_mode=_is_large(args))

    _differences(first, op, sample, backend, dtype, seed)


def _is_large(args: list[Any]) -> bool:
    """Whether differences by each element would take long; then one random direction serves."""
    return sum(a.numel() for a in args if isinstance(a, Tensor)) > 150


def check_gradgradcheck(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """The second derivatives equal finite differences of the first (float64 only)."""

    def second(function: Any, args: Any) -> None:
        outs = function(*args)
        if any(t.dtype.is_complex for t in (*outs, *args) if isinstance(t, Tensor)):
            return  # tests/test_torch_complex.py compares those with PyTorch
        if any(_recorded_twice(o, args) for o in outs if o.requires_grad):
            seeds = cotangents_of(outs)
            autograd.gradgradcheck(function, args, seeds, fast_mode=_is_large([*args, *seeds]))

    _differences(second, op, sample, backend, dtype, seed)


def cotangents_of(outs: list[Tensor]) -> list[Tensor]:
    """Gradients of the outputs that themselves require a gradient."""
    seeds = cotangents([o for o in outs if o.requires_grad and o.dtype.is_floating_point], 1)
    return [s.requires_grad_() for s in seeds]


def _recorded_twice(out: Tensor, args: Any) -> bool:
    """Whether the first derivative depends on anything: ZERO rules give none at all."""
    over = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
    found = autograd.grad(
        out, over, cotangents_of([out]), create_graph=True, allow_unused=True, retain_graph=True
    )
    return any(g is not None for g in found)


def _differences(
    check: Any, op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int
) -> None:
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    over = reference.varied(op, args)
    if dtype is not dtypes.float64 or not over:
        return
    for a in over:
        a.requires_grad_()

    def function(*arrays: Any) -> tuple[Tensor, ...]:
        return tuple(reference.outputs(op, list(arrays), keywords)[: op.differentiable])

    if any(is_float(o.dtype) or o.dtype.is_complex for o in function(*args)):
        with random.replayed_keys([]):  # an op may draw only from the keys it is given
            check(function, args)


def check_readings(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """A rule over arrays and over Tensors (``create_graph``) gives the same bits.

    In bfloat16 the same values but for rounding, unless the backend has its rules played by ops: a
    library may make float32 of it beside a Python number, so that over arrays a rule is rounded
    once, at its end, and over Tensors at each op.
    """
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    if not is_float(dtype) or not reference.varied(op, args):
        return
    _, fast = reference.vjp(op, args, keywords, seed=seed)
    _, slow = reference.vjp(op, args, keywords, seed=seed, create_graph=True)
    for i, (a, b) in enumerate(zip(fast, slow)):
        what = f"gradient {i} of {op.name}, over arrays and over Tensors"
        assert (a is None) == (b is None), f"{what}: {a} and {b}"
        if a is not None and b is not None:
            if dtype is dtypes.bfloat16 and not backends.get(backend).halves_by_ops:
                rtol, atol = tolerance_of(dtype)
                assert_close(a, b, rtol=rtol, atol=atol)
            else:
                assert_same_bits(a, b, what)


def check_captured(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """The third reading: captured with its backward, and replayed on new data, the same bits."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    if op.mutates or called(op, args, keywords, dtype) is None:
        return

    def step(*tensors: Tensor) -> tuple[Tensor, ...]:
        left = iter(tensors)
        given = [next(left) if isinstance(a, Tensor) else a for a in args]
        outs, grads = reference.vjp(op, given, keywords)
        return (*(o.detach() for o in outs), *(g for g in grads if g is not None))

    captured = capture(step)
    for k in range(4):
        fresh, _ = make_args(sample, backend=backend, dtype=dtype, seed=seed + k)
        new = [a for a in fresh if isinstance(a, Tensor)]
        with reference.quiet():
            found = captured(*new)
        if k == 3:
            assert captured.replays, f"{op.name} is recorded again and again"
            for i, (a, b) in enumerate(zip(found, step(*[a.detach() for a in new]))):
                assert_same_bits(a, b, f"result {i} of {op.name}, replayed and computed")


def check_outputs(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Outputs and gradients hold the backend's own array class, in the dtype of the policy."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    outs = called(op, args, keywords, dtype)
    if outs is None:
        return
    cls = backends.get(backend).array_type
    for o in outs:
        assert isinstance(o, Tensor), f"{op.name} returned {type(o).__name__}, not a Tensor"
        assert o._data.__class__ is cls, (
            f"{op.name} returned a Tensor of {o._data.__class__.__name__}, not {cls.__name__}"
        )
    assert len(outs) == len(op.outputs), f"{op.name} has {len(outs)} outputs, declared {op.outputs}"
    if "dtype" not in keywords:
        _check_policy(op, sample, args, outs, dtype)
    if is_float(dtype):
        _, found = reference.vjp(op, args, keywords, seed=seed)
        for g in found:
            assert g is None or g._data.__class__ is cls, (
                f"a gradient of {op.name} holds a {g._data.__class__.__name__}, not {cls.__name__}"
            )


def _check_policy(
    op: Op, sample: Sample, args: list[Any], outs: list[Tensor], dtype: dtypes.dtype
) -> None:
    """SAME and KEEP: the dtype of the floating inputs. FLOAT: that, or the default for integers.

    What an op of half precision keeps for its backward beside the result may be float32.
    """
    under_test = [a for a in sample.args if isinstance(a, Arr) and a.kind == "float"]
    if not under_test:
        return
    default = dtypes.get_default_dtype()
    for place, o in enumerate(outs[: op.differentiable]):
        kind = o.dtype
        if place and kind is dtypes.float32 and is_float(dtype) and dtype.itemsize == 2:
            continue
        if is_float(dtype):
            if kind.is_floating_point:
                assert kind is dtype, f"{op.name} of {dtype} gave {kind} (policy {op.dtype})"
        elif op.dtype is FLOAT:
            assert kind is default, f"{op.name} of {dtype} gave {kind}, not the default {default}"
        else:
            allowed = (dtype, dtypes.int64, dtypes.bool_, default)
            assert kind in allowed, f"{op.name} of {dtype} gave {kind} (policy {op.dtype})"


def _check_refused(op: Op, args: list[Any], keywords: dict[str, Any], told: str) -> None:
    try:
        op.call(*args, **keywords)
    except DtypeError:
        return
    raise AssertionError(f"{op.name} takes only inputs of one type, but took {told}")


#: Pairs for the mixed-type check, with the common type that PyTorch's rules give.
_MIXES = (
    ("float32", "float64"), ("float64", "float32"), ("float16", "float32"),
    ("bfloat16", "float16"), ("int64", "float32"), ("float32", "int32"), ("float16", "int64"),
)  # fmt: skip


def check_mixed(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Inputs of different types meet in their common type, or are refused; gradients keep them."""
    places = [i for i, a in enumerate(sample.args) if isinstance(a, Arr) and a.kind == "float"]
    if dtype is not dtypes.float64 or op.dtype is KEEP or len(places) < 2 or op.mutates:
        return
    adapter = backends.get(backend)
    for first, second in _MIXES:
        a, b = dtypes.BY_NAME[first], dtypes.BY_NAME[second]
        if a.name in adapter.unsupported_dtypes or b.name in adapter.unsupported_dtypes:
            continue
        args, keywords = make_args(sample, backend=backend, dtype=a, seed=seed)
        other, _ = make_args(sample, backend=backend, dtype=b, seed=seed)
        args[places[-1]] = other[places[-1]]
        shapes = [args[i].ndim for i in places]
        if min(shapes) != max(shapes) and 0 in shapes:
            continue  # a zero-dimensional array takes part by category only
        common = dtypes.promote_types(a, b)
        if op.dtype is EQUAL:
            _check_refused(op, args, keywords, f"{first} and {second}")
            continue
        outs, found = reference.vjp(op, args, keywords, seed=seed)
        if outs[0].dtype.is_floating_point:
            assert outs[0].dtype is common, (
                f"{op.name} of {first} and {second} gave {outs[0].dtype}, not {common}"
            )
        for x, g in zip(reference.varied(op, args), found):
            assert g is None or g.dtype is x.dtype, (
                f"{op.name} of {first} and {second}: a gradient of {g.dtype} for {x.dtype}"
            )
