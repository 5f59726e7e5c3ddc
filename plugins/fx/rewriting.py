"""rewriting: pieces of a graph that look like a pattern, and another piece in their place."""

from __future__ import annotations

from typing import Any, NamedTuple

from .graph import Graph
from .graph_module import GraphModule, copy_attribute
from .node import Node
from .tracing import Tracer


class Match(NamedTuple):
    """A found piece: its last node, and what each node of the pattern stands for."""

    anchor: Node
    nodes_map: dict[Node, Node]


def _graph_of(program: Any) -> tuple[Graph, Any]:
    if isinstance(program, GraphModule):
        return program.graph, program
    tracer = Tracer()
    return tracer.trace(program), tracer.root


def _fits(pattern: Any, value: Any, found: dict[Node, Any]) -> bool:
    """Whether a value looks like one of the pattern; notes what stands for what."""
    if isinstance(pattern, Node):
        if pattern in found:
            return found[pattern] is value
        if pattern.op == "placeholder":
            found[pattern] = value
            return isinstance(value, Node)
        if not isinstance(value, Node) or (pattern.op, pattern.target) != (value.op, value.target):
            return False
        found[pattern] = value
        return (
            _fits(pattern.args, value.args, found)
            and set(pattern.kwargs) == set(value.kwargs)
            and all(_fits(v, value.kwargs[k], found) for k, v in pattern.kwargs.items())
        )
    if isinstance(pattern, (list, tuple)):
        if not isinstance(value, (list, tuple)) or len(pattern) != len(value):
            return False
        return all(_fits(p, v, found) for p, v in zip(pattern, value))
    return type(pattern) is type(value) and bool(pattern == value)


def replace_pattern(gm: GraphModule, pattern: Any, replacement: Any) -> list[Match]:
    """Put another piece wherever a graph has one like the pattern (``torch.fx.replace_pattern``).

    ``pattern``, ``replacement``: functions or modules with the same inputs. Values inside a found
    piece must not be used elsewhere. Returns what was found.
    """
    wanted, _ = _graph_of(pattern)
    new, new_root = _graph_of(replacement)
    last = wanted.output_node().args[0]
    if not isinstance(last, Node):
        raise NotImplementedError("a pattern returns one value; call replace_pattern for each")
    inputs = wanted.find_nodes(op="placeholder")
    new_inputs = new.find_nodes(op="placeholder")
    if len(inputs) != len(new_inputs):
        raise RuntimeError(
            f"the pattern takes {len(inputs)} inputs and the replacement {len(new_inputs)}"
        )
    matches: list[Match] = []
    taken: set[Node] = set()
    for node in gm.graph.nodes:
        found: dict[Node, Any] = {}
        if not _fits(last, node, found):
            continue
        inner = {found[p] for p in found if p.op != "placeholder"}
        outside = any(u not in inner for n in inner - {node} for u in n.users)
        if outside or inner & taken:
            continue
        taken |= inner
        matches.append(Match(node, found))
    replaced: dict[Node, Node] = {}
    for match in matches:
        values = {a: match.nodes_map[b] for a, b in zip(new_inputs, inputs)}
        values = {a: replaced.get(b, b) for a, b in values.items()}
        with gm.graph.inserting_before(match.anchor):
            result = gm.graph.graph_copy(new, values)
        match.anchor.replace_all_uses_with(result)
        replaced[match.anchor] = result
        ours = {n for p, n in match.nodes_map.items() if p.op != "placeholder"}
        for node in reversed(gm.graph.nodes):
            if node in ours and not node.users:
                gm.graph.erase_node(node)
    for node in new.nodes:
        if matches and node.op in ("get_attr", "call_module"):
            copy_attribute(new_root, gm, node.target)
    gm.recompile()
    return matches
