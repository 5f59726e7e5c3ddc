"""scikit-learn's bundled handwritten digits: 1,797 real scans of 8 × 8 pixels."""

from __future__ import annotations

import numpy as np

from .data import Split


def load_digits(seed: int, held_out: float = 0.2) -> Split:
    """The digits as float32 images (rows, 1, 8, 8) in 0…1, a fifth of each digit held out.

    The test rows are a function of `seed` alone, and no step of the training sees them.
    """
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    pixels, labels = load(return_X_y=True)
    # A pixel counts ink from 0 to 16.
    images = (pixels.reshape(-1, 1, 8, 8) / 16.0).astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images,
        labels.astype(np.int64),
        test_size=held_out,
        stratify=labels,
        random_state=seed,
    )
    return Split(train_x, train_y, test_x, test_y, classes=[str(digit) for digit in range(10)])
