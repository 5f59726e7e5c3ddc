"""mutation: saved values that survive a write in place (PyTorch's name below)."""

from __future__ import annotations

from typing import Any

from .. import modes
from ..graph import Writes
from ..modes import saved_tensors_hooks
from ..tensor import Tensor, wrap


class _Kept:
    """A saved value; a copy of it once its memory was about to be written."""

    __slots__ = ("__weakref__", "value", "writes")

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self.writes: Writes | None = value._shared_writes()


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """Inside, a write in place may change what was saved for backward: that is copied before.

    Forward, writes and backward have to be inside. A value is copied once, at the first write to
    its memory. PyTorch: ``torch.autograd.graph.allow_mutation_on_saved_tensors``.

    >>> import anadrome as ad
    >>> x = ad.tensor([3.0], requires_grad=True)
    >>> with ad.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x * 1
    ...     z = y * y
    ...     _ = y.zero_()
    ...     z.sum().backward()
    >>> x.grad
    tensor([6.])
    """

    def __init__(self) -> None:
        super().__init__(self._pack, lambda kept: kept.value)
        self._kept: dict[int, list[_Kept]] = {}

    def __enter__(self) -> allow_mutation_on_saved_tensors:
        if any(isinstance(h, allow_mutation_on_saved_tensors) for h in modes.current().saved_hooks):
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self.clear()

    def clear(self) -> None:
        """Forget what was saved."""
        self._kept.clear()

    def _pack(self, value: Tensor) -> Any:
        kept = _Kept(value)
        self._kept.setdefault(id(kept.writes), []).append(kept)
        return kept

    def writing(self, tensor: Tensor) -> None:
        """Copy what was saved of this memory, and is not a copy yet; TypeError for no Tensor."""
        if not isinstance(tensor, Tensor):
            raise TypeError(f"writing() takes a Tensor, not {type(tensor).__name__}")
        for kept in self._kept.pop(id(tensor._shared_writes()), ()):
            data = kept.value._data
            kept.value = wrap(kept.value._backend.asarray(data))
            kept.writes = None
