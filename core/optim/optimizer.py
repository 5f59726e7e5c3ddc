"""optimizer: parameter groups, state, hooks, and the format in which they are saved.

What every optimizer has in common, as in PyTorch. How an update is made fast is in ``flat.py``.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar

from .. import modes, sites
from ..border import Bordered
from ..graph import RemovableHandle
from ..op import KEEP, NONE, op
from ..tensor import Tensor
from .stepping import register_optimizer_step_post_hook as register_optimizer_step_post_hook
from .stepping import register_optimizer_step_pre_hook as register_optimizer_step_pre_hook
from .stepping import with_hooks
from .written import *

StateDict = dict[str, Any]


class _Required:
    """Stands in an optimizer's defaults for an option that each group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def _fill_zero(xp: Any, *tensors: Any) -> None:
    for t in tensors:
        t[...] = 0


#: Writes zero into all of the given Tensors, in one call.
zero_together = op("zero_together", _fill_zero, mutates=("tensors",), tensors=NONE, dtype=KEEP,
                   method=False)  # fmt: skip


class Optimizer(Bordered):
    """Base of all optimizers (PyTorch: ``torch.optim.Optimizer``).

    ``params``: Tensors, ``(name, Tensor)`` pairs, or dictionaries, each a group with ``"params"``
    and options of its own. ``defaults``: the options of groups that do not give them.

    To write one, override ``step`` as with PyTorch; or derive from ``FlatOptimizer``, where an
    update rule on arrays is all there is to write. The hooks registered here, and the plugins'
    ``before_step`` and ``after_step``, are called around whatever ``step`` a subclass defines.

    Raises ``TypeError`` for what is not a Tensor; ``ValueError`` for an empty list, a Tensor that
    an op made, an option that is missing, or a parameter given to two groups.

    >>> import anadrome as ad
    >>> class Descent(ad.optim.Optimizer):
    ...     def __init__(self, params, lr):
    ...         super().__init__(params, {"lr": lr})
    ...     @ad.no_grad
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p -= group["lr"] * p.grad
    >>> x = ad.tensor([3.0], requires_grad=True)
    >>> optimizer = Descent([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.], requires_grad=True)
    """

    #: Whether ``step()`` calls the plugins' ``before_update``; no longer so below a class that has
    #: its own.
    announces_update: ClassVar[bool] = False

    #: Given for one step, a flag on the device: where it is true, the step changes nothing.
    found_inf: Tensor | None = None

    @property
    def skips_on_device(self) -> bool:
        """Whether ``step`` heeds ``found_inf``, so that nobody has to read it before."""
        return False

    #: For a subclass that wraps another optimizer, and never calls this class's ``__init__``.
    _step_pre_hooks: dict[int, Any] = MappingProxyType({})  # type: ignore[assignment]
    _step_post_hooks: dict[int, Any] = MappingProxyType({})  # type: ignore[assignment]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                "dicts, but got a Tensor; write `[tensor]`"
            )
        self.defaults = defaults
        self._make_hooks()
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list; if it came from a generator such as "
                "`model.parameters()`, somebody may have used it up before"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "step" in cls.__dict__:
            if "announces_update" not in cls.__dict__:
                cls.announces_update = False
            cls.step = with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def _make_hooks(self) -> None:
        self._step_pre_hooks = OrderedDict()
        self._step_post_hooks = OrderedDict()
        self._state_dict_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._state_dict_post_hooks: OrderedDict[int, Any] = OrderedDict()
        self._load_pre_hooks: OrderedDict[int, Any] = OrderedDict()
        self._load_post_hooks: OrderedDict[int, Any] = OrderedDict()
        #: Whether ``step()`` has run: a scheduler that is stepped before it warns.
        self._opt_called = False

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_step_pre_hooks" not in self.__dict__:
            self._make_hooks()
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        groups = []
        for i, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            groups.append(f"\nParameter Group {i}\n{''.join(lines)}")
        return f"{type(self).__name__} ({''.join(groups)})"

    # -- groups ---------------------------------------------------------------------------------
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: a dictionary with ``"params"`` and any options that differ (PyTorch's)."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params, names = _separated([given] if isinstance(given, Tensor) else list(given))
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for p in params:
            self.check_parameter(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        ids = {id(p) for p in params}
        if len(ids) != len(params):
            sites.warn(
                "optimizer contains a parameter group with duplicate parameters; each is updated "
                "once for every time it is listed"
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if names else 'without'} names to the optimizer"
                )
        if not ids.isdisjoint(id(p) for g in self.param_groups for p in g["params"]):
            raise ValueError(
                "some parameters appear in more than one parameter group; give each parameter to "
                "one group only"
            )
        self.param_groups.append(param_group)

    def check_parameter(self, p: Any) -> None:
        """Raise if ``p`` cannot be optimized; an optimizer may refuse more than the base does."""
        if not isinstance(p, Tensor):
            raise TypeError(
                "optimizer can only optimize Tensors, but one of the params is "
                f"{type(p).__module__}.{type(p).__qualname__}"
            )
        if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError(
                "can't optimize a non-leaf Tensor: it was made by "
                f"{p.grad_fn.where() if p.grad_fn else 'an op'}; optimize what it was made from, "
                "or its `.detach().requires_grad_()`"
            )

    # -- the step -------------------------------------------------------------------------------
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients; returns what ``closure`` returned, or None.

        ``closure`` computes the loss again, calls ``backward()`` on it and returns it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: ``.grad`` becomes None, or zero with ``set_to_none=False``."""
        if set_to_none:
            for group in self.param_groups:
                modes.touch(*group["params"], new_grad=True)
                for p in group["params"]:
                    p._grad = None
            return
        by_device: dict[Any, list[Tensor]] = {}
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            if p._grad is not None:
                p._grad._edge = None
                by_device.setdefault(p._grad.device, []).append(p._grad)
        for grads in by_device.values():
            zero_together(*grads)

    # -- hooks ----------------------------------------------------------------------------------
    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ones.

        As in PyTorch the first of ``args`` is the optimizer itself.
        """
        return RemovableHandle(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return RemovableHandle(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict()``."""
        return _registered(self._state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after it was made; it may return another."""
        return _registered(self._state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before it is loaded; it may return another."""
        return _registered(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state was loaded."""
        return _registered(self._load_post_hooks, hook, prepend)

    # -- saving ---------------------------------------------------------------------------------
    def state_dict(self) -> StateDict:
        """``{"state": {index: {...}}, "param_groups": [...]}``, in PyTorch's format.

        Parameters are numbered through all groups, in order. The Tensors in it are the optimizer's
        own: copy them if you want to keep their present values.
        """
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        count = 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], count):
                numbers.setdefault(id(p), i)
            packed = {name: value for name, value in group.items() if name != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            count += len(group["params"])
            groups.append(packed)
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        out: StateDict = {"state": state, "param_groups": groups}
        for hook in list(self._state_dict_post_hooks.values()):
            changed = hook(self, out)
            out = out if changed is None else changed
        return out

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over a state that ``state_dict()`` gave; its Tensors are copied.

        State takes the dtype and device of its parameter, except ``"step"``, which stays on the
        host. Raises ``ValueError`` if the groups or their lengths do not fit.
        """
        state_dict = dict(state_dict)
        for hook in list(self._load_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, this optimizer has {len(self.param_groups)}"
            )
        own: dict[int, Tensor] = {}
        for i, (group, new) in enumerate(zip(self.param_groups, saved)):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: group {i} has {len(new['params'])} parameters there and "
                    f"{len(group['params'])} here"
                )
            own.update(zip(new["params"], group["params"]))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for number, value in state_dict["state"].items():
            if number in own:
                state[own[number]] = _fitted(own[number], value, None)
            else:
                state[number] = value
        for group, new in zip(self.param_groups, saved):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
            # The same dictionary with new contents, since a captured step reads it.
            group.clear()
            group.update(new)
        self.__setstate__({"state": state})
        for hook in list(self._load_post_hooks.values()):
            hook(self)


def check_flags(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Refuse, as PyTorch does, implementations that exclude each other."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_one_element(name: str, value: Any) -> None:
    """An option that may be a Tensor must have one element."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element, got one of shape {tuple(value.shape)}")


def _registered(table: OrderedDict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    handle = RemovableHandle(table, hook)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _separated(given: list[Any]) -> tuple[list[Any], list[str]]:
    """Parameters and, if they came as ``(name, parameter)``, their names."""
    params = [p[1] if isinstance(p, tuple) else p for p in given]
    names = [p[0] for p in given if isinstance(p, tuple)]
    if names and len(names) != len(params):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return params, names


def _fitted(param: Tensor, value: Any, key: Any) -> Any:
    """A copy of a saved value, in the dtype and on the device of its parameter."""
    if isinstance(value, Tensor):
        value = value.detach()
        if key == "step":
            return value.clone()
        if param.dtype.is_floating_point:
            return value.to(device=param.device, dtype=param.dtype, copy=True)
        return value.to(device=param.device, copy=True)
    if isinstance(value, dict):
        return {k: _fitted(param, v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(param, v, key) for v in value)
    return value
