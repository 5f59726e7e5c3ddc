"""samples: calls that work, of which the bad ones are made.

They are not written here: those of an op come from its declaration in the table, those of any
other name from the example in its docstring, which is run and watched.
"""

from __future__ import annotations

import contextlib
import copy
import doctest
import functools
import inspect
import io
import random
import sys
import warnings
from typing import Any

import anadrome as ad
from anadrome import testing
from anadrome.op import table

from .surface import Target

Call = tuple[list[Any], dict[str, Any]]

#: Element types that samples are made of.
KINDS = ("float32", "float32", "float64", "float16", "bfloat16", "int64")
_GLOBALS = {"ad": ad, "anadrome": ad, "nn": ad.nn, "F": ad.nn.functional}


def fresh(value: Any) -> Any:
    """A copy that a call may spoil."""
    if isinstance(value, ad.nn.Parameter):
        return ad.nn.Parameter(value.detach().clone(), value.requires_grad)
    if isinstance(value, ad.Tensor):
        out = value.detach().clone()
        return out.requires_grad_() if value.requires_grad and value.is_floating_point() else out
    if type(value) in (list, tuple):
        return type(value)(fresh(v) for v in value)
    if type(value) is dict:
        return {k: fresh(v) for k, v in value.items()}
    if isinstance(value, ad.nn.Module):
        with contextlib.suppress(Exception):
            return copy.deepcopy(value)
    return value


@functools.cache
def watched(target: Target) -> tuple[Call, ...]:
    """The calls of a target that its own docstring makes."""
    method = "__init__" if target.is_class else ""
    function = getattr(target.value, method, None) if method else target.value
    return tuple(_watched(target.value, inspect.unwrap(function) if function else None))


def _watched(documented: Any, function: Any) -> list[Call]:
    code = getattr(function, "__code__", None)
    text = inspect.getdoc(documented)
    if code is None or not text or ">>>" not in text:
        return []
    calls: list[Call] = []
    cls = documented if inspect.isclass(documented) else None

    def see(frame: Any, event: str, argument: Any) -> None:
        if event != "call" or frame.f_code is not code or len(calls) >= 6:
            return
        args, rest, keywords, values = inspect.getargvalues(frame)
        if cls is not None:
            if type(values.get(args[0])) is not cls:
                return
            args = args[1:]
        given = [values[a] for a in args] + list(values.get(rest, ()) if rest else ())
        names = code.co_varnames[len(inspect.getargvalues(frame).args) :]
        only = {n: values[n] for n in names[: code.co_kwonlyargcount] if n in values}
        calls.append(fresh((given, {**only, **(values.get(keywords, {}) if keywords else {})})))

    scope = dict(_GLOBALS)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for example in doctest.DocTestParser().get_examples(text):
            compiled = compile(example.source, "<docstring>", "single")
            sys.setprofile(see)
            try:
                exec(compiled, scope)
            except Exception:  # an example of an error
                pass
            finally:
                sys.setprofile(None)
    return calls


def of_op(target: Target, rng: random.Random, kind: str = "") -> Call | None:
    """A sample of the op that the target is, or has the name of."""
    declared = getattr(target.value, "op", None)
    if declared is None:
        declared = table.get(target.path.rpartition(".")[2].rstrip("_"))
    if declared is None or not declared.samples:
        return None
    sample = rng.choice(declared.samples)
    kind = kind or rng.choice(KINDS)
    args, keywords = testing.make_args(sample, dtype=kind, seed=rng.randrange(9))
    return args, keywords


@functools.cache
def differentiable(target: Target) -> frozenset[int]:
    """The places of arguments whose gradient every good call gives."""
    found: list[set[int]] = []
    rng = random.Random(target.path)
    tried = [*watched(target), *(of_op(target, rng, "float64") for _ in range(4))]
    for call in tried:
        if call is None:
            continue
        places = set()
        for place, value in enumerate(call[0]):
            if isinstance(value, ad.Tensor) and value.is_floating_point():
                args, keywords = fresh(call)
                args = [a.detach() if isinstance(a, ad.Tensor) else a for a in args]
                args[place].requires_grad_()
                with contextlib.suppress(Exception), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    out = target.value(*args, **keywords)
                    if isinstance(out, ad.Tensor) and out.requires_grad:
                        places.add(place)
        found.append(places)
    return frozenset(set.intersection(*found)) if found else frozenset()
