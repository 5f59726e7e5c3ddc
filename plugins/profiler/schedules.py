"""schedules: which steps of a training loop are profiled, and where their traces go."""

from __future__ import annotations

import enum
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from anadrome.border import enclose_functions


class ProfilerAction(enum.Enum):
    """What happens during one step (PyTorch: `torch.profiler.ProfilerAction`)."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:  # fmt: skip
    """After `skip_first` steps: `wait`, `warmup`, then record `active` steps, `repeat` times.

    `repeat=0` goes on to the end; `skip_first_wait` other than 0 leaves the first wait out.
    PyTorch: `torch.profiler.schedule`. Raises `ValueError` for numbers that name no step.

    >>> import anadrome as ad
    >>> plan = ad.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [plan(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise ValueError(
            "Invalid profiler schedule arguments: wait, warmup, repeat and skip_first cannot be "
            "negative, and active is at least 1"
        )
    length = wait + warmup + active

    def plan(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        if repeat and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == length - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return plan


def always(step: int) -> ProfilerAction:
    """The schedule of a profile that was given none: everything, told at the end."""
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[Any], None]:
    """A handler that writes each trace into a folder, as TensorBoard's viewer reads them.

    For `profile(on_trace_ready=...)`. The file is `<worker>.<nanoseconds>.pt.trace.json`, with
    `.gz` if it is compressed. PyTorch: `torch.profiler.tensorboard_trace_handler`. Raises
    `RuntimeError` if the folder cannot be made.
    """

    def handler(profile: Any) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Can't create directory: {dir_name}") from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + ".gz" * use_gzip
        profile.export_chrome_trace(os.path.join(dir_name, name))

    return handler


enclose_functions(globals())
