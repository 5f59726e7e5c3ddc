"""The op table, a file a family. ``anadrome.op.table`` holds every declaration by name."""

from . import (
    arithmetic,
    elementwise,
    activation,
    reduce,
    shape,
    joining,
    indexing,
    products,
    convert,
    normalise,
    convolve,
    pool,
    losses,
    dropping,
)  # fmt: skip  # isort: skip

__all__ = [
    "activation",
    "arithmetic",
    "convert",
    "convolve",
    "dropping",
    "elementwise",
    "indexing",
    "joining",
    "losses",
    "normalise",
    "pool",
    "products",
    "reduce",
    "shape",
]
