"""The command: `python -m benchmarks [name ...] [--rounds N] [--json FILE] [--quick]`, and
`python -m benchmarks gpu --out DIR`, whose own command is in `gpu`.

Exit status: 0 when all was measured, whether or not the targets were met; 1 when a benchmark
failed or the framework cannot be imported; 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import catalogue, environment, machine, report, stepping
from .progress import begin, end, say
from .registry import EXPERIMENTS, WORKLOADS, Experiment, Session, Workload, select
from .results import CheckRow, StepRow
from .timing import FULL, QUICK, settle_collector

__all__ = ["catalogue", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the arguments name, print the tables, write the JSON."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] == "gpu":
        from .gpu import command

        return command.main(arguments[1:])
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        _list()
        return 0
    try:
        chosen = select(options.names)
    except ValueError as error:
        parser.error(str(error))
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    environment.prepare()
    try:
        session = _session(options)
    except ImportError as error:
        say(f"{options.framework} cannot be imported ({error}); run `pip install -e .` first")
        return 1
    facts = machine.facts()
    if facts["load"] is not None and facts["load"] > 0.5:
        say(f"the machine is busy (load {facts['load']}): other work will move the figures")
    steps, checks = _measure(session, *chosen)
    print(report.markdown(session, steps, checks, facts))
    if options.json is not None:
        report.write_json(options.json, session, steps, checks, facts)
        say(f"wrote {options.json}")
    failed = any(row.failed for row in steps) or any(row.failed for row in checks)
    return 1 if failed else 0


def _session(options: argparse.Namespace) -> Session:
    """Import both sides. Without PyTorch there is one."""
    ours = environment.load(options.framework)
    theirs = environment.load("torch") if environment.installed("torch") else None
    if theirs is None:
        say("PyTorch is not installed: timing anadrome alone, ratios will be missing")
    settle_collector()
    plan = QUICK if options.quick else FULL
    if options.rounds is not None:
        plan = replace(plan, rounds=options.rounds)
    return Session(ours, theirs, plan, options.quick)


def _measure(
    session: Session, workloads: Sequence[Workload], experiments: Sequence[Experiment]
) -> tuple[list[StepRow], list[CheckRow]]:
    """The rows of all that was chosen, with a line of progress each."""
    steps = []
    checks = []
    for workload in workloads:
        start = begin(workload.name)
        steps.append(stepping.measure(workload, session))
        end(start)
    for experiment in experiments:
        start = begin(experiment.name)
        checks += _run(experiment, session)
        end(start)
    return steps, checks


def _run(experiment: Experiment, session: Session) -> list[CheckRow]:
    """The experiment's rows, or one that says what went wrong, so that the others still run."""
    try:
        return experiment.run(session)
    except Exception as error:
        note = f"{type(error).__name__}: {error}"
        return [CheckRow(experiment.name, experiment.about, "", note=note, failed=True)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="anadrome next to PyTorch: whole training steps, memory, start-up.",
    )
    parser.add_argument("names", nargs="*", metavar="name", help="what to measure; default: all")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of interleaved turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="coarser, under two minutes")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    # PyTorch in anadrome's place: every ratio should then be 1.
    parser.add_argument("--framework", default="anadrome", help=argparse.SUPPRESS)
    return parser


def _list() -> None:
    entries: list[Any] = [*WORKLOADS.values(), *EXPERIMENTS.values()]
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        print(f"{entry.name:<{width}}  {entry.about}")


if __name__ == "__main__":
    sys.exit(main())
