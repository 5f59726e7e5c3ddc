"""alignments: all ways through time that read as a target, for connectionist temporal
classification.

Graves et al., "Connectionist temporal classification", ICML 2006, equation 6, in logarithms.
"""

from __future__ import annotations

import math
from typing import Any

from ..op import FLOAT, NONE, op
from ..samples import Arr, call
from .arithmetic import logaddexp
from .elementwise import exp
from .joining import cat_arrays
from .shape import pad_constant

#: Stands for log(0): infinity would make NaN of differences. Sums of many are still finite.
NEVER = -1e30
#: Values whose ways are looked at together.
_BLOCK = 2**16

_ARGS = (Arr((4, 2, 5)), Arr((2, 5), -1, 0))

# fmt: off
#: ``steps``: what each place of the target is worth at each time, (T, N, S). A place is reached
#: from itself, from the one before, and from two before where ``skips``, (N, S), the logarithm of
#: 1 or 0, lets it.
ctc_paths = op("ctc_paths", lambda xp, steps, skips: _paths(xp, steps, skips),
               steps=lambda g, out, skips: ctc_paths_backward(g, out, skips), skips=NONE,
               dtype=FLOAT, method=False, node="CtcLossBackward0", samples=call(*_ARGS))
ctc_paths_backward = op("ctc_paths_backward",
                        lambda xp, g, paths, skips: _back(xp, g, paths, skips),
                        g=lambda h, paths, skips: _along(h, paths, skips)[0],
                        paths=lambda h, paths, skips, out: _second(h, paths, skips, out),
                        skips=NONE,
                        dtype=FLOAT, method=False, samples=call(Arr((4, 2, 5)), *_ARGS))
# fmt: on


def _ways(xp: Any, paths: Any, skips: Any) -> Any:
    """The three ways to the places of the next step, (3, ..., N, S)."""
    out = xp.full((3, *paths.shape), -math.inf, dtype=paths.dtype)
    out[0, ...] = paths
    out[1, ..., 1:] = paths[..., :-1]
    out[2, ..., 2:] = paths[..., :-2]
    out[2, ...] += skips
    return out


def _paths(xp: Any, steps: Any, skips: Any) -> Any:
    out = xp.asarray(steps, copy=True)
    for t in range(1, steps.shape[0]):
        ways = _ways(xp, out[t - 1, ...], skips)
        top = xp.max(ways, axis=0)
        ways -= top
        out[t, ...] += top + xp.log(xp.sum(xp.exp(ways), axis=0))
    return out


def _back(xp: Any, g: Any, paths: Any, skips: Any) -> Any:
    """The shares of the ways are computed for many times at once; what flows along them is not."""
    out = xp.asarray(g, copy=True)
    last = paths.shape[0] - 1
    some = max(_BLOCK // max(math.prod(skips.shape), 1), 1)
    for start in reversed(range(0, last, some)):
        stop = min(start + some, last)
        ways = _ways(xp, paths[start:stop, ...], skips)
        shares = xp.exp(ways - xp.max(ways, axis=0))
        shares /= xp.sum(shares, axis=0)
        for t in range(stop - 1, start - 1, -1):
            flow = shares[:, t - start, ...] * out[t + 1, ...]
            out[t, ...] += flow[0, ...]
            out[t, :, :-1] += flow[1, :, 1:]
            out[t, :, :-2] += flow[2, :, 2:]
    return out


def _earlier(x: Any, by: int, value: float = 0.0) -> Any:
    return pad_constant(x, padding=((0, 0), (0, 0), (by, -by)), value=value)


def _later(x: Any, by: int) -> Any:
    return pad_constant(x, padding=((0, 0), (0, 0), (-by, by)))


def _mean(x: Any, shares: list[Any]) -> Any:
    return shares[0] * x + shares[1] * _earlier(x, 1) + shares[2] * _earlier(x, 2)


def _along(h: Any, paths: Any, skips: Any) -> tuple[Any, list[Any]]:
    """What flows forward in time, and the shares of the ways."""
    if not paths.shape[0]:
        return h, []
    before = paths[:-1, ...]
    ways = [before, _earlier(before, 1, -math.inf), _earlier(before, 2, -math.inf) + skips]
    total = logaddexp(logaddexp(ways[0], ways[1]), ways[2])
    shares = [exp(way - total) for way in ways]
    every = [h[:1, ...]]
    for t in range(paths.shape[0] - 1):
        here = [share[t : t + 1, ...] for share in shares]
        every.append(h[t + 1 : t + 2, ...] + _mean(every[-1], here))
    return cat_arrays(*every, dim=0), shares


def _second(h: Any, paths: Any, skips: Any, flows: Any) -> Any:
    if not paths.shape[0]:
        return h
    forward, shares = _along(h, paths, skips)
    here = forward[:-1, ...]
    middle = _mean(here, shares)
    parts = [
        flows[1:, ...] * share * (_earlier(here, by) - middle) for by, share in enumerate(shares)
    ]
    out = parts[0] + _later(parts[1], 1) + _later(parts[2], 2)
    return pad_constant(out, padding=((0, 1), (0, 0), (0, 0)))
