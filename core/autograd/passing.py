"""passing: inputs that a Function returns as they are, which become other Tensors."""

from __future__ import annotations

from typing import Any

from .. import modes
from ..tensor import Tensor, wrap


def alias(x: Tensor) -> Tensor:
    """Another Tensor of the same memory, outside the graph; writes to either are seen of both."""
    out = wrap(x._data)
    out._writes = x._shared_writes()
    if modes.inference_met:
        out._inference = x._inference
    return out


def unrecorded(result: Any, args: tuple[Any, ...], dirty: tuple[Tensor, ...]) -> Any:
    """What a call gives that is not recorded: none of it requires a gradient.

    An input that was written in place stays itself, unless it requires one.
    """
    outputs = result if isinstance(result, tuple) else (result,)
    found = tuple(
        alias(out)
        if isinstance(out, Tensor)
        and any(out is a for a in args)
        and (out._edge is not None or not any(out is t for t in dirty))
        else out
        for out in outputs
    )
    return found if isinstance(result, tuple) else found[0]
