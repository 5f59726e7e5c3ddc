"""2. The graph: what the forward pass leaves behind for the backward pass to walk.

Each result knows the call that made it (`grad_fn`), and each call knows the calls that its inputs
came from (`next_functions`). The walk ends at the parameters, in `AccumulateGrad` nodes.
"""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import nn


def draw(node: Any, depth: int = 0) -> list[str]:
    """Print the graph under `node`, an input a line, and return the names in that order."""
    indent = "    " * depth
    if node is None:
        # An input that needs no gradient, such as the data: nothing is recorded for it.
        print(f"{indent}None")
        return ["None"]
    name = node.name()
    # An AccumulateGrad node holds the leaf whose .grad it adds to.
    leaf = f"  -> .grad of a leaf of shape {tuple(node.variable.shape)}" if is_leaf(node) else ""
    print(f"{indent}{name}{leaf}")
    names = [name]
    for below, _ in node.next_functions:
        names += draw(below, depth + 1)
    return names


def is_leaf(node: Any) -> bool:
    """Whether a node is the end of the walk: a parameter rather than a calculation."""
    return "AccumulateGrad" in node.name()


def main() -> dict[str, Any]:
    """Record a small graph, walk it, and return what was met."""
    ad.manual_seed(0)
    x = ad.randn(128, 32)
    y = ad.randn(128, 1)
    w = ad.randn(32, 1, requires_grad=True)
    b = ad.zeros(1, requires_grad=True)
    loss = ((x.mm(w) + b - y) ** 2).mean()

    print("loss = ((x.mm(w) + b - y) ** 2).mean()")
    print("loss.grad_fn =", loss.grad_fn)
    print("loss.grad_fn.next_functions =", loss.grad_fn.next_functions)
    print("\nthe whole graph, from the loss down to the parameters:")
    names = draw(loss.grad_fn)

    # One way down: the first input of each call that was recorded.
    node = loss.grad_fn
    path = [node.name()]
    while not is_leaf(node):
        recorded = [below for below, _ in node.next_functions if below is not None]
        node = recorded[0]
        path.append(node.name())
    ends_at_w = node.variable is w

    print("\nleaves are what no operation made:")
    print(f"  w:    is_leaf {w.is_leaf}, requires_grad {w.requires_grad}, grad_fn {w.grad_fn}")
    print(f"  x:    is_leaf {x.is_leaf}, requires_grad {x.requires_grad}, grad_fn {x.grad_fn}")
    print(f"  loss: is_leaf {loss.is_leaf}, requires_grad {loss.requires_grad}")

    # A tensor used twice is one leaf with two edges into it; its gradient will be their sum.
    square = w * w
    (left, _), (right, _) = square.grad_fn.next_functions
    shared = left is right
    print(f"\nw * w has two edges into one and the same AccumulateGrad: {shared}")

    print("\nnn.Linear is a single node, the bias added inside the product:")
    linear_names = draw(nn.Linear(32, 1)(x).grad_fn)

    # Nothing is recorded where nothing can be differentiated, or where it is switched off.
    with ad.no_grad():
        unrecorded = (x.mm(w) + b).grad_fn
    from_data = (x + x).grad_fn
    print(f"\nunder no_grad: grad_fn {unrecorded};  from data alone: grad_fn {from_data}")
    return {
        "root": str(loss.grad_fn),
        "names": names,
        "path": path,
        "ends_at_w": ends_at_w,
        "leaf_flags": (w.is_leaf, x.is_leaf, loss.is_leaf),
        "shared": shared,
        "linear_root": linear_names[0],
        "linear_leaves": sum("AccumulateGrad" in name for name in linear_names),
        "unrecorded": unrecorded,
        "from_data": from_data,
    }


if __name__ == "__main__":
    main()
