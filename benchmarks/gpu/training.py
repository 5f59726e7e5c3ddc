"""A model, its data and its optimizer on one side, as steps to be timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import checkpointing
from . import models
from .sides import Side
from .timing import Step


@dataclass(frozen=True)
class Sizes:
    """How large the models are. `TINY` is for a test of this package."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    length: int = 1024
    vocabulary: int = 50257
    batch: int = 8
    image: int = 224
    images: int = 64
    channels: int = 64
    scans: int = 64
    scan_channels: int = 16


FULL = Sizes()
TINY = Sizes(
    layers=2, width=8, heads=2, length=6, vocabulary=11, batch=2, image=32, images=2, channels=2,
    scans=4, scan_channels=2,
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """`step`: zero_grad, forward, backward, clipping, optimizer. `gradients`: forward and backward,
    added to the gradients there are."""

    step: Step
    gradients: Step


def _training(side: Side, model: Any, x: Any, y: Any, half: bool, lr: float) -> Training:
    """Cross-entropy and AdamW; `half`: under autocast to bfloat16."""
    fw = side.fw
    optimizer = fw.optim.AdamW(model.parameters(), lr=lr)
    kind = side.device.partition(":")[0]

    def gradients() -> Any:
        with fw.autocast(kind, dtype=fw.bfloat16, enabled=half):
            scores = model(x)
            loss = fw.nn.functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), y)
        loss.backward()
        return loss

    def step() -> Any:
        optimizer.zero_grad()
        loss = gradients()
        fw.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return Training(step, gradients)


def gpt(side: Side, sizes: Sizes, half: bool, variant: str = "none") -> Training:
    """The language model; `variant` is a way of checkpointing its blocks."""
    fw = side.fw
    fw.manual_seed(0)
    model = side.made(
        models.gpt(
            fw,
            layers=sizes.layers,
            width=sizes.width,
            heads=sizes.heads,
            length=sizes.length,
            vocabulary=sizes.vocabulary,
            run=checkpointing.runner(fw, variant),
        )
    )
    tokens = fw.randint(0, sizes.vocabulary, (sizes.batch, sizes.length + 1)).to(side.device)
    return _training(side, model, tokens[:, :-1], tokens[:, 1:].reshape(-1), half, 1e-5)


def resnet18(side: Side, sizes: Sizes) -> Training:
    """The image classifier, in float32."""
    fw = side.fw
    fw.manual_seed(0)
    model = side.made(models.resnet18(fw, width=sizes.channels, classes=1000))
    x = fw.randn(sizes.images, 3, sizes.image, sizes.image).to(side.device)
    y = fw.randint(0, 1000, (sizes.images,)).to(side.device)
    return _training(side, model, x, y, False, 1e-5)


def digits(side: Side, sizes: Sizes) -> Training:
    """The demo's classifier: the GPU has little to do, and launches count."""
    fw = side.fw
    fw.manual_seed(0)
    model = side.made(models.digits(fw, width=sizes.scan_channels))
    x = fw.randn(sizes.scans, 1, 8, 8).to(side.device)
    y = fw.randint(0, 10, (sizes.scans,)).to(side.device)
    return _training(side, model, x, y, False, 1e-5)
