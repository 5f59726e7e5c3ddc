"""parameter: the Tensors that a Module owns."""

from __future__ import annotations

import operator
from typing import Any

from ..errors import GraphError
from ..overriding import instance, overrides, plain, unchanged
from ..tensor import LEAF, Tensor, wrap


def _flag(requires_grad: Any) -> bool:
    try:
        return bool(operator.index(requires_grad))
    except TypeError:
        raise TypeError(
            "Parameter(): argument 'requires_grad' must be bool, not "
            f"{type(requires_grad).__name__}"
        ) from None


def _check_own(own: dict[str, Any]) -> None:
    """Let pass what we keep in a parameter's ``__dict__``, which programs hand on to a copy.

    In PyTorch nothing of its own is there.
    """
    for name in own:
        if callable(getattr(Tensor, name, callable)):  # no such attribute, or a method
            raise TypeError(f"Parameter.__new__() got an unexpected keyword argument {name!r}")


class _IsParameter(type(Tensor)):  # type: ignore[misc]
    """Instances of Parameter are also Tensors of other classes that were made one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and "_is_param" in vars(instance)


class Parameter(Tensor, metaclass=_IsParameter):
    """A Tensor that a Module counts among its parameters (PyTorch: ``torch.nn.Parameter``).

    It shares the memory of ``data``, is outside data's graph, and requires a gradient unless told
    not to. Raises RuntimeError for an integer Tensor that is to require a gradient.

    >>> import anadrome as ad
    >>> ad.nn.Parameter(ad.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()
    __torch_function__ = staticmethod(unchanged)  # what is computed with it is a Tensor

    def __new__(cls, data: Any = None, requires_grad: bool = True, **own: Any) -> Any:
        _check_own(own)
        if not isinstance(requires_grad, bool):
            requires_grad = _flag(requires_grad)
        if data.__class__ not in plain and isinstance(data, Tensor) and overrides(data.__class__):
            return _of_its_class(data, requires_grad)
        out = _alias(cls, data)
        if requires_grad:
            kind = out.dtype
            if not (kind.is_floating_point or kind.is_complex):
                raise GraphError(
                    "Only Tensors of floating point and complex dtype can require gradients, not "
                    f"{kind.name}; write Parameter(data, requires_grad=False), or data.float()"
                )
            out._edge = LEAF
        return out

    def __init__(self, data: Any = None, requires_grad: bool = True, **own: Any) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        found = memo.get(id(self))
        if found is None:
            copied = self._backend.asarray(self._data)
            found = memo[id(self)] = type(self)(wrap(copied), self.requires_grad)
        return found

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def _of_its_class(data: Tensor, requires_grad: bool) -> Any:
    """A parameter that stays of a class which overrides functions."""
    out: Any = data.detach().requires_grad_(requires_grad)
    if type(out) is not type(data):
        raise GraphError(
            f"Creating a Parameter from an instance of type {type(data).__name__} requires that "
            "detach() returns an instance of the same type, but return type "
            f"{type(out).__name__} was found instead."
        )
    vars(out)["_is_param"] = True
    return out


class Buffer(Tensor):
    """A Tensor that a Module keeps and saves but does not train (PyTorch: ``torch.nn.Buffer``).

    ``persistent``: whether it is part of the Module's ``state_dict``.
    """

    __slots__ = ()
    __torch_function__ = staticmethod(unchanged)
    persistent = True

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        out = _alias(cls, data)
        out.persistent = persistent
        return out

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        out: Any = super().__deepcopy__(memo)
        out.persistent = self.persistent
        return out


class UninitializedTensorMixin:
    """A Tensor without a shape yet; ``materialize`` gives it one, and its final class."""

    __slots__ = ()
    cls_to_become: type[Any]

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Make it a Tensor of that shape, with values still to be set."""
        from ..creation import empty

        me: Any = self
        made = empty(tuple(shape), device=device or me.device, dtype=dtype or me.dtype)
        me._data = made._data
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        """Raises RuntimeError: there is none yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def detach(self) -> Any:
        """Itself: there is nothing to share."""
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Itself, or one that waits elsewhere or in another dtype."""
        me: Any = super()
        made = me.to(*args, **kwargs)
        if made is self:
            return self
        kind: Any = type(self)
        return kind(made.requires_grad, made.device, made.dtype)

    def share_memory_(self) -> Any:
        """Raises RuntimeError: there is nothing to share."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape the first input decides (PyTorch: ``UninitializedParameter``)."""

    __slots__ = ()
    cls_to_become = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        from ..creation import empty

        made: Any = super().__new__(cls, empty(0, device=device, dtype=dtype), requires_grad)
        return made

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.device, self.dtype)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer whose shape the first input decides (PyTorch: ``UninitializedBuffer``)."""

    __slots__ = ()
    __torch_function__ = staticmethod(unchanged)
    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None
    ) -> UninitializedBuffer:
        from ..creation import empty

        return _alias(cls, empty(0, device=device, dtype=dtype, requires_grad=requires_grad))

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(False, self.device, self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (False, self.device, self.dtype)


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


def _alias(cls: type, data: Any) -> Any:
    """The memory of ``data`` as a Tensor of a subclass."""
    if data is None:
        from ..creation import empty

        data = empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{cls.__name__}() takes a Tensor, not {type(data).__name__}; write "
            f"{cls.__name__}(anadrome.tensor(...))"
        )
    out = instance(cls)
    out._data = data._data
    out._edge = None
    if data._writes is not None or data._edge is not None:
        out._writes = data._shared_writes()
    return out


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """The memory of ``data``, outside its graph, as a Tensor of ``cls``.

    How programs make Tensors and Parameters of classes of their own (``Tensor._make_subclass``).
    Raises TypeError for a class that is not derived from Tensor.
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"_make_subclass takes a class derived from Tensor, not {cls!r}")
    return _alias(cls, data).requires_grad_(_flag(require_grad))


def _make_wrapper_subclass(cls: type, *args: Any, **keywords: Any) -> Any:
    """Raises RuntimeError: a Tensor here is its own array, with or without a class of its own."""
    raise GraphError(
        "Tensor._make_wrapper_subclass: there are no Tensors without an array here; write a class "
        "with __torch_function__ that is no Tensor, or Tensor._make_subclass(cls, data)"
    )


Tensor._make_subclass = staticmethod(_make_subclass)  # type: ignore[attr-defined]
Tensor._make_wrapper_subclass = staticmethod(_make_wrapper_subclass)  # type: ignore[attr-defined]
