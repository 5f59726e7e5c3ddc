"""onnx: programs import it beside training (``torch.onnx``); there is no exporter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


def export(model: Any, args: Any = (), f: Any = None, **options: Any) -> NoReturn:
    """Raises RuntimeError that says which way there is (``torch.onnx.export``)."""
    raise RuntimeError(
        "onnx.export(): anadrome writes no ONNX files; write save(model.state_dict(), f), which "
        "PyTorch loads, and export there"
    )


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Any, opset_version: int) -> None:
    """Accepted: nothing is exported (``torch.onnx.register_custom_op_symbolic``)."""


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Nothing to forget (``torch.onnx.unregister_custom_op_symbolic``)."""


def parse_args(*descriptors: str) -> Callable[[Any], Any]:
    """A decorator that gives back what it gets (``torch.onnx.symbolic_helper.parse_args``)."""
    return lambda fn: fn


def is_in_onnx_export() -> bool:
    """False."""
    return False
