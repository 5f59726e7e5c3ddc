"""3. `backward()` step by step: seed, reverse order, one rule a node, sums at the leaves, freeing.

The network is one neuron, so that every number can be followed by eye:

    z = w·x + b        h = z²        loss = mean(h)
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import anadrome as ad


def forward(x: ad.Tensor, w: ad.Tensor, b: ad.Tensor) -> tuple[ad.Tensor, ad.Tensor, ad.Tensor]:
    """(z, h, loss)."""
    z = w * x + b
    h = z**2
    return z, h, h.mean()


def parameters() -> tuple[ad.Tensor, ad.Tensor]:
    """A fresh weight and bias."""
    return ad.tensor(3.0, requires_grad=True), ad.tensor(-1.0, requires_grad=True)


def record_order(loss: ad.Tensor, leaves: dict[str, ad.Tensor]) -> list[str]:
    """The list into which each node writes its name when backward has passed it."""
    order: list[str] = []
    waiting = [loss.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or "AccumulateGrad" in node.name():
            continue
        seen.add(node)
        node.register_hook(lambda grads_in, grads_out, name=node.name(): order.append(name))
        waiting += [below for below, _ in node.next_functions]
    for name, leaf in leaves.items():
        leaf.register_post_accumulate_grad_hook(lambda _, name=name: order.append(f"{name}.grad"))
    return order


def rules_by_hand(x: ad.Tensor, w: ad.Tensor, b: ad.Tensor) -> dict[str, ad.Tensor]:
    """What each node's rule makes of the gradient that reaches it, from the loss down."""
    z = (w * x + b).detach()
    seed = ad.tensor(1.0)
    at_h = ad.ones(len(x)) * seed / len(x)  # the mean shares its gradient out equally
    at_z = at_h * 2 * z  # d z² = 2z dz
    return {
        "h": at_h,
        "z": at_z,
        "b": at_z.sum(),  # b was broadcast to each row, so the rows' gradients are summed
        "w": (at_z * x).sum(),  # d (w·x) = x dw, likewise
    }


def main() -> dict[str, Any]:
    """Take `backward()` apart and return what each step showed."""
    x = ad.tensor([1.0, 2.0, 3.0])
    w, b = parameters()

    print("1. the seed: backward() starts from d loss / d loss = 1, and one can pass another")
    _, _, loss = forward(x, w, b)
    loss.backward()
    seeded_w, seeded_b = parameters()
    forward(x, seeded_w, seeded_b)[2].backward(gradient=ad.tensor(1.0))
    doubled_w, doubled_b = parameters()
    forward(x, doubled_w, doubled_b)[2].backward(gradient=ad.tensor(2.0))
    print(f"   backward():                     w.grad = {w.grad.item()}")
    print(f"   backward(gradient=tensor(1.0)): w.grad = {seeded_w.grad.item()}")
    print(f"   backward(gradient=tensor(2.0)): w.grad = {doubled_w.grad.item()}")

    print("2. reverse order: a node's turn comes after all that was computed from its result")
    order_w, order_b = parameters()
    _, _, loss = forward(x, order_w, order_b)
    order = record_order(loss, {"w": order_w, "b": order_b})
    loss.backward()
    print("   " + " -> ".join(order))

    print("3. one rule a node: the gradients at h, z, b and w, and the same by hand")
    rule_w, rule_b = parameters()
    z, h, loss = forward(x, rule_w, rule_b)
    # Gradients of intermediate results are passed on and dropped; these two are to be kept.
    z.retain_grad()
    h.retain_grad()
    loss.backward()
    by_hand = rules_by_hand(x, rule_w, rule_b)
    found = {"h": h.grad, "z": z.grad, "b": rule_b.grad, "w": rule_w.grad}
    rule_error = 0.0
    for name, gradient in found.items():
        print(f"   {name}: {gradient.tolist()}   by hand: {by_hand[name].tolist()}")
        rule_error = max(rule_error, (gradient - by_hand[name]).abs().max().item())

    print("4. accumulation: a leaf's .grad is the sum over all uses, and over all calls")
    u = ad.tensor(3.0, requires_grad=True)
    loss = u * u + 2 * u
    loss.backward(retain_graph=True)
    once = u.grad.item()
    loss.backward()
    twice = u.grad.item()
    print(f"   d(u·u + 2u) at 3: {once} (3 + 3 + 2); after a second backward(): {twice}")

    print("5. freeing: each node's saved values go as backward passes, so it can pass only once")
    _, _, loss = forward(x, *parameters())
    loss.backward()
    try:
        loss.backward()
        freed_error = ""
    except RuntimeError as error:
        freed_error = str(error)
    print(f"   RuntimeError: {freed_error}")

    print("6. all of it as it happens: loss.backward(verbose=True)")
    _, _, loss = forward(x, *parameters())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        loss.backward(verbose=True)
    flow = printed.getvalue()
    print(flow)
    return {
        "grad": w.grad.item(),
        "grad_seeded": seeded_w.grad.item(),
        "grad_doubled": doubled_w.grad.item(),
        "order": order,
        "rule_error": rule_error,
        "grads": {name: gradient.tolist() for name, gradient in found.items()},
        "once": once,
        "twice": twice,
        "freed_error": freed_error,
        "flow": flow,
    }


if __name__ == "__main__":
    main()
