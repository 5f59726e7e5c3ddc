"""stateless: a module called with other parameters (PyTorch: ``torch.func.functional_call``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...border import enclose_functions
from ..modules.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with the given Tensors in place of its own of those names.

    ``parameters_and_buffers``: a dictionary, or several with different names. ``tie_weights``: a
    parameter under two names is replaced under both. ``strict``: all names must be given, and no
    others. The module is as before afterwards. PyTorch: ``torch.func.functional_call``.

    >>> import anadrome as ad
    >>> layer = ad.nn.Linear(1, 1)
    >>> given = {"weight": ad.full((1, 1), 2.0), "bias": ad.ones(1)}
    >>> ad.nn.utils.stateless.functional_call(layer, given, ad.ones(1))
    tensor([3.])
    """
    given = _merged(parameters_and_buffers)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _merged(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, Sequence) or not all(isinstance(d, Mapping) for d in given):
        raise ValueError(
            "Expected parameters_and_buffers to be a dict, or a list/tuple of dicts, but got "
            f"{type(given)}"
        )
    out: dict[str, Any] = {}
    for part in given:
        for name in part:
            if name in out:
                raise ValueError(f"{name} appears in multiple dictionaries; behavior ambiguous")
        out.update(part)
    return out


@contextmanager
def _replaced(
    module: Module, given: dict[str, Any], tie_weights: bool, strict: bool
) -> Iterator[None]:
    own: dict[str, Any] = dict(module.named_parameters(remove_duplicate=False))
    own.update(module.named_buffers(remove_duplicate=False))
    if tie_weights:
        names: dict[int, list[str]] = {}
        for name, value in own.items():
            names.setdefault(id(value), []).append(name)
        for same in names.values():
            values = {id(given[n]): given[n] for n in same if n in given}
            if len(values) > 1:
                first, second = [n for n in same if n in given][:2]
                raise ValueError(
                    f"functional_call got both {first} and {second}, which are one tensor in the "
                    "module; give one of them, or tie_weights=False"
                )
            for value in values.values():
                given = {**dict.fromkeys(same, value), **given}
    if strict:
        missing, unexpected = sorted({*own} - {*given}), sorted({*given} - {*own})
        if missing or unexpected:
            raise RuntimeError(
                f"Error(s) in loading state for {type(module).__name__}: "
                + f"Unexpected key(s): {', '.join(unexpected)}. " * bool(unexpected)
                + f"Missing key(s): {', '.join(missing)}." * bool(missing)
            )
    before = []
    try:
        for name, value in given.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            holds_it = last in owner._parameters
            table: Any = owner._parameters if holds_it else owner._buffers
            if last not in table:
                raise AttributeError(f"{type(owner).__name__} has no attribute `{last}`")
            before.append((table, last, table[last]))
            table[last] = value
        yield
    finally:
        for table, last, value in reversed(before):
            table[last] = value


enclose_functions(globals())
