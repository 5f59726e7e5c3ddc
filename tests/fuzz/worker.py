"""worker: makes calls in a process of its own, with a limit of memory, and writes what came of it.

``python -m tests.fuzz.worker FIRST COUNT FILE PREFIX [torch] [sweep]``: calls FIRST to
FIRST + COUNT. It writes a line before and a line after each, so that its reader knows which ended
the process.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import anadrome as ad

from . import against_torch, draws, oracle, planted, surface

#: Address space beyond what the libraries take, and the largest file.
MEMORY = 3 << 30
FILE = 64 << 20


def limited() -> None:
    """Bound the memory and the files of this process."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def drawn(
    target: surface.Target, number: int, sweep: bool = False
) -> tuple[draws.Drawn | None, random.Random]:
    """Call ``number`` of a target; the generator goes on for what is done with the result."""
    ad.manual_seed(0)
    rng = random.Random(f"{target.path}#{number}")
    return draws.swept(target, number) if sweep else draws.call_of(target, rng), rng


def restore() -> None:
    """Undo what a call may have set for the process."""
    from anadrome import settings

    ad.set_default_dtype(ad.float32)
    ad.set_default_device(None)
    ad.set_printoptions(profile="default")
    settings.use_deterministic_algorithms(False)
    ad.set_grad_enabled(True)
    ad.autograd.set_detect_anomaly(False)
    ad.distributions.Distribution.set_default_validate_args(__debug__)


def one(
    target: surface.Target,
    number: int,
    beside: bool = False,
    progress: Callable[[str], object] = str,
    sweep: bool = False,
) -> tuple[oracle.Outcome, str, str]:
    """Make one call; the outcome, the call in words, and how it compares with PyTorch's."""
    call, rng = drawn(target, number, sweep)
    if call is None:
        return oracle.Outcome(oracle.NONE_LEFT), "", ""
    words = oracle.told(target, call)
    given = against_torch.prepared(call) if beside else None
    outcome, result = oracle.called(target, call)
    theirs = ""
    if beside:
        progress(outcome.kind)  # if PyTorch ends the process, that is not ours
        theirs = against_torch.judged(target, call, outcome, result, given, words)
        against_torch.restore()
    outcome = oracle.followed(target, call, outcome, result, rng)
    restore()
    return outcome, words, theirs


def main() -> None:
    first, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    prefix = sys.argv[4]
    beside, sweep = "torch" in sys.argv[5:], "sweep" in sys.argv[5:]
    if beside:
        import torch

        torch.set_num_threads(1)
    faulthandler.enable()
    there = planted.targets() if prefix == "planted." else surface.targets()
    targets = [t for t in there if t.path.startswith(prefix)]
    out = open(path, "a", buffering=1)  # noqa: SIM115 (open until the process ends)
    sys.setrecursionlimit(3000)
    limited()
    os.chdir(tempfile.mkdtemp(prefix="fuzz-"))
    for n in range(first, first + count):
        target, number = targets[n % len(targets)], n // len(targets)
        name = f"{target.path}#{number}"
        out.write(json.dumps({"n": n, "start": name, "family": target.family}) + "\n")

        def progress(kind: str, n: int = n) -> None:
            out.write(json.dumps({"n": n, "ours": kind}) + "\n")

        outcome, words, theirs = one(target, number, beside, progress, sweep)
        told: dict[str, Any] = {"n": n, "kind": outcome.kind}
        if beside:
            told |= {"torch": theirs, "call": words[:400]}
        if outcome.kind in oracle.FINDINGS:
            told |= {"where": outcome.where, "text": outcome.text[:300], "call": words[:400]}
        out.write(json.dumps(told) + "\n")
        if n % 500 == 0:
            gc.collect()


if __name__ == "__main__":
    main()
