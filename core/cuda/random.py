"""random: the random numbers of GPUs, under ``torch.cuda.random``.

There is one stream for all devices, so a state is that of the default generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import random
from ..tensor import Tensor
from . import device_count, is_available, manual_seed, manual_seed_all

__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed",
    "seed_all", "set_rng_state", "set_rng_state_all",
]  # fmt: skip


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of the stream (``torch.cuda.get_rng_state``)."""
    return random.get_rng_state()


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Continue from a state; nothing without a GPU (``torch.cuda.set_rng_state``)."""
    if is_available():
        random.set_rng_state(new_state)


def get_rng_state_all() -> list[Tensor]:
    """A state for each device; none without a GPU (``torch.cuda.get_rng_state_all``)."""
    return [random.get_rng_state() for _ in range(device_count())]


def set_rng_state_all(new_states: Sequence[Tensor]) -> None:
    """Continue from the first of them (``torch.cuda.set_rng_state_all``)."""
    for state in new_states[:1]:
        set_rng_state(state)


def seed() -> None:
    """Start a stream of a seed from the operating system; nothing without a GPU."""
    if is_available():
        random.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed of the stream (``torch.cuda.initial_seed``)."""
    return random.initial_seed()
