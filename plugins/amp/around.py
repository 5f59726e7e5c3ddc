"""What is set around the code for autocast, beside the regions themselves, which are modes."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import Any, NamedTuple

import anadrome as ad


class Around(NamedTuple):
    """Never changed: another one takes its place.

    ``dtypes``: by device type, where one was set. ``caching``: whether casts of weights are kept.
    ``nesting``: how many regions are open. ``casts``: those kept; None outside of any region.
    """

    dtypes: Mapping[str, ad.dtype] = {}
    caching: bool = True
    nesting: int = 0
    casts: dict[Any, Any] | None = None

    def inside(self, device_type: str, dtype: ad.dtype, caching: bool) -> Around:
        """What is around the code in one region more."""
        casts = {} if self.casts is None else self.casts
        return Around({**self.dtypes, device_type: dtype}, caching, self.nesting + 1, casts)

    def clear(self) -> None:
        """Forget the casts."""
        if self.casts is not None:
            self.casts.clear()


_NOTHING = Around()
#: Of this thread, or asyncio task.
around: contextvars.ContextVar[Around] = contextvars.ContextVar("autocast", default=_NOTHING)
