"""structure: what the graph of a plain loop tells."""
from __future__ import annotations
from typing import Any
def told(roots: Any, leaves: Any, site: Any) -> str:
    return "hit"
