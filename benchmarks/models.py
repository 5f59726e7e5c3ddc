"""The models, each written once: `fw` is anadrome or PyTorch.

A module class is made inside a function because its base, `fw.nn.Module`, is known only there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

Run = Callable[[Any, Any], Any]
"""How a block is applied to its input: directly, or under a checkpoint."""


def directly(block: Any, x: Any) -> Any:
    """Apply the block as it is."""
    return block(x)


def residual_mlp(fw: ModuleType, *, depth: int, width: int, run: Run = directly) -> Any:
    """`depth` blocks of x + Linear(GELU(LayerNorm(x))): (N, width) to (N, width)."""
    nn = fw.nn
    Module: Any = nn.Module

    class Block(Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(width)
            self.act = nn.GELU()
            self.linear = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            return x + self.linear(self.act(self.norm(x)))

    class Stack(Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Block() for _ in range(depth)])

        def forward(self, x: Any) -> Any:
            for block in self.blocks:
                x = run(block, x)
            return x

    return Stack()


def char_gpt(
    fw: ModuleType, *, layers: int, width: int, heads: int, length: int, vocabulary: int
) -> Any:
    """A GPT over characters: (N, T) int64 tokens to (N, T, vocabulary) logits.

    Blocks normalise first; attention is spelled out with matmul, masked_fill and softmax.
    """
    nn = fw.nn
    Module: Any = nn.Module
    functional = fw.nn.functional
    head_width = width // heads

    class Attention(Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)
            self.register_buffer("future", fw.tril(fw.ones(length, length)) == 0)

        def forward(self, x: Any) -> Any:
            n, t, _ = x.shape
            q, k, v = self.qkv(x).split(width, dim=2)
            q = q.view(n, t, heads, head_width).transpose(1, 2)
            k = k.view(n, t, heads, head_width).transpose(1, 2)
            v = v.view(n, t, heads, head_width).transpose(1, 2)
            scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(head_width))
            scores = scores.masked_fill(self.future[:t, :t], float("-inf"))
            mixed = functional.softmax(scores, dim=-1) @ v
            return self.out(mixed.transpose(1, 2).reshape(n, t, width))

    class Block(Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.attention = Attention()
            self.norm2 = nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(length, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocabulary, bias=False)

        def forward(self, tokens: Any) -> Any:
            places = fw.arange(tokens.shape[1])
            x = self.tokens(tokens) + self.positions(places)
            return self.head(self.norm(self.blocks(x)))

    return GPT()


def char_lstm(fw: ModuleType, *, width: int, vocabulary: int) -> Any:
    """An LSTM over characters: (N, T) int64 tokens to (N, T, vocabulary) logits."""
    nn = fw.nn
    Module: Any = nn.Module

    class CharLSTM(Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocabulary, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.head = nn.Linear(width, vocabulary)

        def forward(self, tokens: Any) -> Any:
            out, _ = self.lstm(self.tokens(tokens))
            return self.head(out)

    return CharLSTM()
