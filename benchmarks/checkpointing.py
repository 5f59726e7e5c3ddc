"""What checkpointing the residual stack saves in activations, and what it costs in time.

Memory of activations: the peak over one forward and backward, minus what was alive before it. A
first pass has already made the gradients, which are kept and accumulated into, and no optimizer
runs; so parameters, gradients and optimizer state are there before and after, and cancel. What is
left is saved values, and the temporaries of the op at work. anadrome is measured with
`tracemalloc`, to which NumPy reports each array: exact, and no allocator's habits are in it.
PyTorch allocates out of its sight, and is measured by its resident set, within about half a
megabyte (see `memory`).

Time: whole training steps without and with checkpoints, in turns, three sides for
each framework in one process.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

from . import child, environment, memory, models
from .registry import Session, experiment
from .results import CheckRow, ratios, spread
from .timing import interleave
from .workloads import residual_training

TORCH_OVERHEAD = 46.0
"""Percent that PyTorch's own checkpoint added when the target was set: used without PyTorch."""

CHEAP_OVERHEAD = 15.0
"""Percent that a policy may add which computes the cheap ops again."""

VARIANTS = ("none", "whole", "cheap ops")

Sizes = dict[str, int]


@experiment("checkpoint", "the residual stack with every block checkpointed")
def checkpoint(session: Session) -> list[CheckRow]:
    """Savings and overhead of a whole checkpoint and of the policy that keeps products."""
    sizes = {"depth": 32, "width": 256, "batch": 128}
    return _savings(session, "checkpoint", sizes) + _overheads(session, "checkpoint", sizes)


@experiment("checkpoint-wide", "8 blocks of width 1024 at batch 512, each checkpointed")
def checkpoint_wide(session: Session) -> list[CheckRow]:
    """The same where the products are most of the work: what is computed again weighs less."""
    sizes = {"depth": 8, "width": 1024, "batch": 512}
    name = "checkpoint-wide"
    return _savings(session, name, sizes) + _overheads(session, name, sizes)


def runner(fw: ModuleType, variant: str) -> models.Run:
    """How a block is applied in `variant`.

    The policy is the one place where the frameworks' names differ: a word in anadrome, a function
    over ATen ops in PyTorch.
    """
    if variant == "none":
        return models.directly
    apply = importlib.import_module(f"{fw.__name__}.utils.checkpoint").checkpoint
    options: dict[str, Any] = {"use_reentrant": False}
    if variant == "cheap ops" and fw.__name__ == "torch":
        options["context_fn"] = _keep_products(fw)
    elif variant == "cheap ops":
        options["policy"] = "cheap_ops"
    return functools.partial(apply, **options)


def activation_peak(framework: str, variant: str, sizes: Sizes) -> float | None:
    """Megabytes of activations of one pass; meant for a child process of its own."""
    fw = environment.load(framework)
    traced = environment.uses_numpy(fw)
    if traced:
        memory.start_tracing()
    _, gradients = residual_training(fw, runner(fw, variant), **sizes)
    gradients()
    gradients()
    meter = memory.TracedPeak() if traced else memory.ResidentPeak()
    gradients()
    return meter.megabytes()


def _keep_products(torch: ModuleType) -> Any:
    """PyTorch's selective checkpoint that saves matrix products and recomputes the rest."""
    module = importlib.import_module("torch.utils.checkpoint")
    aten = torch.ops.aten
    products = [aten.mm.default, aten.addmm.default, aten.bmm.default]
    return functools.partial(module.create_selective_checkpoint_contexts, products)


def _savings(session: Session, name: str, sizes: Sizes) -> list[CheckRow]:
    """Peak activations: what there was, and percent saved by each variant."""
    flat = child.call_each(
        "benchmarks.checkpointing:activation_peak",
        {
            f"{side} {variant}": {"framework": fw.__name__, "variant": variant, "sizes": sizes}
            for side, fw in session.sides().items()
            for variant in VARIANTS
        },
        env=memory.ALLOCATOR,
    )
    if None in flat.values():
        return [_unmeasured(name)]
    peaks = {
        side: {variant: flat[f"{side} {variant}"] for variant in VARIANTS}
        for side in session.sides()
    }
    rows = [_peak_row(name, peaks)]
    for variant, least in (("whole", 50.0), ("cheap ops", 20.0)):
        saved = {side: 100 * (1 - one[variant] / one["none"]) for side, one in peaks.items()}
        rows.append(
            CheckRow(
                name=name,
                measure=f"{variant}: activation memory saved",
                unit="%",
                ours=spread([saved["ours"]]),
                theirs=saved.get("theirs"),
                at_least=least,
                note=f"{peaks['ours'][variant]:.1f} MB left",
            )
        )
    return rows


def _peak_row(name: str, peaks: dict[str, dict[str, float]]) -> CheckRow:
    theirs = peaks.get("theirs", {}).get("none")
    return CheckRow(
        name=name,
        measure="none: activation memory",
        unit="MB",
        ours=spread([peaks["ours"]["none"]]),
        theirs=theirs,
    )


def _unmeasured(name: str) -> CheckRow:
    return CheckRow(
        name=name,
        measure="activation memory",
        unit="MB",
        note="this system does not report a peak",
    )


def _overheads(session: Session, name: str, sizes: Sizes) -> list[CheckRow]:
    """Percent of time that each variant adds to a training step."""
    steps = {
        f"{side} {variant}": residual_training(fw, runner(fw, variant), **sizes)[0]
        for side, fw in session.sides().items()
        for variant in VARIANTS
    }
    timing = interleave(steps, session.plan)
    seconds = timing.seconds
    added = {
        f"{side} {variant}": ratios(seconds[f"{side} {variant}"], seconds[f"{side} none"])
        for side in session.sides()
        for variant in VARIANTS
    }
    rows = []
    for variant in ("whole", "cheap ops"):
        ours = added[f"ours {variant}"].minus_one_in_percent()
        torch = added.get(f"theirs {variant}")
        theirs = None if torch is None else torch.minus_one_in_percent().median
        limit: float | None = CHEAP_OVERHEAD
        if variant == "whole":  # the target was set for the narrow blocks
            limit = TORCH_OVERHEAD if theirs is None else theirs
            if name != "checkpoint":
                limit = None
        rows.append(
            CheckRow(
                name=name,
                measure=f"{variant}: time added",
                unit="%",
                ours=ours,
                theirs=theirs,
                at_most=limit,
                note=timing.note(),
            )
        )
    return rows
