"""A training that saves itself every few steps; tests/test_resume_killed.py kills it.

``resume_program.py FOLDER [NAME NUMBER]`` trains from where the file in the folder stands, to the
end, and writes ``final.safetensors``. With a name, such as "replace" or "any", it kills itself in
the call of the system of that number, of those that a save makes: a write half done.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import anadrome as ad
from anadrome import nn
from anadrome.utils.data import DataLoader, Dataset

STEPS = 61
EVERY = 4
#: What a save asks the system for.
CALLS = ("open", "write", "fsync", "link", "replace", "unlink")


class Noisy(Dataset):
    """Samples with noise of every source that there is."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.x = generator.standard_normal((37, 6)).astype("float32")
        self.own = np.random.default_rng(3)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        noise = random.random() + np.random.random() + self.own.random()
        return self.x[i] + np.float32(noise / 10), self.x[i].sum(keepdims=True)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        return self.last(self.drop(self.norm(self.first(x)).relu()))


def main(folder: Path) -> None:
    path = folder / "run.safetensors"
    ad.manual_seed(4)
    random.seed(4)
    np.random.seed(4)
    net = Net()
    average = ad.optim.swa_utils.AveragedModel(net)
    optimizer = ad.optim.AdamW(net.parameters(), lr=0.01)
    lr = ad.optim.lr_scheduler
    scheduler = lr.SequentialLR(
        optimizer,
        [lr.LinearLR(optimizer, total_iters=5), lr.CosineAnnealingLR(optimizer, 40)],
        [6],
    )
    scaler = ad.amp.GradScaler("cpu", init_scale=64.0, growth_interval=7)
    own = ad.Generator().manual_seed(8)
    loader = DataLoader(Noisy(), 5, shuffle=True)
    parts = {
        "model": {"net": net, "average": average},
        "optimizer": optimizer,
        "scheduler": scheduler,
        "scaler": scaler,
        "loader": loader,
        "generators": own,
    }
    state = ad.load_training(path, **parts, missing_ok=True)
    step, kept = (state.step, state.extra) if state else (0, {"epoch": 0, "losses": []})
    losses = kept["losses"]
    print("from", step, flush=True)
    epoch = kept["epoch"]
    with ad.TrainingSaver(path, keep=2, background=step % 8 == 0) as saver:
        while step < STEPS:
            for x, y in loader:
                with ad.autocast("cpu", dtype=ad.bfloat16):
                    loss = ((net(x + 0.01 * ad.randn(x.shape, generator=own)) - y) ** 2).mean()
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                scheduler.step()
                average.update_parameters(net)
                losses.append(loss.item())
                step += 1
                if step % EVERY == 0:
                    saver.save(**parts, step=step, extra={"epoch": epoch, "losses": losses})
                if step == STEPS:
                    break
            epoch += 1
    ad.save_training(folder / "final.safetensors", **parts, step=step, extra=losses, keep=1)


def die_in(names: tuple[str, ...], number: int) -> None:
    """Let the process be killed in the call of that number of those of these names."""
    count = 0

    def counted(name: str, function: Any) -> Any:
        def wrapper(*args: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if name == "write":
                    function(args[0], memoryview(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **keywords)

        return wrapper

    for name in names:
        setattr(os, name, counted(name, getattr(os, name)))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_in(CALLS if sys.argv[2] == "any" else (sys.argv[2],), int(sys.argv[3]))
    main(Path(sys.argv[1]))
