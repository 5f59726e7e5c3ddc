"""base: the class of nested tensors, and how a function finds what it does with one.

A nested tensor is a Tensor of its packed values, so the graph, hooks and devices need to know
nothing about it. What public functions do with it is looked up by their names, in the tables of the
two layouts; a function that is in none is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from anadrome import Tensor
from anadrome.layouts import layout, strided
from anadrome.overridable import name_of
from anadrome.overriding import instance, off

from . import valuewise

#: Rows of uneven lengths, packed one after the other (``torch.jagged``).
jagged = layout("jagged")

#: Properties and methods that say or do the same of the packed values as of the nested tensor.
_SAME = (
    "requires_grad requires_grad_ grad_fn is_leaf dtype device is_cuda is_cpu is_meta "
    "is_mps is_xpu is_sparse is_quantized is_floating_point is_complex is_signed "
    "element_size itemsize numel nelement register_hook "
    "register_post_accumulate_grad_hook retain_grad retains_grad output_nr data_ptr "
    "untyped_storage storage get_device is_inference is_pinned __hash__ _version "
    "share_memory_ is_shared name __reduce_ex__ is_conj is_neg"
)
SAME = frozenset(_SAME.split())


class NestedTensor(Tensor):
    """A batch of tensors of uneven sizes (PyTorch: ``torch.nested``).

    Made by ``nested.nested_tensor`` and its kin.
    """

    #: What functions do, by name; each layout has its own.
    table: dict[str, Callable[..., Any]] = {}

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Look the function up by its name."""
        name = _name(func)
        keywords = kwargs or {}
        first = next(_nested((*args, *keywords.values())))
        with off():
            if name in SAME:
                return func(*args, **keywords)
            found = first.table.get(name)
            if found is not None:
                return found(*args, **keywords)
            if name in valuewise.NAMES:
                return valuewise.call(func, args, keywords)
        raise NotImplementedError(
            f"{name}() of a nested tensor is not there; write it of each part of unbind(), or of "
            "nested.to_padded_tensor(x, padding)"
        )

    @classmethod
    def made_of(cls, packed: Tensor) -> Any:
        """The Tensor itself as one of this class, so that it keeps the node that made it."""
        instance(cls)
        packed.__class__ = cls
        return packed

    # -- what each layout says for itself ------------------------------------------------------
    def packed(self) -> Tensor:
        """The values as a plain Tensor, with their graph."""
        with off():
            return self.as_subclass(Tensor)

    def like(self, packed: Tensor) -> NestedTensor:
        """A nested tensor of the same structure with other values."""
        raise NotImplementedError

    def against(self, other: Any) -> Any:
        """Another operand, as it has to be beside the packed values."""
        raise NotImplementedError

    def components(self) -> tuple[Tensor, ...]:
        """The parts, as views of the packed values."""
        raise NotImplementedError

    def __repr__(self) -> str:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Tensor]:
        with off():
            return iter(self.components())


def _nested(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, NestedTensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _nested(value)


_names: dict[Any, str] = {}


def _name(func: Any) -> str:
    """The last part of a public function's name; of a property, the property's."""
    try:
        return _names[func]
    except KeyError:
        full: str = name_of(func) or getattr(func, "__name__", str(func))
        parts = full.split(".")
        use = parts.pop() if parts[-1] in ("__get__", "__set__", "__delete__") else "__get__"
        found = parts[-1] if use == "__get__" else f"{parts[-1]}.{use}"
        found = {"requires_grad.__set__": "requires_grad"}.get(found, found)
        return _names.setdefault(func, found)


def whole(name: str) -> Callable[..., Any]:
    """A handler that refuses what has no single answer."""

    def refused(self: NestedTensor, *args: Any, **keywords: Any) -> Any:
        raise RuntimeError(
            f"{name} is not there for nested tensors, whose parts are of uneven sizes; take it of "
            "each part of unbind(), or of nested.to_padded_tensor(x, padding)"
        )

    return refused


def gradient(self: NestedTensor) -> Any:
    """``.grad``, of the same structure."""
    found = Tensor.grad.fget(self)  # type: ignore[attr-defined]
    return found if found is None or isinstance(found, NestedTensor) else self.like(found)


def set_gradient(self: NestedTensor, value: Any) -> None:
    """``.grad = value``."""
    Tensor.grad.fset(self, unwrapped(value))  # type: ignore[attr-defined]


def backward(self: NestedTensor, gradient: Any = None, *rest: Any, **keywords: Any) -> None:
    """``backward`` with a gradient of the same structure."""
    Tensor.backward(self, unwrapped(gradient), *rest, **keywords)


def unwrapped(value: Any) -> Any:
    """A nested tensor's packed values; anything else as it is; lists of them likewise."""
    if isinstance(value, NestedTensor):
        return value.packed()
    if isinstance(value, (list, tuple)):
        return [unwrapped(v) for v in value]
    return value


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *rest: Any, **keywords: Any) -> Any:
    """``autograd.grad``: the gradients of nested inputs are nested."""
    from anadrome import autograd

    found = autograd.grad(outputs, inputs, unwrapped(grad_outputs), *rest, **keywords)
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    return tuple(
        x.like(g) if isinstance(x, NestedTensor) and g is not None else g
        for x, g in zip(given, found)
    )


def self_again(self: NestedTensor, *args: Any, **keywords: Any) -> NestedTensor:
    """For what changes nothing."""
    return self


#: What both layouts answer alike.
COMMON: dict[str, Callable[..., Any]] = {
    "is_nested": lambda self: True,
    "unbind": lambda input, dim=0: _unbound(input, dim),
    "__len__": lambda self: len(self.components()),
    "__iter__": lambda self: iter(self.components()),
    "grad": lambda *args, **keywords: (
        gradient(args[0]) if len(args) == 1 and not keywords else grad(*args, **keywords)
    ),
    "grad.__set__": set_gradient,
    "backward": backward,
    "detach": lambda self: self.like(self.packed().detach()),
    "data": lambda self: self.like(self.packed().detach()),
    "__repr__": lambda self, **keywords: self.__repr__(),
    "__format__": lambda self, spec: format(self.__repr__(), spec),
    "tolist": whole("tolist()"),
    "numpy": whole("numpy()"),
    "item": whole("item()"),
    "stride": whole("stride()"),
    "T": whole("T"),
}


def _unbound(self: NestedTensor, dim: int) -> tuple[Tensor, ...]:
    if dim != 0:
        raise RuntimeError(f"unbind(): of a nested tensor there is only dim=0, not {dim}")
    return self.components()


def axis(dim: int, ndim: int) -> int:
    """A dimension, counted from the front; IndexError for one that is not there."""
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got "
            f"{dim})"
        )
    return dim % ndim


__all__ = ["COMMON", "SAME", "NestedTensor", "axis", "jagged", "strided", "whole"]
