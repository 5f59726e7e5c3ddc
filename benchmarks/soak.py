"""A soak: very many steps of a small model, and what has grown after them.

`python -m benchmarks.soak [name ...] [--steps N] [--json FILE]`. Each kind of training runs in
turn. After about a tenth of its steps (so that caches are full) and at its end, the living objects
are counted by type, and the open files, the threads and the resident memory are read. Exit status 1
if there are more objects, files or threads than before, or more than a MiB more of memory.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from . import environment

STEPS = 1_000_000
#: One step in so many is interrupted by an exception, where a kind has them.
FAULT = 1000
#: Counts are taken after a multiple of so many: whole epochs, and every kind of fault.
PERIOD = 6 * FAULT
#: What may come and go besides: counted, but no growth of it is a leak.
SLACK_BYTES = 2**20

Step = Callable[[int], Any]


def model(ad: ModuleType) -> tuple[Any, Any, Any]:
    """A small model, its input and what it should say."""
    ad.manual_seed(0)
    net = ad.nn.Sequential(
        ad.nn.Linear(8, 16), ad.nn.Tanh(), ad.nn.Dropout(0.1), ad.nn.Linear(16, 1)
    )
    return net, ad.randn(4, 8), ad.randn(4, 1)


def plain(ad: ModuleType) -> Step:
    """SGD with momentum."""
    net, x, y = model(ad)
    optimizer = ad.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)

    def step(number: int) -> None:
        optimizer.zero_grad()
        ad.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()

    return step


def adam(ad: ModuleType) -> Step:
    """Adam, clipped gradients, and a scheduler."""
    net, x, y = model(ad)
    optimizer = ad.optim.Adam(net.parameters(), lr=1e-3)
    scheduler = ad.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000)

    def step(number: int) -> None:
        optimizer.zero_grad()
        ad.nn.functional.mse_loss(net(x), y).backward()
        ad.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()

    return step


def amp(ad: ModuleType) -> Step:
    """Autocast to float16 and a GradScaler; one step in ten overflows."""
    net, x, y = model(ad)
    optimizer = ad.optim.SGD(net.parameters(), lr=1e-3)
    scaler = ad.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)

    def step(number: int) -> None:
        optimizer.zero_grad()
        with ad.autocast("cpu", dtype=ad.float16):
            loss = ad.nn.functional.mse_loss(net(x).float(), y)
        if number % 10 == 9:
            loss = loss * float("inf")
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return step


def checkpoint(ad: ModuleType) -> Step:
    """A checkpointed segment with dropout."""
    net, x, y = model(ad)
    optimizer = ad.optim.SGD(net.parameters(), lr=1e-3)

    def step(number: int) -> None:
        optimizer.zero_grad()
        out = ad.utils.checkpoint.checkpoint(net, x, use_reentrant=False)
        ad.nn.functional.mse_loss(out, y).backward()
        optimizer.step()

    return step


def loader(ad: ModuleType) -> Step:
    """Batches of a DataLoader in this process, shuffled; PERIOD is a number of whole epochs."""
    net, _, _ = model(ad)
    optimizer = ad.optim.SGD(net.parameters(), lr=1e-3)
    data = ad.utils.data.TensorDataset(ad.randn(60, 8), ad.randn(60, 1))
    batches = ad.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    endless: Iterator[Any] = itertools.chain.from_iterable(itertools.repeat(batches))

    def step(number: int) -> None:
        x, y = next(endless)
        optimizer.zero_grad()
        ad.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()

    return step


def capture(ad: ModuleType) -> Step:
    """A captured step, replayed."""
    net, x, y = model(ad)
    optimizer = ad.optim.SGD(net.parameters(), lr=1e-3)

    @ad.capture  # type: ignore[untyped-decorator]
    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ad.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return lambda number: train(x, y)


def faults(ad: ModuleType) -> Step:
    """Adam; one step in a thousand raises in a hook, in a rule or in the optimizer's hook."""
    net, x, y = model(ad)
    optimizer = ad.optim.Adam(net.parameters(), lr=1e-3)
    errors: Any = itertools.cycle([RuntimeError, MemoryError, KeyboardInterrupt])

    def step(number: int) -> None:
        failing = number % FAULT == FAULT - 1
        optimizer.zero_grad()
        out = net(x)
        loss = ad.nn.functional.mse_loss(out, y)
        if not failing:
            loss.backward()
            optimizer.step()
            return

        def fail(*anything: Any) -> None:
            raise next(errors)("on purpose")

        try:
            if number // FAULT % 2:
                out.register_hook(fail)
            else:
                handle = optimizer.register_step_pre_hook(fail)
            try:
                loss.backward()
                optimizer.step()
            finally:
                if not number // FAULT % 2:
                    handle.remove()
        except (RuntimeError, MemoryError, KeyboardInterrupt):
            pass

    return step


KINDS: dict[str, Callable[[ModuleType], Step]] = {
    made.__name__: made for made in (plain, adam, amp, checkpoint, loader, capture, faults)
}


def resident() -> int:
    """Bytes of this process that are in memory now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def files() -> int:
    """Open files; 0 where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def objects() -> dict[str, int]:
    """Living objects that the collector knows, by type."""
    gc.collect()
    return dict(Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects()))


def soak(ad: ModuleType, name: str, steps: int) -> dict[str, Any]:
    """Run one kind for so many steps, and say what has grown since a tenth of them."""
    step = KINDS[name](ad)
    steps += -steps % PERIOD
    warm = max(steps // 10 // PERIOD, 1) * PERIOD
    for number in range(warm):
        step(number)
    before = objects()
    before = objects()  # with what counting itself leaves: from Python 3.14 on a dict counts, too
    memory, open_files, running = resident(), files(), threading.active_count()
    start = time.perf_counter()
    for number in range(warm, steps):
        step(number)
    seconds = time.perf_counter() - start
    after = objects()
    return {
        "name": name,
        "steps": steps,
        "seconds": seconds,
        "bytes": resident() - memory,
        "objects": {
            kind: n - before.get(kind, 0) for kind, n in after.items() if n > before.get(kind, 0)
        },
        "files": files() - open_files,
        "threads": threading.active_count() - running,
    }


def grown(row: dict[str, Any]) -> bool:
    """Whether what is left after the steps is more than there was."""
    more = bool(row["objects"]) or row["files"] > 0 or row["threads"] > 0
    return more or row["bytes"] > SLACK_BYTES


def main(arguments: list[str] | None = None) -> int:
    """Soak what the arguments name; a line each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *KINDS], help="kinds of training")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of each kind ({STEPS:,})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    environment.prepare()
    ad = environment.load("anadrome")
    rows = []
    for name in options.names or KINDS:
        row = soak(ad, name, options.steps)
        rows.append(row)
        print(
            f"{name:<12}{row['steps']:>10,} steps  {row['bytes'] / 1024:>+9,.0f} KiB  "
            f"objects {sum(row['objects'].values()):+d} {row['objects'] or ''}  "
            f"files {row['files']:+d}  threads {row['threads']:+d}  ({row['seconds']:.0f} s)",
            flush=True,
        )
        if options.json is not None:
            options.json.write_text(json.dumps(rows, indent=1))
    return 1 if any(grown(row) for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
