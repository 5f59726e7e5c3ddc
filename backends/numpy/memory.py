"""memory: what a step frees stays with the process, for the next step.

glibc hands large freed blocks back to the system, and the system gives them again page by page,
zeroed: a sixth of a step over small arrays, two thirds of one over arrays of 16 MiB. The GPU's
libraries keep a pool for the same reason; here it is malloc's own. With another C library, or where
``MALLOC_TRIM_THRESHOLD_`` or ``GLIBC_TUNABLES`` say what the user wants, nothing is set.
"""

from __future__ import annotations

import ctypes
import os

#: Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Blocks beyond this lie by themselves and go back at once, so that holes between them do not last.
_ALONE = 2**28
#: glibc before 2.35 takes no more than this.
_ALONE_BEFORE = 2**25
_LARGEST = 2**31 - 1


def keep() -> None:
    """Keep up to a quarter of the machine's memory, and 2 GiB."""
    if "MALLOC_TRIM_THRESHOLD_" in os.environ or "GLIBC_TUNABLES" in os.environ:
        return
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (asked for: others have a mallopt, too)
        mallopt = library.mallopt
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, TypeError, ValueError):  # Windows has none of these
        return
    if not mallopt(_MMAP_THRESHOLD, _ALONE):
        mallopt(_MMAP_THRESHOLD, _ALONE_BEFORE)
    mallopt(_TRIM_THRESHOLD, min(machine // 4, _LARGEST))
