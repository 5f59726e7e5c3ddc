"""sharded: modules whose parameters PyTorch lays in pieces on processes (``distributed.fsdp``).

There is one process, so it has them whole, and nothing is gathered or given back. The structure is
PyTorch's with ``use_orig_params``: names in ``state_dict`` are those of the module itself.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anadrome as ad
from anadrome import Tensor, nn

from .groups import started

ShardingStrategy = enum.Enum(
    "ShardingStrategy", "FULL_SHARD SHARD_GRAD_OP NO_SHARD HYBRID_SHARD _HYBRID_SHARD_ZERO2"
)
BackwardPrefetch = enum.Enum("BackwardPrefetch", "BACKWARD_PRE BACKWARD_POST")
StateDictType = enum.Enum("StateDictType", "FULL_STATE_DICT LOCAL_STATE_DICT SHARDED_STATE_DICT")
OptimStateKeyType = enum.Enum("OptimStateKeyType", "PARAM_NAME PARAM_ID")


@dataclass
class MixedPrecision:
    """Types to compute in; only None and float32 are there: use ``amp.autocast``."""

    param_dtype: Any = None
    reduce_dtype: Any = None
    buffer_dtype: Any = None
    keep_low_precision_grads: bool = False
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """The same for ``fully_shard``."""

    param_dtype: Any = None
    reduce_dtype: Any = None
    output_dtype: Any = None
    cast_forward_inputs: bool = True


@dataclass
class CPUOffload:
    """Whether parameters wait on the CPU; here they stay where they are."""

    offload_params: bool = False


@dataclass
class OffloadPolicy:
    """Parameters stay where they are."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Accepted; parameters stay where they are."""

    pin_memory: bool = True


@dataclass
class StateDictConfig:
    """How a state dictionary is made."""

    offload_to_cpu: bool = False


@dataclass
class FullStateDictConfig(StateDictConfig):
    """Of one with whole values."""

    rank0_only: bool = False


@dataclass
class LocalStateDictConfig(StateDictConfig):
    """Of one with the pieces of a process, here all."""


@dataclass
class ShardedStateDictConfig(StateDictConfig):
    """Of one with pieces, here whole values."""

    _use_dtensor: bool = False


class OptimStateDictConfig(StateDictConfig):
    """How the state of an optimizer is made a dictionary."""


class FullOptimStateDictConfig(FullStateDictConfig, OptimStateDictConfig):
    """Of one with whole values."""


class LocalOptimStateDictConfig(LocalStateDictConfig, OptimStateDictConfig):
    """Of one with the pieces of a process."""


class ShardedOptimStateDictConfig(ShardedStateDictConfig, OptimStateDictConfig):
    """Of one with pieces."""


@dataclass
class StateDictSettings:
    """What was set last for the dictionaries of a module."""

    state_dict_type: Any
    state_dict_config: Any
    optim_state_dict_config: Any


def _float32(policy: Any) -> None:
    for name in ("param_dtype", "buffer_dtype", "output_dtype"):
        found = getattr(policy, name, None)
        if found not in (None, ad.float32):
            raise RuntimeError(
                f"FSDP: {name}={found} is not there; write `with amp.autocast(...)` around the "
                "forward, or convert the module"
            )


_INSIDE = "_fsdp_wrapped_module."


