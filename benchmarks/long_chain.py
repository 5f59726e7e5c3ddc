"""A chain of a million nodes: it runs backward, gives memory back while it does, and is freed.

Every part runs in a process of its own, because the failure looked for is a stack overflow, which
kills the process. Memory is sampled by hooks on tensors along the chain, so during the walk: with
`tracemalloc` for anadrome; PyTorch's nodes are in the C heap, where a resident set does not show
single frees, so it is only timed. The walk frees saved values; nodes live as long as the loss that
they hang from, here as in PyTorch. So the memory is that of a chain on 256 floats, where saved
values are most of it as in any training, and times are of a chain on one float.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import child, environment, memory
from .registry import Session, experiment
from .results import CheckRow, spread

NODES = 1_000_000
QUICK_NODES = 200_000
SAMPLES = 8
WIDTH = 256
"""Floats in each tensor of the chain whose memory is sampled."""


@experiment("million-nodes", "a chain of 1,000,000 nodes: backward, memory, freeing")
def million_nodes(session: Session) -> list[CheckRow]:
    """Times in µs a node, and the memory left when half and all of the walk is done."""
    nodes = QUICK_NODES if session.quick else NODES
    times = {
        side: child.call("benchmarks.long_chain:walk", framework=fw.__name__, nodes=nodes)
        for side, fw in session.sides().items()
    }
    rows = [_time_row(part, times, nodes) for part in ("forward", "backward", "freeing")]
    if environment.uses_numpy(session.ours):
        rows += _memory_rows(session.ours.__name__, nodes)
    return rows


def walk(framework: str, nodes: int) -> dict[str, float]:
    """Seconds to build the chain, to run it backward, and to drop another one without backward."""
    fw = environment.load(framework)
    clock = time.perf_counter
    x = fw.ones(1, requires_grad=True)
    start = clock()
    end = _chain(fw, x, nodes)
    built = clock()
    end.backward()
    done = clock()
    if x.grad is None:
        raise AssertionError("backward left no gradient at the start of the chain")
    end = _chain(fw, x, nodes)
    before = clock()
    del end
    freed = clock()
    return {"forward": built - start, "backward": done - built, "freeing": freed - before}


def samples(framework: str, nodes: int) -> list[float]:
    """Megabytes alive above the start: with the whole graph, at each eighth of the walk, after."""
    fw = environment.load(framework)
    memory.start_tracing()
    x = fw.ones(WIDTH, requires_grad=True)
    # The first backward may load or cache something that stays.
    _chain(fw, x, 10).sum().backward()
    base = memory.in_use()
    taken: list[float] = []

    def hook(_: Any) -> None:
        taken.append(memory.in_use() - base)

    end = _chain(fw, x, nodes, hook).sum()
    taken.append(memory.in_use() - base)
    end.backward()
    del end
    taken.append(memory.in_use() - base)
    return taken


def _chain(fw: ModuleType, x: Any, nodes: int, hook: Callable[[Any], None] | None = None) -> Any:
    """`nodes` ops on `x`, tanh and a product in turn; `hook` at every eighth of them."""
    factor = fw.full((1,), 1.0000001)
    spacing = max(1, nodes // 2 // SAMPLES)
    for index in range(nodes // 2):
        x = fw.tanh(x)
        x = x * factor
        if hook is not None and index and index % spacing == 0:
            x.register_hook(hook)
    return x


def _time_row(part: str, times: dict[str, dict[str, float]], nodes: int) -> CheckRow:
    per_node = {side: 1e6 * one[part] / nodes for side, one in times.items()}
    return CheckRow(
        name="million-nodes",
        measure=f"{part}, a node",
        unit="µs",
        ours=spread([per_node["ours"]]),
        theirs=per_node.get("theirs"),
        note=f"{nodes:,} nodes, {times['ours'][part]:.1f} s",
    )


def _memory_rows(framework: str, nodes: int) -> list[CheckRow]:
    taken = child.call("benchmarks.long_chain:samples", framework=framework, nodes=nodes)
    whole = taken[0]
    rises = sum(later >= earlier for earlier, later in itertools.pairwise(taken))
    course = " ".join(f"{value:.0f}" for value in taken)
    return [
        CheckRow(
            name="million-nodes",
            measure="memory left at half of the walk",
            unit="%",
            ours=spread([100 * taken[len(taken) // 2] / whole]),
            at_most=75.0,
            note=f"{course} MB",
        ),
        CheckRow(
            name="million-nodes",
            measure="samples at which memory had not fallen",
            unit="samples",
            ours=spread([float(rises)]),
            at_most=0.0,
            note=f"of {len(taken) - 1}",
        ),
        CheckRow(
            name="million-nodes",
            measure="memory left after the walk",
            unit="%",
            ours=spread([100 * taken[-1] / whole]),
            at_most=5.0,
            note=f"{whole * memory.MEGABYTE / nodes:.0f} bytes a node of {WIDTH} floats",
        ),
    ]
