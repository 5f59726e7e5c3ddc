"""draws: one call of a target from one seed: a call that works, then spoilt."""

from __future__ import annotations

import functools
import inspect
import random
from typing import Any, NamedTuple

import numpy as np

import anadrome as ad

from . import pools
from .samples import fresh, of_op, watched
from .surface import Target


class Drawn(NamedTuple):
    """A call to make. ``spoilt``: how many changes were made to one that should work."""

    args: list[Any]
    keywords: dict[str, Any]
    spoilt: int


def signature(function: Any) -> inspect.Signature | None:
    """Its arguments; those of an op are in its declaration."""
    try:
        return _signature(function)
    except TypeError:  # an object without a hash
        return _signature.__wrapped__(function)


@functools.cache
def _signature(function: Any) -> inspect.Signature | None:
    declared = getattr(function, "op", None)
    if declared is not None:
        kind = inspect.Parameter
        found = [kind(n, kind.POSITIONAL_OR_KEYWORD) for n in declared.inputs]
        found += [kind(n, kind.KEYWORD_ONLY, default=None) for n in declared.keywords]
        return inspect.Signature(found)
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def call_of(target: Target, rng: random.Random) -> Drawn:
    """A call of a public name."""
    base = _base(target, rng)
    if base is None:
        base = by_names(target.value, rng)
    args, keywords = base
    call = spoil(target.value, list(args), dict(keywords), rng)
    if target.is_method and not (call.args and isinstance(call.args[0], ad.Tensor)):
        call.args[:1] = [pools.tensor(rng)]  # a method is called on a Tensor
    return call


def swept(target: Target, number: int) -> Drawn | None:
    """Call ``number`` of a sweep: one argument of a call that works is one of ``pools.SWEPT``.

    Each argument and each value in turn, so that a kind of mistake is found wherever it is made.
    None when all have been.
    """
    calls = (fresh(c) for c in watched(target))
    base = next((c for c in calls if not target.is_method or _on_tensor(c)), None)
    if base is None and not target.is_class:
        base = of_op(target, random.Random(0), "float32")
    if base is None:
        base = by_names(target.value, random.Random(0))
    args, keywords = list(base[0]), dict(base[1])
    slots: list[Any] = [*range(len(args)), *keywords]
    form = signature(target.value)
    if form is not None:
        named = list(form.parameters.values())[len(args) :]
        slots += [p.name for p in named if p.name not in keywords and p.kind in BY_NAME]
    slots = slots[target.is_method :]  # a method is called on a Tensor
    slot, which = divmod(number, len(pools.SWEPT))
    if slot >= len(slots):
        return None
    value = pools.SWEPT[which]()
    if isinstance(slots[slot], int):
        args[slots[slot]] = value
    else:
        keywords[slots[slot]] = value
    return Drawn(args, keywords, 1)


def _on_tensor(call: Any) -> bool:
    return bool(call[0]) and isinstance(call[0][0], ad.Tensor)


BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _base(target: Target, rng: random.Random) -> Any:
    seen = watched(target)
    sample = of_op(target, rng) if not target.is_class else None
    choices = [c for c in (seen and fresh(rng.choice(seen)), sample) if c]
    if not choices or rng.random() < 0.15:
        return None
    return rng.choice(choices)


