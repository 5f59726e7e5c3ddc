"""structure: what a graph alone tells, where there is no step that could be run again.

Before a backward the graph still has what its ops saved: the oldest value among these that is not
finite is near the origin. After a backward only its shape is left: the origin of bad gradients lies
upstream of none that is fine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from anadrome import Tensor
from anadrome.backend import by_type
from anadrome.graph import AccumulateGrad
from anadrome.rules import OpNode
from anadrome.tensor import unwrap

from .ranges import Range, ranged

_SHOWN = 6
_ADVICE = (
    "Give `sentinel` the step as a function (`@ad.sentinel()` on `def step(x, y): ...`), and it "
    "runs the step again and names the op"
)


def nodes_of(roots: Iterable[Tensor]) -> list[Any]:
    """The nodes of a graph, newest first, and the ends of the way last."""
    stack = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = set(stack)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])
    return sorted(seen, key=lambda node: -node.sequence)


def leaves_of(roots: Iterable[Tensor]) -> list[Tensor]:
    """The leaves that a backward from `roots` can reach."""
    roots = tuple(roots)
    found = [n.variable for n in nodes_of(roots) if isinstance(n, AccumulateGrad)]
    return found + [r for r in roots if r.is_leaf and r.requires_grad]


# -- before a backward --------------------------------------------------------------------------
def before(roots: tuple[Tensor, ...], where: str) -> str:
    """For what a backward is to start from: where in the graph it went bad."""
    seen = next(r for r in map(_range, roots) if r is not None and r.bad)
    what = seen.faults() if not seen.shape else str(seen)
    lines = [f"the loss is {what}, {where}."]
    wanted = "nan" if seen.nan else "inf"
    outputs, given = _saved(roots)
    sources = [(n, r) for n, r in given if getattr(r, wanted)]
    made = [(n, r) for n, r in outputs.items() if getattr(r, wanted)]
    made.sort(key=lambda pair: pair[0].sequence)
    if sources:
        node, bad = min(sources, key=lambda pair: pair[0].sequence)
        lines.append(f"  What came in was not finite: an input of {_told(node)} is {bad}")
    elif made:
        node, bad = made[0]
        lines.append(f"  The first value known to be so was made by {_told(node)}: {bad}")
        between = [f"    {_told(n)}" for n in _unknown_before(node, outputs)]
        if between:
            lines += ["  or by one of these before it, which kept nothing:", *between[:_SHOWN]]
    else:
        lines.append("  None of the values that the graph kept shows it; of the last ops:")
        lines += [f"    {_told(n)}" for n in nodes_of(roots)[:_SHOWN] if isinstance(n, OpNode)]
    endless = [(n, r) for n, r in outputs.items() if r.inf and not r.nan]
    if wanted == "nan" and not sources and endless:
        node, bad = min(endless, key=lambda pair: pair[0].sequence)
        lines.append(f"  An infinity was there since {_told(node)}: {bad}")
    return "\n".join([*lines, f"  {_ADVICE}."])


def _saved(roots: Iterable[Tensor]) -> tuple[dict[Any, Range], list[tuple[Any, Range]]]:
    """The ranges of nodes' results, as far as they were kept; and of inputs that no node made."""
    outputs: dict[Any, Range] = {}
    given: list[tuple[Any, Range]] = []
    for root in roots:
        seen = _range(root)
        if root.grad_fn is not None and seen is not None:
            outputs[root.grad_fn] = seen
    for node in nodes_of(roots):
        if not isinstance(node, OpNode):
            continue
        for names, row in zip(node.op.saved_names, node.saved_rows(False)):
            for name, value in zip(names, row):
                seen = _range(value)
                if seen is None:
                    continue
                if name in node.op.outputs:
                    if name == node.op.outputs[0]:
                        outputs[node] = seen
                elif isinstance(value, Tensor) and value.grad_fn is not None:
                    outputs[value.grad_fn] = seen
                elif seen.nan or (isinstance(value, Tensor) and value.requires_grad):
                    given.append((node, seen))
    return outputs, given


def _range(value: Any) -> Range | None:
    array = unwrap(value)
    if array.__class__ in by_type and hasattr(array, "shape"):
        return ranged(array)
    return None


def _unknown_before(node: Any, outputs: dict[Any, Range]) -> list[Any]:
    """The nodes right before a node of whose results nothing is known."""
    found: list[Any] = []
    stack = [node]
    while stack:
        for edge in stack.pop().edges:
            if edge is None or edge[0] in outputs or edge[0] in found:
                continue
            if isinstance(edge[0], OpNode):
                found.append(edge[0])
                stack.append(edge[0])
    return sorted(found, key=lambda n: -n.sequence)


# -- after a backward ---------------------------------------------------------------------------
def after(roots: tuple[Tensor, ...], where: str) -> str:
    """For bad gradients: the nodes that all of them, and no others, passed through."""
    leaves = [leaf for leaf in leaves_of(roots) if leaf.grad is not None]
    bad = [leaf for leaf in leaves if ranged(unwrap(leaf.grad)).bad]
    loss = next((r for r in map(_range, roots) if r is not None and r.bad), None)
    if loss is not None and not bad:
        return f"the loss is {loss.faults()}, {where}; all gradients are finite.\n  {_ADVICE}."
    if not bad:
        return f"a gradient is NaN or infinite, {where}; it came from no backward that was seen."
    seen = ranged(unwrap(bad[0].grad))
    more = f", as have {len(bad) - 1} more" if len(bad) > 1 else ""
    what = f"the gradient of a leaf of shape {seen.shape} has {seen.faults()}{more}"
    if loss is not None:
        what = f"the loss is {loss.faults()}, {what}"
    lines = [f"{what}, {where}."]
    nodes = list(
        _common(roots, {id(x) for x in bad}, {id(x) for x in leaves} - {id(x) for x in bad})
    )
    if nodes:
        lines.append("  All bad gradients, and no others, came through the backward of these ops:")
        lines += [f"    {_told(n)}" for n in nodes[:_SHOWN]]
        if len(nodes) > _SHOWN:
            lines.append(f"    and {len(nodes) - _SHOWN} more")
    return "\n".join([*lines, f"  {_ADVICE}."])


def _common(roots: Any, bad: set[int], fine: set[int]) -> Iterator[Any]:
    """The nodes from which every bad leaf, and no other, can be reached; newest first."""
    nodes = nodes_of(roots)
    below: dict[Any, set[int]] = {}
    for node in reversed(nodes):
        if isinstance(node, AccumulateGrad):
            below[node] = {id(node.variable)}
            continue
        below[node] = set().union(*(below.get(e[0], set()) for e in node.edges if e is not None))
    for strict in (True, False):
        found = [
            n
            for n in nodes
            if not isinstance(n, AccumulateGrad)
            and bad <= below[n]
            and not (strict and fine & below[n])
        ]
        if found:
            yield from found
            return


def _told(node: Any) -> str:
    from anadrome.sites import describe

    name = node.op.name if isinstance(node, OpNode) else node.name().removesuffix("Backward")
    return f"{name} at {describe(node.site)}"
