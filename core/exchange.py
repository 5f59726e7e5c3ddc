"""exchange: memory shared with other libraries, by DLPack (``torch.utils.dlpack``)."""

from __future__ import annotations

from operator import index
from typing import Any

from . import backend as backends
from . import dtypes
from .border import enclose_functions
from .creation import as_tensor
from .errors import DeviceError
from .making import creates, finished
from .refusals import refusing
from .switches import truth
from .tensor import Tensor, wrap

#: DLPack's numbers of the device types that backends serve.
_DEVICES = {1: "cpu", 2: "cuda", 3: "cpu"}
_NUMBERS = {"cpu": 1, "cuda": 2}


class _Held:
    """A capsule, in place of the object that made it."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor that shares the memory of another library's array (``torch.from_dlpack``).

    ``ext_tensor``: an array or tensor with ``__dlpack__``, or a DLPack capsule of the CPU. Its
    device says which backend takes it. Raises for a device that no backend serves.

    >>> import anadrome as ad
    >>> import numpy as np
    >>> a = np.zeros(2)
    >>> ad.from_dlpack(a).fill_(3.0).tolist(), a.tolist()
    ([3.0, 3.0], [3.0, 3.0])
    """
    if isinstance(ext_tensor, Tensor):
        if ext_tensor.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        out = ext_tensor.detach()
    else:
        if not hasattr(ext_tensor, "__dlpack__"):
            if type(ext_tensor).__name__ != "PyCapsule":
                raise TypeError(
                    f"from_dlpack() takes an object with __dlpack__, or a capsule, not "
                    f"{type(ext_tensor).__name__}"
                )
            ext_tensor = _Held(ext_tensor)
        number = int(ext_tensor.__dlpack_device__()[0])
        place = _DEVICES.get(number)
        if place is None:
            raise DeviceError(f"no backend takes memory of DLPack's device type {number}")
        out = wrap(backends.for_device(place).xp.from_dlpack(ext_tensor))
    if device is not None:
        out = out.to(device)
    return out.clone() if copy else out


def to_dlpack(tensor: Tensor) -> Any:
    """The DLPack capsule of a Tensor (``torch.utils.dlpack.to_dlpack``)."""
    return tensor.__dlpack__()


def frombuffer(
    buffer: Any,
    *,
    dtype: Any,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A one-dimensional Tensor over the bytes of a buffer, shared (``torch.frombuffer``).

    >>> import anadrome as ad
    >>> ad.frombuffer(bytearray(b"abc"), dtype=ad.uint8)
    tensor([97, 98, 99], dtype=anadrome.uint8)
    """
    backend = backends.get("numpy")
    native = backend.dtype(dtypes.as_dtype(dtype))
    array = backend.xp.frombuffer(buffer, dtype=native, count=count, offset=offset)
    return finished(wrap(array), requires_grad)


@refusing
def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """A Tensor of anything that holds numbers, sharing memory where it can (``torch.asarray``).

    ``copy=True`` copies in any case, ``copy=False`` raises where a copy would be needed. A Tensor
    keeps its gradient, unless ``requires_grad=False`` is given.
    """
    if not isinstance(obj, Tensor) and hasattr(obj, "__dlpack__") and type(obj) not in (
        backends.by_type
    ):  # fmt: skip
        obj = from_dlpack(obj)
    out = as_tensor(obj, dtype, device)
    shared = getattr(obj, "_data", obj) is out._data
    if copy and shared:
        out = out.clone()
    if copy is False and not shared:
        raise ValueError("can't alias the given object: its values would have to be copied")
    if requires_grad is None or out.requires_grad is truth(
        requires_grad, "asarray", "requires_grad"
    ):
        return out
    return out.detach() if out.requires_grad else out.requires_grad_()


@refusing
def _dlpack(self: Tensor, **keywords: Any) -> Any:
    """The memory for another library; the Tensor must not require a gradient."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self._data.__dlpack__(**keywords)


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's number of the device's type, and its index."""
    device = self.device
    return (_NUMBERS.get(device.type, 1), device.index or 0)


def _install() -> None:
    Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
    Tensor.__dlpack_device__ = _dlpack_device  # type: ignore[attr-defined]


@creates
def from_file(
    filename: Any,
    shared: bool | None = None,
    size: int | None = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The first ``size`` values of a file, which are read when they are used (``torch.from_file``).

    ``shared``: writes go into the file, which is made and lengthened where needed; otherwise it
    stays as it is. RuntimeError for a file that is shorter.
    """
    from .storage import UntypedStorage

    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    bytes_of = UntypedStorage.from_file(filename, bool(shared), index(size or 0) * kind.itemsize)
    return finished(bytes_of._bytes().view(kind).to(device), requires_grad)


enclose_functions(globals())
_install()
