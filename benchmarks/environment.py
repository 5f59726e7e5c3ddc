"""The threads of both frameworks, and how a framework is loaded.

OpenBLAS reads its environment once, when NumPy loads it, so `prepare` has to run before anything
imports NumPy. No module of this package imports an array library at its top for that reason.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

THREADS = 2
"""Threads for each framework."""

VARIABLES = {
    "OPENBLAS_NUM_THREADS": str(THREADS),
    # Log2 of the spin of an idle OpenBLAS thread. The default is 0.1 s, which takes a core away
    # from whoever runs next.
    "OPENBLAS_THREAD_TIMEOUT": "20",
    "OMP_NUM_THREADS": str(THREADS),
    "MKL_NUM_THREADS": str(THREADS),
}

ROOT = Path(__file__).resolve().parent.parent
"""The repository: the folder that `python -m benchmarks` is run from."""


def prepare() -> None:
    """Set `VARIABLES` for this process and its children.

    Raises RuntimeError where NumPy or PyTorch was imported before with other values, because the
    setting would then be silently without effect.
    """
    changed = {name: value for name, value in VARIABLES.items() if os.environ.get(name) != value}
    loaded = [name for name in ("numpy", "torch") if name in sys.modules]
    if changed and loaded:
        wanted = " ".join(f"{name}={value}" for name, value in changed.items())
        raise RuntimeError(
            f"{' and '.join(loaded)} was imported before the benchmarks could set its threads;"
            f" set them outside: {wanted} python -m benchmarks"
        )
    os.environ.update(changed)


def load(name: str) -> ModuleType:
    """The framework module `name`, with its threads set."""
    framework = importlib.import_module(name)
    if name == "torch":
        framework.set_num_threads(THREADS)
    return framework


def installed(name: str) -> bool:
    """Whether `name` can be imported; it is not."""
    return importlib.util.find_spec(name) is not None


def uses_numpy(framework: ModuleType) -> bool:
    """Whether the framework's arrays are NumPy's, which `tracemalloc` sees, and PyTorch's are not.

    `--framework torch` puts PyTorch in anadrome's place, so this is a question of its own.
    """
    return framework.__name__ != "torch"
