"""compare: whether two results are the same, and how to say where they are not."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import backend as backends
from .. import dtypes, sites
from ..tensor import Tensor


class Tolerance(NamedTuple):
    """``|actual - expected| <= atol + rtol * |expected|``."""

    rtol: float
    atol: float


#: PyTorch's defaults for ``assert_close``; integers and booleans must be equal.
DEFAULTS = {
    "float16": Tolerance(1e-3, 1e-5),
    "bfloat16": Tolerance(1.6e-2, 1e-5),
    "float32": Tolerance(1.3e-6, 1e-5),
    "float64": Tolerance(1e-7, 1e-7),
    "complex64": Tolerance(1.3e-6, 1e-5),
    "complex128": Tolerance(1e-7, 1e-7),
}

#: What an op may differ from its float64 reference: a few roundings of the type it runs in.
_POLICY = {
    "float16": Tolerance(1e-2, 1e-2),
    "bfloat16": Tolerance(6e-2, 6e-2),
    "float32": Tolerance(2e-5, 2e-5),
    "float64": Tolerance(1e-11, 1e-11),
    "complex64": Tolerance(2e-5, 2e-5),
    "complex128": Tolerance(1e-11, 1e-11),
}


def tolerance_of(dtype: dtypes.dtype, *, order: int = 0) -> Tolerance:
    """What an op's result in ``dtype`` may differ from its float64 reference.

    ``order``: 0 for values, 1 for gradients, which pass through twice as many roundings.
    """
    rtol, atol = _POLICY.get(dtype.name, (0.0, 0.0))
    return Tolerance(rtol * (1 + order), atol * (1 + order))


def host(value: Any) -> Any:
    """The values on the host, as a NumPy array."""
    array = value._data if isinstance(value, Tensor) else value
    if array.__class__ in backends.by_type:
        return backends.by_type[array.__class__].to_host(array)
    return backends.get("numpy").asarray(array)


def _wide(array: Any) -> Any:
    """A host array in a type that subtracts without loss or overflow."""
    kind = dtypes.from_native[array.dtype]
    return array.astype("complex128" if kind.is_complex else "float64")


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    allow_subclasses: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Raise ``AssertionError`` unless both are equal within tolerances (``torch.testing``'s).

    Takes Tensors, arrays, numbers, and sequences or mappings of them. Shape, dtype and device must
    agree too. ``rtol`` and ``atol`` are given both or neither; the defaults depend on the dtype.
    ``allow_subclasses=False``: both are of the same class. ``check_layout`` is accepted: there is
    one layout. ``check_stride``: the strides too. ``msg``: a text, or a function from the message
    to a better one.

    >>> import anadrome as ad
    >>> from anadrome.testing import assert_close
    >>> assert_close(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 2.0000001]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    options = (rtol, atol, equal_nan, check_device, check_dtype, allow_subclasses, check_stride)
    found = _difference(actual, expected, options, "")
    if found is not None:
        if callable(msg):
            found = msg(found)
        raise AssertionError(msg if isinstance(msg, str) else found)


def _difference(actual: Any, expected: Any, options: Any, place: str) -> str | None:
    """What is wrong, as a text; None if nothing is."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if actual.keys() != expected.keys():
            return f"The keys of the mappings do not match: {list(actual)} and {list(expected)}."
        pairs = [(f"[{k!r}]", actual[k], expected[k]) for k in expected]
    elif _is_sequence(expected) and _is_sequence(actual):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = [(f"[{i}]", a, e) for i, (a, e) in enumerate(zip(actual, expected))]
    elif actual is None or expected is None:
        return None if actual is expected else f"None mismatch: {actual} is not {expected}"
    else:
        return _array_difference(actual, expected, options, place)
    for name, a, e in pairs:
        found = _difference(a, e, options, place + name)
        if found is not None:
            return found
    return None


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _array_difference(actual: Any, expected: Any, options: Any, place: str) -> str | None:
    rtol, atol, equal_nan, check_device, check_dtype, subclasses, check_stride = options
    suffix = f"\n\nThe failure occurred for item {place}" if place else ""
    if not subclasses and type(actual) is not type(expected):
        return (
            "Except for Python scalars, type equality is required if allow_subclasses=False, but "
            f"got {type(actual)} and {type(expected)} instead.{suffix}"
        )
    if isinstance(actual, Tensor) and isinstance(expected, Tensor):
        same = {"device": check_device, "stride()": check_stride}
        for name in [n for n in same if same[n]]:
            ours, theirs = (
                t.stride() if name == "stride()" else t.device  # type: ignore[attr-defined]
                for t in (actual, expected)
            )
            if ours != theirs and (name == "device" or actual.shape == expected.shape):
                return (
                    f"The values for attribute '{name}' do not match: {ours} != {theirs}.{suffix}"
                )
    a, e = host(actual), host(expected)
    if a.shape != e.shape:
        return (
            "The values for attribute 'shape' do not match: "
            f"{tuple(a.shape)} != {tuple(e.shape)}.{suffix}"
        )
    kinds = dtypes.from_native[a.dtype], dtypes.from_native[e.dtype]
    if check_dtype and kinds[0] is not kinds[1]:
        return f"The values for attribute 'dtype' do not match: {kinds[0]} != {kinds[1]}.{suffix}"
    if rtol is None:
        defaults = [DEFAULTS.get(k.name, Tolerance(0.0, 0.0)) for k in kinds]
        rtol, atol = max(t.rtol for t in defaults), max(t.atol for t in defaults)
    found = _value_difference(_wide(a), _wide(e), Tolerance(rtol, atol), equal_nan)
    return None if found is None else found + suffix


