"""onnx: programs import it beside training (``torch.onnx``); there is no exporter."""

from __future__ import annotations

from typing import Any, NoReturn


def export(model: Any, args: Any = (), f: Any = None, **options: Any) -> NoReturn:
    """Raises RuntimeError that says which way there is (``torch.onnx.export``)."""
    raise RuntimeError(
        "onnx.export(): anadrome writes no ONNX files; write save(model.state_dict(), f), which "
        "PyTorch loads, and export there"
    )


def is_in_onnx_export() -> bool:
    """False."""
    return False
