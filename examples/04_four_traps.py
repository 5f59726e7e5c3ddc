"""4. The four traps of automatic differentiation: what happens, how it is reported, what to write.

a. `detach()` in the forward pass cuts off all that comes before it.
b. `item()` makes a plain number of a loss, and numbers have no graph.
c. A second `backward()` meets a graph that the first one has freed.
d. A forgotten `zero_grad()` lets gradients pile up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import nn, optim


def message_of(call: Callable[[], Any]) -> str:
    """The text of the error that `call()` raises, or the empty string."""
    try:
        call()
    except (RuntimeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def trap_detach() -> dict[str, Any]:
    """A `detach()` between two halves of a model: only the second half learns."""
    print("a. detach() cuts the model off")
    ad.manual_seed(0)
    encoder = nn.Linear(8, 4)
    head = nn.Linear(4, 1)
    x = ad.randn(16, 8)

    features = encoder(x).detach()  # the mistake: the head's gradient ends here
    head(features).pow(2).mean().backward()
    named = [*encoder.named_parameters("encoder"), *head.named_parameters("head")]
    without_gradient = [name for name, parameter in named if parameter.grad is None]
    print(f"   no gradient after backward(): {', '.join(without_gradient)}")

    # With nothing differentiable left at all, backward() says so at once.
    error = message_of(lambda: encoder(x).detach().pow(2).mean().backward())
    print(f"   a loss wholly cut off: {error}")

    head(encoder(x)).pow(2).mean().backward()
    mended = all(parameter.grad is not None for _, parameter in named)
    print(f"   without the detach(), every parameter has a gradient: {mended}")
    return {"without_gradient": without_gradient, "cut_error": error, "mended": mended}


def trap_item() -> dict[str, Any]:
    """`item()` is for printing: the number it gives is a constant to what follows."""
    print("b. item() loses the graph")
    w = ad.tensor([1.0, 2.0], requires_grad=True)

    def loss_of(weights: ad.Tensor) -> ad.Tensor:
        return (weights**2).sum()

    number: Any = loss_of(w).item()
    float_error = message_of(lambda: number.backward())
    print(f"   loss.item() is a {type(number).__name__}: {float_error}")
    # Wrapping the number up again does not bring its history back.
    rewrapped_error = message_of(lambda: ad.tensor(number).backward())
    print(f"   tensor(loss.item()): {rewrapped_error}")

    # A sum of the loss and its number still has the loss's graph. The number counts as a constant
    # in it: the value is doubled, the gradient is not.
    loss = loss_of(w)
    total = loss + loss.item()
    total.backward()
    print(f"   loss + loss.item(): value {total.item()} = 2 · {loss.item()}, but the gradient is")
    print(f"   {w.grad.tolist()}, that of the loss alone: item() contributes a constant")
    mixed_grad = w.grad.tolist()

    # Where item() belongs: a running total for the log. Adding up the losses themselves would keep
    # each step's whole graph alive until the end of the epoch.
    w.grad = None
    running = 0.0
    for _ in range(3):
        running += loss_of(w).item()
    print(f"   running += loss.item() is right for a log: {running}")
    return {
        "float_error": float_error,
        "rewrapped_error": rewrapped_error,
        "mixed_value": total.item(),
        "mixed_requires_grad": total.requires_grad,
        "mixed_grad": mixed_grad,
        "running": running,
    }


def trap_second_backward() -> dict[str, Any]:
    """The first `backward()` frees what the second would need, unless told to keep it."""
    print("c. a second backward() through the same graph")
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    loss = (w**3).sum()
    first_line = sys._getframe().f_lineno + 1
    loss.backward()
    error = message_of(loss.backward)
    print(f"   the first one is on line {first_line} of this file, and the second one says:")
    print(f"   {error}")

    w.grad = None
    loss = (w**3).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    print(f"   with retain_graph=True in the first: {w.grad.tolist()}, twice [3.0, 12.0]")

    # What is nearly always meant, though: compute the loss anew in each step, or add two losses up.
    w.grad = None
    ((w**3).sum() + (w**2).sum()).backward()
    print(f"   two losses are better added up and passed once: {w.grad.tolist()}")
    return {"error": error, "first_line": first_line, "summed_grad": w.grad.tolist()}


def trap_zero_grad() -> dict[str, Any]:
    """Gradients accumulate, by design; a training step starts by clearing them."""
    print("d. a forgotten zero_grad()")
    w = ad.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    piled = []
    for _ in range(3):
        (w**2).sum().backward()
        piled.append(w.grad.tolist())
    print(f"   without it, at the same w: {piled}")

    optimizer.zero_grad()
    after_default = w.grad
    (w**2).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    after_zeros = w.grad.tolist()
    print(f"   zero_grad(): .grad is {after_default}, so no memory is held and a parameter that is")
    print(f"   not used is left alone; zero_grad(set_to_none=False): .grad is {after_zeros}")

    # The same accumulation, used on purpose: four small batches make one large one.
    ad.manual_seed(0)
    x = ad.randn(32, 4)
    v = ad.randn(4, 1, requires_grad=True)
    x.mm(v).pow(2).mean().backward()
    whole = v.grad.clone()
    v.grad = None
    for part in x.split(8):
        (part.mm(v).pow(2).mean() / 4).backward()
    difference = (v.grad - whole).abs().max().item()
    print(f"   on purpose, 4 batches of 8 for one of 32: largest difference {difference:.1e}")
    return {
        "piled": piled,
        "after_default": after_default,
        "after_zeros": after_zeros,
        "micro_batch_difference": difference,
    }


def main() -> dict[str, dict[str, Any]]:
    """Step into each trap and return what was found there."""
    return {
        "detach": trap_detach(),
        "item": trap_item(),
        "second_backward": trap_second_backward(),
        "zero_grad": trap_zero_grad(),
    }


if __name__ == "__main__":
    main()
