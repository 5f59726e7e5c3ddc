"""allowed: the few things that a pickle of tensors may name; each is ours, and runs no code of it.

A pickle names functions to call. Those named here are functions of this file, whatever the name
means in PyTorch; every other name is refused.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import dtypes
from ..device import device
from ..errors import SerializationError
from ..tensor import Size, Tensor, wrap
from . import safe

#: PyTorch's names of storages, by the type of their elements.
STORAGES: dict[str, Any] = {
    "DoubleStorage": dtypes.float64, "FloatStorage": dtypes.float32,
    "HalfStorage": dtypes.float16, "BFloat16Storage": dtypes.bfloat16,
    "LongStorage": dtypes.int64, "IntStorage": dtypes.int32, "ShortStorage": dtypes.int16,
    "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8, "BoolStorage": dtypes.bool_,
    "ComplexFloatStorage": dtypes.complex64, "ComplexDoubleStorage": dtypes.complex128,
    "UntypedStorage": None,
}  # fmt: skip


class StorageKind(NamedTuple):
    """A storage's class, by its name in PyTorch; ``dtype`` is None for plain bytes."""

    name: str
    dtype: Any


class Storage(NamedTuple):
    """The bytes of one storage, as a flat array; tensors are views of it."""

    data: Any
    dtype: Any
    array: Callable[..., Any]
    place: Any


class Named(NamedTuple):
    """A name in a pickle that stands for a function of ours; only calling it is possible."""

    name: str
    call: Callable[..., Any]
    #: The class, of Tensors that hold more than values.
    kind: Any = None


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
    """``torch._utils._rebuild_tensor_v2``: a view of a storage."""
    kind = getattr(storage, "dtype", None)
    return _view(storage, offset, size, stride, kind, bool(rest and rest[0]))


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, kind: Any,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """``torch._utils._rebuild_tensor_v3``: as the second, of bytes and a dtype."""
    return _view(storage, offset, size, stride, kind, bool(requires_grad))


def _view(storage: Any, offset: Any, size: Any, stride: Any, kind: Any, wanted: bool) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(kind, dtypes.dtype):
        raise SerializationError("a tensor is made of something that is no storage")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise SerializationError(f"a tensor has the size {size!r} and the strides {stride!r}")
    tensor = wrap(storage.array(storage.data, kind, offset, tuple(size), tuple(stride)))
    if storage.place is not None and storage.place.type != "cpu":
        tensor = tensor.to(storage.place)
    return tensor.requires_grad_() if wanted else tensor


def _without_values(kind: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    """``torch._utils._rebuild_meta_tensor_no_storage``: a shape, a dtype and strides."""
    from ..older import empty_strided

    if not isinstance(kind, dtypes.dtype):
        raise SerializationError("a tensor has a dtype that is none")
    out = empty_strided(_ints(size), _ints(stride), dtype=kind, device="meta")
    return out.requires_grad_(bool(requires_grad))


def _parameter(data: Any, requires_grad: Any, hooks: Any = None, state: Any = None) -> Any:
    """``torch._utils._rebuild_parameter``."""
    from ..nn import Parameter

    if not isinstance(data, Tensor):
        raise SerializationError("a parameter is made of something that is no tensor")
    return Parameter(data.detach(), bool(requires_grad))


def _subclass(function: Any, kind: Any, args: Any, state: Any) -> Any:
    """``torch._tensor._rebuild_from_type_v2``: a tensor with attributes, which are left out."""
    if isinstance(kind, Named) and kind.kind is not None:
        return kind.call(args, state)
    if not isinstance(function, Named) or kind not in (TENSOR, PARAMETER):
        raise SerializationError("a tensor has a class of its own")
    return function.call(*args)


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    """``_codecs.encode``: bytes, in old pickles."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise SerializationError("bytes in an encoding that pickles do not use")
    return text.encode("latin1")


def _size(numbers: Any) -> Size:
    return Size(_ints(numbers))


def _ints(numbers: Any) -> tuple[int, ...]:
    if not all(type(n) is int for n in numbers):
        raise SerializationError(f"a size of {numbers!r}")
    return tuple(numbers)


def _device(kind: Any, index: Any = None) -> device:
    return device(kind) if index is None else device(kind, index)


def _layout(name: Any) -> Any:
    """``torch.serialization._get_layout``."""
    from .. import layouts

    if name not in ("torch.strided", "torch.jagged"):
        raise SerializationError(f"a tensor has the layout {name!r:.40}")
    return layouts.strided if name == "torch.strided" else name


def _no_function(*args: Any) -> Any:
    raise SerializationError("a class is called that is only a name here")


TENSOR = Named("torch.Tensor", _no_function)
PARAMETER = Named("torch.nn.parameter.Parameter", _parameter)

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _without_values,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _subclass,
    "torch._utils._rebuild_wrapper_subclass": _no_function,  # its class is what makes it
    "torch.serialization._get_layout": _layout,
    "torch.Size": _size,
    "torch.device": _device,
    "collections.OrderedDict": lambda pairs=(): OrderedDict(pairs),
    "_codecs.encode": _encoded,
    "builtins.set": lambda items=(): set(items),
    "builtins.frozenset": lambda items=(): frozenset(items),
    "builtins.bytearray": lambda data=b"": bytearray(bytes(data)),
    "builtins.complex": lambda real=0.0, imag=0.0: complex(float(real), float(imag)),
}


def _of_a_plugin(full: str) -> Named | None:
    """What plugins gave under names that files have: ``_rebuild_...``, and classes of Tensors."""
    from ..manager import exports
    from ..tabled import Tabled

    name = full.removeprefix("torch.")
    if name == full or name not in exports:
        return None
    found: Any = sys.modules[__name__.partition(".")[0]]
    for part in name.split("."):
        found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, Tabled):
        return Named(full, found.of_file, found)
    return Named(full, found) if name.rpartition(".")[2].startswith("_rebuild_") else None


def find(module: str, name: str) -> Any:
    """What a name in a pickle stands for; SerializationError for all that is not listed."""
    module = {"__builtin__": "builtins"}.get(module, module)
    full = f"{module}.{name}"
    if full in _FUNCTIONS:
        return Named(full, _FUNCTIONS[full])
    if full == TENSOR.name:
        return TENSOR
    if full in (PARAMETER.name, "torch.nn.Parameter"):
        return PARAMETER
    if module in ("torch", "torch.storage") and name in STORAGES:
        return StorageKind(name, STORAGES[name])
    if module == "torch" and name in dtypes.BY_NAME:
        return dtypes.BY_NAME[name]
    if full == "torch._dynamo.decorators._DimRange":
        return safe.Unread
    found = _of_a_plugin(full) or safe.named(full)
    if found is not None:
        return found
    raise SerializationError(
        f"it names {full}, which is neither a tensor nor a plain container; to load it could run "
        "code, so it is not read. Where the file was made, save what `state_dict()` returns, and "
        "plain numbers, strings, lists and dicts beside it; for an object that was saved here, in "
        "a file that you trust, write `load(path, weights_only=False)`, or allow what it may call "
        "with serialization.add_safe_globals"
    )
