"""The training loop, written out: minibatches, autocast, loss scaling, clipping, a schedule."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import anadrome as ad
from anadrome import nn, optim

from .data import CLASSIFICATION, Split, batches
from .model import criterion

REFRESH_EVERY = 5


@dataclass
class Settings:
    """How to train; `rate` is the schedule's peak."""

    device: ad.device
    epochs: int
    batch: int
    seed: int
    amp: bool = False
    rate: float = 0.01
    weight_decay: float = 0.01
    max_norm: float = 1.0

    @property
    def half(self) -> ad.dtype:
        """The half precision that suits the device: GPUs are fast at float16, CPUs at neither,
        and there bfloat16 at least cannot overflow where float32 does not."""
        return ad.float16 if self.device.type == "cuda" else ad.bfloat16


@dataclass
class History:
    """One entry a step. `layers` maps a weight's name to its gradient norms, before clipping."""

    loss: list[float] = field(default_factory=list)
    norm: list[float] = field(default_factory=list)
    layers: dict[str, list[float]] = field(default_factory=dict)


def layer_norms(model: nn.Module) -> dict[str, ad.Tensor]:
    """The norm of each weight matrix's gradient; biases and normalisation scales are left out."""
    return {
        name.removesuffix(".weight"): parameter.grad.norm()
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1
    }


def train(model: nn.Module, split: Split, settings: Settings) -> History:
    """Train `model` in place and return what happened, with a progress bar on stderr."""
    from tqdm import tqdm

    device = settings.device
    rows = len(split.train_x)
    steps = -(-rows // settings.batch)
    loss_of = criterion(split)
    optimizer = optim.AdamW(
        model.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
    )
    schedule = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.rate, total_steps=settings.epochs * steps
    )
    scaler = ad.amp.GradScaler(device=device.type, enabled=settings.amp)
    rng = np.random.default_rng(settings.seed)
    recorded: list[tuple[ad.Tensor, ad.Tensor, dict[str, ad.Tensor]]] = []
    right = ad.zeros((), device=device)
    seen = 0

    model.train()
    bar = tqdm(total=settings.epochs * rows, unit=" samples", unit_scale=True, desc="training")
    with bar:
        for epoch in range(1, settings.epochs + 1):
            bar.set_description(f"epoch {epoch}/{settings.epochs}")
            for inputs, targets in batches(split, settings.batch, rng):
                x = ad.tensor(inputs, device=device)
                y = ad.tensor(targets, device=device)
                optimizer.zero_grad()
                with ad.amp.autocast(
                    device_type=device.type, dtype=settings.half, enabled=settings.amp
                ):
                    output = model(x)
                    loss = loss_of(output, y)
                scaler.scale(loss).backward()
                # Norms are measured and clipped in the gradients' true size, so unscale first.
                scaler.unscale_(optimizer)
                layers = layer_norms(model)
                norm = nn.utils.clip_grad_norm_(model.parameters(), settings.max_norm)
                result = scaler.step(optimizer)
                scaler.update()
                schedule.step(after=result)  # a step that overflowed was skipped: it waits too

                # Kept as tensors: reading a number would make a GPU's queue run dry every step.
                recorded.append((loss.detach(), norm, layers))
                if split.kind == CLASSIFICATION:
                    right = right + (output.detach().argmax(1) == y).float().sum()
                seen += len(inputs)
                bar.update(len(inputs))
                if len(recorded) % REFRESH_EVERY == 0:
                    shown = {"loss": f"{loss.item():.3f}"}
                    if split.kind == CLASSIFICATION:
                        shown["accuracy"] = f"{100 * right.item() / seen:.1f} %"
                    shown["grad norm"] = f"{norm.item():.2f}"
                    bar.set_postfix(shown, refresh=False)
            # The accuracy shown is that of the epoch under way, dropout included.
            right = ad.zeros((), device=device)
            seen = 0
    return collect(recorded)


def collect(recorded: list[tuple[ad.Tensor, ad.Tensor, dict[str, ad.Tensor]]]) -> History:
    """Turn the recorded tensors into plain numbers."""
    history = History()
    for loss, norm, layers in recorded:
        history.loss.append(loss.item())
        history.norm.append(norm.item())
        for name, value in layers.items():
            history.layers.setdefault(name, []).append(value.item())
    return history


def predict(
    model: nn.Module, inputs: np.ndarray, device: ad.device, batch: int = 512
) -> np.ndarray:
    """The model's outputs as an array, in evaluation mode and without recording a graph."""
    model.eval()
    outputs = []
    with ad.no_grad():
        for start in range(0, len(inputs), batch):
            x = ad.tensor(inputs[start : start + batch], device=device)
            outputs.append(model(x).cpu().numpy())
    return np.concatenate(outputs)
