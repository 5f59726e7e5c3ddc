"""utils: what is done with modules and their parameters (PyTorch: ``torch.nn.utils``).

Gradient clipping is a plugin's. What few programs use is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from .vectors import parameters_to_vector, vector_to_parameters

__all__ = ["parameters_to_vector", "vector_to_parameters"]

#: Names that are imported when first asked for, and the modules here that have them.
_LATER = {
    name: place
    for place, names in {
        "fusion": "fusion fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval "
        "fuse_linear_bn_weights",
        "init": "skip_init",
        "memory_formats": "convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format",
        "norms": "remove_spectral_norm remove_weight_norm spectral_norm weight_norm",
        "parametrizations": "parametrizations",
        "parametrize": "parametrize",
        "prune": "prune",
        "rnn": "rnn",
        "stateless": "stateless",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    place = _LATER.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{place}")
    value = module if place == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
