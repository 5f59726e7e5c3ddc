"""What watches here; apart from the hooks, so that loading the plugin costs nothing."""

from __future__ import annotations

import contextvars
from typing import Any

from anadrome import Listening

#: The step or loop under watch (or its replay), as seen from this thread or task.
current: contextvars.ContextVar[Any] = contextvars.ContextVar("sentinel", default=None)

#: On as soon as a step is to be watched, and inside of a watched loop.
listening = Listening()
