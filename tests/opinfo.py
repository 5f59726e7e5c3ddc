"""PyTorch's own samples of an operator, tried on both libraries: values, two gradients, refusals.

They are those of PyTorch's test suite (``torch.testing._internal``), which comes with it.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np

import anadrome as ad

#: Samples of one operator and dtype that are tried; few have more.
MOST = 300
#: Numbers in the inputs of a sample that is tried.
LARGEST = 20_000
#: By the bytes of a number.
_TOLERANCE = {8: 1e-7, 4: 1e-4, 2: 1e-2, 1: 0.0}


def entries(names: list[str] | None = None) -> list[Any]:
    """PyTorch's descriptions of the operators, or of all of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from torch.testing._internal.common_methods_invocations import op_db
    # That import forbids the process to set flags; the programs of other tests do.
    torch.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True
    return [op for op in op_db if names is None or op.name in names]


def ours(value: Any, leaves: list[tuple[Any, Any]]) -> Any:
    """An argument in our terms; the tensors that require a gradient are noted in pairs."""
    import torch

    if isinstance(value, torch.Tensor):
        kind = getattr(ad, str(value.dtype).removeprefix("torch."))
        if value.is_meta:
            return ad.empty(tuple(value.shape), dtype=kind, device="meta")
        data = value.detach().resolve_conj().resolve_neg().numpy()
        out = ad.tensor(data.tolist(), dtype=kind).reshape(tuple(value.shape)).detach()
        if value.requires_grad:
            leaves.append((out.requires_grad_(), value))
        return out
    if isinstance(value, torch.nn.Module):  # a distance, as it is made by default
        return getattr(ad.nn, type(value).__name__)()
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return getattr(ad, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, (list, tuple)):
        out = [ours(v, leaves) for v in value]
        return out if isinstance(value, list) else tuple(out)
    if isinstance(value, dict):
        return {k: ours(v, leaves) for k, v in value.items()}
    return value


def function(op: Any) -> Any:
    """Our function of the operator's name; None if there is none.

    PyTorch describes some methods as functions of the first argument, which call ours as well.
    """
    code = getattr(op.op, "__code__", None)
    if code is not None and code.co_name == "<lambda>" and not op.name.startswith("nn."):
        # Those of its own names are not ours.
        return None if {"torch", "np"} & set(code.co_names) or op.op.__closure__ else op.op
    out: Any = ad
    for part in op.name.split("."):
        out = getattr(ad.Tensor if part.startswith("__") else out, part, None)
    return out


