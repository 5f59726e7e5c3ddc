"""shapes: what the values of a graph are, noted at its nodes in a run."""

from __future__ import annotations

from typing import Any, NamedTuple

import anadrome as ad

from .arguments import map_aggregate
from .interpreter import Interpreter
from .node import Node


class TensorMetadata(NamedTuple):
    """What is noted of a Tensor."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


class ShapeProp(Interpreter):
    """Notes shapes and dtypes in ``node.meta["tensor_meta"]`` (``fx.passes.shape_prop``).

    >>> import anadrome as ad
    >>> from anadrome.fx.passes.shape_prop import ShapeProp
    >>> traced = ad.fx.symbolic_trace(lambda x: x.sum(0))
    >>> _ = ShapeProp(traced).propagate(ad.ones(2, 3))
    >>> [tuple(n.meta["tensor_meta"].shape) for n in traced.graph.nodes]
    [(2, 3), (3,), (3,)]
    """

    def run_node(self, n: Node) -> Any:
        """Runs it, and notes what it came to."""
        result = super().run_node(n)
        seen = []

        def note(value: Any) -> Any:
            if not isinstance(value, ad.Tensor):
                return value
            seen.append(value)
            strides = tuple(value.stride())
            return TensorMetadata(
                value.shape, value.dtype, value.requires_grad, strides, None, False, {}
            )

        noted = map_aggregate(result, note)
        if seen:
            n.meta["tensor_meta"] = noted
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Runs the module; what it returns."""
        return super().run(*args)
