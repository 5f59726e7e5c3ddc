"""The `distributed` plugin: PyTorch's process groups, of one process, and its parallel wrappers.

A program written for many processes runs as the only one of them; more than one is refused.
Reading order: ``groups`` (starting and asking), ``collectives`` (what processes do together),
``differentiable`` (the same with gradients), ``exchanging`` (sends and receipts), ``stores``,
``meshes``, ``elastic``, ``checkpoints``, ``checkpoint_files``, ``checkpoint_hf`` and
``model_states`` (``distributed.checkpoint``), ``sharded`` and ``wrapping`` (``distributed.fsdp``),
``zero`` (``distributed.optim``), ``wrappers`` and ``functions`` (``nn.parallel``), ``older``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

_GROUPS = (
    "Backend GroupMember ProcessGroup _get_default_group _rank_not_in_group default_pg_timeout "
    "destroy_process_group get_backend get_default_backend_for_device get_global_rank "
    "get_group_rank get_node_local_rank get_process_group_ranks get_rank get_world_size group "
    "init_process_group is_available is_backend_available is_gloo_available is_initialized "
    "is_mpi_available is_nccl_available is_torchelastic_launched is_ucc_available "
    "is_xccl_available new_group new_subgroups supports_complex"
)
_COLLECTIVES = (
    "ReduceOp Work all_gather all_gather_into_tensor all_gather_object all_reduce all_to_all "
    "all_to_all_single barrier broadcast broadcast_object_list gather gather_object irecv isend "
    "monitored_barrier recv reduce reduce_op reduce_scatter reduce_scatter_tensor scatter "
    "scatter_object_list send"
)
_SHARDED = (
    "BackwardPrefetch CPUOffload CPUOffloadPolicy FSDPModule FullOptimStateDictConfig "
    "FullStateDictConfig FullyShardedDataParallel LocalOptimStateDictConfig LocalStateDictConfig "
    "MixedPrecision MixedPrecisionPolicy OffloadPolicy OptimStateDictConfig OptimStateKeyType "
    "ShardedOptimStateDictConfig ShardedStateDictConfig ShardingStrategy StateDictConfig "
    "StateDictSettings StateDictType fully_shard"
)
_WRAPPING = (
    "CustomPolicy ModuleWrapPolicy always_wrap_policy enable_wrap lambda_auto_wrap_policy "
    "size_based_auto_wrap_policy transformer_auto_wrap_policy wrap"
)
_STORES = "FileStore HashStore PrefixStore Store TCPStore"
_OLDER = (
    "DebugLevel DistBackendError DistError DistNetworkError DistStoreError QueueEmptyError "
    "all_gather_coalesced all_reduce_coalesced get_debug_level"
)
_FUNCTIONS = "data_parallel gather parallel_apply replicate scatter scatter_kwargs"

#: ``distributed.checkpoint``, and which of PyTorch's files of it has which names.
_CHECKPOINTS = {
    "api": "CheckpointException",
    "default_planner": "DefaultLoadPlanner DefaultSavePlanner",
    "format_utils": "dcp_to_torch_save torch_save_to_dcp",
    "planner": "LoadPlanner SavePlanner",
    "state_dict_loader": "load load_state_dict",
    "state_dict_saver": "async_save save save_state_dict",
    "stateful": "Stateful",
}
_CHECKPOINT_FILES = {
    "filesystem": "FileSystemReader FileSystemWriter",
    "metadata": (
        "BytesStorageMetadata ChunkStorageMetadata Metadata StorageMeta TensorProperties "
        "TensorStorageMetadata"
    ),
    "storage": "StorageReader StorageWriter",
}
_MODEL_STATES = (
    "StateDictOptions get_model_state_dict get_optimizer_state_dict get_state_dict "
    "set_model_state_dict set_optimizer_state_dict set_state_dict"
)
#: These stay in the files that PyTorch has them in.
_BELOW_ONLY = ("format_utils", "stateful")

_DIFFERENTIABLE = (
    "all_gather all_reduce all_to_all all_to_all_single broadcast gather reduce reduce_scatter "
    "scatter"
)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, imported when first used."""
    found = {f"distributed.{name}": f"{__name__}.groups:{name}" for name in _GROUPS.split()}
    for name in _COLLECTIVES.split():
        found[f"distributed.{name}"] = f"{__name__}.collectives:{name}"
    for name in ("DataParallel", "DistributedDataParallel"):
        found[f"nn.parallel.{name}"] = f"{__name__}.wrappers:{name}"
    for name in _FUNCTIONS.split():
        found[f"nn.parallel.{name}"] = f"{__name__}.functions:{name}"
    for name in _DIFFERENTIABLE.split():
        for place in ("distributed.nn", "distributed.nn.functional"):
            found[f"{place}.{name}"] = f"{__name__}.differentiable:{name}"
    files = {"stores": _STORES, "exchanging": "P2POp batch_isend_irecv",
             "meshes": "DeviceMesh init_device_mesh", "older": _OLDER}  # fmt: skip
    for file, names in files.items():
        found.update({f"distributed.{name}": f"{__name__}.{file}:{name}" for name in names.split()})
    for place in ("", ".api", ".fully_sharded_data_parallel"):
        for name in _SHARDED.split():
            found[f"distributed.fsdp{place}.{name}"] = f"{__name__}.sharded:{name}"
    for name in _WRAPPING.split():
        found[f"distributed.fsdp.wrap.{name}"] = f"{__name__}.wrapping:{name}"
    found.update(_of_checkpoints())
    found["distributed.optim.ZeroRedundancyOptimizer"] = f"{__name__}.zero:ZeroRedundancyOptimizer"
    found["distributed.elastic.multiprocessing.errors.record"] = f"{__name__}.elastic:record"
    found["nn.DataParallel"] = found["nn.parallel.DataParallel"]
    return found


def _of_checkpoints() -> dict[str, str]:
    place = "distributed.checkpoint"
    names = _MODEL_STATES.split()
    found = {f"{place}.state_dict.{name}": f"{__name__}.model_states:{name}" for name in names}
    for ours, files in (
        ("checkpoints", _CHECKPOINTS),
        ("checkpoint_files", _CHECKPOINT_FILES),
        ("checkpoint_hf", {"hf_storage": "HuggingFaceStorageReader HuggingFaceStorageWriter"}),
    ):
        for file, listed in files.items():
            for name in listed.split():
                target = f"{__name__}.{ours}:{name}"
                found[f"{place}.{file}.{name}"] = target
                if file not in _BELOW_ONLY and name not in ("StorageMeta", "TensorProperties"):
                    found[f"{place}.{name}"] = target
    return found
