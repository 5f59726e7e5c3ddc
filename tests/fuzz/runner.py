"""runner: starts workers one after another, and goes on after one that died or hung."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from . import oracle

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Seconds without a line after which a worker is killed; its own alarm comes first. They are
#: counted in naps, for while the machine or this process is stopped, a worker may be, too.
PATIENCE = (3 + oracle.WAITS) * oracle.SECONDS
_NAP = 0.05


def run(
    first: int,
    count: int,
    prefix: str = "",
    *,
    torch: bool = False,
    sweep: bool = False,
    path: str | None = None,
) -> list[dict[str, Any]]:
    """Make calls ``first`` to ``first + count``; one record a call, whatever became of it."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            kept = os.path.join(folder, "calls.jsonl")
            return run(first, count, prefix, torch=torch, sweep=sweep, path=kept)
    open(path, "a").close()
    n, end = first, first + count
    while n < end:
        status, errors = _worker(n, end - n, prefix, path, torch, sweep)
        records = read(path)
        if status == 0:
            break
        last = records[-1] if records else {"n": n - 1, "kind": ""}
        if "kind" in last and last["n"] + 1 < n + 1:  # it did not come to its first call
            raise RuntimeError(f"the worker does not start ({status}):\n{errors[-3000:]}")
        if "kind" not in last:
            kind = oracle.HUNG if status == "killed" else oracle.CRASHED
            kind = last.get("ours", kind)
            told = {
                "n": last["n"], "kind": kind, "where": _last_of_ours(errors),
                "call": last["start"], "text": errors[-600:],
            }  # fmt: skip
            with open(path, "a") as out:
                out.write(json.dumps(told) + "\n")
        n = last["n"] + 1
    return [r for r in read(path) if r.get("kind") != oracle.NONE_LEFT]


def _worker(
    first: int, count: int, prefix: str, path: str, torch: bool, sweep: bool
) -> tuple[Any, str]:
    command = [sys.executable, "-m", "tests.fuzz.worker", str(first), str(count), path, prefix]
    command += ["torch"] * torch + ["sweep"] * sweep
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=errors)
        size, naps = os.path.getsize(path), -60 / _NAP  # importing takes its time
        while process.poll() is None:
            time.sleep(_NAP)
            now = os.path.getsize(path)
            if now != size:
                size, naps = now, 0
            elif (naps := naps + 1) > PATIENCE / _NAP:
                process.kill()
                process.wait()
                return "killed", _all(errors)
        return process.returncode, _all(errors)


def _all(file: Any) -> str:
    file.seek(0)
    return file.read()


def _last_of_ours(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if "/tests/fuzz/" not in line]
    return next((line for line in lines if "File " in line and "anadrome" in line), "unknown")


def read(path: str) -> list[dict[str, Any]]:
    """One record a call: its name and family, and its outcome if there is one."""
    out: dict[int, dict[str, Any]] = {}
    for line in _lines(path):
        out.setdefault(line["n"], {}).update(line)
    return [out[n] for n in sorted(out)]


def _lines(path: str) -> Iterator[dict[str, Any]]:
    with open(path) as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
