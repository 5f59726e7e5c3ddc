"""adapter: arrays of no values as anadrome's backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes  # noqa: F401  # its dtypes are known by name then
import numpy as np

from anadrome import Backend, device
from anadrome.dtypes import dtype
from anadrome.errors import NoValuesError

from . import namespace, operators
from .array import MetaArray, SizedByData, empty, no_data, strided, windows
from .examples import by_example

__all__ = ["MetaBackend", "operators"]

_META = device("meta")


class MetaBackend(Backend):
    """Shapes and dtypes on the device ``"meta"``."""

    name = "meta"
    device_types = ("meta",)
    array_type = MetaArray
    xp = namespace
    kernels = {"as_strided": strided, "unfold": windows}
    holds_values = False
    # A number is a zero-dimensional array, whose value nobody can compare with.
    lasting_numbers = False

    def native_dtype(self, d: dtype) -> Any:
        return np.dtype(d.name)  # those of ml_dtypes, too

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        if isinstance(data, MetaArray):
            return empty(data.shape, data.dtype if dtype is None else dtype)
        host = data if isinstance(data, np.ndarray) else np.array(data)
        return empty(host.shape, host.dtype if dtype is None else dtype)

    def to_host(self, array: Any) -> Any:
        no_data()

    def device_of(self, array: Any) -> device:
        return _META

    def number(self, value: Any, dtype: Any) -> Any:
        return empty((), dtype)

    def shares(self, a: Any, b: Any) -> bool:
        return a.storage is b.storage

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        """Nothing is there to be added to."""

    def require(self, holds: Any, error: Callable[[], Exception]) -> None:
        """What would be checked is not there."""

    def implementation(self, op: Any) -> Callable[..., Any]:
        forward = super().implementation(op)

        def run(*arrays: Any, **keywords: Any) -> Any:
            try:
                return forward(*arrays, **keywords)
            except SizedByData:
                raise
            except NoValuesError as error:
                if op.name == "to_device":  # which is about the values
                    raise
                return by_example(op, arrays, keywords, error)

        return run

    def generator(self, device: Any = None) -> Any:
        return Draws()


class Draws:
    """Random numbers without the numbers."""

    def keep_mask(self, key: Any, shape: Any, probability: float) -> Any:
        """Booleans."""
        return empty(tuple(shape), np.dtype(np.bool_))

    def uniform(self, key: Any, shape: Any, dtype: Any, **_: Any) -> Any:
        """Of the shape and the dtype that are asked for."""
        return empty(tuple(shape), dtype)

    def integers(self, key: Any, shape: Any, dtype: Any, low: int, high: int) -> Any:
        """Of the shape and the dtype that are asked for."""
        return empty(tuple(shape), dtype)

    normal = permutation = uniform
