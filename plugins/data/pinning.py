"""pinning: batches in page-locked memory, and batches that are on the GPU when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import anadrome as ad


def mapped(batch: Any, function: Callable[[ad.Tensor], Any]) -> Any:
    """A batch of the same make, with the function's result in place of each Tensor."""
    if isinstance(batch, ad.Tensor):
        return function(batch)
    if hasattr(batch, "pin_memory") and function is pin:
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        return type(batch)({k: mapped(v, function) for k, v in batch.items()})  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(mapped(v, function) for v in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(mapped(v, function) for v in batch)
    return batch


def pin(tensor: ad.Tensor) -> ad.Tensor:
    """The Tensor in page-locked memory; one that is on a GPU already stays there."""
    return tensor.pin_memory() if tensor.device.type == "cpu" else tensor


def pinned(batch: Any) -> Any:
    """All Tensors of a batch in page-locked memory."""
    return mapped(batch, pin)


class Prefetcher:
    """The batches of a loader on a device, each copied while the one before is computed with.

    ``loader``: anything that gives batches; with ``pin_memory=True`` the copies overlap with the
    work. ``device``: where to; on the CPU it gives the batches as they are. One batch is copied
    ahead, on a stream of its own (PyTorch has no name for it; its examples write it by hand).

    >>> import anadrome as ad
    >>> data = ad.utils.data.TensorDataset(ad.arange(4))
    >>> loader = ad.utils.data.DataLoader(data, batch_size=2, pin_memory=True)
    >>> device = "cuda" if ad.cuda.is_available() else "cpu"
    >>> [x.tolist() for (x,) in ad.utils.data.Prefetcher(loader, device)]
    [[0, 1], [2, 3]]
    """

    def __init__(self, loader: Iterable[Any], device: Any) -> None:
        self.loader = loader
        self.device = ad.device(device)

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        if self.device.type != "cuda":
            for batch in self.loader:
                yield mapped(batch, lambda t: t.to(self.device))
            return
        side = ad.cuda.Stream(self.device)
        batches = iter(self.loader)
        ahead = self._copied(batches, side)
        while ahead is not None:
            (batch,) = ahead
            # The copy must be there before it is used; and what it goes over must have been used.
            here = ad.cuda.current_stream(self.device)
            here.wait_stream(side)
            side.wait_stream(here)
            ahead = self._copied(batches, side)
            yield batch

    def _copied(self, batches: Iterator[Any], side: Any) -> tuple[Any] | None:
        try:
            batch = next(batches)
        except StopIteration:
            return None
        with ad.cuda.stream(side):
            return (mapped(batch, lambda t: t.to(self.device, non_blocking=True)),)
