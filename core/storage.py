"""storage: the memory that a Tensor, and all views of it, lie in: facts of it, and another size.

PyTorch: ``torch.UntypedStorage``, as programs ask it: is this weight tied to that one, how many
bytes are there; and ``Tensor.resize_``.
"""

from __future__ import annotations

import math
import mmap
import os
from typing import Any

from .errors import GraphError
from .layouts import check
from .making import shape_of
from .refusals import refusing
from .tensor import Tensor


def _load_from_bytes(b: bytes) -> Any:
    """A storage out of a tensor that PyTorch pickled; for what rebuilds the tensor."""
    from .torch_files.legacy import read_stream

    return read_stream("a pickled storage", b)


class StorageBase:
    """What programs ask whether something is a storage by (PyTorch: ``torch.StorageBase``)."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is StorageBase:
            raise RuntimeError("Cannot directly construct StorageBase; write x.untyped_storage()")
        return object.__new__(cls)


class UntypedStorage(StorageBase):
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

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The first bytes of a file, which are read when they are used.

        ``shared``: writes go into the file, which is made and lengthened where needed; otherwise
        it stays as it is. RuntimeError for a file that is shorter.
        """
        from .dtypes import uint8
        from .exchange import frombuffer

        if not isinstance(filename, (str, bytes, os.PathLike)):
            raise TypeError(f"from_file() takes a path, not {type(filename).__name__}")
        if not isinstance(nbytes, int) or nbytes < 0:
            raise TypeError(f"from_file(): nbytes is a number of bytes, not {nbytes!r:.40}")
        if shared and (not os.path.exists(filename) or os.path.getsize(filename) < nbytes):
            with open(filename, "ab") as file:
                file.truncate(nbytes)
        with open(filename, "r+b" if shared else "rb") as file:
            there = os.path.getsize(filename)
            if there < nbytes:
                raise RuntimeError(f"{filename!r} has {there} bytes, not {nbytes}")
            access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
            seen: Any = mmap.mmap(file.fileno(), nbytes, access=access) if nbytes else bytearray()
        return cls._of(frombuffer(seen, dtype=uint8))

    @classmethod
    def _of(cls, part: Tensor) -> UntypedStorage:
        """The memory of this Tensor alone, though it may be a part of another's."""
        made = cls.__new__(cls)
        made._tensor = part
        return made

    def _bytes(self) -> Tensor:
        from .dtypes import uint8

        return self._tensor.detach().reshape(-1).view(uint8)

    def __getitem__(self, index: Any) -> Any:
        part = self._bytes()[index]
        return UntypedStorage._of(part) if isinstance(index, slice) else part.item()

    def __dlpack__(self, **options: Any) -> Any:
        return self._bytes().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._bytes().__dlpack_device__()

    def _written(self) -> Tensor:
        """The elements, for a write into the memory itself."""
        flat = self._tensor.detach().reshape(-1)
        if flat.numel() and flat.data_ptr() != self._tensor.data_ptr():
            raise RuntimeError(
                "the memory of a Tensor that is not contiguous is not written as a whole; write "
                "x.copy_(...) or x.fill_(...)"
            )
        return flat

    def fill_(self, value: int) -> UntypedStorage:
        """Set each byte.

        >>> import anadrome as ad
        >>> x = ad.ones(2)
        >>> x.untyped_storage().fill_(0).nbytes(), x
        (8, tensor([0., 0.]))
        """
        from .dtypes import uint8

        self._written().view(uint8).fill_(value)
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """Set all of it to another one's bytes, which may be on another device."""
        from .dtypes import uint8

        if not isinstance(source, UntypedStorage):
            raise TypeError(f"copy_() takes a storage, not a {type(source).__name__}")
        if source.nbytes() != self.nbytes():
            raise RuntimeError(
                f"copy_(): the storages have {self.nbytes()} and {source.nbytes()} bytes"
            )
        self._written().view(uint8).copy_(source._bytes())
        return self

    def clone(self) -> UntypedStorage:
        """Another memory with the same bytes."""
        return type(self)(self._tensor.detach().clone())

    def cpu(self) -> UntypedStorage:
        """It, or a copy of it, on the CPU."""
        return self if self.device.type == "cpu" else type(self)(self._tensor.detach().cpu())

    def tolist(self) -> list[Any]:
        """The bytes as Python numbers."""
        return self._bytes().tolist()

    def element_size(self) -> int:
        """1."""
        return 1

    @property
    def is_cuda(self) -> bool:
        """Whether it is on a GPU."""
        return bool(self.device.type == "cuda")

    def untyped(self) -> UntypedStorage:
        """The memory in bytes."""
        return UntypedStorage._of(self._tensor)

    def data_ptr(self) -> int:
        """The address of the first byte, on its device."""
        return self._tensor.data_ptr()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return int(self._tensor.numel() * self._tensor.dtype.itemsize)

    size = __len__ = nbytes

    def __sizeof__(self) -> int:
        return super().__sizeof__() + self.nbytes()

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


class TypedStorage(UntypedStorage):
    """The same memory, in elements of the Tensor's type (``torch.TypedStorage``)."""

    def size(self) -> int:
        """How many elements there are."""
        return self._tensor.numel()

    __len__ = size

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self._tensor.dtype

    def element_size(self) -> int:
        """The bytes of an element."""
        return int(self._tensor.dtype.itemsize)

    def fill_(self, value: Any) -> UntypedStorage:
        """Set each element."""
        self._written().fill_(value)
        return self

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._tensor.detach().reshape(-1).tolist()

    def __getitem__(self, index: Any) -> Any:
        part = self._tensor.detach().reshape(-1)[index]
        return TypedStorage._of(part) if isinstance(index, slice) else part.item()


def storage(self: Tensor) -> TypedStorage:
    """The memory that this Tensor lies in (``Tensor.storage``)."""
    return TypedStorage(self)


@refusing
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give this Tensor another shape, in place (``Tensor.resize_``); returns it.

    The first elements stay, in the same memory where that is large enough; those that come new are
    as they happen to be. Raises RuntimeError for a Tensor that asks for a gradient.

    >>> import anadrome as ad
    >>> ad.arange(6).resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    check("resize_", "memory_format", memory_format)
    if self.requires_grad:
        raise GraphError("cannot resize variables that require grad")
    shape = shape_of(sizes)
    count = math.prod(shape)
    old = self.detach().reshape(-1)
    if count > old.numel():
        larger = self.new_empty(count)  # type: ignore[attr-defined]
        larger[: old.numel()] = old
        old = larger
    if shape != tuple(self.shape):
        self.data = old[:count].view(shape)
    return self


@refusing
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """``resize_`` to another Tensor's shape (``Tensor.resize_as_``)."""
    return resize_(self, the_template.shape, memory_format=memory_format)
