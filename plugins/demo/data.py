"""The form in which both data sets reach the model: arrays, split once, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

CLASSIFICATION = "classification"
REGRESSION = "regression"


@dataclass
class Split:
    """Training and held-out arrays.

    Inputs are float32, rows first. Targets are int64 class numbers of shape (rows,), or for
    regression float32 of shape (rows, 1), a column like the model's output: subtracting a (rows,)
    array from a (rows, 1) one would broadcast to a (rows, rows) square.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    kind: str = CLASSIFICATION
    classes: list[str] = field(default_factory=list)
    target: str = "digit"
    # A regression target is learnt as (value - offset) / scale; both are 0 and 1 otherwise.
    offset: float = 0.0
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a row."""
        return len(self.classes) if self.kind == CLASSIFICATION else 1


def batches(split: Split, size: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Yield one epoch's (inputs, targets) in a fresh random order; the last batch may be short."""
    order = rng.permutation(len(split.train_x))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield split.train_x[rows], split.train_y[rows]
