"""`anadrome run`: its arguments, and a script run as `python` runs it."""

from __future__ import annotations

import argparse
import builtins
import contextlib
import io
import os
import runpy
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `anadrome run`."""
    parser.description = (
        "Runs an unmodified PyTorch script. In its process `import torch`, `import torch.nn`, … "
        "are served by anadrome. A name that is not there raises an AttributeError that says so."
    )
    add = parser.add_argument
    add("--report", action="store_true", help="list at the end which names of torch were used")
    add("--coverage", action="store_true", help="list which names of torch there are, and exit")
    add("-m", dest="module", action="store_true", help="SCRIPT is a module, as in `python -m`")
    add("script", nargs="?", metavar="SCRIPT", help="the script to run; with --coverage, a "
        "namespace such as torch.nn")  # fmt: skip
    add("args", nargs=argparse.REMAINDER, metavar="ARGS", help="what the script is given")


def run_script(args: argparse.Namespace) -> int:
    """Run the script (or list the coverage); the exit status is the script's."""
    if args.coverage:
        return show_coverage(args.script)
    if args.script is None:
        print("error: anadrome run needs a script: anadrome run train.py", file=sys.stderr)
        return 2
    if not args.module and not os.path.exists(args.script):
        print(f"error: can't open file {args.script!r}: no such file", file=sys.stderr)
        return 2
    from . import alias

    alias.install()
    if args.report:
        alias.watch_tensors()
    with reported(alias.used) if args.report else contextlib.nullcontext():
        return as_main(args.script, args.args, args.module)


def as_main(script: str, arguments: list[str], module: bool) -> int:
    """Run a file, folder or module as `__main__`; an error is shown as Python shows it.

    Returns 1 after an error; SystemExit and KeyboardInterrupt pass.
    """
    sys.argv = [script, *arguments]
    try:
        if module:
            sys.path.insert(0, os.getcwd())
            runpy.run_module(script, run_name="__main__", alter_sys=True)
        elif os.path.isfile(script):
            sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
            _run_file(script)
        else:
            runpy.run_path(script, run_name="__main__")
    except Exception as error:
        _show(error)
        return 1
    return 0


def _run_file(path: str) -> None:
    """Run a file in a fresh `__main__`, which stays, so that what was defined there is found."""
    with io.open_code(os.path.abspath(path)) as file:
        source = file.read()
    main = types.ModuleType("__main__")
    main.__file__ = os.path.abspath(path)
    main.__builtins__ = builtins  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    exec(compile(source, main.__file__, "exec", dont_inherit=True), main.__dict__)


def _show(error: Exception) -> None:
    """The traceback from the script's first line on."""
    trace: Any = error.__traceback__
    ours = (__file__, runpy.__file__, "<frozen runpy>")
    while trace is not None and trace.tb_frame.f_code.co_filename in ours:
        trace = trace.tb_next
    error = error.with_traceback(trace)
    if sys.excepthook is sys.__excepthook__:
        traceback.print_exception(type(error), error, trace)
    else:
        sys.excepthook(type(error), error, trace)


@contextlib.contextmanager
def reported(used: dict[str, bool]) -> Iterator[None]:
    """List the names of torch that were used inside, also when it ends in an error."""
    try:
        yield
    finally:
        there = sorted(name for name, found in used.items() if found)
        missing = sorted(name for name, found in used.items() if not found)
        sys.stdout.flush()
        print(f"\ntorch names used: {len(there)}")
        for name in there:
            print(f"  {name}")
        if missing:
            print(f"asked for, and not covered by anadrome yet: {len(missing)}")
            for name in missing:
                print(f"  {name}")


def show_coverage(namespace: str | None) -> int:
    """Print how much of PyTorch's namespaces there is; of one namespace, each name."""
    from . import coverage

    if namespace is None:
        for known in coverage.names():
            n = coverage.counts(known)
            print(f"{known}: " + ", ".join(f"{state} {count}" for state, count in n.items()))
        print("`anadrome run --coverage torch.nn` lists the names of one namespace")
        return 0
    if namespace not in coverage.names():
        known_names = ", ".join(coverage.names())
        print(f"error: no list for {namespace!r}; there are {known_names}", file=sys.stderr)
        return 2
    for row in coverage.rows(namespace):
        print(f"{row.name}: {row.state}" + (f", {row.missing}" if row.missing else ""))
    return 0
