"""The rows as tables, in Markdown that reads as plain text, and as JSON.

JSON: `machine` (see `machine.facts`), `plan` (rounds; seconds of a turn, of a pause, of warm-up),
`frameworks`, `steps` and `checks` (the fields of `StepRow` and `CheckRow`, and `met`). Times are in
the row's `unit`, peaks in MB of 1e6 bytes, spreads are median, lower and upper quartile.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .registry import Session
from .results import CheckRow, Spread, StepRow

MISSING = "–"

STEP_HEADS = (
    "training step",
    "{ours}",
    "{theirs}",
    "ratio",
    "quartiles",
    "target",
    "met",
    "NumPy floor",
    "peak MB",
    "{theirs} MB",
)

CHECK_HEADS = ("measurement", "", "{ours}", "quartiles", "{theirs}", "target", "met", "note")


def markdown(
    session: Session, steps: Sequence[StepRow], checks: Sequence[CheckRow], facts: dict[str, Any]
) -> str:
    """The whole report."""
    names = _names(session)
    parts = [_machine_line(facts)]
    if session.theirs is None:
        parts.append(
            "**PyTorch is not installed: ratios, floors and its memory are missing.**"
            " `pip install torch` adds them."
        )
    if steps:
        heads = [head.format(**names) for head in STEP_HEADS]
        parts.append(table(heads, [_step_cells(row) for row in steps]))
        parts.append(STEP_LEGEND)
    if checks:
        heads = [head.format(**names) for head in CHECK_HEADS]
        parts.append(table(heads, [check_cells(row) for row in checks]))
    notes = [f"- {row.name}: {row.note}" for row in steps if row.note]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


STEP_LEGEND = (
    "Times are medians of the rounds' medians; the ratio is the median of the rounds' ratios."
    " Floor: hand-written NumPy without a graph over PyTorch, in this run, or (in brackets) when"
    " the target was set. Peak: rise of the resident set over imports, in a process of its own."
)


def write_json(
    path: Path,
    session: Session,
    steps: Sequence[StepRow],
    checks: Sequence[CheckRow],
    facts: dict[str, Any],
) -> None:
    """The report as JSON."""
    content = {
        "machine": facts,
        "frameworks": _names(session),
        "quick": session.quick,
        "plan": asdict(session.plan),
        "steps": [{**asdict(row), "met": row.met} for row in steps],
        "checks": [{**asdict(row), "met": row.met} for row in checks],
    }
    replace(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def replace(path: Path, text: str) -> None:
    """Write beside `path`, then rename: a reader sees the old file or the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows)]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    )


def number(value: float | None) -> str:
    """Three significant digits, without an exponent; a dash for None."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def _names(session: Session) -> dict[str, str]:
    theirs = "torch" if session.theirs is None else session.theirs.__name__
    return {"ours": session.ours.__name__, "theirs": theirs}


def _machine_line(facts: dict[str, Any]) -> str:
    return (
        f"{facts['date']} · {facts['cpu']}, {facts['cores']} cores · load {facts['load']}"
        f" · Python {facts['python']} · anadrome {facts['anadrome']} · NumPy {facts['numpy']}"
        f" ({facts['blas']}) · PyTorch {facts['torch']} · {facts['threads']} threads each"
    )


def _step_cells(row: StepRow) -> list[str]:
    return [
        row.name,
        _with_unit(row.ours, row.unit),
        _with_unit(row.theirs, row.unit),
        number(row.ratio.median if row.ratio else None),
        _quartiles(row.ratio),
        f"≤ {row.target:g}",
        _verdict(row.failed, row.met),
        _floor(row),
        number(row.peak_ours),
        number(row.peak_theirs),
    ]


def check_cells(row: CheckRow) -> list[str]:
    """The row under `CHECK_HEADS`."""
    return [
        row.name,
        row.measure,
        _with_unit(row.ours, row.unit),
        _quartiles(row.ours),
        MISSING if row.theirs is None else f"{number(row.theirs)} {row.unit}",
        _range(row),
        _verdict(row.failed, row.met),
        row.note.replace("|", "/"),
    ]


def _with_unit(spread: Spread | None, unit: str) -> str:
    return MISSING if spread is None else f"{number(spread.median)} {unit}"


def _quartiles(spread: Spread | None) -> str:
    if spread is None or spread.low == spread.high:
        return MISSING
    return f"{number(spread.low)} to {number(spread.high)}"


def _floor(row: StepRow) -> str:
    if row.floor is None and row.recorded_floor is None:
        return MISSING
    recorded = "" if row.recorded_floor is None else f"({row.recorded_floor:g})"
    now = "" if row.floor is None else number(row.floor.median)
    return f"{now} {recorded}".strip()


def _range(row: CheckRow) -> str:
    limits = []
    if row.at_least is not None:
        limits.append(f"≥ {number(row.at_least)}")
    if row.at_most is not None:
        limits.append(f"≤ {number(row.at_most)}")
    return " ".join(limits) or MISSING


def _verdict(failed: bool, met: bool | None) -> str:
    if failed:
        return "ERROR"
    return {True: "yes", False: "NO", None: MISSING}[met]
