"""Random states of devices, for programs whose own Functions run a segment again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anadrome import Tensor, cuda
from anadrome.places.trees import tree_leaves


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The GPUs that the Tensors among `args` are on, and the state of each one's random numbers.

    Tensors are also found in lists, tuples and dicts; those on the CPU name no device. To draw
    the same numbers again, keep ``get_rng_state()`` too. PyTorch:
    ``torch.utils.checkpoint.get_device_states``.

    >>> import anadrome as ad
    >>> from anadrome.utils.checkpoint import get_device_states
    >>> get_device_states(ad.ones(2), {"scale": 3.0})
    ([], [])
    """
    devices = [
        leaf.get_device()
        for leaf in tree_leaves(args)
        if isinstance(leaf, Tensor) and leaf.device.type == "cuda"
    ]
    return devices, [cuda.get_rng_state(device) for device in devices]


def set_device_states(
    devices: Iterable[int], states: Iterable[Tensor], *, device_type: str | None = None
) -> None:
    """Continue from what `get_device_states` gave (``torch.utils.checkpoint.set_device_states``).

    `device_type` is accepted: None and "cuda" are GPUs, "cpu" and "meta" have no states here.
    """
    if device_type is not None and not isinstance(device_type, str):
        raise TypeError(f"device_type is a name, not {type(device_type).__name__}")
    if device_type in ("cpu", "meta"):
        return
    if not isinstance(devices, Iterable) or not isinstance(states, Iterable):
        raise TypeError("set_device_states takes the numbers of devices, and a state for each")
    for device, state in zip(devices, states):
        cuda.set_rng_state(state, device)
