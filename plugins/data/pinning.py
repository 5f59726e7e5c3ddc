"""pinning: batches in page-locked memory, and batches that are on the GPU when they are wanted."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import anadrome as ad
from anadrome.border import Bordered


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


class Prefetcher(Bordered):
    """The batches of a loader on a device, each copied while the one before is computed with.

    ``loader``: anything that gives batches; with ``pin_memory=True`` the copies overlap with the
    work. ``device``: where to; on the CPU it gives the batches as they are. One batch is copied
    ahead, on a stream of its own (PyTorch has no name for it; its examples write it by hand).
    ``state_dict`` keeps that batch too: it, and not the loader, is what ``save_training`` is given.

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
        #: The batch that is copied ahead, alone in a tuple; an empty one if there is none any more.
        #: None when nobody iterates. And the same as an earlier process left it.
        self._ahead: tuple[Any, ...] | None = None
        self._left: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        left, self._left = self._left, None
        if left == ():  # it had given all, and not said so yet
            return
        if self.device.type != "cuda":
            for batch in itertools.chain(left or (), self.loader):
                yield mapped(batch, lambda t: t.to(self.device))
            return
        side = ad.cuda.Stream(self.device)
        batches = itertools.chain(left or (), self.loader)
        try:
            self._hold(self)
            self._ahead = self._copied(batches, side)
            while self._ahead:
                (batch,) = self._ahead
                # The copy must be there before it is used; what it goes over must have been used.
                here = ad.cuda.current_stream(self.device)
                here.wait_stream(side)
                side.wait_stream(here)
                self._ahead = self._copied(batches, side)
                yield batch
        finally:
            self._ahead = None
            self._hold(None)

    def _copied(self, batches: Iterator[Any], side: Any) -> tuple[Any, ...]:
        try:
            batch = next(batches)
        except StopIteration:
            return ()
        with ad.cuda.stream(side):
            return (mapped(batch, lambda t: t.to(self.device, non_blocking=True)),)

    def _hold(self, holder: Any) -> None:
        """Let the loader know whose position is the one to save."""
        if hasattr(self.loader, "held_by"):
            self.loader.held_by = None if holder is None else weakref.ref(holder)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, and the batch that was taken from it already."""
        ahead = self._ahead if self._left is None else self._left
        self._hold(None)
        try:
            at = self.loader.state_dict()  # type: ignore[attr-defined]
        finally:
            self._hold(None if self._ahead is None else self)
        return {"loader": at, "ahead": mapped(ahead, lambda t: t.cpu())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave; the next pass goes on from there."""
        self.loader.load_state_dict(state_dict["loader"])  # type: ignore[attr-defined]
        self._left = state_dict["ahead"]
