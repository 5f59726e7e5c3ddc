"""The training steps that are timed, each written once for anadrome and PyTorch.

A function under `@workload` takes the framework, builds model, data and optimizer in float32, and
returns `step`: zero_grad, forward, backward, optimizer. `step` returns its loss and never reads it.
Only names that both frameworks have are used.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from . import models
from .registry import WORKLOADS, Step, workload

__all__ = ["WORKLOADS"]

OPS_IN_CHAIN = 1000
MICROSECONDS_PER_OP = 1e6 / OPS_IN_CHAIN


@workload(
    "op-chain",
    "1,000 ops on 4 elements, forward and backward; time an op",
    target=0.6,
    torch=5.5,
    unit="µs",
    per_second=MICROSECONDS_PER_OP,
)
def op_chain(fw: ModuleType) -> Step:
    """What one op costs when the arithmetic is nothing."""
    return _op_chain(fw, (4,))


@workload(
    "op-chain-0d",
    "1,000 ops on 0-d tensors, forward and backward; time an op",
    target=0.6,
    torch=5.5,
    unit="µs",
    per_second=MICROSECONDS_PER_OP,
)
def op_chain_0d(fw: ModuleType) -> Step:
    """The same on tensors without a dimension."""
    return _op_chain(fw, ())


def _op_chain(fw: ModuleType, shape: tuple[int, ...]) -> Step:
    """A chain of mul, add, sin and tanh, where only the chain itself wants a gradient."""
    x = fw.full(shape, 0.5).requires_grad_()
    w = fw.full(shape, 1.25)
    b = fw.full(shape, 0.125)

    def step() -> Any:
        x.grad = None
        y = x
        for _ in range(OPS_IN_CHAIN // 4):
            y = y * w
            y = y + b
            y = fw.sin(y)
            y = fw.tanh(y)
        loss = y.sum()
        loss.backward()
        return loss

    return step


@workload(
    "linear-regression",
    "128×32, x.mm(w) + b, SGD",
    target=0.4,
    floor=0.07,
    torch=0.21,
)
def linear_regression(fw: ModuleType) -> Step:
    """The article's first program."""
    fw.manual_seed(0)
    x = fw.randn(128, 32)
    y = fw.randn(128, 1)
    w = fw.randn(32, 1, requires_grad=True)
    b = fw.zeros(1, requires_grad=True)
    optimizer = fw.optim.SGD([w, b], lr=1e-2)

    def step() -> Any:
        optimizer.zero_grad()
        loss = ((x.mm(w) + b - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def minimal_training(
    fw: ModuleType,
) -> tuple[Callable[[Any, Any], Any], Iterator[tuple[Any, Any]]]:
    """The minimal loop's step as a function of (128, 32) inputs and (128, 1) targets, and data.

    The data is 64 batches without end: over one batch the loss reaches zero, and Adam's averages
    the denormal floats, which cost many times a normal one.
    """
    nn = fw.nn
    fw.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = fw.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.MSELoss()

    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = [(fw.randn(128, 32), fw.randn(128, 1)) for _ in range(64)]
    return train, itertools.cycle(batches)


@workload(
    "minimal-loop",
    "Linear(32, 64)-ReLU-Linear(64, 1), batch 128, MSE, Adam",
    target=0.5,
    floor=0.23,
    torch=0.55,
)
def minimal_loop(fw: ModuleType) -> Step:
    """The article's last program."""
    train, batches = minimal_training(fw)
    return lambda: train(*next(batches))


@workload(
    "classifier",
    "784-1024-1024-10, batch 256, cross-entropy, Adam",
    target=1.0,
    floor=0.81,
    torch=24.0,
)
def classifier(fw: ModuleType) -> Step:
    """Three products and an optimizer over 1.9 million parameters."""
    nn = fw.nn
    fw.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )
    # So slow that one batch lasts: at 1e-3 it is learnt in twenty steps, and floats go denormal.
    optimizer = fw.optim.Adam(model.parameters(), lr=1e-5)
    criterion = nn.CrossEntropyLoss()
    x = fw.randn(256, 784)
    y = fw.randint(0, 10, (256,))

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@workload(
    "cnn",
    "two 3×3 convolutions of 16 and 32 channels, ReLU, pool, linear; 64 images of 28×28, Adam",
    target=3.0,
    floor=3.1,
    torch=14.0,
)
def cnn(fw: ModuleType) -> Step:
    """Convolution as a product with the windows: their copies cost as much as the product."""
    nn = fw.nn
    fw.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 14 * 14, 10),
    )  # fmt: skip
    return _classifying(fw, model)


def _classifying(fw: ModuleType, model: Any) -> Step:
    """Adam on one batch of 64 images, so slow that the batch is not learnt while it is timed."""
    optimizer = fw.optim.Adam(model.parameters(), lr=1e-5)
    x = fw.randn(64, 1, 28, 28)
    y = fw.randint(0, 10, (64,))

    def step() -> Any:
        optimizer.zero_grad()
        loss = fw.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@workload(
    "cnn-pooled",
    "the same with a pool after each convolution",
    target=3.0,
)
def cnn_pooled(fw: ModuleType) -> Step:
    """Half the arithmetic, and twice the pools."""
    nn = fw.nn
    fw.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip
    return _classifying(fw, model)


