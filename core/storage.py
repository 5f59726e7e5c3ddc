"""storage: facts of the memory that a Tensor, and all views of it, lie in.

PyTorch: ``torch.UntypedStorage``, as programs ask it: is this weight tied to that one, how many
bytes are there.
"""

from __future__ import annotations

from typing import Any

from .tensor import Tensor


class UntypedStorage:
    """The memory under a Tensor; two are equal if they are the same memory.

    >>> import anadrome as ad
    >>> x = ad.zeros(4, 3)
    >>> x[1:].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    True
    >>> x[1:].untyped_storage().nbytes()
    48
    """

    def __init__(self, of: Tensor) -> None:
        if not isinstance(of, Tensor):
            raise TypeError(
                f"UntypedStorage() takes a Tensor, not {type(of).__name__}; write "
                "x.untyped_storage()"
            )
        self._tensor = of if of._base is None else of._base

    def data_ptr(self) -> int:
        """The address of the first byte, on its device."""
        return self._tensor.data_ptr()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return int(self._tensor.numel() * self._tensor.dtype.itemsize)

    size = __len__ = nbytes

    @property
    def device(self) -> Any:
        """Where the memory is."""
        return self._tensor.device

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other.data_ptr() == self.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())

    def __repr__(self) -> str:
        return f"<UntypedStorage of {self.nbytes()} bytes on {self.device}>"
