"""parts: one model, optimizer, scheduler, scaler or loader: what is kept of it, and how it returns.

Each part is kept by its own `state_dict` and returns by its own `load_state_dict`. Before the first
part is changed all of them are checked; if one then still raises, all are put back.
"""

from __future__ import annotations

import copy
import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.nn.parameter import UninitializedTensorMixin

#: In the order in which they are put back.
ROLES = ("model", "optimizer", "scheduler", "scaler", "loader")


def named(role: str, given: Any) -> dict[str, Any]:
    """What was given for a role, by the name it has in messages: one, or a dict or list of them."""
    if given is None:
        return {}
    if isinstance(given, dict):
        several = {f"{role}[{key!r}]": value for key, value in given.items()}
    elif isinstance(given, (list, tuple)):
        several = {f"{role}[{i}]": value for i, value in enumerate(given)}
    else:
        several = {role: given}
    for name, value in several.items():
        for method in ("state_dict", "load_state_dict"):
            if not callable(getattr(value, method, None)):
                raise TypeError(
                    f"{name} is a {type(value).__name__}, which has no {method}(): give a Module, "
                    "an Optimizer or the like, or a dict or list of them"
                )
    return several


def kept(part: Any) -> dict[str, Any]:
    """What is saved of a part."""
    state = part.state_dict()
    out = {"class": _class(part), "state": state}
    if isinstance(part, ad.nn.Module):
        out["metadata"] = dict(getattr(state, "_metadata", {}))  # the version of each module
    if isinstance(part, ad.optim.Optimizer):
        out["params"] = [[_form(p) for p in group["params"]] for group in part.param_groups]
    return out


def problems(part: Any, saved: dict[str, Any]) -> list[str]:
    """Why the part cannot take what was saved; nothing is changed. Empty if it can."""
    if isinstance(part, ad.nn.Module):
        return _of_module(part, saved["state"])
    if saved["class"] != _class(part):
        return [f"it was a {saved['class']}, and is a {_class(part)} now"]
    if isinstance(part, ad.optim.Optimizer):
        return _of_optimizer(part, saved)
    return _of_lists(saved["state"], part.state_dict(), "")


def _of_module(module: Any, saved: dict[str, Any]) -> list[str]:
    """In PyTorch's words, and the dtypes as well."""
    now = module.state_dict(keep_vars=True)
    found = []
    missing = [name for name in now if name not in saved]
    unexpected = [name for name in saved if name not in now]
    if unexpected:
        found.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}.")
    if missing:
        found.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}.")
    for name in saved:
        old, new = saved[name], now.get(name)
        if not isinstance(new, Tensor) or isinstance(new, UninitializedTensorMixin):
            continue
        if not isinstance(old, Tensor):
            found.append(f"{name} was a {type(old).__name__}, and is a Tensor now.")
        elif old.shape != new.shape:
            found.append(
                f"size mismatch for {name}: copying a param with shape {tuple(old.shape)} from "
                f"checkpoint, the shape in current model is {tuple(new.shape)}."
            )
        elif old.dtype is not new.dtype:
            found.append(
                f"dtype mismatch for {name}: {old.dtype} in the checkpoint, {new.dtype} in the "
                "current model."
            )
    return found


def _of_optimizer(optimizer: Any, saved: dict[str, Any]) -> list[str]:
    groups = optimizer.param_groups
    if len(saved["params"]) != len(groups):
        return [
            f"it had {len(saved['params'])} parameter groups, and has {len(groups)} now; add those "
            "that were added in training before you load"
        ]
    found = []
    for i, (old, group) in enumerate(zip(saved["params"], groups)):
        new = [_form(p) for p in group["params"]]
        if len(old) != len(new):
            found.append(f"group {i} had {len(old)} parameters, and has {len(new)} now")
            continue
        found += [
            f"parameter {j} of group {i} was {_shown(a)}, and is {_shown(b)} now"
            for j, (a, b) in enumerate(zip(old, new))
            if tuple(a) != tuple(b)
        ]
    return found or _of_state(optimizer, saved["state"]["state"])


