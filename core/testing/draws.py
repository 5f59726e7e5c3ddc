"""draws: what a backend makes of a random key, judged by what must hold of any generator.

Two backends need not draw the same numbers, so there is no reference but the law that is drawn
from, and that an array depends on its key alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from .. import backend as backends
from .. import dtypes
from ..op import Op
from ..samples import Sample
from ..tensor import wrap
from . import reference
from .arguments import make_args
from .checks import called, is_float
from .compare import assert_same_bits, host

#: Values that a law is judged by; what is measured may be off by so many standard deviations.
COUNT, SIGMAS = 4096, 6
#: From small to what needs all 64 bits of the seed.
KEYS = ((0, 0), (7, 1), (2**64 - 2, 2**40 + 3))
#: An integer's range, with a sign.
LOW, HIGH = -3, 5

Draw = Callable[[Any, Any], Any]


def check_draws(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int = 0) -> None:
    """An op with a ``key`` draws by it alone, and the backend's generator keeps its laws."""
    if not reference.draws(op):
        return
    _check_op(op, sample, backend, dtype, seed)
    adapter = backends.get(backend)
    for kind, draw, law in _kinds(adapter, dtype):
        _check_key(adapter, kind, draw)
        for key in KEYS:
            law(f"{backend}: {kind} of key {key}", _wide(draw(key, (COUNT,))))


def _check_op(op: Op, sample: Sample, backend: str, dtype: dtypes.dtype, seed: int) -> None:
    args, keywords = make_args(sample, backend=backend, dtype=dtype, seed=seed)
    outs = called(op, args, keywords, dtype)
    if outs is None:
        return

    def values(key: Any) -> list[Any]:
        return [host(o).tolist() for o in reference.outputs(op, args, {**keywords, "key": key})]

    first, second = keywords["key"]
    for a, b in zip(outs, reference.outputs(op, args, keywords)):
        assert_same_bits(a, b, f"{op.name} twice with one key")
    usual = values((first, second))
    for others in ([(first, second + i) for i in range(1, 33)], [(i, second) for i in range(32)]):
        assert any(values(key) != usual for key in others), (
            f"{op.name} gives the same for the keys {others[0]} to {others[-1]}; a draw depends on "
            "both numbers of its key"
        )


def _kinds(
    adapter: Any, dtype: dtypes.dtype
) -> Iterator[tuple[str, Draw, Callable[[str, Any], None]]]:
    """What a generator draws in a dtype: its name, the draw, and what holds of the values."""
    draws, native = adapter.generator(), adapter.dtype(dtype)
    if is_float(dtype):
        yield f"uniform ({dtype.name})", lambda k, s: draws.uniform(k, s, native), _uniform
        yield f"normal ({dtype.name})", lambda k, s: draws.normal(k, s, native), _normal
    else:

        def integers(key: Any, shape: Any) -> Any:
            return draws.integers(key, shape, native, LOW, HIGH)

        yield f"integers ({dtype.name}) from {LOW} to below {HIGH}", integers, _integers
        yield f"permutation ({dtype.name})", lambda k, s: draws.permutation(k, s, native), _order
    for p in (0.0, 0.25, 0.5, 0.9, 1.0):

        def masks(key: Any, shape: Any, p: float = p) -> Any:
            return draws.keep_mask(key, shape, p)

        yield f"keep_mask with probability {p}", masks, _kept(p)


def _check_key(adapter: Any, kind: str, draw: Draw) -> None:
    """The class and shape of the array, and that it depends on its key, and on all of that."""
    name = adapter.name
    shapes = [(COUNT,)] if kind.startswith("permutation") else [(COUNT,), (3, 4), (), (0, 2)]
    for shape in shapes:
        made = draw(KEYS[0], shape)
        assert made.__class__ is adapter.array_type and tuple(made.shape) == shape, (
            f"{name}: {kind} of shape {shape} gave a {made.__class__.__name__} of shape "
            f"{tuple(getattr(made, 'shape', ()))}"
        )
    for first, second in KEYS:
        usual = draw((first, second), (COUNT,))
        again = draw((first, second), (COUNT,))
        assert_same_bits(wrap(usual), wrap(again), f"{name}: {kind} twice of one key")
        if _wide(usual).min() == _wide(usual).max():
            continue  # of a mask, all or nothing
        for other in ((first ^ 1, second), (first, second + 1)):
            assert (_wide(draw(other, (COUNT,))) != _wide(usual)).any(), (
                f"{name}: {kind} is the same of the keys {(first, second)} and {other}; take all "
                "64 bits of both numbers"
            )


def _wide(array: Any) -> Any:
    return host(array).astype("float64")


def _near(what: str, found: float, wanted: float, deviation: float) -> None:
    """``deviation``: the standard deviation of one value."""
    allowed = SIGMAS * deviation / math.sqrt(COUNT)
    assert abs(found - wanted) <= allowed, f"{what} is {found:.4g}, not {wanted:.4g}"


def _uniform(what: str, values: Any) -> None:
    assert values.min() >= 0 and values.max() < 1, f"{what} is outside [0, 1)"
    _near(f"{what}: the mean", values.mean(), 1 / 2, math.sqrt(1 / 12))
    _near(f"{what}: the mean square", (values**2).mean(), 1 / 3, math.sqrt(4 / 45))


def _normal(what: str, values: Any) -> None:
    _near(f"{what}: the mean", values.mean(), 0, 1)
    _near(f"{what}: the mean square", (values**2).mean(), 1, math.sqrt(2))


def _integers(what: str, values: Any) -> None:
    share = 1 / (HIGH - LOW)
    assert set(values.tolist()) <= set(range(LOW, HIGH)), f"{what} is outside that"
    for i in range(LOW, HIGH):
        _near(f"{what}: the share of {i}", (values == i).mean(), share, math.sqrt(share))


def _order(what: str, values: Any) -> None:
    ordered = list(range(COUNT))
    assert sorted(values.tolist()) == ordered, f"{what} is no order of 0 to {COUNT - 1}"
    moved = sum(i != v for i, v in zip(ordered, values.tolist()))
    assert moved > COUNT / 2, f"{what} leaves {COUNT - moved} of {COUNT} where they were"


def _kept(p: float) -> Callable[[str, Any], None]:
    def law(what: str, values: Any) -> None:
        _near(f"{what}: the share kept", values.mean(), p, math.sqrt(p * (1 - p)))

    return law
