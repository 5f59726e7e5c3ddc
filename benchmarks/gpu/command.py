"""The command: `python -m benchmarks gpu --out DIR [name ...] [--quick] [--no-tests]`.

The report is written after each measurement, so that a run which is cut off leaves what it has.
Exit status: 0 when all was measured and no test failed; 1 when something failed, or could not run;
2 for wrong arguments.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import environment
from ..progress import begin, end, say
from ..registry import DEVICE_EXPERIMENTS, DeviceSession
from ..results import CheckRow
from . import needs, suite, training, workloads, writing
from .sides import Side
from .timing import FULL, QUICK, TRIAL

__all__ = ["main", "workloads"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Test, measure, write the report."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in DEVICE_EXPERIMENTS]
    if unknown:
        parser.error(f"nothing named {unknown[0]!r}; there are: {', '.join(DEVICE_EXPERIMENTS)}")
    environment.prepare()
    try:
        needs.require_gpu()
    except needs.Missing as error:
        say(f"error: {error}")
        return 1
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot make the folder {options.out}: {error.strerror}")
    tests = None
    if not options.no_tests:
        start = begin("tests")
        tests = suite.run(options.out, options.test_timeout)
        end(start)
        say(tests.told())
    session = _session(options)
    rows: list[CheckRow] = []
    found = writing.facts(session)
    for name, entry in DEVICE_EXPERIMENTS.items():
        if options.names and name not in options.names:
            continue
        start = begin(name)
        try:
            rows += entry.run(session)
        except Exception as error:
            note = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            rows.append(CheckRow(name, entry.about, "", note=note, failed=True))
        for side in session.sides.values():
            side.release()
        end(start)
        paths = writing.write(options.out, session, rows, tests, found)
    print(writing.markdown(session, rows, tests, found))
    say(f"wrote {paths[0]} and {paths[1]}")
    good = (tests is None or tests.good) and not any(row.failed for row in rows)
    return 0 if good else 1


def _session(options: argparse.Namespace) -> DeviceSession:
    """The sides there are."""
    plan = TRIAL if options.tiny else QUICK if options.quick else FULL
    if options.rounds is not None:
        plan = replace(plan, rounds=options.rounds)
    sides = {"ours": Side(environment.load("anadrome"))}
    notes = []
    torch = environment.load("torch") if environment.installed("torch") else None
    if torch is None:
        notes.append("PyTorch is not installed: ratios are missing. `pip install torch` adds them.")
    elif not torch.cuda.is_available():
        notes.append("The PyTorch that is installed sees no GPU: ratios are missing.")
    else:
        torch.backends.cudnn.allow_tf32 = False  # as everywhere else here
        sides["eager"] = Side(torch)
        sides["compiled"] = Side(torch, compiled=True)
    sizes = training.TINY if options.tiny else training.FULL
    if options.tiny:
        notes.append("Tiny models, to try the command out: these figures mean nothing.")
    return DeviceSession(sides, plan, sizes, notes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu",
        description="The tests that need a GPU, and timings beside PyTorch; one report.",
    )
    names = ", ".join(DEVICE_EXPERIMENTS)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {names}; default: all")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the report")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="rounds of interleaved turns")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and steps")
    parser.add_argument("--no-tests", action="store_true", help="timings alone")
    parser.add_argument("--test-timeout", type=float, default=3600, metavar="SECONDS",
                        help="for all tests together (default: %(default)s)")  # fmt: skip
    parser.add_argument("--tiny", action="store_true", help="tiny models, to try the command out")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value
