"""A training step does not wait for the GPU; what reads a value does, and is counted here."""

from __future__ import annotations

from typing import Any

import fake_cupy
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import nn


class Block(nn.Module):
    """A Transformer's block: attention, dropout, GELU, two layer norms."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = self.into(self.before(x)).split(width, -1)
        q, k, v = (p.view(batch, length, 2, width // 2).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.drop(self.out(y.transpose(1, 2).reshape(batch, length, width)))
        return x + self.narrow(F.gelu(self.wide(self.between(x))))


class Language(nn.Module):
    """Two embeddings, two blocks, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(20, 16), nn.Embedding(8, 16)
        self.blocks, self.head = nn.Sequential(Block(), Block()), nn.Linear(16, 20)

    def forward(self, x: Any) -> Any:
        places = self.places(ad.arange(x.shape[1], device=x.device))
        return self.head(self.blocks(self.tokens(x) + places))


def picture_model() -> nn.Module:
    """Convolution, batch norm, pooling, dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 10),
    )  # fmt: skip


def waits(step: Any) -> list[str]:
    """Where the second call of ``step`` waits; the first may still set things up."""
    step()
    fake_cupy.Waiting.reset()
    step()
    return fake_cupy.Waiting.seen


@pytest.mark.parametrize("dtype", [None, "bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"])
def test_a_language_models_step(fake: Any, kind: str, dtype: str | None) -> None:  # noqa: F811
    model = Language().to("cuda")
    optimizer = getattr(ad.optim, kind)(model.parameters(), lr=1e-3)
    scaler = ad.amp.GradScaler("cuda", enabled=dtype == "float16")
    x, y = (ad.randint(0, 20, (4, 8)).to("cuda") for _ in range(2))

    def step() -> None:
        optimizer.zero_grad()
        autocast = ad.autocast("cuda", dtype=getattr(ad, dtype or "float16"), enabled=bool(dtype))
        with autocast:
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    found = waits(step)
    # These leave a step out by themselves; for the others the scaler asks once whether to.
    asks = dtype == "float16" and kind not in ("SGD", "Adam", "AdamW")
    assert len(found) == (1 if asks else 0), found


def test_the_count_of_steps_comes_back_once(fake: Any) -> None:  # noqa: F811
    """Under a scaler it is on the device; the first step without one waits for it."""
    w = ad.ones(3, device="cuda").requires_grad_()
    optimizer = ad.optim.Adam([w])
    scaler = ad.amp.GradScaler("cuda")
    found = []
    for scaled in (True, True, False, False, True, True):
        optimizer.zero_grad()
        loss = (w * w).sum()
        (scaler.scale(loss) if scaled else loss).backward()
        fake_cupy.Waiting.reset()
        if scaled:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        found.append(len(fake_cupy.Waiting.seen))
    assert found == [0, 0, 1, 0, 0, 0]
    assert optimizer.state[w]["step"].item() == 6.0


@pytest.mark.parametrize("clip", ["clip_grad_norm_", "clip_grad_value_"])
def test_a_picture_models_step(fake: Any, clip: str) -> None:  # noqa: F811
    model = picture_model().to("cuda")
    optimizer = ad.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = ad.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
    x, y = ad.randn(4, 1, 8, 8).to("cuda"), ad.randint(0, 10, (4,)).to("cuda")

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y, label_smoothing=0.1).backward()
        getattr(nn.utils, clip)(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()

    assert waits(step) == []


def test_recurrent_and_checkpointed_steps(fake: Any) -> None:  # noqa: F811
    model = nn.LSTM(4, 8, num_layers=2, batch_first=True).to("cuda")
    block = Block(8).to("cuda")
    x = ad.randn(2, 5, 4).to("cuda")

    def step() -> None:
        y, _ = model(x)
        y = ad.utils.checkpoint.checkpoint(block, y)
        F.mse_loss(y, ad.zeros_like(y)).backward()

    assert waits(step) == []


def test_the_count_sees_what_waits(fake: Any) -> None:  # noqa: F811
    x = ad.ones(2, device="cuda")
    for read in (
        lambda: x.sum().item(), x.tolist, lambda: bool(x.sum() > 0), lambda: float(x[0]), x.cpu,
        lambda: print(x), lambda: x.nonzero(), lambda: ad.cuda.synchronize(),
    ):  # fmt: skip
        fake_cupy.Waiting.reset()
        read()
        assert fake_cupy.Waiting.seen, read
