"""The `resume` plugin: a training is kept in a file and goes on from it, bit for bit.

Reading order: `parts` (models, optimizers and the like: what of each is kept, checked and put
back), `snapshot` (all of it at one moment), `rotation` (the file and its predecessors), `saving`
(`save_training`, the writer in the background), `loading` (`load_training`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """Saving, loading, what they return and warn of."""
    return {
        "save_training": f"{__name__}.saving:save_training",
        "TrainingSaver": f"{__name__}.saving:TrainingSaver",
        "SaveWarning": f"{__name__}.saving:SaveWarning",
        "load_training": f"{__name__}.loading:load_training",
        "TrainingState": f"{__name__}.loading:TrainingState",
    }