@workload(
    "cnn-separable",
    "a 3×3 convolution, one of each of its 32 channels, and a 1×1 one to 64; 64 images of 28×28",
    target=3.0,
)
def cnn_separable(fw: ModuleType) -> Step:
    """A mobile network's block: what is convolved channel by channel is no product."""
    nn = fw.nn
    fw.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1, groups=32),
        nn.ReLU(), nn.Conv2d(32, 64, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * 14 * 14, 10),
    )  # fmt: skip
    return _classifying(fw, model)


def residual_training(
    fw: ModuleType,
    run: models.Run = models.directly,
    *,
    depth: int = 32,
    width: int = 256,
    batch: int = 128,
) -> tuple[Step, Step]:
    """The residual stack: its whole step, and its forward and backward alone.

    The second accumulates into the gradients there are, and leaves the parameters alone.
    """
    fw.manual_seed(0)
    model = models.residual_mlp(fw, depth=depth, width=width, run=run)
    optimizer = fw.optim.Adam(model.parameters(), lr=1e-4)
    x = fw.randn(batch, width)
    y = fw.randn(batch, width)

    def gradients() -> Any:
        loss = fw.nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    def step() -> Any:
        optimizer.zero_grad()
        loss = gradients()
        optimizer.step()
        return loss

    return step, gradients


@workload(
    "residual-mlp",
    "32 × (x + Linear(GELU(LayerNorm(x)))), d 256, batch 128, Adam",
    target=1.2,
    floor=1.06,
    torch=39.0,
)
def residual_mlp(fw: ModuleType) -> Step:
    """Deep, with normalisation and small products."""
    return residual_training(fw)[0]


@workload(
    "char-gpt",
    "4 layers, d 128, 4 heads, T 128, batch 8, AdamW, clipping",
    target=1.6,
    floor=1.32,
    torch=77.0,
)
def char_gpt(fw: ModuleType) -> Step:
    """A small language model over 65 characters."""
    fw.manual_seed(0)
    model = models.char_gpt(fw, layers=4, width=128, heads=4, length=128, vocabulary=65)
    optimizer = fw.optim.AdamW(model.parameters(), lr=3e-4)
    tokens = fw.randint(0, 65, (8, 129))
    x = tokens[:, :-1]
    y = tokens[:, 1:].reshape(-1)

    def step() -> Any:
        optimizer.zero_grad()
        loss = fw.nn.functional.cross_entropy(model(x).view(-1, 65), y)
        loss.backward()
        fw.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step


@workload(
    "lstm",
    "LSTM, hidden 128, T 64, batch 32, over 65 characters, Adam, clipping",
    target=2.0,
    floor=1.9,
)
def lstm(fw: ModuleType) -> Step:
    """A recurrent language model: the products of the recurrence are small, and wait in turn."""
    fw.manual_seed(0)
    model = models.char_lstm(fw, width=128, vocabulary=65)
    optimizer = fw.optim.Adam(model.parameters(), lr=1e-3)
    tokens = fw.randint(0, 65, (32, 65))
    x = tokens[:, :-1]
    y = tokens[:, 1:].reshape(-1)

    def step() -> Any:
        optimizer.zero_grad()
        loss = fw.nn.functional.cross_entropy(model(x).view(-1, 65), y)
        loss.backward()
        fw.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step


@workload(
    "softmax-norm",
    "softmax and layer norm on (4096, 1024), forward and backward",
    target=2.8,
    floor=2.8,
    torch=17.0,
)
def softmax_norm(fw: ModuleType) -> Step:
    """Rows: several passes over each, which are cheap while the row is in the cache."""
    fw.manual_seed(0)
    x = fw.randn(4096, 1024, requires_grad=True)
    weight = fw.ones(1024, requires_grad=True)
    bias = fw.zeros(1024, requires_grad=True)
    seed = fw.randn(4096, 1024)

    def step() -> Any:
        for leaf in (x, weight, bias):
            leaf.grad = None
        y = fw.nn.functional.softmax(x, -1)
        y = fw.nn.functional.layer_norm(y, (1024,), weight, bias)
        y.backward(seed)
        return y[0, 0]  # in place of a loss

    return step


@workload(
    "elementwise-chain",
    "30 elementwise ops on 1e6 floats, forward and backward",
    target=0.9,
    floor=0.70,
    torch=41.0,
)
def elementwise_chain(fw: ModuleType) -> Step:
    """Memory traffic: five times mul, add, tanh, mul by a number, sigmoid, sub."""
    fw.manual_seed(0)
    x = fw.randn(1_000_000, requires_grad=True)
    w = fw.randn(1_000_000)
    b = fw.randn(1_000_000)

    def step() -> Any:
        x.grad = None
        y = x
        for _ in range(5):
            y = y * w
            y = y + b
            y = fw.tanh(y)
            y = y * 1.5
            y = fw.sigmoid(y)
            y = y - b
        loss = y.sum()
        loss.backward()
        return loss

    return step
