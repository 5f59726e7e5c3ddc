"""A temporary folder for a child that has given up root's rights."""

from __future__ import annotations

import tempfile
from pathlib import Path


def make_reachable(folder: Path) -> None:
    """Let every user pass through the folders above, which pytest keeps for their owner."""
    for above in folder.parents:
        if above != Path(tempfile.gettempdir()) and above.is_relative_to(tempfile.gettempdir()):
            above.chmod(above.stat().st_mode | 0o055)