def _of_state(optimizer: Any, saved: dict[Any, Any]) -> list[str]:
    """State of which it is known that it has the parameter's shape."""
    if not isinstance(optimizer, ad.optim.FlatOptimizer):
        return []
    found = []
    pairs = ((group, p) for group in optimizer.param_groups for p in group["params"])
    for number, (group, p) in enumerate(pairs):
        entries = saved.get(number, {})
        for name in optimizer.state_names(group):
            state = entries.get(name)
            if state is not None and tuple(state.shape) != tuple(p.shape):
                found.append(
                    f"{name} of parameter {number} is of shape {tuple(state.shape)}, and the "
                    f"parameter of {tuple(p.shape)}"
                )
    return found


def _of_lists(old: Any, new: Any, place: str) -> list[str]:
    """Lists of states, such as those of the schedulers in a scheduler, must be equally long."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    found = []
    for key, value in old.items():
        other = new.get(key)
        if not (isinstance(value, list) and isinstance(other, list)):
            continue
        if not any(isinstance(v, dict) for v in [*value, *other]):
            continue
        where = f"{place}{key}"
        if len(value) != len(other):
            found.append(f"{where} were {len(value)}, and are {len(other)} now")
            continue
        for i, (a, b) in enumerate(zip(value, other)):
            found += _of_lists(a, b, f"{where}[{i}].")
    return found


def put(part: Any, saved: dict[str, Any]) -> None:
    """Let the part be what it was."""
    state: Any = saved["state"]
    if isinstance(part, ad.nn.Module):
        state = OrderedDict(state)
        state._metadata = OrderedDict(saved["metadata"])
    part.load_state_dict(state)
    if isinstance(part, ad.optim.Optimizer):
        _of_their_types(part, saved["state"])


def _of_their_types(optimizer: Any, saved: dict[str, Any]) -> None:
    """``load_state_dict`` casts state to its parameter's dtype, as PyTorch does; undo that."""
    params = list(itertools.chain.from_iterable(g["params"] for g in optimizer.param_groups))
    for number, entries in saved["state"].items():
        if isinstance(number, int) and number < len(params):
            optimizer.state[params[number]] = _uncast(optimizer.state[params[number]], entries)


def _uncast(now: Any, saved: Any) -> Any:
    if isinstance(saved, Tensor) and isinstance(now, Tensor):
        return now if now.dtype is saved.dtype else saved.to(now.device)
    if isinstance(saved, dict):
        for key, value in saved.items():
            now[key] = _uncast(now[key], value)
        return now
    if isinstance(saved, (list, tuple)):
        return type(saved)(_uncast(a, b) for a, b in zip(now, saved))
    return now


def undo(part: Any) -> Callable[[], None]:
    """What puts a part back to what it is now."""
    if isinstance(part, ad.nn.Module):
        return _undo_module(part)
    if isinstance(part, ad.optim.Optimizer):
        return _undo_optimizer(part)
    before = copy.deepcopy(part.state_dict())
    return lambda: part.load_state_dict(before)


def _undo_module(module: Any) -> Callable[[], None]:
    now = module.state_dict(keep_vars=True)
    values = [
        (t, t.detach().clone())
        for t in now.values()
        if isinstance(t, Tensor) and not isinstance(t, UninitializedTensorMixin)
    ]
    other = {name: copy.deepcopy(v) for name, v in now.items() if not isinstance(v, Tensor)}

    def back() -> None:
        with ad.no_grad():
            for t, value in values:
                t.copy_(value)
        if other:  # what get_extra_state gave
            module.load_state_dict({**module.state_dict(), **other})

    return back


def _undo_optimizer(optimizer: Any) -> Callable[[], None]:
    """The very objects as they were: nothing that could raise once more."""
    state = optimizer.state
    values = {p: _copied(entry) for p, entry in state.items()}
    groups = [dict(group) for group in optimizer.param_groups]

    def back() -> None:
        state.clear()
        state.update(values)
        optimizer.state = state
        for group, before in zip(optimizer.param_groups, groups):
            group.clear()
            group.update(before)

    return back


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(v) for v in value)
    return value


def _class(part: Any) -> str:
    return type(part).__qualname__


def _form(p: Tensor) -> tuple[Any, ...]:
    return (*p.shape, p.dtype.name)


def _shown(form: Any) -> str:
    return f"{form[-1]} of shape {tuple(form[:-1])}"
