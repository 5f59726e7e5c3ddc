"""Run a function of this package in a fresh process.

`call` starts `python -m benchmarks.child module:function ARGUMENTS`, with the arguments and the
result as JSON. The child sets the same threads first. A crash is an error that says how it died.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import environment

MARK = "benchmarks.child result: "


def call(target: str, *, env: Mapping[str, str] | None = None, **arguments: Any) -> Any:
    """The JSON result of `target`, "module:function", called with `arguments` in a new process.

    `env` is added to this process's environment. Raises RuntimeError with the end of the child's
    error output when it fails.
    """
    command = [sys.executable, "-m", "benchmarks.child", target, json.dumps(arguments)]
    output = run(command, env)
    for line in reversed(output.splitlines()):
        if line.startswith(MARK):
            return json.loads(line.removeprefix(MARK))
    raise RuntimeError(f"{target} ended without a result")


def call_each(
    target: str, calls: Mapping[str, Mapping[str, Any]], *, env: Mapping[str, str]
) -> dict[str, Any]:
    """`call` for each entry's arguments, two processes at a time: for memory, never for times."""
    with ThreadPoolExecutor(2) as pool:
        started = {
            key: pool.submit(call, target, env=env, **arguments) for key, arguments in calls.items()
        }
        return {key: future.result() for key, future in started.items()}


def run(command: list[str], env: Mapping[str, str] | None = None) -> str:
    """Standard output of `command`, run in the repository; RuntimeError when it fails."""
    done = subprocess.run(
        command,
        cwd=environment.ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no error output"])[-1]
        raise RuntimeError(f"the child process {_ending(done.returncode)}: {last}")
    return done.stdout


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"failed with status {code}"


def main() -> None:
    """Do one call, for `call` in the parent."""
    environment.prepare()
    module, _, function = sys.argv[1].partition(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    print(MARK + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
