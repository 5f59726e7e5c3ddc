"""pipes_graph: which pipes one is made of, and what a loader sets in all of them.

PyTorch: ``torch.utils.data.graph`` and ``torch.utils.data.graph_settings``.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from anadrome import Generator, sites

from .pipes import IterDataPipe, MapDataPipe
from .pipes_branches import _Shared
from .pipes_order import SHARDING_PRIORITIES, drawn

DataPipe = IterDataPipe[Any] | MapDataPipe[Any]
DataPipeGraph = dict[int, Any]


def traverse_dps(datapipe: Any) -> DataPipeGraph:
    """A pipe and those it is made of: ``{id: (pipe, the same of its sources)}``.

    Sources are its attributes that are pipes, or containers of them.
    """
    if not isinstance(datapipe, (IterDataPipe, MapDataPipe)):
        raise RuntimeError(
            f"Expected `IterDataPipe` or `MapDataPipe`, but {type(datapipe)} is found"
        )
    return _traversed(datapipe, frozenset())


def _traversed(pipe: Any, above: frozenset[int]) -> DataPipeGraph:
    if id(pipe) in above:
        return {}
    below: DataPipeGraph = {}
    for source in _sources(vars(pipe), set()):
        below.update(_traversed(source, above | {id(pipe)}))
    return {id(pipe): (pipe, below)}


def _sources(value: Any, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (IterDataPipe, MapDataPipe)):
        yield value
    elif isinstance(value, _Shared):
        yield from _sources(value.source, seen)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _sources(entry, seen)
    elif isinstance(value, Collection) and isinstance(value, (list, tuple, set, frozenset)):
        for entry in value:
            yield from _sources(entry, seen)


def traverse(datapipe: Any, only_datapipe: bool | None = None) -> DataPipeGraph:
    """``traverse_dps``, by its older name."""
    sites.warn(
        "`traverse` function is deprecated and will be removed after 1.13. Please use "
        "`traverse_dps` instead.",
        FutureWarning,
    )
    return traverse_dps(datapipe)


def get_all_graph_pipes(graph: DataPipeGraph) -> list[Any]:
    """Each pipe of a graph once."""
    found: dict[int, Any] = {}

    def enter(part: DataPipeGraph) -> None:
        for number, (pipe, below) in part.items():
            if number not in found:
                found[number] = pipe
                enter(below)

    enter(graph)
    return list(found.values())


def _has(pipe: Any, *methods: str) -> bool:
    return all(inspect.ismethod(getattr(pipe, name, None)) for name in methods)


def apply_sharding(
    datapipe: Any,
    num_of_instances: int,
    instance_id: int,
    sharding_group: Any = SHARDING_PRIORITIES.DEFAULT,
) -> Any:
    """Let each ``sharding_filter`` give the part of one of several; returns the pipe.

    RuntimeError for two of them on one way.
    """

    def enter(graph: DataPipeGraph, above: Any) -> None:
        for pipe, below in graph.values():
            applied = above
            if _has(pipe, "apply_sharding"):
                if above is not None:
                    raise RuntimeError(
                        "Sharding twice on a single pipeline is likely unintended and will cause "
                        f"data loss. Sharding already applied to {above} while trying to apply to "
                        f"{pipe}"
                    )
                applied = pipe
                if len(inspect.signature(pipe.apply_sharding).parameters) < 3:
                    pipe.apply_sharding(num_of_instances, instance_id)
                else:
                    pipe.apply_sharding(
                        num_of_instances, instance_id, sharding_group=sharding_group
                    )
            enter(below, applied)

    enter(traverse_dps(datapipe), None)
    return datapipe


def apply_shuffle_settings(datapipe: Any, shuffle: bool | None = None) -> Any:
    """Let each shuffler shuffle, or not; returns the pipe, shuffled if it had no shuffler."""
    if shuffle is None:
        return datapipe
    pipes = get_all_graph_pipes(traverse_dps(datapipe))
    shufflers = [pipe for pipe in pipes if _has(pipe, "set_shuffle", "set_seed")]
    if shuffle and not shufflers:
        sites.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at "
            "the end. Be aware that the default buffer size might not be sufficient for your task."
        )
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_random_seed(datapipe: Any, rng: Any) -> Any:
    """Give each pipe that has ``set_seed`` a seed drawn from ``rng``; returns the pipe."""
    for pipe in get_all_graph_pipes(traverse_dps(datapipe)):
        if _has(pipe, "set_seed"):
            pipe.set_seed(drawn(rng))
    return datapipe


def apply_shuffle_seed(datapipe: Any, rng: Any) -> Any:
    """``apply_random_seed``, by its older name."""
    sites.warn(
        "`apply_shuffle_seed` is deprecated since 1.12 and will be removed in the future "
        "releases. Please use `apply_random_seed` instead.",
        FutureWarning,
    )
    return apply_random_seed(datapipe, rng)


def seeded(datapipe: Any, seed: int) -> None:
    """Begin a pass of a loader over a pipe: the same orders from the same seed."""
    generator = Generator()
    generator.manual_seed(seed)
    apply_random_seed(datapipe, generator)
