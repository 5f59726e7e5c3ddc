"""The models, each written once: `fw` is anadrome or PyTorch."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..models import Run, directly


def gpt(
    fw: ModuleType,
    *,
    layers: int,
    width: int,
    heads: int,
    length: int,
    vocabulary: int,
    run: Run = directly,
) -> Any:
    """GPT-2: (N, T) int64 tokens to (N, T, vocabulary) logits; the head is the embedding."""
    nn = fw.nn
    functional = nn.functional
    Module: Any = nn.Module

    class Block(Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            n, t, _ = x.shape
            parts = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = (p.view(n, t, heads, width // heads).transpose(1, 2) for p in parts)
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(n, t, width))
            return x + self.narrow(functional.gelu(self.wide(self.norm2(x))))

    class GPT(Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(length, width)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocabulary, bias=False)
            nn.init.normal_(self.tokens.weight, std=0.02)
            self.head.weight = self.tokens.weight

        def forward(self, tokens: Any) -> Any:
            places = fw.arange(tokens.shape[1], device=tokens.device)
            x = self.tokens(tokens) + self.positions(places)
            for block in self.blocks:
                x = run(block, x)
            return self.head(self.norm(x))

    return GPT()


def resnet18(fw: ModuleType, *, width: int, classes: int) -> Any:
    """He et al., "Deep Residual Learning", 2016: (N, 3, H, W) images to (N, classes) scores."""
    nn = fw.nn
    Module: Any = nn.Module

    def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> list[Any]:
        return [
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        ]

    class Block(Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *convolution(inputs, outputs, 3, stride), nn.ReLU(),
                *convolution(outputs, outputs, 3, 1),
            )  # fmt: skip
            same = inputs == outputs and stride == 1
            self.past = (
                nn.Identity() if same else nn.Sequential(*convolution(inputs, outputs, 1, stride))
            )

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.past(x))

    def stage(inputs: int, outputs: int, stride: int) -> list[Any]:
        return [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]

    return nn.Sequential(
        *convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1),
        *stage(width, width, 1), *stage(width, 2 * width, 2),
        *stage(2 * width, 4 * width, 2), *stage(4 * width, 8 * width, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, classes),
    )  # fmt: skip


def digits(fw: ModuleType, *, width: int) -> Any:
    """`anadrome demo`'s classifier: (N, 1, 8, 8) scans to (N, 10) scores."""
    nn = fw.nn
    Module: Any = nn.Module

    def convolution(inputs: int, outputs: int) -> list[Any]:
        return [
            nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        ]

    class Residual(Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *convolution(channels, channels), nn.ReLU(), *convolution(channels, channels)
            )

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(x + self.body(x))

    return nn.Sequential(
        *convolution(1, width), nn.ReLU(), Residual(width), nn.MaxPool2d(2),
        *convolution(width, 2 * width), nn.ReLU(), Residual(2 * width),
        nn.AvgPool2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(2 * width, 10),
    )  # fmt: skip
