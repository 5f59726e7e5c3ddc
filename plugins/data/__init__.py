"""The `data` plugin: ``utils.data``, PyTorch's data sets, samplers and loader.

Reading order: ``dataset``, ``sampler``, ``collate`` (samples to a batch), ``fetch`` (indices to a
batch), ``answers`` (what users' own functions returned), ``loader`` (the options), ``iterating``
(in this process), ``parallel`` (in worker processes, as the parent sees it), ``worker`` (as a
worker does); ``pipes``, ``pipes_each``, ``pipes_order``, ``pipes_branches``, ``pipes_files``,
``pipes_map``, ``pipes_all``, ``pipes_graph`` (data sets made of others: ``utils.data.datapipes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

_NAMES = {
    "dataset": (
        "ChainDataset",
        "ConcatDataset",
        "Dataset",
        "IterableDataset",
        "StackDataset",
        "Subset",
        "TensorDataset",
        "random_split",
    ),
    "sampler": (
        "BatchSampler",
        "DistributedSampler",
        "RandomSampler",
        "Sampler",
        "SequentialSampler",
        "SubsetRandomSampler",
        "WeightedRandomSampler",
    ),
    "collate": ("default_collate", "default_convert"),
    "loader": ("DataLoader",),
    "worker": ("get_worker_info",),
    "pinning": ("Prefetcher",),
}

#: The pipes, by module, without what their classes' names end in.
_PIPES = {
    "pipes_each": "Batcher Collator Filter Grouper Mapper UnBatcher",
    "pipes_order": "Concater IterableWrapper Multiplexer Sampler ShardingFilter Shuffler Zipper",
    "pipes_branches": "Demultiplexer Forker",
    "pipes_files": "FileLister FileOpener StreamReader",
}
#: Where PyTorch has them.
_PIPE_FILES = {
    "callable": "Collator Mapper",
    "combinatorics": "Sampler Shuffler",
    "combining": "Concater Demultiplexer Forker Multiplexer Zipper",
    "filelister": "FileLister",
    "fileopener": "FileOpener",
    "grouping": "Batcher Grouper UnBatcher",
    "selecting": "Filter",
    "sharding": "ShardingFilter",
    "streamreader": "StreamReader",
    "utils": "IterableWrapper",
}
_MAP_PIPE_FILES = {
    "callable": "Mapper",
    "combining": "Concater Zipper",
    "grouping": "Batcher",
    "utils": "SequenceWrapper",
}
_PIPE_BASES = {
    "datapipe": "DFIterDataPipe DataChunk IterDataPipe MapDataPipe",
    "_decorator": "functional_datapipe guaranteed_datapipes_determinism non_deterministic",
}
_PIPE_GRAPH = {
    "graph": "traverse traverse_dps",
    "graph_settings": (
        "apply_random_seed apply_sharding apply_shuffle_seed apply_shuffle_settings "
        "get_all_graph_pipes"
    ),
}

#: What programs take from PyTorch's files of the loader, to ask about it and to add to it.
_PRIVATE = {
    "_BaseDataLoaderIter": "iterating:Pass",
    "_SingleProcessDataLoaderIter": "iterating:Here",
    "_MultiProcessingDataLoaderIter": "parallel:InWorkers",
    "_DatasetKind": "loader:DatasetKind",
    "_collate_fn_t": "loader:Collate",
    "collate": "collate:collate",
    "collate_tensor_fn": "collate:collate_tensor_fn",
    "default_collate_fn_map": "collate:default_collate_fn_map",
    "np_str_obj_array_pattern": "collate:np_str_obj_array_pattern",
}


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, also in the modules of its own that programs import them from."""
    found = {
        f"utils.data.{name}": f"{__name__}.{module}:{name}"
        for module, names in _NAMES.items()
        for name in names
    }
    for place, modules in (
        ("dataset", ("dataset",)),
        ("sampler", ("sampler",)),
        ("distributed", ("sampler",)),
        ("dataloader", ("loader", "collate", "worker", "dataset", "sampler")),
    ):
        for module in modules:
            for name in _NAMES[module]:
                found[f"utils.data.{place}.{name}"] = f"{__name__}.{module}:{name}"
    for name, target in _PRIVATE.items():
        found[f"utils.data.{name}"] = f"{__name__}.{target}"
    found.update(_pipes())
    return found


def _pipes() -> dict[str, str]:
    place = "utils.data.datapipes"
    found = {}
    for file, names in _PIPE_BASES.items():
        for name in names.split():
            target = f"{__name__}.pipes_all:{name}"
            found[f"utils.data.{name}"] = found[f"{place}.{file}.{name}"] = target
    homes = {name: module for module, names in _PIPES.items() for name in names.split()}
    for file, names in _PIPE_FILES.items():
        for name in names.split():
            whole = f"{name}IterDataPipe"
            target = f"{__name__}.{homes[name]}:{whole}"
            found[f"{place}.iter.{name}"] = found[f"{place}.iter.{file}.{whole}"] = target
    for file, names in _MAP_PIPE_FILES.items():
        for name in names.split():
            whole = f"{name}MapDataPipe"
            target = f"{__name__}.pipes_map:{whole}"
            found[f"{place}.map.{name}"] = found[f"{place}.map.{file}.{whole}"] = target
    shuffler = f"{__name__}.pipes_map:ShufflerIterDataPipe"
    found[f"{place}.map.Shuffler"] = shuffler
    found[f"{place}.map.combinatorics.ShufflerIterDataPipe"] = shuffler
    priorities = f"{__name__}.pipes_order:SHARDING_PRIORITIES"
    found[f"{place}.iter.sharding.SHARDING_PRIORITIES"] = priorities
    found[f"{place}.utils.common.StreamWrapper"] = f"{__name__}.pipes_files:StreamWrapper"
    for file, names in _PIPE_GRAPH.items():
        for name in names.split():
            found[f"utils.data.{file}.{name}"] = f"{__name__}.pipes_graph:{name}"
    return found
