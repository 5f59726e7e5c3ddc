"""9. The minimal loop: the dozen lines that every training grows out of."""

from __future__ import annotations

import anadrome as ad
from anadrome import nn, optim


def main() -> dict[str, list[float]]:
    """Train a two-layer network and return the losses printed, every twentieth step's."""
    ad.manual_seed(0)
    x = ad.randn(256, 32)
    y = x[:, :4].sum(dim=1, keepdim=True) + 0.1 * ad.randn(256, 1)

    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.MSELoss()

    losses = []
    for step in range(1, 201):
        optimizer.zero_grad()  # forget the last step's gradients
        loss = criterion(model(x), y)  # forward: predict, and measure the error
        loss.backward()  # backward: each parameter's share in it
        optimizer.step()  # move each parameter against its gradient
        if step == 1 or step % 20 == 0:
            losses.append(loss.item())
            print(f"step {step:3d}  loss {loss.item():.4f}")
    return {"losses": losses}


if __name__ == "__main__":
    main()
