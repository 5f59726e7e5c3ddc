"""updates: Adam's, in one pass over the parameters and what it keeps of them."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled
from .team import share_rows


@compiled
def _adam(p, g, m, v, beta1, rest1, beta2, rest2, step_size, eps, decay, weight_decay, sign):
    for i in range(p.size):
        old = p[i]
        gradient = g[i] * sign + old * weight_decay
        average = m[i] * beta1 + gradient * rest1
        square = v[i] * beta2 + gradient * gradient * rest2
        m[i] = average
        v[i] = square
        p[i] = old * decay - average / (np.sqrt(square) + eps) * step_size


@compiled
def adam(team, parts, p, g, m, v, numbers):
    """``numbers``: as above. ``decay`` is 1 where the parameter does not shrink; ``sign`` is -1 to
    ascend."""
    share_rows(team, _adam, (p, g, m, v), numbers, parts)
