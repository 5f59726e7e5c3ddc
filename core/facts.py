"""facts: what a Tensor says about its kind and its memory, under PyTorch's names."""

from __future__ import annotations

from typing import Any

from . import backend as backends
from . import cuda, dtypes, sites
from .device import device as Device
from .errors import ArgumentError
from .formats import lies_in, order_of
from .layouts import channels_last, channels_last_3d, check, strided
from .ops.strided import address_of, compact, strides_of
from .refusals import refusing
from .tensor import Tensor, wrap


# -- memory ---------------------------------------------------------------------------------------
@refusing
def _stride(self: Tensor, dim: int | None = None) -> Any:
    """Elements between neighbours along each dimension, or along one."""
    steps = strides_of(self._data)
    if steps is None or self.numel() <= 1:
        steps = compact(self.shape)
    return steps if dim is None else steps[_dim(self, dim)]


def _dim(self: Tensor, dim: int) -> int:
    ndim = max(self.ndim, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got "
            f"{dim})"
        )
    return dim % ndim


def _storage_offset(self: Tensor) -> int:
    """Elements between the first one and the beginning of the Tensor that this is a view of."""
    base = self._base
    if base is None:
        return 0
    return (address_of(self._data) - address_of(base._data)) // self.dtype.itemsize


def _is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory row by row, or in the order of a memory format."""
    if memory_format is not None:
        check("is_contiguous", "memory_format", memory_format)
        if memory_format in (channels_last, channels_last_3d):
            ranks = memory_format is channels_last, self.ndim
            return ranks in ((True, 4), (False, 5)) and lies_in(
                self._data, order_of(memory_format, self.ndim)
            )
    flags = getattr(self._data, "flags", None)
    return flags is None or flags.c_contiguous


def _data_ptr(self: Tensor) -> int:
    """The address of the first element, on its device."""
    return address_of(self._data) if self.numel() else 0


@refusing
def _get_device(self: Tensor) -> int:
    """The index of the device; -1 on the CPU, and where there are no values."""
    device = self.device
    return -1 if device.type == "cpu" or not self._backend.holds_values else device.index or 0


def _share_memory_(self: Tensor) -> Tensor:
    """Accepted, with a warning: threads share memory as it is, processes get copies."""
    sites.warn(
        "share_memory shares nothing here: a process that is given the Tensor or module gets a "
        "copy of its own. Train in threads, whose memory is one"
    )
    return self


# -- kinds ----------------------------------------------------------------------------------------
def legacy_name(kind: dtypes.dtype, place: str) -> str:
    """``torch.FloatTensor``: dtype and device as PyTorch used to name them."""
    where = "" if place == "cpu" else f"{place}."
    return f"{dtypes.shown_as}.{where}{dtypes.LEGACY[kind.name]}Tensor"


@refusing
def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Without argument, the name of the type; else this Tensor in that type."""
    if dtype is None:
        return legacy_name(self.dtype, self.device.type)
    if isinstance(dtype, str):
        where, _, last = dtype.rpartition(".")
        if where and last == "Tensor":
            return self.to(dtypes.get_default_dtype())
        name = last.removesuffix("Tensor")
        for ours, theirs in dtypes.LEGACY.items():
            if theirs == name and ours in dtypes.BY_NAME:
                place = "cuda" if ".cuda." in dtype else "cpu"
                return self.to(dtype=dtypes.BY_NAME[ours], device=place)
        raise ValueError(f"invalid type: {dtype!r}")
    kind = dtypes.get_default_dtype() if dtype is Tensor else getattr(dtype, "legacy_dtype", None)
    if kind is None and isinstance(dtype, type):
        raise ValueError(
            f"invalid type: {dtype.__name__!r}; write {dtypes.shown_as}.float32 or kin"
        )
    return self.to(dtype=dtype if kind is None else kind)


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor (``torch.is_tensor``)."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether it is a storage (``torch.is_storage``)."""
    return type(obj).__name__ == "UntypedStorage" and hasattr(obj, "data_ptr")


def _untyped_storage(self: Tensor) -> Any:
    """The memory that this Tensor lies in (PyTorch: ``Tensor.untyped_storage``)."""
    from .storage import UntypedStorage

    return UntypedStorage(self)


@refusing
def _is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same view of the same memory (``Tensor.is_set_to``)."""
    return (
        self.data_ptr() == tensor.data_ptr()
        and self.dtype is tensor.dtype
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
    )


@refusing
def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating-point numbers (``torch.is_floating_point``)."""
    return input.dtype.is_floating_point


@refusing
def is_signed(input: Tensor) -> bool:
    """Whether the elements can be negative (``torch.is_signed``)."""
    return input.dtype.is_signed


