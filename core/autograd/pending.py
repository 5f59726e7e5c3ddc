"""pending: gradients with a factor in them that somebody has still to take out.

Who makes such gradients marks them, so that who would misread them can ask; neither needs to know
the other. Loss scaling marks, clipping asks.
"""

from __future__ import annotations

from ..tensor import Tensor


def mark(gradient: Tensor, remedy: str) -> None:
    """Note that ``gradient`` is not yet what it will be; ``remedy`` says what has to be called.

    The mark holds until anything is written to the gradient in place (taking the factor out,
    zeroing, another backward), or its ``.data`` is taken.

    >>> import anadrome as ad
    >>> from anadrome.autograd import pending
    >>> g = ad.ones(2)
    >>> pending.mark(g, "divide it by 8")
    >>> pending.remedy(g)
    'divide it by 8'
    >>> pending.remedy(g.div_(8.0)) is None
    True
    """
    gradient._pending = (gradient._version, remedy)


def remedy(gradient: Tensor) -> str | None:
    """What has still to be done to ``gradient``; None if nothing has."""
    marked = gradient._pending
    return marked[1] if marked is not None and marked[0] == gradient._version else None