def some(op: Any, dtype: Any, most: int, **keywords: Any) -> list[Any]:
    """Its samples, or as many of them from all along the list."""
    samples = list(itertools.islice(op.sample_inputs("cpu", dtype, **keywords), MOST))
    return [s for s in samples[:: -(-len(samples) // most) or 1] if _size(s) <= LARGEST]


def _size(sample: Any) -> int:
    return sum(getattr(v, "numel", int)() for v in _flat([sample.input, list(sample.args)]))


def compare(op: Any, dtype: Any, most: int = MOST) -> int:
    """Try (some of) the samples of one dtype; returns how many there were."""
    differentiable = op.supports_autograd and dtype.is_floating_point and dtype.itemsize == 8
    count = 0
    for sample in some(op, dtype, most, requires_grad=differentiable):
        leaves: list[tuple[Any, Any]] = []
        given = (sample.input, *sample.args)
        told = f"{op.name}({[getattr(a, 'shape', a) for a in given]}, {sample.kwargs})"
        try:
            args = [ours(a, leaves) for a in given]
            keywords = ours(dict(sample.kwargs), leaves)
            wanted = op.op(*given, **sample.kwargs)
        except RuntimeError:
            continue
        count += 1
        found = function(op)(*args, **keywords)
        for f, w in zip(_flat(found), _flat(wanted), strict=True):
            if hasattr(w, "dtype"):
                _same(f, w, told, _TOLERANCE[w.dtype.itemsize // (1 + w.dtype.is_complex)])
            else:
                assert f == w, told
        if differentiable and leaves:
            _same_gradients(op, _flat(found), _flat(wanted), leaves, told)
    return count


def _same_gradients(op: Any, found: Any, wanted: Any, leaves: Any, told: str) -> None:
    import torch

    pairs = [(f, w) for f, w in zip(found, wanted) if getattr(w, "requires_grad", False)]
    if not pairs:
        return
    mine, theirs = [m for m, _ in leaves], [t for _, t in leaves]
    rng = np.random.default_rng(0)
    seeds = [np.asarray(rng.standard_normal(tuple(w.shape))) for _, w in pairs]
    seeds = [s * (1 + 0.5j) if w.dtype.is_complex else s for s, (_, w) in zip(seeds, pairs)]
    first = torch.autograd.grad(
        [w for _, w in pairs], theirs, [torch.tensor(s).to(w) for s, (_, w) in zip(seeds, pairs)],
        create_graph=True, allow_unused=True,
    )  # fmt: skip
    ourfirst = ad.autograd.grad(
        [f for f, _ in pairs], mine, [ad.tensor(s).to(f) for s, (f, _) in zip(seeds, pairs)],
        create_graph=True, allow_unused=True,
    )  # fmt: skip
    for f, w in zip(ourfirst, first):
        _same_or_none(f, w, f"gradient of {told}", 1e-7)
    ends = [(f, w) for f, w in zip(ourfirst, first) if w is not None and w.requires_grad]
    if not ends or not op.supports_gradgrad:
        return
    total = sum(_squares(w) for _, w in ends)
    try:
        second = torch.autograd.grad(total, theirs, allow_unused=True)
    except RuntimeError:  # PyTorch has not written it
        return
    recorded = [f for f, _ in ends if f is not None and f.requires_grad]
    oursecond = [None] * len(mine)
    if recorded:
        oursecond = ad.autograd.grad(sum(map(_squares, recorded)), mine, allow_unused=True)
    for f, w in zip(oursecond, second):
        _same_or_none(f, w, f"second gradient of {told}", 1e-6)


def _squares(x: Any) -> Any:
    return (x.real * x.real + x.imag * x.imag).sum() if x.dtype.is_complex else (x * x).sum()


def refused(op: Any) -> int:
    """Try the inputs that PyTorch refuses, on its CPU; returns how many there were."""
    count = 0
    for case in op.error_inputs("cpu") if op.error_inputs_func is not None else ():
        sample = case.sample_input
        given = (sample.input, *sample.args)
        # Memory that arguments share is not carried over, and NumPy has 64 dimensions.
        if "out" in sample.kwargs or getattr(sample.input, "ndim", 0) > 64:
            continue
        try:
            op.op(*given, **sample.kwargs)
            continue  # only on other devices
        except Exception as error:
            expected = type(error)
        count += 1
        try:
            args, keywords = [ours(a, []) for a in given], ours(dict(sample.kwargs), [])
            function(op)(*args, **keywords)
        except expected:
            continue
        raise AssertionError(f"{op.name}: not refused with {expected.__name__}: {case}")
    return count


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [v for part in value for v in _flat(part)]
    return [value]


def _same_or_none(found: Any, wanted: Any, told: str, tolerance: float) -> None:
    if found is None or wanted is None:  # None and zero are the same news
        other = wanted if found is None else found
        assert other is None or not bool((other != 0).any()), told
    else:
        _same(found, wanted, told, tolerance)


def _same(found: Any, wanted: Any, told: str, tolerance: float) -> None:
    found, wanted = found.detach(), wanted.detach()
    if "bfloat16" in str(wanted.dtype):
        assert "bfloat16" in str(found.dtype), told
        found, wanted = found.float(), wanted.float()
    f, w = found.numpy(), wanted.numpy(force=True)
    assert f.dtype == w.dtype and f.shape == w.shape, f"{told}: {f.dtype} {f.shape}"
    np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance, err_msg=told)