@refusing
def is_nonzero(input: Tensor) -> bool:
    """Whether the single element is not zero (``torch.is_nonzero``)."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"is_nonzero(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    return bool(input)


@refusing
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal (``torch.is_same_size``)."""
    if isinstance(input, type) or isinstance(other, type):  # which has a shape, too
        raise ArgumentError("is_same_size(): its arguments must be Tensors, not a class")
    return input.shape == other.shape


@refusing
def is_inference(input: Tensor) -> bool:
    """Whether it was made in inference mode (``torch.is_inference``)."""
    if isinstance(input, type):  # which has the attribute, too
        raise ArgumentError("is_inference(): argument 'input' must be Tensor, not a class")
    return input._inference


@refusing
def numel(input: Tensor) -> int:
    """The number of elements (``torch.numel``)."""
    return input.numel()


@refusing
def get_device(input: Tensor) -> int:
    """The index of the Tensor's device; -1 on the CPU (``torch.get_device``)."""
    return _get_device(input)


def typename(obj: Any) -> str:
    """The name of an object's type (``torch.typename``)."""
    if isinstance(obj, Tensor):
        return _type(obj)
    cls = obj if isinstance(obj, type) else type(obj)
    module = getattr(cls, "__module__", "")
    return cls.__qualname__ if module in ("", "builtins") else f"{module}.{cls.__qualname__}"


@refusing
def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype of an operation on the two, Tensors or numbers (``torch.result_type``).

    >>> import anadrome as ad
    >>> ad.result_type(ad.tensor([1, 2]), 1.5)
    anadrome.float32
    """
    kinds = []
    for value in (tensor1, tensor2):
        if isinstance(value, Tensor):
            kinds.append((value.dtype, 2 if value.ndim else 1))
        else:
            kinds.append((dtypes.of_python(value), 0))
    return dtypes.result_type(kinds)


@refusing
def _new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A Tensor of this one's dtype from a size or from data (PyTorch's older ``Tensor.new``)."""
    from .legacy import made

    if device is not None:
        device = Device(device)
    return made(args, self.dtype, device or self.device)


def _pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """A copy in page-locked memory, from which a GPU copies by itself (``Tensor.pin_memory``).

    Itself where there is no GPU, or if it is pinned already. Raises for a Tensor on a GPU.
    """
    if device is not None:
        Device(device)
    if self.device.type != "cpu":
        raise RuntimeError(
            f"cannot pin a tensor on {self.device}: only dense CPU tensors can be pinned"
        )
    if not cuda.is_available() or _is_pinned(self):
        return self
    return wrap(backends.for_device("cuda").pin(self._data))


def _is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether it lies in page-locked memory (``Tensor.is_pinned``)."""
    if device is not None:
        Device(device)
    if self.device.type != "cpu" or not cuda.is_available():
        return False
    return backends.for_device("cuda").is_pinned(self._data)


@refusing
def _record_stream(self: Tensor, stream: Any) -> None:
    """Keep the memory until what is in the stream now is done (``Tensor.record_stream``).

    Call it behind the last use in that stream.
    """
    stream.keep(self._data)


def _install() -> None:
    for name, function in {
        "stride": _stride, "storage_offset": _storage_offset, "is_contiguous": _is_contiguous,
        "data_ptr": _data_ptr, "is_same_size": is_same_size, "get_device": _get_device,
        "type": _type, "is_floating_point": is_floating_point, "is_signed": is_signed,
        "is_nonzero": is_nonzero, "is_inference": is_inference, "nelement": Tensor.numel,
        "ndimension": Tensor.dim, "new": _new, "pin_memory": _pin_memory,
        "share_memory_": _share_memory_, "is_pinned": _is_pinned, "is_shared": lambda self: False,
        "record_stream": _record_stream, "untyped_storage": _untyped_storage,
        "is_set_to": _is_set_to,
    }.items():  # fmt: skip
        setattr(Tensor, name, function)
    properties: dict[str, Any] = {
        "itemsize": lambda self: self.dtype.itemsize,
        "nbytes": lambda self: self.numel() * self.dtype.itemsize,
        "layout": lambda self: strided,
        "is_cuda": lambda self: self.device.type == "cuda",
        "is_cpu": lambda self: self.device.type == "cpu",
        "is_meta": lambda self: self.device.type == "meta",
        "names": lambda self: (None,) * self.ndim,
    }
    never = ("is_sparse", "is_sparse_csr", "is_quantized", "is_mkldnn", "is_mps",
             "is_xpu", "is_nested")  # fmt: skip
    properties |= dict.fromkeys(never, lambda self: False)
    for name, getter in properties.items():
        setattr(Tensor, name, property(getter))


_install()
