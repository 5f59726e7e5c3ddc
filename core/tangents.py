"""tangents: derivatives in a direction, where PyTorch's gradient is not the transpose of them.

Forward mode is here the vector-Jacobian product, differentiated with respect to its cotangent
(Christianson 1992, doi:10.1093/imanum/12.2.135). That gives the derivative in a direction if each
rule is the transpose of its op's derivative. A few of PyTorch's gradients are not: of values that
are written to one place, each gets the gradient of the place, though only one of them is there; the
row ``padding_idx`` of an embedding gets none. Rules of such ops ask ``transposing`` what is wanted.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

_transposing: contextvars.ContextVar[bool] = contextvars.ContextVar("transposing", default=False)

#: Whether rules are played for derivatives in a direction; the C method itself.
transposing = _transposing.get


@contextlib.contextmanager
def transposed() -> Iterator[None]:
    """Inside, a backward is the transpose of the derivative, also where PyTorch's is not."""
    token = _transposing.set(True)
    try:
        yield
    finally:
        _transposing.reset(token)
