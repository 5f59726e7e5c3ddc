"""The `clip` plugin: gradient clipping, ``nn.utils.clip_grad_norm_`` and its relatives."""

from __future__ import annotations

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_ops() -> None:
    """Declare ``total_norm``, ``shrink_to_norm`` and ``clip_values``."""
    from . import ops  # noqa: F401


@hookimpl
def register_exports() -> dict[str, str]:
    """The functions, imported when first used."""
    names = ("clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm")
    found = {f"nn.utils.{name}": f"anadrome.plugins.clip.clip:{name}" for name in names}
    found["nn.utils.clip_grad"] = "anadrome.plugins.clip.clip"
    found["nn.utils.clip_grad_norm"] = "anadrome.plugins.clip.clip:clip_grad_norm"
    return found
