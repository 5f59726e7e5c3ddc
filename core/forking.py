"""forking: locks that a forked child finds free."""

from __future__ import annotations

import os
import threading


def forkable_lock() -> threading.Lock:
    """A lock for as long as the process lives. Who forks waits for it, so that no child is born
    while a thread that it will not have holds it."""
    lock = threading.Lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
