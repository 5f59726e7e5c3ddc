"""utils: names that plugins give, such as ``anadrome.utils.checkpoint`` (``torch.utils``)."""

from __future__ import annotations

from .swapping import swap_tensors as swap_tensors