def _close(xp: Any, a: Any, e: Any, allowed: Tolerance, equal_nan: bool) -> Any:
    gap = abs(a - e)
    good = (a == e) | ((gap <= allowed.atol + allowed.rtol * abs(e)) & xp.isfinite(e))
    if equal_nan:
        good = good | (xp.isnan(a) & xp.isnan(e))
    if dtypes.from_native[e.dtype].is_complex:  # one part may be infinite, the other still close
        parts = [_close(xp, part(a), part(e), allowed, equal_nan) for part in (xp.real, xp.imag)]
        good = good | (~xp.isfinite(e) & parts[0] & parts[1])
    return good


def _value_difference(a: Any, e: Any, allowed: Tolerance, equal_nan: bool) -> str | None:
    xp = backends.get("numpy").xp
    with xp.errstate(all="ignore"):
        gap = abs(a - e)
        size = abs(e)
        good = _close(xp, a, e, allowed, equal_nan)
        if good.all():
            return None
        relative = gap / size
    total = a.size
    wrong = total - int(good.sum())
    if not a.ndim:
        return (
            f"Scalars are not close!\n\nExpected {e.item()} but got {a.item()}.\n"
            f"Absolute difference: {gap.item()} (up to {allowed.atol} allowed)\n"
            f"Relative difference: {relative.item()} (up to {allowed.rtol} allowed)"
        )
    lines = [
        f"Tensor-likes are not {'equal' if allowed == (0, 0) else 'close'}!\n",
        f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})",
    ]
    limits = (("absolute", gap, allowed.atol), ("relative", relative, allowed.rtol))
    for name, table, limit in limits:
        table = xp.where(good, -1.0, table)
        table = xp.where(xp.isnan(table), xp.inf, table)
        place = xp.unravel_index(int(table.argmax()), table.shape)
        index = tuple(int(i) for i in place)
        worst = "nan" if table[index] == xp.inf else repr(float(table[index]))
        lines.append(
            f"Greatest {name} difference: {worst} at index {index} (up to {limit} allowed): "
            f"{a[index]} is not {e[index]}"
        )
    return "\n".join(lines)


def assert_same_bits(actual: Any, expected: Any, what: str = "results") -> None:
    """Raise ``AssertionError`` unless shape, dtype and every bit agree (NaN equals NaN)."""
    a, e = host(actual), host(expected)
    assert a.dtype == e.dtype, f"{what}: dtype {a.dtype} is not {e.dtype}"
    assert a.shape == e.shape, f"{what}: shape {a.shape} is not {e.shape}"
    if a.tobytes() != e.tobytes() and repr(a.tolist()) != repr(e.tolist()):
        raise AssertionError(f"{what}: not the same bits:\n{a.tolist()}\n{e.tolist()}")


#: What ``assert_allclose`` tolerates by default: relative, absolute.
_OLDER = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """``assert_close``, by its older name and tolerances (``torch.testing.assert_allclose``).

    Dtypes may differ.
    """
    sites.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a "
        "future release. Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
    )
    if rtol is None and atol is None:
        names = [v.dtype.name for v in (actual, expected) if isinstance(v, Tensor)] or ["float32"]
        known = [_OLDER.get(name, (0.0, 0.0)) for name in names]
        rtol, atol = max(r for r, _ in known), max(a for _, a in known)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
        msg=msg or None,
    )  # fmt: skip
