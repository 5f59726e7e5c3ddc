"""What idle hooks and plugins add to an op: the op chain with all plugins, and with none.

Plugins are chosen when the framework is imported, so each turn is a fresh process. Two processes
with the same program differ by some percent by themselves (addresses, hash seeds); hence a fixed
hash seed, the fastest of several stretches in each process, and many pairs.
"""

from __future__ import annotations

import time
from importlib.metadata import entry_points

from . import child, environment
from .registry import Session, experiment
from .results import CheckRow, ratios
from .workloads import WORKLOADS

LIMIT = 3.0
"""Percent."""

SWITCH = "ANADROME_DISABLE_PLUGINS"


@experiment("idle-hooks", "the op chain with all plugins loaded against none")
def idle_hooks(session: Session) -> list[CheckRow]:
    """Percent that loaded, idle plugins add to an op."""
    off = ",".join(plugins())
    if not off:
        return [CheckRow("idle-hooks", "idle plugins", "%", note="no plugins are installed")]
    settings = {"with": "", "without": off}
    pairs = 5 if session.quick else 21
    stretches = 5 if session.quick else 10
    times: dict[str, list[float]] = {name: [] for name in settings}
    for number in range(pairs):
        for name in sorted(settings, reverse=bool(number % 2)):
            seconds = child.call(
                "benchmarks.idle:chain_time",
                env={SWITCH: settings[name], "PYTHONHASHSEED": "0"},
                framework=session.ours.__name__,
                stretches=stretches,
            )
            times[name].append(seconds)
    return [
        CheckRow(
            name="idle-hooks",
            measure="time added to an op by idle plugins",
            unit="%",
            ours=ratios(times["with"], times["without"]).minus_one_in_percent(),
            at_most=LIMIT,
            note=f"{pairs} pairs of processes; without: {off}",
        )
    ]


def plugins() -> list[str]:
    """Names of the installed plugins that are not backends."""
    found = entry_points(group="anadrome")
    return sorted(entry.name for entry in found if not entry.value.startswith("anadrome.backends."))


def chain_time(framework: str, stretches: int) -> float:
    """Seconds of one step of the op chain; meant for a child process."""
    step = WORKLOADS["op-chain"].build(environment.load(framework))
    for _ in range(5):
        step()
    times = []
    for _ in range(3 * stretches):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)
