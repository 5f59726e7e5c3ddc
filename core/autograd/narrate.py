"""narrate: ``backward(verbose=True)`` tells the flow, node by node."""

from __future__ import annotations

import math
from typing import Any

from ..backend import by_type
from ..graph import AccumulateGrad
from ..patch import Patch
from ..sites import describe
from ..tensor import Tensor


class Narrator:
    """Prints a line for each node the engine plays."""

    def __init__(self, roots: tuple[Tensor, ...]) -> None:
        names = ", ".join(repr(r.grad_fn) if r.grad_fn else "a leaf" for r in roots)
        print(f"backward from {names}: seed of ones, then upstream, newest node first")
        self.nodes = 0
        self.leaves = 0
        self.freed = 0

    def __call__(self, node: Any, gradient: Any, gradients: Any, was_freed: bool) -> None:
        """One node: what came in, what its rules made of it, where it was recorded."""
        if isinstance(node, AccumulateGrad):
            self.leaves += 1
            total = _facts(node.variable.grad)
            print(f"    AccumulateGrad  {_facts(gradient)} -> .grad is now {total}")
            return
        self.nodes += 1
        self.freed += was_freed
        shown = ", ".join(
            "no gradient needed" if edge is None or g is None else _facts(g)
            for g, edge in zip(gradients, node.edges)
        )
        freed = "saved values freed" if was_freed else "nothing freed"
        incoming = ", ".join(_facts(g) for g in gradient) if node.multi else _facts(gradient)
        print(f"  {node.name()}  in {incoming} -> out {shown}; {freed}; {describe(node.site)}")

    def close(self, kept: bool) -> None:
        """The summary."""
        state = "the graph is kept" if kept else f"{self.freed} of them freed what they saved"
        print(f"done: {self.nodes} nodes played, {self.leaves} leaves reached; {state}")


def _facts(value: Any) -> str:
    if value is None:
        return "nothing"
    if value.__class__ is Patch:
        value = value.dense()
    array = value._data if isinstance(value, Tensor) else value
    flat = by_type[array.__class__].to_host(array)
    norm = math.sqrt(sum(abs(float(v)) ** 2 for v in flat.reshape(-1).tolist()))
    return f"{tuple(array.shape)} |g|={norm:.4g}"
