"""model_states: state dicts of a model and its optimizers by the model's own names.

PyTorch: ``torch.distributed.checkpoint.state_dict``. Wrappers leave no trace in the names: those of
``DistributedDataParallel`` and ``compile`` are taken out. An optimizer's state is kept by the names
of parameters, and a new optimizer has state to read into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anadrome as ad
from anadrome import Tensor, nn, sites
from anadrome.places.compiler import OptimizedModule

from .wrappers import DistributedDataParallel


@dataclass
class StateDictOptions:
    """How state dicts are made and read.

    ``cpu_offload``: values on the CPU. ``ignore_frozen_params``: leave out parameters that require
    no gradient. ``strict``: as of ``load_state_dict``. ``flatten_optimizer_state_dict``: one dict
    of dotted names. ``full_state_dict``: names that are missing keep the model's values.
    """

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False
    dsd_fqn_modifiers: str = "_fqn_modifiers"


def _options(given: StateDictOptions | None) -> StateDictOptions:
    options = given or StateDictOptions()
    if options.broadcast_from_rank0 and not options.full_state_dict:
        raise ValueError("full_state_dict must be True when broadcast_from_rank0 is True.")
    return options


def _name(model: nn.Module, name: str) -> str:
    """A name without those that wrappers add to it."""
    parts = []
    place: Any = model
    for part in name.split("."):
        wrapper = {DistributedDataParallel: "module", OptimizedModule: "_orig_mod"}.get(type(place))
        if part != wrapper:
            parts.append(part)
        if part != "_extra_state":
            place = getattr(place, part)
    return ".".join(parts)


def _offered(value: Any, options: StateDictOptions) -> Any:
    if isinstance(value, Tensor):
        value = value.detach() if options.full_state_dict or options.cpu_offload else value
        return value.cpu() if options.cpu_offload else value
    if isinstance(value, dict):
        return {k: _offered(v, options) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_offered(v, options) for v in value)
    return value


def _prefixes(model: nn.Module, submodules: Any) -> list[str]:
    if not submodules:
        return []
    sites.warn(
        "Getting submodules only model/optim state_dict is deprecated; filter what "
        "get_state_dict returns",
        FutureWarning,
    )
    return [f"{_name(model, n)}." for n, module in model.named_modules() if module in submodules]


def get_model_state_dict(
    model: nn.Module, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """The state dict of a model, by its own names.

    >>> import anadrome as ad
    >>> from anadrome.distributed.checkpoint.state_dict import get_model_state_dict
    >>> list(get_model_state_dict(ad.compile(ad.nn.Linear(1, 1))))
    ['weight', 'bias']
    """
    options = _options(options)
    state = {_name(model, key): value for key, value in model.state_dict().items()}
    prefixes = _prefixes(model, submodules)
    if prefixes:
        cut = 0 if options.keep_submodule_prefixes else 1
        state = {
            name[cut * len(prefix) :]: value
            for name, value in state.items()
            for prefix in prefixes
            if name.startswith(prefix)
        }
    if options.ignore_frozen_params:
        for key, parameter in model.named_parameters():
            if not parameter.requires_grad:
                state.pop(_name(model, key), None)
    return {name: _offered(value, options) for name, value in state.items()}


def _all_optimizers(optimizers: Any) -> tuple[Any, ...]:
    single = isinstance(optimizers, ad.optim.Optimizer)
    return (optimizers,) if single else tuple(optimizers)


def _begin(optimizer: Any) -> None:
    """Give an optimizer that has not stepped the state that a step would make."""
    groups = optimizer.param_groups
    parameters = [p for group in groups for p in group["params"]]
    if optimizer.state or any(p.grad is not None for p in parameters):
        return
    for parameter in parameters:
        if parameter.requires_grad:
            parameter.grad = ad.zeros_like(parameter)
    rates = [(group, group["lr"]) for group in groups if "lr" in group]
    for group, rate in rates:
        group["lr"] = ad.tensor(0.0) if isinstance(rate, Tensor) else 0.0
    try:
        optimizer.step()
    finally:
        for group, rate in rates:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)


def get_optimizer_state_dict(
    model: nn.Module,
    optimizers: Any,
    *,
    submodules: Any = None,
    options: StateDictOptions | None = None,
) -> dict[str, Any]:
    """The state of an optimizer, or of several, by the names of the model's parameters.

    One that has not stepped gets its state, as of a step that changes nothing.
    """
    options = _options(options)
    names = {p: _name(model, key) for key, p in model.named_parameters()}
    state: dict[str, Any] = {"state": {}, "param_groups": []}
    with ad.no_grad():
        for optimizer in _all_optimizers(optimizers):
            _begin(optimizer)
            own = optimizer.state_dict()
            numbered = [p for group in optimizer.param_groups for p in group["params"]]
            for number, entries in own["state"].items():
                state["state"][names[numbered[number]]] = entries
            for group in own["param_groups"]:
                named = [names[numbered[number]] for number in group["params"]]
                state["param_groups"].append({**group, "params": named})
    if options.flatten_optimizer_state_dict:
        state = _flat(state)
    return _offered(state, options)


def _flat(state: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, entries in state["state"].items():
        flat.update(_entries(f"state.{name}", entries))
    for group in state["param_groups"]:
        for name in group["params"]:
            for key, value in group.items():
                if key != "params":
                    flat[f"param_groups.{name}.{key}"] = value
    return flat


def _entries(prefix: str, entries: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in entries.items():
        if isinstance(value, dict):
            yield from _entries(f"{prefix}.{key}", value)
        elif isinstance(value, (Tensor, int, float)):
            yield f"{prefix}.{key}", value
        else:
            raise NotImplementedError(
                "Flattening optimizer state_dict only supports tensor, int, float, dict states "
                f"now. Type is {type(value)}."
            )


def get_state_dict(
    model: nn.Module,
    optimizers: Any,
    *,
    submodules: Any = None,
    options: StateDictOptions | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``get_model_state_dict`` and ``get_optimizer_state_dict``.

    >>> import anadrome as ad
    >>> from anadrome.distributed.checkpoint.state_dict import get_state_dict
    >>> model = ad.nn.Linear(1, 1)
    >>> of_model, of_optimizer = get_state_dict(model, ad.optim.Adam(model.parameters()))
    >>> list(of_optimizer["state"]), of_optimizer["param_groups"][0]["params"]
    (['weight', 'bias'], ['weight', 'bias'])
    """
    of_model = get_model_state_dict(model, submodules=submodules, options=options)
    if not _all_optimizers(optimizers):
        return of_model, {}
    return of_model, get_optimizer_state_dict(model, optimizers, options=options)


