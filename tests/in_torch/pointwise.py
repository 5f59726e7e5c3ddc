"""Functions value by value: arithmetic, special functions, bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

AS_IN_TORCH: dict[str, Callable[..., Any]] = {
    "add_scaled": lambda a, b, alpha: torch.add(a, b, alpha=alpha),
    "sub_scaled": lambda a, b, alpha: torch.sub(a, b, alpha=alpha),
    "polygamma": lambda x, n: torch.polygamma(n, x),
    "igamma": lambda a, x: torch.igamma(torch.tensor(a, dtype=x.dtype), x),
    "igammac": lambda a, x: torch.igammac(torch.tensor(a, dtype=x.dtype), x),
    "zeta": lambda s, q: torch.special.zeta(torch.tensor(s, dtype=q.dtype), q),
    "entr": torch.special.entr,
    "log_ndtr": torch.special.log_ndtr,
    "i0e": torch.special.i0e,
    "i1": torch.special.i1,
    "i1e": torch.special.i1e,
    "erfcx": torch.special.erfcx,
    "ndtri": torch.special.ndtri,
    "xlog1py": torch.special.xlog1py,
    "div_floor": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "div_trunc": lambda a, b: torch.div(a, b, rounding_mode="trunc"),
    "floor_divide": torch.floor_divide,
    "clamp_low": torch.clamp_min,
    "clamp_high": torch.clamp_max,
    "clamp_between": torch.clamp,
}
OURS = {
    **dict.fromkeys(("first_of_race", "shares"), "through multinomial"),
    "frexp_slope": "only a rule calls it; through `frexp`",
}
#: One op of ours stands for PyTorch's of a number and of a Tensor.
OTHER_NAMES = {"xlogy", "xlog1py", "copysign", "logit", "fmod", "lerp", "clamp_between"}