class FullyShardedDataParallel(nn.Module):
    """Calls ``module``, which one process has whole
    (``torch.distributed.fsdp.FullyShardedDataParallel``).

    PyTorch's arguments are accepted; modules inside are not wrapped. ``device_id``: where the
    module is brought. ``param_init_fn``: called with each module inside that is on "meta".
    Raises ValueError if no group was started, RuntimeError for ``mixed_precision`` in another type
    than float32.

    >>> import anadrome as ad
    >>> from anadrome.distributed.fsdp import FullyShardedDataParallel as FSDP
    >>> ad.distributed.init_process_group(world_size=1, rank=0)
    >>> model = FSDP(ad.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['weight', 'bias']
    >>> ad.distributed.destroy_process_group()
    """

    def __init__(
        self,
        module: Any,
        process_group: Any = None,
        sharding_strategy: Any = None,
        cpu_offload: Any = None,
        auto_wrap_policy: Any = None,
        backward_prefetch: Any = BackwardPrefetch["BACKWARD_PRE"],
        mixed_precision: Any = None,
        ignored_modules: Any = None,
        param_init_fn: Any = None,
        device_id: Any = None,
        sync_module_states: bool = False,
        forward_prefetch: bool = False,
        limit_all_gathers: bool = True,
        use_orig_params: bool = False,
        ignored_states: Any = None,
        device_mesh: Any = None,
    ) -> None:
        super().__init__()
        _float32(mixed_precision)
        self.process_group = started(process_group)
        self.sharding_strategy = sharding_strategy or ShardingStrategy["FULL_SHARD"]
        if param_init_fn is not None:
            for part in module.modules():
                if any(p.is_meta for p in part.parameters(recurse=False)):
                    param_init_fn(part)
        self._fsdp_wrapped_module = module
        if device_id is not None:
            module.to(ad.device("cuda", device_id) if isinstance(device_id, int) else device_id)
        self._settings = StateDictSettings(
            StateDictType["FULL_STATE_DICT"], FullStateDictConfig(), FullOptimStateDictConfig()
        )
        self._register_state_dict_hook(_without_prefix)
        self._register_load_state_dict_pre_hook(_with_prefix)

    @property
    def module(self) -> Any:
        """The module that was wrapped."""
        return self._fsdp_wrapped_module

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "_fsdp_wrapped_module":
                raise
            return getattr(self._fsdp_wrapped_module, name)

    def __getitem__(self, key: Any) -> Any:
        return self._fsdp_wrapped_module[key]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own."""
        return self._fsdp_wrapped_module(*args, **kwargs)

    def check_is_root(self) -> bool:
        """Whether it is in no other one; True, since none is made inside."""
        return True

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> Tensor:
        """``nn.utils.clip_grad_norm_`` of all parameters."""
        return nn.utils.clip_grad_norm_(self.parameters(), max_norm, norm_type)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients stay in this process, as they do anyway."""
        yield

    @staticmethod
    def fsdp_modules(module: Any, root_only: bool = False) -> list[Any]:
        """Those that are wrapped."""
        return [m for m in module.modules() if isinstance(m, FullyShardedDataParallel)]

    @staticmethod
    @contextlib.contextmanager
    def summon_full_params(module: Any, *args: Any, **options: Any) -> Iterator[None]:
        """Parameters are whole inside, as outside."""
        yield

    @staticmethod
    def set_state_dict_type(
        module: Any,
        state_dict_type: Any,
        state_dict_config: Any = None,
        optim_state_dict_config: Any = None,
    ) -> StateDictSettings:
        """Accepted: values are whole; returns what was set before."""
        before = FullyShardedDataParallel.get_state_dict_type(module)
        now = StateDictSettings(state_dict_type, state_dict_config, optim_state_dict_config)
        for part in FullyShardedDataParallel.fsdp_modules(module):
            part._settings = now
        return before

    @staticmethod
    def get_state_dict_type(module: Any) -> StateDictSettings:
        """What was set last."""
        found = FullyShardedDataParallel.fsdp_modules(module)
        if not found:
            raise AssertionError("there is no FullyShardedDataParallel in this module")
        return found[0]._settings  # type: ignore[no-any-return]

    @staticmethod
    @contextlib.contextmanager
    def state_dict_type(
        module: Any,
        state_dict_type: Any,
        state_dict_config: Any = None,
        optim_state_dict_config: Any = None,
    ) -> Iterator[None]:
        """The same for what is inside."""
        wrapped = FullyShardedDataParallel
        before = wrapped.set_state_dict_type(
            module, state_dict_type, state_dict_config, optim_state_dict_config
        )
        try:
            yield
        finally:
            for part in wrapped.fsdp_modules(module):
                part._settings = before

    @staticmethod
    def optim_state_dict(
        model: Any, optim: Any, optim_state_dict: Any = None, group: Any = None
    ) -> dict[str, Any]:
        """The state of an optimizer, by the names of parameters in place of numbers."""
        found = optim.state_dict() if optim_state_dict is None else optim_state_dict
        names = _names(model, optim)
        groups = [{**g, "params": [names[n] for n in g["params"]]} for g in found["param_groups"]]
        return {"state": {names[n]: s for n, s in found["state"].items()}, "param_groups": groups}

    @staticmethod
    def optim_state_dict_to_load(
        model: Any,
        optim: Any,
        optim_state_dict: dict[str, Any],
        load_directly: bool = False,
        group: Any = None,
    ) -> dict[str, Any]:
        """That, by numbers again, for ``optim.load_state_dict``."""
        numbers = {name: n for n, name in enumerate(_names(model, optim))}
        given = optim_state_dict
        groups = [{**g, "params": [numbers[n] for n in g["params"]]} for g in given["param_groups"]]
        state = {numbers[name]: s for name, s in given["state"].items()}
        out = {"state": state, "param_groups": groups}
        if load_directly:
            optim.load_state_dict(out)
        return out


def _names(model: Any, optim: Any) -> list[str]:
    """The names of the parameters of an optimizer, in its order."""
    named = {id(p): n.replace(_INSIDE, "") for n, p in model.named_parameters()}
    return [named[id(p)] for g in optim.param_groups for p in g["params"]]


def _without_prefix(module: Any, state: Any, prefix: str, metadata: Any) -> None:
    start = prefix + _INSIDE
    for name in [n for n in state if n.startswith(start)]:
        state[prefix + name[len(start) :]] = state.pop(name)


def _with_prefix(state: Any, prefix: str, *rest: Any) -> None:
    for name in [n for n in state if n.startswith(prefix)]:
        if not name.startswith(prefix + _INSIDE):
            state[prefix + _INSIDE + name[len(prefix) :]] = state.pop(name)


class FSDPModule:
    """A module that ``fully_shard`` was called with (``torch.distributed.fsdp.FSDPModule``)."""

    def unshard(self, async_op: bool = False) -> None:
        """Parameters are whole already."""

    def reshard(self) -> None:
        """They stay whole."""

    def _accepted(self, *args: Any, **options: Any) -> None:
        """Accepted: nothing is sent."""

    set_requires_gradient_sync = set_requires_all_reduce = set_is_last_backward = _accepted
    set_reshard_after_forward = set_reshard_after_backward = _accepted
    set_modules_to_forward_prefetch = set_modules_to_backward_prefetch = _accepted


def fully_shard(
    module: Any,
    *,
    mesh: Any = None,
    reshard_after_forward: Any = None,
    shard_placement_fn: Any = None,
    mp_policy: Any = None,
    offload_policy: Any = None,
    ignored_params: Any = None,
    dp_mesh_dims: Any = None,
) -> Any:
    """The module itself, which becomes an ``FSDPModule`` too
    (``torch.distributed.fsdp.fully_shard``).

    Raises ValueError if no group was started, RuntimeError for ``mp_policy`` in another type than
    float32.
    """
    started()
    _float32(mp_policy)
    for part in module if isinstance(module, (list, tuple)) else [module]:
        cls = type(part)
        if not isinstance(part, FSDPModule):
            part.__class__ = type(f"FSDP{cls.__name__}", (FSDPModule, cls), {})
    return module
