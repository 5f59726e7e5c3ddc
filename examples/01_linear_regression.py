"""1. Linear regression by hand: a forward pass, `backward()`, and a step against the gradient.

Everything that training is, in one loop: predict, measure the error, ask each parameter which way
the error grows, and move it a little the other way.
"""

from __future__ import annotations

import anadrome as ad

STEPS = 200
RATE = 0.1


def main() -> dict[str, float]:
    """Fit a line through noisy data and return the numbers shown."""
    ad.manual_seed(0)
    device = "cuda" if ad.cuda.is_available() else "cpu"

    # 128 samples of 32 features, and the line they were made with: the one to be found again.
    x = ad.randn(128, 32, device=device)
    true_w = ad.randn(32, 1, device=device)
    true_b = 0.5
    y = x.mm(true_w) + true_b + 0.01 * ad.randn(128, 1, device=device)

    # `requires_grad=True` makes a tensor a parameter: what is computed from it is recorded.
    w = ad.randn(32, 1, device=device, requires_grad=True)
    b = ad.zeros(1, device=device, requires_grad=True)

    print(f"linear regression on {device}: x {tuple(x.shape)}, w {tuple(w.shape)}")
    print(f"{'step':>5} {'loss':>12} {'mean |w.grad|':>14}")
    first_loss = 0.0
    formula_error = 0.0
    for step in range(STEPS + 1):
        pred = x.mm(w) + b
        loss = ((pred - y) ** 2).mean()
        loss.backward()
        grad_size = w.grad.abs().mean().item()

        if step == 0:
            first_loss = loss.item()
            # The same gradient on paper: d/dw mean((xw + b - y)²) = 2/n · xᵀ(xw + b - y).
            by_hand = 2 / len(x) * x.t().mm(pred.detach() - y)
            formula_error = (w.grad - by_hand).abs().max().item()
        if step % 20 == 0:
            print(f"{step:5d} {loss.item():12.6f} {grad_size:14.6f}")

        # The update is not part of the model, so it is not recorded.
        with ad.no_grad():
            w -= RATE * w.grad
            b -= RATE * b.grad
        # backward() adds to .grad; without this the next gradient would land on top of this one.
        w.grad = None
        b.grad = None

    w_error = (w - true_w).abs().max().item()
    print(f"largest error in w: {w_error:.4f};  b = {b.item():.4f}, true {true_b}")
    print(f"largest difference between w.grad and the formula on paper: {formula_error:.1e}")
    return {
        "first_loss": first_loss,
        "last_loss": loss.item(),
        "last_grad": grad_size,
        "formula_error": formula_error,
        "w_error": w_error,
        "b": b.item(),
    }


if __name__ == "__main__":
    main()
