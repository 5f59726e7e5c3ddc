"""What is measured on a GPU, with the targets."""

from __future__ import annotations

from collections.abc import Callable

from ..registry import DeviceSession, device_experiment
from ..results import CheckRow, Spread, ratios, spread
from . import training
from .sides import Side
from .timing import interleave
from .training import Training

Build = Callable[[Side], Training]


@device_experiment("gpt-step", "GPT, 124 M parameters, T 1024, batch 8, autocast to bfloat16")
def gpt_step(session: DeviceSession) -> list[CheckRow]:
    """The whole step beside PyTorch's."""
    return _beside(session, "gpt-step", lambda s: training.gpt(s, session.sizes, True), 1.3)


@device_experiment("gpt-autocast", "the same model: float32 against autocast to bfloat16")
def gpt_autocast(session: DeviceSession) -> list[CheckRow]:
    """How much faster it becomes, and how much less activations take."""
    rows = []
    for name, side in _uncompiled(session):
        full, half = (training.gpt(side, session.sizes, kind) for kind in (False, True))
        taken = interleave({"full": (side, full.step), "half": (side, half.step)}, session.plan)
        memory = {kind: _activations(side, t) for kind, t in (("full", full), ("half", half))}
        ours = name == "ours"
        rows.append(
            CheckRow(
                "gpt-autocast", f"{_called(name)}: speed-up", "ratio",
                ours=ratios(taken["full"], taken["half"]), at_least=1.8 if ours else None,
                note=f"{_median(taken['full']):.1f} ms to {_median(taken['half']):.1f} ms",
            )
        )  # fmt: skip
        rows.append(
            _saved("gpt-autocast", name, "activation memory", memory["full"], memory["half"],
                   40.0 if ours else None)
        )  # fmt: skip
        del full, half
        side.release()
    return rows


@device_experiment("gpt-checkpoint", "the same model under autocast, with its blocks checkpointed")
def gpt_checkpoint(session: DeviceSession) -> list[CheckRow]:
    """What checkpointing every block saves and costs, and what keeping its products does."""
    limits = {"whole": (50.0, 35.0), "cheap ops": (20.0, 10.0)}
    rows = []
    for name, side in _uncompiled(session):
        made = {v: training.gpt(side, session.sizes, True, v) for v in ("none", *limits)}
        taken = interleave({v: (side, t.step) for v, t in made.items()}, session.plan)
        memory = {v: _activations(side, t) for v, t in made.items()}
        for variant, (least, most) in limits.items():
            ours = name == "ours"
            rows.append(
                _saved("gpt-checkpoint", name, f"{variant}: activation memory", memory["none"],
                       memory[variant], least if ours else None)
            )  # fmt: skip
            rows.append(
                CheckRow(
                    "gpt-checkpoint", f"{_called(name)}: {variant}: time added", "%",
                    ours=ratios(taken[variant], taken["none"]).minus_one_in_percent(),
                    at_most=most if ours else None,
                )
            )  # fmt: skip
        del made
        side.release()
    return rows


@device_experiment("resnet18", "ResNet-18 on 224 × 224, batch 64, float32")
def resnet18(session: DeviceSession) -> list[CheckRow]:
    """Convolutions, batch norms and pools."""
    return _beside(session, "resnet18", lambda s: training.resnet18(s, session.sizes), 1.5)


@device_experiment("classifier", "the demo's classifier, 8 × 8 scans, batch 64, float32")
def classifier(session: DeviceSession) -> list[CheckRow]:
    """So small that it is Python's time that is measured."""
    return _beside(session, "classifier", lambda s: training.digits(s, session.sizes), 1.2)


def _beside(session: DeviceSession, name: str, build: Build, target: float) -> list[CheckRow]:
    """Step times of all sides in turns, their ratios, and peaks of memory."""
    made = {key: (side, build(side)) for key, side in session.sides.items()}
    taken = interleave({key: (side, t.step) for key, (side, t) in made.items()}, session.plan)
    eager = taken.get("eager")
    rows = [
        CheckRow(name, "step", "ms", ours=spread(taken["ours"]),
                 theirs=None if eager is None else _median(eager))
    ]  # fmt: skip
    if eager is not None:
        rows.append(CheckRow(name, "step over PyTorch eager", "ratio",
                             ours=ratios(taken["ours"], eager), at_most=target))  # fmt: skip
    if "compiled" in taken:
        rows.append(
            CheckRow(name, "step over torch.compile", "ratio",
                     ours=ratios(taken["ours"], taken["compiled"]),
                     note=f"torch.compile {_median(taken['compiled']):.2f} ms")
        )  # fmt: skip
    peaks = {}
    for key in ("ours", "eager"):
        if key in made:
            side, what = made[key]
            peaks[key] = side.peak(what.step)
            side.release()
    theirs = peaks.get("eager")
    rows.append(CheckRow(name, "peak memory", "MB", ours=spread([peaks["ours"]]), theirs=theirs))
    if theirs:
        rows.append(CheckRow(name, "peak memory over PyTorch eager", "ratio",
                             ours=spread([peaks["ours"] / theirs]), at_most=1.1))  # fmt: skip
    return rows


def _uncompiled(session: DeviceSession) -> list[tuple[str, Side]]:
    return [(name, side) for name, side in session.sides.items() if name != "compiled"]


def _called(side: str) -> str:
    return "anadrome" if side == "ours" else "PyTorch eager"


def _activations(side: Side, what: Training) -> float:
    """MB that forward and backward take, with gradients there before."""
    what.gradients()
    found = side.rise(what.gradients)
    side.release()
    return found


def _saved(
    name: str, side: str, measure: str, before: float, after: float, least: float | None
) -> CheckRow:
    """Percent less; the row is empty where no memory was counted."""
    measured = before > 0
    return CheckRow(
        name, f"{_called(side)}: {measure} saved", "%",
        ours=spread([100 * (1 - after / before)]) if measured else None, at_least=least,
        note=f"{before:.0f} MB to {after:.0f} MB" if measured else "no memory was counted",
    )  # fmt: skip


def _median(values: list[float]) -> float:
    found: Spread = spread(values)
    return found.median
