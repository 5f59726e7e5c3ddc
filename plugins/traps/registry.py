"""Which watchers are open; apart from the hooks, so that loading the plugin costs nothing."""

from __future__ import annotations

from typing import Any

from anadrome import Listening

#: The open watchers, innermost last.
active: list[Any] = []

#: On while there are any.
listening = Listening()
