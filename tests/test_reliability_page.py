"""docs/reliability.md promises what tests hold: each is there, with as many cases as it says."""

from __future__ import annotations

import collections
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (?P<promise>.+) \| `(?P<test>tests/[\w/.]+::\w+)` \| (?P<cases>[\d,]+) \|$")


def rows() -> list[tuple[str, int]]:
    """The tests that the page names, with the cases it says they have."""
    lines = (ROOT / "docs" / "reliability.md").read_text().splitlines()
    table = [
        line
        for line in lines
        if line.startswith("|") and not line.startswith(("| Promise", "| ---"))
    ]
    found = [ROW.match(line) for line in table]
    assert all(found), [line for line, match in zip(table, found) if not match]
    return [(m["test"], int(m["cases"].replace(",", ""))) for m in found if m]


def test_every_promise_has_the_cases_it_claims() -> None:
    claimed = rows()
    files = sorted({test.split("::")[0] for test, _ in claimed})
    if not files:
        return
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "--nightly", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    counted = collections.Counter(
        line.split("[")[0].strip() for line in listed.stdout.splitlines() if "::" in line
    )
    wrong = [(test, cases, counted[test]) for test, cases in claimed if counted[test] != cases]
    assert not wrong, f"(test, cases claimed, cases there): {wrong}\n{listed.stdout[-2000:]}"
