"""A hook of the documentation build: the sources as griffe, which only reads them, can find them.

The package `anadrome` lies in three folders (`core/`, `backends/`, `plugins/`). For the time of the
build they are copied together as they are when installed.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).resolve().parent.parent

_copy: Path | None = None


@event_priority(100)  # before mkdocstrings reads its paths
def on_config(config: Any) -> Any:
    """Copy the sources, and point mkdocstrings at the copy."""
    global _copy
    if _copy is None:
        _copy = Path(tempfile.mkdtemp(prefix="anadrome-docs-"))
    shutil.rmtree(_copy)
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "core", _copy / "anadrome", ignore=no_caches)
    for part in ("backends", "plugins"):
        shutil.copytree(ROOT / part, _copy / "anadrome" / part, ignore=no_caches)
    handlers = config.plugins["mkdocstrings"].config.handlers
    handlers.setdefault("python", {})["paths"] = [str(_copy)]
    return config


def on_shutdown() -> None:
    """Take the copy away."""
    if _copy is not None:
        shutil.rmtree(_copy, ignore_errors=True)
