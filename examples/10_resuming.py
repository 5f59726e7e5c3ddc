"""10. Resuming: a training that is stopped in the middle of an epoch ends as if it had not been."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anadrome as ad
from anadrome import nn, optim
from anadrome.utils.data import DataLoader, TensorDataset

STEPS = 60


class PowerCut(Exception):
    """Stands for whatever stops a program."""


def train(path: Path, power_cut_at: int | None = None) -> list[float]:
    """Train to the end, or to the power cut; go on from the file at ``path`` if there is one."""
    ad.manual_seed(0)  # of a fresh start; a resumed one gets the random numbers of the file
    x = ad.randn(100, 8)
    data = TensorDataset(x, x[:, :2].sum(dim=1, keepdim=True))
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    loader = DataLoader(data, batch_size=16, shuffle=True)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}

    step, losses = 0, []
    resumed = ad.load_training(path, **parts, missing_ok=True)
    if resumed is not None:
        step, losses = resumed.step, resumed.extra["losses"]
        print(f"resumed at step {step}")
    while step < STEPS:  # each time round is an epoch, the first one perhaps the rest of one
        for inputs, targets in loader:
            loss = ((model(inputs) - targets) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
            losses.append(loss.item())
            if step % 10 == 0:
                ad.save_training(path, **parts, step=step, extra={"losses": losses})
            if step == power_cut_at:
                raise PowerCut
            if step == STEPS:
                break
    return losses


def main() -> dict[str, float]:
    """Train once without and once with a power cut; returns the last losses of both."""
    with tempfile.TemporaryDirectory() as folder:
        whole = train(Path(folder) / "whole.safetensors")
        path = Path(folder) / "run.safetensors"
        try:
            train(path, power_cut_at=33)
        except PowerCut:
            print("power cut at step 33")
        resumed = train(path)
    print("every loss is the same, bit for bit:", resumed == whole)
    return {"whole": whole[-1], "resumed": resumed[-1], "the same": float(resumed == whole)}


if __name__ == "__main__":
    main()
