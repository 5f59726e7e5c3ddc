"""Training steps in bare NumPy: no graph, no tensors, reused buffers, an optimizer over one vector.

A floor is what the NumPy backend could reach at best, so its ratio to PyTorch says which part of an
anadrome step is NumPy's own. Data and start are drawn as the workloads draw them, not the same
numbers: a floor is for time, and its losses fall as the workload's do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

Array = Any
Floor = Callable[[], Any]
"""One training step; returns the loss, a NumPy scalar."""

FLOORS: dict[str, Callable[[], Floor]] = {}
"""By workload name: makes data and parameters, and gives the step."""

BLOCK = 32_768
"""Floats that Adam works on at a time: seven such rows, 0.9 MB, stay in a core's cache."""


def floor(name: str) -> Callable[[Callable[[], Floor]], Callable[[], Floor]]:
    """Register the decorated builder as the floor of workload `name`."""

    def register(build: Callable[[], Floor]) -> Callable[[], Floor]:
        FLOORS[name] = build
        return build

    return register


@floor("linear-regression")
def linear_regression() -> Floor:
    """Mean squared error of x @ w + b by SGD."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.standard_normal((128, 32), dtype=np.float32)
    y = random.standard_normal((128, 1), dtype=np.float32)
    w = random.standard_normal((32, 1), dtype=np.float32)
    b = np.zeros(1, dtype=np.float32)
    prediction = np.empty((128, 1), dtype=np.float32)
    gradient = np.empty((32, 1), dtype=np.float32)
    rate = np.float32(1e-2)
    twice_mean = np.float32(2 / 128)

    def step() -> Any:
        np.matmul(x, w, out=prediction)
        np.add(prediction, b, out=prediction)
        error = np.subtract(prediction, y, out=prediction)
        loss = np.vdot(error, error) / 128
        error *= twice_mean
        np.matmul(x.T, error, out=gradient)
        np.multiply(gradient, rate, out=gradient)
        np.subtract(w, gradient, out=w)
        np.subtract(b, np.add.reduce(error) * rate, out=b)
        return loss

    return step


@floor("minimal-loop")
def minimal_loop() -> Floor:
    """Two layers, mean squared error, Adam, 64 batches in turn."""
    import numpy as np

    random = np.random.default_rng(0)
    layers = Layers((32, 64, 1), 128)
    adam = Adam(layers.parameters, layers.gradients, rate=1e-3)
    batches = itertools.cycle(
        [
            (
                random.standard_normal((128, 32), dtype=np.float32),
                random.standard_normal((128, 1), dtype=np.float32),
            )
            for _ in range(64)
        ]
    )
    twice_mean = np.float32(2 / 128)

    def step() -> Any:
        x, y = next(batches)
        prediction = layers.forward(x)
        error = np.subtract(prediction, y, out=prediction)
        loss = np.vdot(error, error) / 128
        error *= twice_mean
        layers.backward(x, error)
        adam.step()
        return loss

    return step


@floor("classifier")
def classifier() -> Floor:
    """Three layers, cross-entropy, Adam."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.standard_normal((256, 784), dtype=np.float32)
    y = random.integers(0, 10, 256)
    rows = np.arange(256)
    layers = Layers((784, 1024, 1024, 10), 256)
    adam = Adam(layers.parameters, layers.gradients, rate=1e-5)

    def step() -> Any:
        logits = layers.forward(x)
        logits -= np.maximum.reduce(logits, axis=1, keepdims=True)
        chosen = logits[rows, y]
        np.exp(logits, out=logits)
        total = np.add.reduce(logits, axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - chosen).mean()
        logits /= total
        logits[rows, y] -= 1
        logits *= np.float32(1 / 256)
        layers.backward(x, logits)
        adam.step()
        return loss

    return step