def set_model_state_dict(
    model: nn.Module,
    model_state_dict: dict[str, Any],
    *,
    options: StateDictOptions | None = None,
) -> Any:
    """Read what ``get_model_state_dict`` gave; returns the names missing and unexpected.

    The options must be those that it was given.
    """
    options = _options(options)
    if not model_state_dict and options.strict and not options.ignore_frozen_params:
        if not (options.cpu_offload and options.full_state_dict):
            raise RuntimeError(
                "The option indicates that model state_dict is required to save or load, but model "
                "state_dict is empty."
            )
    given = dict(model_state_dict)
    own = model.state_dict()
    state = {}
    for key, value in own.items():
        name = _name(model, key)
        if name in given:
            state[key] = given.pop(name)
        elif options.full_state_dict:
            state[key] = value
        elif name != key and options.strict:
            raise RuntimeError(f"Missing key: {name}.")
    return model.load_state_dict({**state, **given}, strict=options.strict)


def set_optimizer_state_dict(
    model: nn.Module,
    optimizers: Any,
    optim_state_dict: dict[str, Any],
    *,
    options: StateDictOptions | None = None,
) -> None:
    """Read what ``get_optimizer_state_dict`` gave, also of several optimizers at once."""
    options = _options(options)
    chosen = _all_optimizers(optimizers)
    if chosen and not optim_state_dict and not (options.cpu_offload and options.full_state_dict):
        raise RuntimeError(
            "The option indicates that model state_dict is required to save, or load but optim "
            f"state_dict is empty. {optim_state_dict}"
        )
    names = {p: _name(model, key) for key, p in model.named_parameters()}
    for optimizer in chosen:
        _begin(optimizer)
        if "state" in optim_state_dict:
            state = _part(optimizer, optim_state_dict, names, options.strict)
        else:
            state = _unflattened(optimizer, optim_state_dict, names)
        rates = [group.get("lr") for group in optimizer.param_groups]
        optimizer.load_state_dict(state)
        for group, rate in zip(optimizer.param_groups, rates):
            if isinstance(rate, Tensor) and not isinstance(group.get("lr"), Tensor):
                group["lr"] = ad.tensor(group["lr"])


def _part(optimizer: Any, given: dict[str, Any], names: Any, strict: bool) -> dict[str, Any]:
    """What belongs to this optimizer."""
    if given["state"] and all(isinstance(key, int) for key in given["state"]):
        return given  # an optimizer's own
    strict = strict and bool(given["state"])  # SGD without momentum has none
    state: dict[str, Any] = {}
    groups = []
    for group in optimizer.param_groups:
        own = [names[p] for p in group["params"]]
        for parameter, name in zip(group["params"], own):
            if name in given["state"]:
                state[name] = given["state"][name]
            elif parameter.requires_grad and strict:
                raise RuntimeError(
                    f"Missing optimizer state for parameter '{name}' in checkpoint. The parameter "
                    "requires gradients but has no saved optimizer state. To load anyway, use "
                    "StateDictOptions(strict=False)."
                )
        saved = (g for g in given["param_groups"] if set(own) & set(g["params"]) or not own)
        groups.append({**next(saved, {}), "params": own})
    return {"state": state, "param_groups": groups}


def _unflattened(optimizer: Any, flat: dict[str, Any], names: Any) -> dict[str, Any]:
    state: dict[str, Any] = {}
    groups = []
    for group in optimizer.param_groups:
        own = [names[p] for p in group["params"]]
        for parameter, name in zip(group["params"], own):
            if parameter.requires_grad:
                state[name] = {
                    key: _grown(f"state.{name}.{key}", flat) for key in optimizer.state[parameter]
                }
        saved = {k: flat[f"param_groups.{own[0]}.{k}"] for k in group if k != "params"}
        groups.append({**saved, "params": own})
    return {"state": state, "param_groups": groups}


def _grown(name: str, flat: dict[str, Any]) -> Any:
    if name in flat:
        return flat[name]
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        if key.startswith(f"{name}."):
            place = nested
            *above, last = key[len(name) + 1 :].split(".")
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value
    return nested


def set_state_dict(
    model: nn.Module,
    optimizers: Any,
    *,
    model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any],
    options: StateDictOptions | None = None,
) -> Any:
    """``set_model_state_dict`` and ``set_optimizer_state_dict``."""
    if _all_optimizers(optimizers):
        set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return set_model_state_dict(model, model_state_dict, options=options)
