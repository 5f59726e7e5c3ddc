"""report: the counts of a run by family and outcome, and its findings, each kind once."""

from __future__ import annotations

import collections
import re
from typing import Any

from . import oracle

KINDS = (oracle.WORKED, oracle.REFUSED, oracle.BINDING, oracle.NO_MEMORY, *oracle.FINDINGS)


def table(records: list[dict[str, Any]]) -> str:
    """The counts, as a table in Markdown."""
    counts: dict[str, collections.Counter[str]] = {}
    for r in records:
        counts.setdefault(r["family"], collections.Counter())[r["kind"]] += 1
    total: collections.Counter[str] = collections.Counter()
    lines = ["| family | calls | " + " | ".join(KINDS) + " |", "| --- " * (len(KINDS) + 2) + "|"]
    for family, counter in sorted(counts.items()):
        total += counter
        lines.append(_row(family, counter))
    return "\n".join([*lines, _row("**all**", total)])


def _row(name: str, counter: collections.Counter[str]) -> str:
    cells = [f"{counter[k]:,}" for k in KINDS]
    return f"| {name} | {sum(counter.values()):,} | {' | '.join(cells)} |"


def findings(records: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Each kind of finding once, with how often it came."""
    kinds: dict[Any, list[dict[str, Any]]] = {}
    for r in records:
        if r["kind"] in oracle.FINDINGS:
            text = re.sub(r"[\d.]+|'[^']*'|\([^)]*\)", "_", r.get("text", ""))[:60]
            kinds.setdefault((r["kind"], r.get("where", ""), text), []).append(r)
    found = [(len(v), v[0]) for v in kinds.values()]
    return sorted(found, key=lambda pair: -pair[0])


def told(count: int, record: dict[str, Any]) -> str:
    """A finding in three lines; the first is what ``--replay`` takes."""
    return (
        f"{count:5d} × {record['kind']}: {record['start']}\n        {record.get('call', '')}\n"
        f"        {record.get('where', '')}: {record.get('text', '')}"
    )
