"""types: what programs annotate with (``torch.types``, ``torch.nn.common_types``)."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, TypeVar, Union

from ..device import device as _device
from ..dtypes import dtype
from ..layouts import layout
from ..size import Size
from ..storage import UntypedStorage
from ..tensor import Tensor

_dtype, _layout, Storage = dtype, layout, UntypedStorage
_int = builtins.int
_float = builtins.float
_bool = builtins.bool
_complex = builtins.complex
_size = Size | list[builtins.int] | tuple[builtins.int, ...]

Number = builtins.int | builtins.float | builtins.bool
Device = _device | str | builtins.int | None
FileLike = Any
_TensorOrTensors = Tensor | Sequence[Tensor]

T = TypeVar("T")
_scalar_or_tuple_any_t = Union[T, tuple[T, ...]]
_scalar_or_tuple_1_t = Union[T, tuple[T]]
_scalar_or_tuple_2_t = Union[T, tuple[T, T]]
_scalar_or_tuple_3_t = Union[T, tuple[T, T, T]]
_scalar_or_tuple_4_t = Union[T, tuple[T, T, T, T]]
_size_any_t = _scalar_or_tuple_any_t[builtins.int]
_size_1_t = _scalar_or_tuple_1_t[builtins.int]
_size_2_t = _scalar_or_tuple_2_t[builtins.int]
_size_3_t = _scalar_or_tuple_3_t[builtins.int]
_size_4_t = _scalar_or_tuple_4_t[builtins.int]
_size_any_opt_t = _scalar_or_tuple_any_t[builtins.int | None]
_size_2_opt_t = _scalar_or_tuple_2_t[builtins.int | None]
_size_3_opt_t = _scalar_or_tuple_3_t[builtins.int | None]
_ratio_2_t = _scalar_or_tuple_2_t[builtins.float]
_ratio_3_t = _scalar_or_tuple_3_t[builtins.float]
_ratio_any_t = _scalar_or_tuple_any_t[builtins.float]
_tensor_list_t = _scalar_or_tuple_any_t[Tensor]
_maybe_indices_t = _scalar_or_tuple_2_t[Tensor]
