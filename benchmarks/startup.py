"""What `import anadrome` adds to `import numpy`, and what it must not load.

Fresh processes, in turns with bare NumPy ones. Two figures: the clock around the import inside the
process, and the difference of the whole processes' times, which includes taking it all down again.
"""

from __future__ import annotations

import json
import sys
import time

from . import child
from .registry import Session, experiment
from .results import CheckRow, spread

FORBIDDEN = ("cupy", "scipy", "hypothesis", "matplotlib")

LIMIT = 60.0
"""Milliseconds."""

PROGRAM = """
import numpy, time
start = time.perf_counter()
import {module}
took = time.perf_counter() - start
import json, sys
print(json.dumps([took, [name for name in {forbidden!r} if name in sys.modules]]))
"""


@experiment("import", "import anadrome on top of import numpy, in fresh processes")
def startup(session: Session) -> list[CheckRow]:
    """Milliseconds added, twice, and the forbidden modules that were loaded."""
    module = session.ours.__name__
    rounds = max(15, session.plan.rounds)
    # Once for the bytecode and the disk's cache.
    _process(module)
    inside = []
    outside = []
    loaded: set[str] = set()
    for _ in range(rounds):
        bare, _, _ = _process("numpy")
        whole, took, found = _process(module)
        inside.append(1e3 * took)
        outside.append(1e3 * (whole - bare))
        loaded.update(found)
    return [
        CheckRow(
            name="import",
            measure=f"import {module} after numpy",
            unit="ms",
            ours=spread(inside),
            at_most=LIMIT,
            note=f"{rounds} fresh processes",
        ),
        CheckRow(
            name="import",
            measure="process with it, minus process without",
            unit="ms",
            ours=spread(outside),
        ),
        CheckRow(
            name="import",
            measure=f"loaded of {', '.join(FORBIDDEN)}",
            unit="modules",
            ours=spread([float(len(loaded))]),
            at_most=0.0,
            note=", ".join(sorted(loaded)),
        ),
    ]


def _process(module: str) -> tuple[float, float, list[str]]:
    """Seconds of a whole process that imports `module` after NumPy, of the import, and what came.

    The bytecode cache is on, whatever the environment says: everyone's second start has it.
    """
    program = PROGRAM.format(module=module, forbidden=FORBIDDEN)
    switched_off = "PYTHONDONTWRITEBYTECODE"
    start = time.perf_counter()
    output = child.run([sys.executable, "-c", program], env={switched_off: ""})
    whole = time.perf_counter() - start
    took, found = json.loads(output.splitlines()[-1])
    return whole, took, found
