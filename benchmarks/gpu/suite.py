"""`pytest -m gpu` in a process of its own, and what became of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from .. import environment
from . import needs

#: Processes side by side: each has a CUDA context of its own.
PROCESSES = 4


@dataclass
class Outcome:
    """Counts, the names of those that failed, and what there is to say."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether all ran, and none failed."""
        return not self.failed and not self.note and self.passed > 0

    def told(self) -> str:
        """One line."""
        text = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
        return f"{text}; {self.note}" if self.note else text


def run(out: Path, timeout: float, selection: str = "gpu") -> Outcome:
    """The tests with that marker; their output goes to `tests.txt` in `out`."""
    packages = needs.absent(needs.TESTS)
    if packages:
        return Outcome(note=f"not run: `{needs.advice(packages)}` first")
    xml, log = out / "tests.xml", out / "tests.txt"
    command = [
        sys.executable, "-m", "pytest", "-m", selection, "-n", str(PROCESSES),
        f"--junitxml={xml}", "tests",
    ]  # fmt: skip
    xml.unlink(missing_ok=True)
    try:
        with log.open("w", encoding="utf-8") as output:
            code = subprocess.run(
                command, cwd=environment.ROOT, stdout=output, stderr=subprocess.STDOUT,
                timeout=timeout, check=False,
            ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome(note=f"not over after {timeout:g} s, see {log.name}")
    if not xml.exists():
        return Outcome(note=f"pytest ended with status {code} and no report, see {log.name}")
    outcome = read(xml)
    if code not in (0, 1):
        outcome.note = f"pytest ended with status {code}, see {log.name}"
    return outcome


def read(xml: Path) -> Outcome:
    """What pytest's report says."""
    outcome = Outcome()
    for case in ElementTree.parse(xml).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            outcome.failed += 1
            outcome.failures.append(f"{case.get('classname', '')}::{case.get('name', '')}")
        elif "skipped" in kinds:
            outcome.skipped += 1
        else:
            outcome.passed += 1
    return outcome
