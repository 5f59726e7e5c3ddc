"""The `data` plugin: ``utils.data``, PyTorch's data sets, samplers and loader.

Reading order: ``dataset``, ``sampler``, ``collate`` (samples to a batch), ``fetch`` (indices to a
batch), ``answers`` (what users' own functions returned), ``loader`` (the options), ``iterating``
(in this process), ``parallel`` (in worker processes, as the parent sees it), ``worker`` (as a
worker does).
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
    return found
