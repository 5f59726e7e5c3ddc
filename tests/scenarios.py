"""Runs one piece of code on two libraries with the same names, and compares all it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anadrome import testing

#: Beginnings of errors that both libraries' texts share.
SHARED = (
    "Trying to backward through the graph a second time",
    "one of the variables needed for gradient computation has been modified by an inplace",
    "a leaf Variable that requires grad is being used in an in-place operation",
    "a leaf Variable that requires grad has been used in an in-place operation",
    "a view of a leaf Variable that requires grad is being used in an in-place operation",
    "element 0 of tensors does not require grad and does not have a grad_fn",
    "grad can be implicitly created only for scalar outputs",
    "appears to not have been used in the graph",
    "One of the differentiated Tensors does not require grad",
    "Mismatch in shape: grad_output",
    "only Tensors of floating point",
    "you can only change requires_grad flags of leaf variables",
    "cannot register a hook on a tensor that doesn't require gradient",
    "can't retain_grad on Tensor that has requires_grad=False",
    "trying to differentiate twice a function that was marked with @once_differentiable",
)


def say(value: Any) -> Any:
    """A value in words and numbers that do not depend on the library."""
    if hasattr(value, "next_functions"):
        return value.name().rsplit("::", 1)[-1]
    if hasattr(value, "requires_grad"):
        host = value.detach()
        host = host.numpy(force=True) if "force" in _parameters(host.numpy) else host.numpy()
        return ("tensor", bool(value.requires_grad), bool(value.is_leaf), host)
    if isinstance(value, (list, tuple)):
        return [say(v) for v in value]
    if isinstance(value, dict):
        return {k: say(v) for k, v in value.items()}
    return value


def _parameters(function: Any) -> tuple[str, ...]:
    return () if hasattr(function, "__code__") else ("force",)


def told(scenario: Callable[[Any], Any], library: Any) -> Any:
    """What the scenario returns, or which error it raises."""
    try:
        return say(scenario(library))
    except Exception as error:
        text = str(error)
        shared = [s for s in SHARED if s in text]
        family = next(
            c.__name__
            for c in (IndexError, RuntimeError, TypeError, ValueError, Exception)
            if isinstance(error, c)
        )
        return ("error", family, shared[0] if shared else None)


def same(ours: Any, theirs: Any, place: str = "") -> None:
    """Raise unless both say the same."""
    if isinstance(theirs, tuple) and theirs and theirs[0] == "tensor":
        assert isinstance(ours, tuple) and ours[0] == "tensor", f"{place}: {ours} and {theirs}"
        assert ours[1:3] == theirs[1:3], f"{place}: (requires_grad, is_leaf) {ours} and {theirs}"
        testing.assert_close(
            ours[3], theirs[3], equal_nan=True, msg=lambda text: f"{place}: {text}"
        )
    elif isinstance(theirs, list):
        assert isinstance(ours, list) and len(ours) == len(theirs), f"{place}: {ours} and {theirs}"
        for i, (o, t) in enumerate(zip(ours, theirs)):
            same(o, t, f"{place}[{i}]")
    elif isinstance(theirs, dict):
        assert isinstance(ours, dict) and ours.keys() == theirs.keys(), f"{place}: {ours}, {theirs}"
        for k in theirs:
            same(ours[k], theirs[k], f"{place}[{k!r}]")
    elif isinstance(theirs, float):
        testing.assert_close(ours, theirs, equal_nan=True, msg=lambda text: f"{place}: {text}")
    else:
        assert ours == theirs, f"{place}: {ours} and {theirs}"
