"""older: functions and methods of Tensors that few programs still use, under PyTorch's names.

Loaded when the first of them is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import creation, dtypes, modes
from .border import enclose_functions
from .errors import DtypeError, GraphError
from .functional import copy_
from .inplace import check_writable
from .layouts import check
from .ops.slices import _replaced
from .ops.splitting import chunk, split, split_with_sizes
from .ops.strided import as_strided, compact
from .overriding import instance, off
from .refusals import refusing
from .size import is_index
from .storage import UntypedStorage
from .tensor import Tensor


# -- other memory ---------------------------------------------------------------------------------
@refusing
def set_(
    self: Tensor,
    source: Any = None,
    storage_offset: int | None = None,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Let this Tensor be another view of memory, in place (``Tensor.set_``); returns it.

    ``source``: a Tensor or a storage; without one this Tensor becomes empty. ``size``, ``stride``
    and ``storage_offset``, in elements: which view; all of it by default.
    """
    if self.requires_grad and modes.is_grad_enabled():
        raise GraphError("cannot set the memory of a Tensor that requires grad; use `.data`")
    if source is None:
        self.data = creation.empty(0, dtype=self.dtype, device=self.device)
        return self
    whole = source._tensor if isinstance(source, UntypedStorage) else source
    if whole.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {whole.dtype.name} to a tensor of type {self.dtype.name}"
        )
    if whole.device.type != self.device.type:
        raise RuntimeError(
            f'Attempted to set the storage of a tensor on device "{self.device}" to a storage '
            f'on different device "{whole.device}".  This is no longer allowed; the devices must '
            "match."
        )
    view = whole.detach()
    if size is None and (storage_offset, stride) != (None, None):
        raise TypeError("set_() takes 'storage_offset' and 'stride' beside 'size' only")
    if size is not None:
        lengths = (size,) if is_index(size) else tuple(size)
        view = as_strided(view, lengths, stride or compact(lengths), storage_offset or 0)
    elif isinstance(source, UntypedStorage):
        view = view.reshape((-1,))
    self.data = view
    self._writes = whole._shared_writes()
    return self


def empty_strided(
    size: Sequence[int], stride: Sequence[int], *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Without values, of these lengths and strides in elements (``torch.empty_strided``)."""
    check("empty_strided", "layout", layout)
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides "
            f"({len(stride)})"
        )
    count = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
    flat = creation.empty(count, dtype=dtype, device=device)
    return as_strided(flat, size, stride).detach().requires_grad_(requires_grad)


def empty_permuted(
    size: Sequence[int], physical_layout: Sequence[int], *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Without values, its dimensions in memory in another order (``torch.empty_permuted``)."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(
            f"Number of dimensions in size ({len(size)}) and the dimensions of physical_layout "
            f"({list(physical_layout)}) do not agree: each has to be there once"
        )
    strides = dict(zip(physical_layout, compact([size[d] for d in physical_layout])))
    return empty_strided(
        size, [strides[d] for d in range(len(size))], dtype=dtype, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def new_empty_strided(
    self: Tensor, size: Sequence[int], stride: Sequence[int], dtype: Any = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``empty_strided`` of this Tensor's type and device (``Tensor.new_empty_strided``)."""
    return empty_strided(
        size, stride, dtype=dtype or self.dtype, device=device or self.device,
        requires_grad=requires_grad,
    )  # fmt: skip


@refusing
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """``input`` with ``src`` in the place of a strided view (``torch.as_strided_scatter``)."""
    return _replaced(
        "as_strided_scatter", input, lambda out: as_strided(out, size, stride, storage_offset), src
    )


# -- a Python function of each element ------------------------------------------------------------
def _each(name: str, self: Tensor, function: Callable[..., Any], *others: Tensor) -> Tensor:
    for t in (self, *others):
        if t.requires_grad:
            raise GraphError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}()"
            )
        if t.device.type != "cpu":
            raise TypeError(f"{name}() is only implemented on CPU tensors, not on {t.device}")
        if t.dtype is not self.dtype:
            raise DtypeError(f"{name}: expected {self.dtype.name} for 'other', got {t.dtype.name}")
    check_writable(self)
    columns = [t.expand(self.shape).reshape((-1,)).tolist() for t in (self, *others)]
    values = creation.tensor([function(*row) for row in zip(*columns)], dtype=self.dtype)
    return copy_(self, values.reshape(tuple(self.shape)))


@refusing
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Put ``callable`` of each element in its place (``Tensor.apply_``); slow, returns self."""
    return _each("apply_", self, callable)


@refusing
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """The same with a second operand (``Tensor.map_``)."""
    return _each("map_", self, callable, tensor)


@refusing
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """The same with a second and a third operand (``Tensor.map2_``)."""
    return _each("map2_", self, callable, x, y)


# -- other names ----------------------------------------------------------------------------------
@refusing
def as_subclass(self: Tensor, cls: type) -> Any:
    """The same Tensor as an instance of a class derived from Tensor (``Tensor.as_subclass``)."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass takes a class derived from Tensor, not {cls!r}")
    if cls is Tensor and type(self) is Tensor:
        return self
    instance(cls)
    with off():
        out: Any = self.view(self.shape)  # type: ignore[attr-defined]
    out.__class__ = cls
    return out


@refusing
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """``nonzero`` of exactly ``size`` rows, the last ones of ``fill_value`` where there are fewer.

    (PyTorch: ``torch.nonzero_static``.)
    """
    found = input.nonzero()[:size]  # type: ignore[attr-defined]
    shape = (size - len(found), input.ndim)
    rest = creation.full(shape, fill_value, dtype=dtypes.int64, device=input.device)
    from .ops.joining import cat

    return cat([found, rest])


def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: int, input_dtype: Any = None
) -> Tensor:
    """The gradient of a softmax from its output (``torch._softmax_backward_data``)."""
    weighted = grad_output * output
    grad = weighted - output * weighted.sum(dim, keepdim=True)
    return grad if input_dtype is None else grad.to(input_dtype)


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> Any:
    """``chunk`` (``torch.unsafe_chunk``)."""
    return chunk(input, chunks, dim)


def unsafe_split(tensor: Tensor, split_size: Any, dim: int = 0) -> Any:
    """``split`` (``torch.unsafe_split``)."""
    return split(tensor, split_size, dim)


def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> Any:
    """``split_with_sizes`` (``torch.unsafe_split_with_sizes``)."""
    return split_with_sizes(input, split_sizes, dim)


def const_data_ptr(self: Tensor) -> int:
    """``data_ptr``, for reading only (``Tensor.const_data_ptr``)."""
    return self.data_ptr()  # type: ignore[attr-defined]


enclose_functions(globals())
