"""state: a Module's parameters and buffers as a flat dictionary, and back."""

from __future__ import annotations

import functools
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ... import modes, sites
from ...border import enclose
from ...graph import RemovableHandle
from ...tensor import Tensor
from ...utils.swapping import swap_tensors
from ..parameter import Parameter
from .converting import get_swap_module_params_on_conversion
from .hooks import attach

if TYPE_CHECKING:
    from .module import Module

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ("missing_keys", "unexpected_keys"))):
    """What ``load_state_dict`` returns."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDict(OrderedDict):
    """Dotted names to Tensors; ``_metadata`` holds the version of each module."""

    _metadata: dict[str, Any]


@enclose
class State:
    """The part of Module that is saved; the tables are Module's."""

    _version = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict[int, Any]
    _state_dict_pre_hooks: OrderedDict[int, Any]
    _load_state_dict_pre_hooks: OrderedDict[int, Any]
    _load_state_dict_pre_hooks_with_module: dict[int, bool]
    _load_state_dict_post_hooks: OrderedDict[int, Any]

    def get_extra_state(self) -> Any:
        """Override to save more than parameters and buffers; pair with ``set_extra_state``."""
        raise NotImplementedError("override get_extra_state() to save extra state")

    def set_extra_state(self, state: Any) -> None:
        """Override to take back what ``get_extra_state`` gave."""
        raise NotImplementedError("override set_extra_state() to load extra state")

    # -- saving -------------------------------------------------------------------------------
    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by dotted name.

        The Tensors share the module's memory, outside the graph; ``keep_vars=True`` gives the
        parameters themselves.

        >>> import anadrome as ad
        >>> list(ad.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if destination is None:
            destination = StateDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            changed = hook(self, destination, prefix, metadata)
            if changed is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = changed
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """This module's own part; override to save something else."""
        for name, value in self._saved().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if _overrides(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def _saved(self) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        for name, parameter in self._parameters.items():
            if parameter is not None:
                out[name] = parameter
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                out[name] = buffer
        return out

    # -- loading ------------------------------------------------------------------------------
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy what ``state_dict`` holds into the parameters and buffers.

        ``strict``: every name must be there, and no other. ``assign``: take the Tensors themselves
        instead of copying (their dtype and device then replace the module's). Returns the names
        that were missing and unexpected. Raises RuntimeError that lists every name that does not
        match and every shape that differs; nothing has been copied then. (Where a post hook may
        still strike names off the lists, missing and unexpected ones are found after copying.)
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None) or {}
        copied = StateDict(state_dict)  # hooks may change it
        copied._metadata = metadata
        steps: list[Callable[[], str | None]] = []
        hooks: list[tuple[Any, Any]] = []

        def load(module: Any, part: Any, prefix: str) -> None:
            local = dict(metadata.get(prefix[:-1], {}))
            if assign:
                local["assign_to_params_buffers"] = True
            if type(module)._load_from_state_dict.__module__.startswith("anadrome."):
                local["steps"] = steps  # a user's own form may look at what it has loaded
            module._load_from_state_dict(part, prefix, local, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    inner = f"{prefix}{name}."
                    below = {k: v for k, v in part.items() if k.startswith(inner)}
                    load(child, below, inner)
            hooks.extend((module, h) for h in module._load_state_dict_post_hooks.values())

        load(self, copied, "")
        if errors or not hooks:
            self._refuse(errors, missing, unexpected, strict)
        errors += [error for step in steps if (error := step()) is not None]
        keys = _IncompatibleKeys(missing, unexpected)
        for module, hook in hooks:
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                    "expected to return new values; change incompatible_keys in place"
                )
        self._refuse(errors, missing, unexpected, strict)
        return keys

    def _refuse(
        self, errors: list[str], missing: list[str], unexpected: list[str], strict: bool
    ) -> None:
        """Raise if something does not fit."""
        if strict:
            _report(errors, "Unexpected", unexpected)
            _report(errors, "Missing", missing)
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(
                    type(self).__name__, "\n\t".join(errors)
                )
            )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """This module's own part; override to read older versions.

        With ``local_metadata["steps"]``, a list, nothing is copied but noted there.
        """
        for number, hook in list(self._load_state_dict_pre_hooks.items()):
            with_module = number in self._load_state_dict_pre_hooks_with_module
            hook(
                *((self,) if with_module else ()),
                state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                error_msgs,
            )  # fmt: skip
        assign = local_metadata.get("assign_to_params_buffers", False)
        steps: list[Callable[[], str | None]] = []
        own = self._saved()
        for name, mine in own.items():
            key = prefix + name
            if key in state_dict:
                error = _misfit(mine, key, state_dict[key])
                if error is not None:
                    error_msgs.append(error)
                else:
                    given = (name, mine, key, state_dict[key], assign)
                    steps.append(functools.partial(self._load_one, *given))
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        if _overrides(self, "set_extra_state"):
            if extra in state_dict:
                steps.append(functools.partial(self._take_extra, state_dict[extra]))
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    first, *rest = key[len(prefix) :].split(".", 1)
                    if first not in (self._modules if rest else own):
                        unexpected_keys.append(key)
        if "steps" in local_metadata:
            local_metadata["steps"].extend(steps)
        else:
            error_msgs += [error for step in steps if (error := step()) is not None]

    def _load_one(self, name: str, mine: Tensor, key: str, given: Any, assign: bool) -> str | None:
        """Take one Tensor; the sentence that reports why it could not be taken."""
        try:
            if mine.ndim == 0 and given.ndim:
                given = given[0]
            with modes.no_grad():
                if not assign:
                    if given._backend.holds_values and not mine._backend.holds_values:
                        sites.warn(
                            f"for {key}: copying from a non-{mine.device.type} parameter in the "
                            f"checkpoint to a {mine.device.type} parameter in the current model, "
                            "which is a no-op. (Did you mean to pass `assign=True` to assign items "
                            "in the state dictionary to their corresponding key in the module "
                            "instead of copying them in place?)"
                        )
                    mine.copy_(given)
                    return None
                if isinstance(mine, Parameter) and not isinstance(given, Parameter):
                    given = Parameter(given, requires_grad=mine.requires_grad)
                elif isinstance(mine, Parameter):
                    given.requires_grad_(mine.requires_grad)
                if get_swap_module_params_on_conversion():
                    swap_tensors(mine, given)
                else:
                    setattr(self, name, given)
                return None
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{mine.shape!r} and whose dimensions in the checkpoint are {given.shape!r}, an "
                f"exception occurred : {error.args}."
            )

    def _take_extra(self, state: Any) -> None:
        self.set_extra_state(state)

    # -- hooks --------------------------------------------------------------------------------
    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` is made."""
        return attach(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, metadata)``, which may change it in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return attach(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As the post hook, but what it returns, if anything, takes the place of the result."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return attach(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, ...)`` with the arguments of ``_load_from_state_dict`` before it."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        marks = [self._load_state_dict_pre_hooks_with_module] * with_module
        return attach(self._load_state_dict_pre_hooks, hook, *marks)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)``, which may change the two lists in place."""
        return attach(self._load_state_dict_post_hooks, hook)


def _misfit(mine: Tensor, key: str, given: Any) -> str | None:
    """The sentence that reports why a Tensor cannot be taken, if that can be seen before."""
    if not isinstance(given, Tensor):
        return (
            f'While copying the parameter named "{key}", expected anadrome.Tensor or '
            f"Tensor-like object from checkpoint but received {type(given)}"
        )
    if given.shape == mine.shape or (mine.ndim == 0 and tuple(given.shape) == (1,)):
        return None
    return (
        f"size mismatch for {key}: copying a param with shape {given.shape!r} from "
        f"checkpoint, the shape in current model is {mine.shape!r}."
    )


def _overrides(module: Any, name: str) -> bool:
    return getattr(type(module), name) is not getattr(State, name)


def _report(errors: list[str], kind: str, keys: list[str]) -> None:
    if keys:
        names = ", ".join(f'"{k}"' for k in keys)
        errors.insert(0, f"{kind} key(s) in state_dict: {names}. ")
