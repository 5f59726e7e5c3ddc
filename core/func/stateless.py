"""stateless: modules as functions of their parameters and buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..border import enclose_functions
from ..tensor import Tensor


def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Any = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """``module(*args, **kwargs)`` with Tensors in place of its parameters and buffers.

    ``parameter_and_buffer_dicts``: names, as ``named_parameters`` gives them, to Tensors; or a
    sequence of such dicts. ``args``: a tuple, or the one argument. ``tie_weights``: a Tensor given
    for one of two names of one parameter stands for both. ``strict``: every name must be given.
    PyTorch: ``torch.func.functional_call``.

    >>> import anadrome as ad
    >>> layer = ad.nn.Linear(1, 1, bias=False)
    >>> ad.func.functional_call(layer, {"weight": ad.tensor([[2.0]])}, ad.ones(1, 1))
    tensor([[2.]])
    """
    given: dict[str, Any] = {}
    many = parameter_and_buffer_dicts
    for one in [many] if isinstance(many, dict) else list(many):
        for name in one:
            if name in given:
                raise ValueError(
                    f"{name!r} appears in multiple dictionaries; behavior of functional call is "
                    "ambiguous"
                )
        given.update(one)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _places(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Each parameter's and buffer's name, also those of tied ones, to where it is kept."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for store in (part._parameters, part._buffers):
            for name in store:
                found[f"{prefix}.{name}" if prefix else name] = (store, name)
    return found


@contextlib.contextmanager
def _replaced(module: Any, given: dict[str, Any], tie: bool, strict: bool) -> Iterator[None]:
    places = _places(module)
    unexpected = [n for n in given if n not in places]
    missing = [
        n for n, (store, name) in places.items() if n not in given and store[name] is not None
    ]
    if strict and (unexpected or missing):
        raise RuntimeError(
            f"Error(s) in loading parameters: missing keys {missing}, unexpected keys {unexpected}"
        )
    if unexpected:
        raise RuntimeError(f"{unexpected[0]!r} is no parameter or buffer of the module")
    values = dict(given)
    if tie:
        chosen: dict[int, Any] = {}
        for n, value in given.items():
            store, name = places[n]
            before = store[name]
            if before is not None and chosen.setdefault(id(before), value) is not value:
                raise ValueError(f"functional_call got different values for tied weights: {n!r}")
        for n, (store, name) in places.items():
            if n not in values and id(store[name]) in chosen:
                values[n] = chosen[id(store[name])]
    kept = [(places[n][0], places[n][1], places[n][0][places[n][1]]) for n in values]
    try:
        for n, value in values.items():
            store, name = places[n]
            store[name] = value
        yield
    finally:
        for store, name, before in kept:
            store[name] = before


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """``(parameters, buffers)`` of modules of one kind, stacked by name; for an ensemble.

    PyTorch: ``torch.func.stack_module_state``.
    """
    from ..ops.joining import stack

    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(of: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        out = {}
        for name, first in of[0].items():
            joined = stack([d[name].detach() for d in of])
            out[name] = joined.requires_grad_() if first.requires_grad else joined
        return out

    return (
        stacked([dict(m.named_parameters()) for m in models]),
        stacked([dict(m.named_buffers()) for m in models]),
    )


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let every BatchNorm below ``root`` work without running statistics; returns ``root``."""
    for module in root.modules():
        if "BatchNorm" in type(module).__name__:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


enclose_functions(globals())
