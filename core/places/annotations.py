"""annotations: types that programs annotate with for PyTorch's compiler (``jit.annotations``)."""

from __future__ import annotations

from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: F401, UP035


class _BroadcastingList:
    """``BroadcastingList2[int]``: a number, or a list of two."""

    def __getitem__(self, types: Any) -> None:
        """Nothing: an annotation that nobody reads."""


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _BroadcastingList()
BroadcastingList4 = BroadcastingList5 = BroadcastingList6 = _BroadcastingList()
