"""report: the counts of a run by family and outcome, and its findings, each kind once."""

from __future__ import annotations

import collections
import re
from typing import Any

from . import against_torch, oracle

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


def comparison(records: list[dict[str, Any]]) -> str:
    """How the calls compare with PyTorch's: the counts, and what only one library refuses."""
    judged = collections.Counter(r["torch"].partition(": ")[0] for r in records if r.get("torch"))
    lines = [f"{count:8,} {kind}" for kind, count in judged.most_common()]
    for kind in against_torch.TABLES:
        those = [r for r in records if r.get("torch", "").startswith(kind)]
        reasons = collections.Counter(against_torch.why(r) or "no reason" for r in those)
        lines += ["", f"{kind}:", *(f"{n:8,} {why}" for why, n in reasons.most_common())]
    those = [r["torch"] for r in records if r.get("torch", "").startswith(against_torch.MAY_DIFFER)]
    reasons = collections.Counter(words.partition(": ")[2] for words in those)
    lines += ["", "the results differ:", *(f"{n:8,} {why}" for why, n in reasons.most_common())]
    return "\n".join(lines)


def unexplained(records: list[dict[str, Any]]) -> list[str]:
    """Calls that one library refuses for no known reason, and results that differ."""
    out = []
    for r in records:
        differs = r.get("torch", "").startswith(against_torch.DIFFERS + ":")
        if against_torch.why(r) == "" or differs:
            out.append(f"{r['start']} {r['call']}\n        {r['torch']}")
    return out
