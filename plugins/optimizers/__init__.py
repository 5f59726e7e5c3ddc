"""The `optimizers` plugin: the optimizers besides SGD and Adam's family, and weight averaging.

Reading order: ``adagrad``, ``adadelta``, ``rmsprop``, ``rprop``, ``asgd`` (an update rule and its
optimizer each), ``adafactor``, ``muon``, ``lbfgs`` with ``line_search``, ``sparseadam``, ``swa``
(``optim.swa_utils``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)
_NAMES = (
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "LBFGS",
    "Muon",
    "RMSprop",
    "Rprop",
    "SparseAdam",
)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, imported when first used."""
    optimizers = {f"optim.{name}": f"{__name__}.{name.lower()}:{name}" for name in _NAMES}
    averaging = {
        f"optim.swa_utils.{name}": f"{__name__}.swa:{name}"
        for name in (
            "AveragedModel",
            "SWALR",
            "get_ema_avg_fn",
            "get_ema_multi_avg_fn",
            "get_swa_avg_fn",
            "get_swa_multi_avg_fn",
            "update_bn",
        )
    }
    return {**optimizers, **averaging}
