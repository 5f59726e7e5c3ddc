"""ranges: an op on odd layouts and values: strides, empty dimensions, NaN and infinity."""

from __future__ import annotations

import math
from typing import Any

from .. import backend as backends
from .. import dtypes
from ..op import Op
from ..samples import Arr, Sample
from ..tensor import Tensor, wrap
from . import reference
from .arguments import make_args
from .checks import REFUSALS, called, is_float, narrowest
from .compare import assert_close, assert_same_bits, host, tolerance_of


def check_strides(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Arrays with gaps, reversed or transposed give what compact ones give, and so backward."""
    plain, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    if called(op, plain, keywords, dtype) is None:
        return
    outs, grads = reference.vjp(op, plain, keywords, seed=seed)
    rtol, atol = tolerance_of(narrowest(plain, outs), order=1)
    for layout in (_gaps, _reversed, _transposed):
        args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
        try:
            for a in args:
                if isinstance(a, Tensor) and a.ndim:
                    a._data = layout(a._backend, a._data)
        except REFUSALS:
            continue  # a library without negative strides has no such arrays
        moved, moved_grads = reference.vjp(op, args, keywords, seed=seed)
        assert_close(
            [*moved, *moved_grads], [*outs, *grads], rtol=rtol, atol=atol, equal_nan=True,
            msg=lambda text, layout=layout: f"{op.name} with {layout.__name__[1:]}: {text}",
        )  # fmt: skip


def _gaps(adapter: Any, array: Any) -> Any:
    xp = adapter.xp
    doubled = xp.concat([xp.expand_dims(array, axis=-1)] * 2, axis=-1)
    return xp.reshape(doubled, (*array.shape[:-1], 2 * array.shape[-1]))[..., ::2]


def _reversed(adapter: Any, array: Any) -> Any:
    every = (slice(None, None, -1),) * array.ndim
    return adapter.asarray(array[every])[every]


def _transposed(adapter: Any, array: Any) -> Any:
    order = tuple(range(array.ndim))[::-1]
    xp = adapter.xp
    turned = adapter.asarray(xp.permute_dims(array, order))
    return xp.permute_dims(xp.reshape(xp.reshape(turned, (-1,)), turned.shape), order)


def check_broadcasting(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """Broadcast inputs give what the same inputs give when they are spread out beforehand."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    shapes = [tuple(a.shape) for a in args if isinstance(a, Tensor)]
    outs = called(op, args, keywords, dtype)
    common = _broadcast(shapes)
    if outs is None or common is None or len(set(shapes)) < 2:
        return
    if tuple(outs[0].shape) != common:
        return  # not an elementwise op
    spread = [
        wrap(a._backend.asarray(a._backend.xp.broadcast_to(a._data, common)))
        if isinstance(a, Tensor)
        else a
        for a in args
    ]
    try:
        wanted = reference.outputs(op, spread, keywords)
    except REFUSALS:
        return  # an input that may not have this shape, such as a scalar's
    rtol, atol = tolerance_of(narrowest(args, outs))
    assert_close(outs, wanted, rtol=rtol, atol=atol, equal_nan=True)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    out: list[int] = []
    for i in range(1, max(map(len, shapes), default=0) + 1):
        sizes = {s[-i] for s in shapes if len(s) >= i} - {1}
        if len(sizes) > 1:
            return None
        out.insert(0, sizes.pop() if sizes else 1)
    return tuple(out)


def check_empty(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Where a length becomes 0, the op gives what its float64 reference gives, and so backward.

    Every length that occurs in the sample is tried. Where the reference refuses, the op must too.
    """
    lengths = sorted({n for a in sample.args if isinstance(a, Arr) for n in a.shape if n})
    for length in lengths:
        if any(_tells(v, length) for v in sample.keywords.values()):
            continue
        emptied = Sample(
            tuple(
                a._replace(shape=tuple(0 if n == length else n for n in a.shape))
                if isinstance(a, Arr)
                else a
                for a in sample.args
            ),
            sample.keywords,
        )
        args, keywords = make_args(emptied, backend=backend, dtype=dtype, seed=seed)
        wide = reference.as_float64(args, emptied)
        try:
            wanted = reference.value(op, wide, keywords, backend)
        except Exception:
            _must_refuse(op, args, keywords, f"length {length} made 0")
            continue
        try:
            outs = called(op, args, keywords, dtype)
        except IndexError:
            continue  # an index into what is no longer there
        if outs is None:
            continue
        assert_close(
            outs, wanted, rtol=1e-2, atol=1e-2, equal_nan=True, check_device=False,
            check_dtype=False, msg=lambda text, n=length: f"length {n} made 0: {text}",
        )  # fmt: skip
        _, found = reference.vjp(op, args, keywords, seed=seed)
        for x, g in zip(reference.varied(op, args), found):
            assert g is None or g.shape == x.shape, (
                f"length {length} made 0: gradient of shape {g.shape} for {x.shape}"
            )


def _tells(keyword: Any, length: int) -> bool:
    """Whether a keyword is a shape or a slice, which would contradict the emptied array."""
    return isinstance(keyword, tuple) and any(n == length or isinstance(n, slice) for n in keyword)


def _must_refuse(op: Op, args: Any, keywords: Any, what: str) -> None:
    try:
        outs = reference.outputs(op, args, keywords)
    except (*REFUSALS, IndexError):
        return
    raise AssertionError(
        f"{what}: the reference refuses, {op.name} gave {[tuple(o.shape) for o in outs]}"
    )


def check_nonfinite(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """NaN and infinity come out exactly where they do in float64.

    Not of the ops that only rules call (``gelu_backward``): where a forward's result cannot be
    infinite, a kernel need not say what would become of it if it were.
    """
    if not is_float(dtype) or op.name.endswith("_backward"):
        return
    for i, a in enumerate(sample.args):
        if not isinstance(a, Arr) or a.kind != "float" or 0 in a.shape or a.ordered:
            continue
        for special in (math.nan, math.inf, -math.inf):
            args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
            # What is drawn may leave the first value out.
            args[i]._data[... if reference.draws(op) else (0,) * len(a.shape)] = special
            try:
                wanted = reference.value(op, reference.widened(args), keywords, backend)
            except REFUSALS:
                _must_refuse(op, args, keywords, f"{special} in argument {i}")
                continue
            outs = reference.outputs(op, args, keywords)
            rtol, atol = tolerance_of(narrowest(args, outs))
            assert_close(
                outs, wanted, rtol=rtol, atol=atol, equal_nan=True, check_device=False,
                check_dtype=False,
                msg=lambda text, i=i, s=special: f"{s} in argument {i} of {op.name}: {text}",
            )  # fmt: skip


def check_untouched(
    op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0
) -> None:
    """Neither the forward nor the backward writes into an input, an output or a gradient."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    if op.mutates or called(op, args, keywords, dtype) is None:
        return
    copies = [wrap(a._backend.asarray(a._data)) if isinstance(a, Tensor) else a for a in args]
    over = reference.varied(op, args)
    for a in over:
        a.requires_grad_()
    outs = reference.outputs(op, args, keywords)
    before = [wrap(o._backend.asarray(o._data)) for o in outs]
    if is_float(dtype) and over:
        from .. import autograd
        from .arguments import cotangents

        ends = [o for o in outs[: op.differentiable] if o.requires_grad]
        seeds = cotangents(ends)
        kept = [wrap(s._backend.asarray(s._data)) for s in seeds]
        if ends:
            with reference.quiet():
                found = autograd.grad(ends, over, seeds, allow_unused=True)
            for s, k in zip(seeds, kept):
                assert_same_bits(s, k, f"the gradient given to {op.name} after its backward")
            del found
    for i, (a, c) in enumerate(zip(args, copies)):
        if isinstance(a, Tensor):
            assert_same_bits(a, c, f"argument {i} of {op.name} after forward and backward")
    for o, b in zip(outs, before):
        assert_same_bits(o, b, f"an output of {op.name} after its backward")


def check_memory(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Only an op that is declared a view shares memory with its first input; none with another."""
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    outs = called(op, args, keywords, dtype)
    if outs is None or op.mutates:
        return
    shares = backends.get(backend).shares
    for i, a in enumerate(args):
        if not isinstance(a, Tensor) or not a.numel() or (op.view and i == 0):
            continue
        for name, o in zip(op.outputs, outs):
            assert not shares(o._data, a._data), (
                f"{op.name}: {name} shares memory with argument {i}, so a write into one would be "
                "one into the other; copy it, or declare the op with view=True"
            )


def check_host(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """Arguments come back from the backend's ``to_host`` as they were given to ``asarray``."""
    args, _ = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    adapter = backends.get(backend)
    for a in args:
        if isinstance(a, Tensor):
            again = adapter.asarray(host(a), dtype=a._data.dtype)
            assert_same_bits(wrap(again), a, f"{backend}: asarray(to_host(array))")
