"""updates: Adam's, in one pass over the parameters and what it keeps of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import Maker, large


def _adam_update(before: Any, spread: Any) -> Any:
    def adam_update(
        param: Any,
        grad: Any,
        exp_avg: Any,
        exp_avg_sq: Any,
        max_exp_avg_sq: Any = None,
        **numbers: Any,
    ) -> None:
        arrays = (param, grad, exp_avg, exp_avg_sq)
        if max_exp_avg_sq is not None or not large(*arrays):
            before(*arrays, max_exp_avg_sq, **numbers)
            return
        from ..loops import updates

        p, g, m, v = (a.reshape(-1) for a in arrays)
        # step_size * m / (sqrt(v) / root + eps), with the division by root taken out of the loop.
        root = numbers["root"]
        decay, weight_decay = numbers["decay"], numbers["weight_decay"]
        constants = [
            np.float32(c)
            for c in (
                numbers["beta1"],
                numbers["rest1"],
                numbers["beta2"],
                numbers["rest2"],
                numbers["step_size"] * root,
                numbers["eps"] * root,
                1.0 if decay is None else decay,
                0.0 if weight_decay is None else weight_decay,
                -1.0 if numbers["maximize"] else 1.0,
            )
        ]
        spread(
            lambda part: updates.adam(p[part], g[part], m[part], v[part], *constants),
            p.size,
            p.size,
        )

    return adam_update


MAKERS: dict[str, Maker] = {"adam_update": _adam_update}