class Layers:
    """Linear layers with ReLU between them, parameters and gradients each one flat float32 vector.

    `widths`: input, hidden and output widths. `batch`: rows of every input. Weights are stored
    (in, out) and drawn as PyTorch's Linear does, uniform within 1/sqrt(in).
    """

    def __init__(self, widths: tuple[int, ...], batch: int) -> None:
        import numpy as np

        self.np = np
        shapes: list[tuple[int, ...]] = []
        for width, following in itertools.pairwise(widths):
            shapes += [(width, following), (following,)]
        size = sum(int(np.prod(shape)) for shape in shapes)
        self.parameters = np.empty(size, dtype=np.float32)
        self.gradients = np.zeros(size, dtype=np.float32)
        views = _cut(self.parameters, shapes)
        self.weights, self.biases = views[::2], views[1::2]
        gradients = _cut(self.gradients, shapes)
        self.weight_gradients, self.bias_gradients = gradients[::2], gradients[1::2]
        self.outputs = [np.empty((batch, width), dtype=np.float32) for width in widths[1:]]
        self.masks = [np.empty((batch, width), dtype=bool) for width in widths[1:-1]]
        self.cotangents = [np.empty((batch, width), dtype=np.float32) for width in widths[1:-1]]
        random = np.random.default_rng(1)
        for width, weight, bias in zip(widths, self.weights, self.biases):
            bound = width**-0.5
            weight[...] = random.uniform(-bound, bound, weight.shape)
            bias[...] = random.uniform(-bound, bound, bias.shape)

    def forward(self, x: Array) -> Array:
        """Output of the last layer; the array is reused by the next call."""
        np = self.np
        last = len(self.weights) - 1
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = np.matmul(x, weight, out=self.outputs[index])
            x += bias
            if index < last:
                np.maximum(x, 0, out=x)
        return x

    def backward(self, x: Array, cotangent: Array) -> None:
        """Fill the gradients from the cotangent of the last output; `x` is the input again."""
        np = self.np
        for index in reversed(range(len(self.weights))):
            source = self.outputs[index - 1] if index else x
            np.matmul(source.T, cotangent, out=self.weight_gradients[index])
            np.add.reduce(cotangent, axis=0, out=self.bias_gradients[index])
            if index:
                mask = np.greater(source, 0, out=self.masks[index - 1])
                below = self.cotangents[index - 1]
                np.matmul(cotangent, self.weights[index].T, out=below)
                cotangent = np.multiply(below, mask, out=below)


class Adam:
    """Adam in place over one flat vector, a block that fits the cache at a time."""

    def __init__(self, parameters: Array, gradients: Array, rate: float) -> None:
        import numpy as np

        self.np = np
        self.rate = rate
        self.count = 0
        first, second = np.zeros_like(parameters), np.zeros_like(parameters)
        scratch = np.empty((2, min(BLOCK, parameters.size)), dtype=np.float32)
        self.blocks = []
        for start in range(0, parameters.size, BLOCK):
            part = slice(start, start + BLOCK)
            length = parameters[part].size
            vectors = [vector[part] for vector in (parameters, gradients, first, second)]
            self.blocks.append((*vectors, scratch[0, :length], scratch[1, :length]))

    def step(self) -> None:
        """One update, with betas (0.9, 0.999) and epsilon 1e-8."""
        np = self.np
        self.count += 1
        keep, renew = np.float32(0.9), np.float32(0.1)
        keep_square, renew_square = np.float32(0.999), np.float32(0.001)
        size = np.float32(-self.rate / (1 - 0.9**self.count))
        scale = np.float32((1 - 0.999**self.count) ** -0.5)
        epsilon = np.float32(1e-8)
        for parameter, gradient, first, second, update, root in self.blocks:
            np.multiply(first, keep, out=first)
            np.multiply(gradient, renew, out=update)
            np.add(first, update, out=first)
            np.multiply(second, keep_square, out=second)
            np.multiply(gradient, gradient, out=update)
            np.multiply(update, renew_square, out=update)
            np.add(second, update, out=second)
            np.sqrt(second, out=root)
            np.multiply(root, scale, out=root)
            np.add(root, epsilon, out=root)
            np.divide(first, root, out=update)
            np.multiply(update, size, out=update)
            np.add(parameter, update, out=parameter)


def _cut(vector: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    """Views of consecutive parts of a flat vector, in the given shapes."""
    views = []
    start = 0
    for shape in shapes:
        size = 1
        for extent in shape:
            size *= extent
        views.append(vector[start : start + size].reshape(shape))
        start += size
    return views
