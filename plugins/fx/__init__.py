"""The `fx` plugin: programs as graphs that programs can read and change (PyTorch: ``torch.fx``).

Reading order: ``arguments`` and ``names`` (what nodes take and are called), ``node``, ``graph``,
``code`` (a graph as Python text), ``graph_module`` (a module that runs one); ``proxy`` (a value
that records what is done with it), ``wrapping`` (functions that are recorded as a whole),
``tracing``; ``interpreter`` (a graph run node by node), ``rewriting`` (patterns), ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

#: The module here, PyTorch's file, and the names in both.
_NAMES = {
    ("arguments", "immutable_collections"): "immutable_dict immutable_list",
    ("arguments", "node"): "map_aggregate map_arg",
    ("node", "node"): "Node has_side_effect",
    ("graph", "graph"): "Graph",
    ("code", "graph"): "PythonCode",
    ("graph_module", "graph_module"): "GraphModule _USER_PRESERVED_ATTRIBUTES_KEY",
    ("proxy", "proxy"): (
        "Attribute GraphAppendingTracer ParameterProxy Proxy TraceError TracerBase"
    ),
    ("tracing", "_symbolic_trace"): "Tracer _assert_is_none symbolic_trace",
    ("wrapping", "_symbolic_trace"): "wrap",
    ("interpreter", "interpreter"): "Interpreter Transformer",
    ("rewriting", "subgraph_rewriter"): "Match replace_pattern",
    ("shapes", "passes.shape_prop"): "ShapeProp TensorMetadata",
}
_TOP = {
    "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer",
    "has_side_effect", "map_arg", "replace_pattern", "symbolic_trace", "wrap",
}  # fmt: skip


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, in its files and in the package."""
    found = {}
    for (module, place), names in _NAMES.items():
        for name in names.split():
            target = f"{__name__}.{module}:{name}"
            found[f"fx.{place}.{name}"] = target
            if name in _TOP:
                found[f"fx.{name}"] = target
    found["fx.node.Argument"] = found["fx.node.Target"] = "typing:Any"
    found["fx.graph_module._CodeOnlyModule"] = f"{__name__}.graph_module:GraphModule"
    found["fx.graph_module._copy_attr"] = f"{__name__}.graph_module:copy_attribute"
    for name in ("get_proxy_mode", "FakeTensorMode"):
        found[f"fx.experimental.proxy_tensor.{name}"] = f"anadrome.places.fx:{name}"
    return found
