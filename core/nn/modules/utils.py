"""utils: numbers as tuples, one for each dimension (PyTorch: ``torch.nn.modules.utils``).

PyTorch's own layers are written with these, and so are those that programs derive from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from ...size import is_index


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """What makes a tuple: of the elements of what is iterable, else of a value ``n`` times."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = (
    _ntuple(n, name) for n, name in enumerate(("_single", "_pair", "_triple", "_quadruple"), 1)
)


def _list_with_default(out_size: Any, defaults: list[int]) -> Any:
    """``out_size`` with the last of ``defaults`` where it has None; a number as it is."""
    if is_index(out_size):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [d if v is None else v for v, d in zip(out_size, defaults[-len(out_size) :])]


def _reverse_repeat_tuple(t: tuple[Any, ...], n: int) -> tuple[Any, ...]:
    """The elements from the last to the first, each ``n`` times, as ``pad`` takes them."""
    return tuple(x for x in reversed(t) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take ``prefix`` off the keys that start with it, in place (PyTorch's name).

    For the weights of a wrapped model, whose keys start with ``module.``.

    >>> import anadrome as ad
    >>> weights = ad.nn.DataParallel(ad.nn.Linear(1, 1)).state_dict()
    >>> ad.nn.modules.utils.consume_prefix_in_state_dict_if_present(weights, "module.")
    >>> list(weights)
    ['weight', 'bias']
    """
    for key in [k for k in state_dict if k.startswith(prefix)]:
        state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is None:
        return
    for key in list(metadata):
        if key and (key.startswith(prefix) or key == prefix.rstrip(".")):
            metadata[key[len(prefix) :]] = metadata.pop(key)
