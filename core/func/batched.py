"""batched: arrays that hide a batch dimension, for ``vmap``.

To the rest of core a batched array is one more array class with one more backend, as a traced array
is: ops, rules, views and the engine run over it unchanged, and see the shape of one example. Each
level of ``vmap`` has a class of its own; the array inside may be one of an outer level.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

from .. import align
from ..backend import Backend, adopt, by_type
from ..op import table
from ..ops.strided import address_of


class Batched:
    """``array`` with its first dimension hidden; if not ``mapped``, the same for each example."""

    __slots__ = ("__weakref__", "array", "mapped")
    __array_priority__ = 3000
    __array_ufunc__ = None
    backend: BatchedBackend
    level = 1

    def __init__(self, array: Any, mapped: bool = True) -> None:
        self.array = array
        self.mapped = mapped

    def __repr__(self) -> str:
        kind = f"a batch of {self.array.shape[0]}" if self.mapped else "the same for each example"
        return f"<{type(self).__name__} {tuple(self.shape)}, {kind}>"

    @property
    def shape(self) -> Any:
        return self.array.shape[1:] if self.mapped else self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim - self.mapped

    @property
    def strides(self) -> Any:
        """Of one example, where the library tells them."""
        steps = getattr(self.array, "strides", None)
        return steps[1:] if self.mapped and steps is not None else steps

    @property
    def address(self) -> int:
        """Of the first example."""
        return address_of(self.array)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def real(self) -> Any:
        return table["real"].implementations[type(self)](self)

    @property
    def imag(self) -> Any:
        return table["imag"].implementations[type(self)](self)

    @property
    def T(self) -> Any:
        dims = tuple(reversed(range(self.ndim)))
        return table["permute"].implementations[type(self)](self, dims=dims)

    @property
    def mT(self) -> Any:
        return table["transpose"].implementations[type(self)](self, dim0=-2, dim1=-1)

    def reshape(self, *shape: Any) -> Any:
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return table["reshape"].implementations[type(self)](self, shape=shape)

    def view(self, dtype: Any) -> Any:
        return type(self)(self.array.view(dtype), self.mapped)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        xp = by_type[self.array.__class__].xp
        return type(self)(xp.astype(self.array, dtype, copy=copy), self.mapped)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return table["getitem"].implementations[type(self)](self, index=index)

    def __setitem__(self, index: Any, value: Any) -> None:
        from .batching import written

        written(self, index, value)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control "
            "flow. We don't support that yet, please use `where()` in place of `if`"
        )

    def _no_value(self, *_: Any) -> Any:
        no_value()

    __int__ = __float__ = __complex__ = __index__ = __array__ = _no_value


def no_value(*_: Any) -> Any:
    """Refuse to take one value for a whole batch."""
    raise RuntimeError(
        "vmap: It looks like you're calling .item() on a Tensor (or .numpy(), .tolist(), float(), "
        "printing it). We don't support vmap over calling .item() on a Tensor, please try to "
        "rewrite what you're doing with other operations"
    )


_OPERATORS = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor",
    "lt", "le", "gt", "ge", "eq", "ne",
)  # fmt: skip


def _install_operators() -> None:
    from .batching import elementwise

    for name in _OPERATORS:
        function = getattr(operator, name if name not in ("and", "or") else f"{name}_")

        def plain(self: Any, other: Any, function: Any = function) -> Any:
            return elementwise(type(self), function, (self, other), {})

        def reflected(self: Any, other: Any, function: Any = function) -> Any:
            return elementwise(type(self), function, (other, self), {})

        setattr(Batched, f"__{name}__", plain)
        if name not in ("lt", "le", "gt", "ge", "eq", "ne"):
            setattr(Batched, f"__r{name}__", reflected)
    for name in ("neg", "pos", "invert", "abs"):
        function = getattr(operator, name)
        setattr(
            Batched, f"__{name}__",
            lambda self, function=function: type(self)(function(self.array), self.mapped),
        )  # fmt: skip

    def matmul(self: Any, other: Any) -> Any:
        return table["matmul"].implementations[type(self)](self, other)

    setattr(Batched, "__matmul__", matmul)  # noqa: B010


class _Namespace:
    """The functions of ``xp`` that are called outside of ops."""

    def __init__(self, backend: BatchedBackend) -> None:
        self._backend = backend
        self._cls = backend.array_type

    def astype(self, x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
        return x.astype(dtype, copy=copy) if isinstance(x, Batched) else self._backend.lift(
            self._backend.inner.xp.astype(x, dtype, copy=copy)
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend.inner.xp, name)
        if not callable(found) or isinstance(found, type):
            return found

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            from .batching import looped

            if any(isinstance(a, self._cls) for a in args):
                return looped(self._cls, found, args, kwargs, name)
            return self._backend.lift(found(*args, **kwargs))

        return call


class BatchedBackend(Backend):
    """A backend's double, for one level of batched arrays of it."""

    lasting_numbers = False

    def __init__(self, inner: Backend, level: int) -> None:
        self.inner = inner
        self.name = inner.name
        self.device_types = inner.device_types
        self.unsupported_dtypes = inner.unsupported_dtypes
        self.halves_by_ops = inner.halves_by_ops
        space = {"__slots__": (), "backend": self, "level": level}
        self.array_type = type(f"Batched{level}", (Batched,), space)
        self.scalar_types = ()
        self.level = level
        self.xp = _Namespace(self)
        self.native_dtype = inner.native_dtype  # type: ignore[method-assign]
        self.synchronize = inner.synchronize  # type: ignore[method-assign]
        self.placed = inner.placed  # type: ignore[method-assign]
        self.to_host = no_value  # type: ignore[method-assign, assignment]

    def lift(self, value: Any) -> Any:
        """An array of a lower level, the same for each example."""
        if value.__class__ is self.array_type:
            return value
        if value.__class__ is not self.inner.array_type:
            value = self.inner.asarray(value)
        return self.array_type(value, False)

    def raised(self, value: Any) -> Any:
        """An array of any lower level, through the levels between."""
        if value.__class__ is self.array_type:
            return value
        return self.lift(getattr(self.inner, "raised", lambda v: v)(value))

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        if isinstance(data, Batched) and data.__class__ is self.array_type:
            return self.array_type(
                self.inner.asarray(data.array, dtype=dtype, device=device), data.mapped
            )
        return self.array_type(self.inner.asarray(data, dtype=dtype, device=device), False)

    def device_of(self, array: Any) -> Any:
        return self.inner.device_of(array.array)

    def number(self, value: Any, dtype: Any) -> Any:
        return self.array_type(self.inner.number(value, dtype), False)

    def factor(self, value: Any, dtype: Any) -> Any:
        return self.array_type(self.inner.factor(value, dtype), False)

    def require(self, holds: Any, error: Callable[[], Exception]) -> None:
        self.inner.require(holds.array if isinstance(holds, Batched) else holds, error)

    def owns(self, array: Any) -> bool:
        return self.inner.owns(array.array)

    def shares(self, a: Any, b: Any) -> bool:
        return self.inner.shares(a.array, b.array)

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        from .batching import scattered

        scattered(target, index, source)

    def generator(self, device: Any = None) -> Any:
        return _Draws(self, self.inner.generator(device))

    def implementation(self, op: Any) -> Callable[..., Any]:
        from .batching import implementation

        return implementation(op, self)


class _Draws:
    """Random numbers for each example: draws of the whole batch, whose dimension is hidden."""

    def __init__(self, backend: BatchedBackend, inner: Any) -> None:
        self._backend = backend
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        def call(key: Any, shape: Any, *args: Any, **kwargs: Any) -> Any:
            from .mapping import sizes

            size = sizes()[self._backend.level - 1]
            return self._backend.array_type(found(key, (size, *shape), *args, **kwargs), True)

        return call


@functools.cache
def batching(inner: Backend, level: int) -> BatchedBackend:
    """The double of a backend for a level of ``vmap``; made once, and known to ops from then on."""
    double = BatchedBackend(inner, level)
    adopt(double)
    align.lifting = True
    return double


_install_operators()
