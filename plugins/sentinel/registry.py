"""What watches here; apart from the hooks, so that loading the plugin costs nothing."""

from __future__ import annotations

import contextvars
from typing import Any

#: The step or loop under watch (or its replay), as seen from this thread or task.
current: contextvars.ContextVar[Any] = contextvars.ContextVar("sentinel", default=None)