def by_names(function: Any, rng: random.Random, skip: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """Arguments that their names suggest."""
    form = signature(function)
    args: list[Any] = []
    keywords: dict[str, Any] = {}
    if form is None:
        return [pools.tensor(rng) for _ in range(rng.randrange(3))], keywords
    for p in list(form.parameters.values())[skip:]:
        wanted = p.default is p.empty or rng.random() < 0.25
        if p.kind is p.VAR_POSITIONAL:
            args += [pools.named(p.name, rng) for _ in range(rng.randrange(3))]
        elif p.kind is p.VAR_KEYWORD or not wanted or p.name == "out":
            continue
        elif p.kind is p.KEYWORD_ONLY or p.default is not p.empty:
            keywords[p.name] = pools.named(p.name, rng)
        else:
            args.append(pools.named(p.name, rng))
    return args, keywords


def spoil(function: Any, args: list[Any], keywords: dict[str, Any], rng: random.Random) -> Drawn:
    """Change none to three things of a call."""
    count = rng.choice((0, 1, 1, 1, 2, 2, 3))
    for _ in range(count):
        _spoil_once(function, args, keywords, rng)
    return Drawn(args, keywords, count)


def _spoil_once(
    function: Any, args: list[Any], keywords: dict[str, Any], rng: random.Random
) -> None:
    slots: list[tuple[Any, Any]] = [(args, i) for i in range(len(args))]
    slots += [(keywords, k) for k in keywords]
    which = rng.randrange(20)
    if which < 14 and slots:
        holder, place = rng.choice(slots)
        if type(holder[place]) is list and holder[place] and rng.random() < 0.5:
            holder, place = holder[place], rng.randrange(len(holder[place]))
        holder[place] = changed(holder[place], rng)
    elif which == 14 and args:
        args.pop(rng.randrange(len(args)))
    elif which == 15:
        args.insert(rng.randrange(len(args) + 1), pools.hostile(rng))
    elif which == 16 and len(args) > 1:
        i, j = rng.sample(range(len(args)), 2)
        args[i], args[j] = args[j], args[i]
    elif which == 17:
        tensors = [a for a in args if isinstance(a, ad.Tensor)]
        keywords["out"] = (
            rng.choice(tensors) if tensors and rng.random() < 0.5 else pools.hostile(rng)
        )
    else:
        form = signature(function)
        names = list(form.parameters) if form is not None else []
        name = rng.choice([*names[1:], "dim", "dtype", "nonsense"])
        keywords[name] = pools.named(name, rng) if rng.random() < 0.5 else pools.hostile(rng)


def changed(value: Any, rng: random.Random) -> Any:
    """Something near a value, or nothing like it."""
    if rng.random() < 0.3:
        return pools.hostile(rng)
    if isinstance(value, ad.Tensor):
        return _changed_tensor(value, rng)
    if isinstance(value, bool):
        return rng.choice((not value, None, 2, "yes"))
    if isinstance(value, (int, np.integer)):
        return pools.integer(rng)
    if isinstance(value, float):
        return pools.number(rng)
    if isinstance(value, (tuple, list)) and value:
        out = list(value)
        place = rng.randrange(len(out))
        kind = rng.randrange(4)
        if kind == 0:
            out.pop(place)
        elif kind == 1:
            out.insert(place, out[place])
        else:
            out[place] = changed(out[place], rng)
        return out if rng.random() < 0.3 else type(value)(out) if type(value) is tuple else out
    if isinstance(value, str):
        return rng.choice(("", value.upper(), value + "x", "sum", "none", None, 0))
    if isinstance(value, dict) and value:
        out_dict = dict(value)
        key = rng.choice(list(out_dict))
        if rng.random() < 0.5:
            out_dict[key] = changed(out_dict[key], rng)
        else:
            out_dict[rng.choice((1, "other", None))] = out_dict.pop(key)
        return out_dict
    return pools.hostile(rng)


def _changed_tensor(x: ad.Tensor, rng: random.Random) -> ad.Tensor:
    which = rng.randrange(8)
    x = x.detach()
    if which == 0:
        return x.to(getattr(ad.dtypes, rng.choice(pools.DTYPES)))
    if which == 1:
        return pools.tensor(rng, kind="bool_" if x.dtype is ad.bool else x.dtype.name)
    if which == 2:
        return pools.layout(rng, x)
    if which == 3 and x.ndim:
        return x[:0]
    if which == 4:
        return x.unsqueeze(0)
    if which == 5 and x.ndim and x.shape[0]:
        return x[0]
    if which == 6 and x.numel() and x.dtype.is_floating_point:
        y = x.clone().flatten()
        y[rng.randrange(y.numel())] = ad.tensor(rng.choice(pools.FLOATS)).to(y.dtype)
        return y.reshape(x.shape)
    if x.dtype.is_floating_point or x.dtype.is_complex:
        return x.clone().requires_grad_()
    return x * -1 if x.dtype is not ad.bool else x
