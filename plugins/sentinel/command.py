"""command: `anadrome replay FILE`."""

from __future__ import annotations

import argparse
import sys

from anadrome import backend
from anadrome.errors import AnadromeError

from .diagnosing import diagnose
from .files import load
from .ranges import Range
from .running import ReplayError
from .running import run as run_trace
from .trace import Call


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", help="what ad.sentinel(file=...) saved")
    parser.add_argument("--backend", help="where to run it (default: the default backend)")
    parser.add_argument("--ops", action="store_true", help="list every op as it runs")


def run(args: argparse.Namespace) -> int:
    """Run the file; 1 if NaN or an infinity comes again, 0 if not, 2 if it cannot be run."""
    try:
        trace, arrays = load(args.file)
        name = args.backend or backend.default().name
        print(f"{args.file}: {len(trace.calls)} ops, recorded on {trace.backend}, run on {name}")
        seen = run_trace(trace, arrays, name, _listed if args.ops else None)
    except (AnadromeError, ReplayError, OSError, MemoryError) as error:
        print(f"anadrome replay: {_told(args.file, error)}", file=sys.stderr)
        return 2
    finding = diagnose(seen)
    if finding is not None:
        print(finding)
        return 1
    print(f"All is finite here. On {trace.backend} it was:\n{trace.text}")
    return 0


def _told(file: str, error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if file in text else f"{file!r}: {text}"


def _listed(number: int, call: Call, made: list[Range]) -> None:
    results = "; ".join(map(str, made))
    back = "backward  " if call.played else ""
    print(f"{number:5}  {back}{call.op}  {results}  # {call.where}")
