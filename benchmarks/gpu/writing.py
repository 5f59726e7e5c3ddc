"""The report of a GPU run: `gpu.md` and `gpu.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import machine, report
from ..registry import DeviceSession
from ..results import CheckRow
from .suite import Outcome

#: What a reader must know to read the table.
LEGEND = (
    "Times are between marks on the device, a mark behind each step: the median of the rounds' "
    "medians, with quartiles; a ratio is the median of the rounds' ratios. The sides took turns in "
    "one process. Both frameworks: AdamW with its defaults, clipping, float32 products without "
    "TF32. Peak memory is what arrays held, as each framework counts it."
)


def facts(session: DeviceSession) -> dict[str, Any]:
    """The machine, its GPU, and the versions."""
    found = machine.facts()
    ad = session.sides["ours"].fw
    found["gpu"] = ad.cuda.get_device_name()
    found.update(ad.backend.get("cupy").describe())
    eager = session.sides.get("eager")
    if eager is not None:
        found["torch CUDA"] = eager.fw.version.cuda
    return found


def markdown(
    session: DeviceSession, rows: Sequence[CheckRow], tests: Outcome | None, found: dict[str, Any]
) -> str:
    """The whole report."""
    names = {"ours": "anadrome", "theirs": "PyTorch eager"}
    shown = {k: v for k, v in found.items() if v is not None and not isinstance(v, dict)}
    parts = [
        f"# {found['gpu']}, {found['date'][:10]}",
        report.table(("", ""), [(str(k), str(v)) for k, v in shown.items()]),
        f"Tests (`pytest -m gpu`): {'not asked for' if tests is None else tests.told()}.",
    ]
    if tests is not None and tests.failures:
        parts.append("\n".join(f"- failed: `{name}`" for name in tests.failures))
    parts += [f"**{note}**" for note in session.notes]
    heads = [head.format(**names) for head in report.CHECK_HEADS]
    parts.append(report.table(heads, [report.check_cells(row) for row in rows]))
    parts.append(LEGEND)
    return "\n\n".join(parts) + "\n"


def write(
    out: Path,
    session: DeviceSession,
    rows: Sequence[CheckRow],
    tests: Outcome | None,
    found: dict[str, Any],
) -> tuple[Path, Path]:
    """Both files; their paths."""
    text, data = out / "gpu.md", out / "gpu.json"
    report.replace(text, markdown(session, rows, tests, found))
    content = {
        "machine": found,
        "plan": asdict(session.plan),
        "sizes": asdict(session.sizes),
        "notes": session.notes,
        "tests": None if tests is None else asdict(tests),
        "checks": [{**asdict(row), "met": row.met} for row in rows],
    }
    report.replace(data, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return text, data
