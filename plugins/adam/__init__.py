"""The `adam` plugin: ``optim.Adam`` and what was made of it: AdamW, NAdam, RAdam, Adamax."""

from __future__ import annotations

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_ops() -> None:
    """Declare ``adam_update``."""
    from . import rule  # noqa: F401


@hookimpl
def register_exports() -> dict[str, str]:
    """The optimizers, imported when first used."""
    return {
        "optim.Adam": "anadrome.plugins.adam.adam:Adam",
        "optim.AdamW": "anadrome.plugins.adam.adam:AdamW",
        "optim.Adamax": "anadrome.plugins.adam.adamax:Adamax",
        "optim.NAdam": "anadrome.plugins.adam.nadam:NAdam",
        "optim.RAdam": "anadrome.plugins.adam.radam:RAdam",
    }
