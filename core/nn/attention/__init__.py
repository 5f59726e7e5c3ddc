"""attention: which way attention is computed (PyTorch: ``torch.nn.attention``).

There is one way here, which is always taken. A choice among PyTorch's is accepted, without effect.
Beside it: ``flex_attention``, whose scores a function changes, with ``mods`` and ``blocks``.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any


class SDPBackend(enum.Enum):
    """PyTorch's ways to compute ``scaled_dot_product_attention``."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """A choice among the ways to compute attention; accepted, and without effect.

    >>> import anadrome as ad
    >>> from anadrome.nn.attention import SDPBackend, sdpa_kernel
    >>> x = ad.ones(1, 2, 3)
    >>> with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
    ...     y = ad.nn.functional.scaled_dot_product_attention(x, x, x)
    >>> y.shape
    anadrome.Size([1, 2, 3])
    """
    given = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(given, (list, tuple)) or not all(isinstance(b, SDPBackend) for b in given):
        raise TypeError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    yield
