"""line_search: a step length that satisfies the strong Wolfe conditions, for LBFGS.

Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6, with cubic
interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: f, its slope along the direction and its gradient at a step length.
Point = tuple[Any, Any, Any, Any]


def strong_wolfe(
    evaluate: Callable[[Any], tuple[Any, Any]],
    t: Any,
    direction: Any,
    f: Any,
    gradient: Any,
    slope: Any,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[Any, Any, Any, int]:
    """``(f, gradient, t, evaluations)`` at the step length found.

    ``evaluate(t)`` gives f and its gradient at ``t`` along ``direction``; ``f``, ``gradient`` and
    ``slope`` are those at 0.
    """
    size = direction.abs().max()
    gradient = gradient.clone()
    start = (0, f, gradient, slope)

    def at(t: Any) -> Point:
        value, grad = evaluate(t)
        return t, value, grad.clone(), grad.dot(direction)

    def too_high(point: Point) -> bool:
        return bool(point[1] > f + c1 * point[0] * slope)

    def flat(point: Point) -> bool:
        return bool(abs(point[3]) <= -c2 * slope)

    # Go on until an interval contains a good point, or a good point is found on the way.
    before, now = start, at(t)
    evaluations = 1
    tries = 0
    done = False
    bracket = [start, now]
    while tries < max_ls:
        if too_high(now) or (tries > 1 and now[1] >= before[1]):
            bracket = [before, now]
            break
        if flat(now):
            bracket = [now]
            done = True
            break
        if now[3] >= 0:
            bracket = [before, now]
            break
        least = now[0] + 0.01 * (now[0] - before[0])
        before, now = now, at(_cubic(before, now, (least, now[0] * 10)))
        evaluations += 1
        tries += 1
    if tries == max_ls:
        bracket = [start, now]

    # Narrow the interval.
    stuck = False
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    while not done and tries < max_ls:
        left, right = sorted((bracket[0][0], bracket[1][0]))
        if abs(bracket[1][0] - bracket[0][0]) * size < tolerance_change:
            break
        t = _cubic(bracket[0], bracket[1])
        t, stuck = _away_from_ends(t, left, right, stuck)
        now = at(t)
        evaluations += 1
        tries += 1
        if too_high(now) or now[1] >= bracket[low][1]:
            bracket[high] = now
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if flat(now):
                done = True
            elif now[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    t, f, gradient, _ = bracket[low]
    return f, gradient, t, evaluations


def _away_from_ends(t: Any, left: Any, right: Any, stuck: bool) -> tuple[Any, bool]:
    """Move ``t`` from an end of the interval, if it is at one or was near one the last time."""
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not (stuck or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def _cubic(one: Point, two: Point, bounds: Any = None) -> Any:
    """The minimum of the cubic through two points with their slopes, within the bounds."""
    x1, f1, _, g1 = one
    x2, f2, _, g2 = two
    least, most = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (least + most) / 2.0
    d2 = square.sqrt()
    if x1 <= x2:
        place = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        place = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(place, least), most)
