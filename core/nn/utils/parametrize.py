"""parametrize: a parameter that is a function of others (PyTorch: ``nn.utils.parametrize``)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ... import modes
from ...border import enclose_functions
from ...tensor import Tensor
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized Tensor is computed once, not at each access."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _cache.clear()


def _own(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


class ParametrizationList(ModuleList):
    """The parametrizations of one Tensor, and what it is computed from.

    That is ``original``, or ``original0``, ``original1``, … where ``right_inverse`` of the first
    parametrization gives several. Calling the list gives the Tensor.
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        with modes.no_grad():
            new: Any = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    # Where it says that it has none, the value itself is computed from.
                    with suppress(NotImplementedError):
                        new = module.right_inverse(new)
        _check_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype is not dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            original.data = new.detach()
            _own(self, "original", original)
        else:
            for i, part in enumerate(new):
                part = part.detach()
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                _own(self, f"original{i}", part)
        if not unsafe:
            _check_same(self(), shape, dtype)

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set what the Tensor is computed from so that it becomes ``value``."""
        with modes.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
        if self.is_tensor and not isinstance(value, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
        values = [value] if self.is_tensor else value
        if not isinstance(values, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}."
            )
        if len(values) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got "
                f"a sequence of length {len(values)}."
            )
        for original, new in zip(self._originals(), values):
            if new.dtype is not original.dtype:
                raise ValueError(
                    f"The tensor returned by `right_inverse` has dtype {new.dtype} while "
                    f"`original` has dtype {original.dtype}"
                )
            original.data = new.detach()

    def forward(self) -> Any:
        """The Tensor."""
        first, *others = self
        x = first(*self._originals())
        for module in others:
            x = module(x)
        return x


def _check_inverse(new: Any) -> None:
    text = "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
    if isinstance(new, Tensor):
        return
    if not isinstance(new, Sequence):
        raise ValueError(f"{text}{type(new).__name__}")
    for i, part in enumerate(new):
        if not isinstance(part, Tensor):
            raise ValueError(f"{text}element {i} of the sequence with type {type(part).__name__}.")


def _check_same(found: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if not isinstance(found, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(found).__name__}.")
    text = (
        "Registering a parametrization may not change the {0} of the tensor, unless `unsafe` flag "
        "is enabled.\nunparametrized {0}: {1}\nparametrized {0}: {2}"
    )
    if found.dtype is not dtype:
        raise ValueError(text.format("dtype", dtype, found.dtype))
    if tuple(found.shape) != shape:
        raise ValueError(text.format("shape", shape, tuple(found.shape)))


def _with_class(module: Module) -> None:
    """Give the module a class of its own, which can have properties."""
    cls = type(module)

    def __getstate__(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict()."
        )

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = self.__new__(type(self))
            found.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return found

    space: dict[str, Any] = {"__getstate__": __getstate__}
    if not hasattr(cls, "__deepcopy__"):
        space["__deepcopy__"] = __deepcopy__
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), space)


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        compute = self.parametrizations[name]
        if not _depth:
            return compute()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = compute()
        return _cache[key]

    def set(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make a parameter or buffer the result of ``parametrization`` of another; returns the module.

    The other is ``module.parametrizations.<name>.original``. A second parametrization is applied to
    the first's result. If it has ``right_inverse``, the Tensor can be assigned to. ``unsafe``: do
    not check that shape and dtype stay. PyTorch: ``nn.utils.parametrize.register_parametrization``.

    >>> import anadrome as ad
    >>> class Symmetric(ad.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = ad.nn.Linear(2, 2)
    >>> _ = ad.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> ad.equal(layer.weight, layer.weight.T)
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        every: Any = module.parametrizations[tensor_name]
        if not unsafe:
            now = getattr(module, tensor_name)
            result = parametrization(now)
            _check_same(result, tuple(now.shape), now.dtype)
            if hasattr(parametrization, "right_inverse"):
                try:
                    back = parametrization.right_inverse(result)
                except NotImplementedError:
                    pass
                else:
                    if not isinstance(back, Tensor):
                        raise ValueError(
                            "parametrization.right_inverse must return a tensor. Got: "
                            f"{type(back).__name__}"
                        )
                    _check_back(back, now, tensor_name)
        every.append(parametrization)
        every.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _with_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_back(back: Tensor, now: Tensor, name: str) -> None:
    for what in ("dtype", "shape"):
        found, wanted = getattr(back, what), getattr(now, what)
        if found != wanted:
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} "
                f"as module.{name}, unless the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {wanted}\nreturned {what}: {found}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module (or that Tensor of it) is parametrized."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the Tensor a plain one again; returns the module.

    Its value stays what it is, or with ``leave_parametrized=False`` becomes the original's.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    every: Any = module.parametrizations
    made = every[tensor_name]
    with modes.no_grad():
        now = getattr(module, tensor_name).detach()
    if made.is_tensor:
        original = made.original
        if leave_parametrized:
            original.data = now
    elif leave_parametrized:
        trained = any(p.requires_grad for p in made.parameters())
        original = Parameter(now) if trained else now
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del every[tensor_name]
    _own(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize ``to_module`` as ``from_module``, with the same originals; returns it."""
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in list(source) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for function in source[name]:
            register_parametrization(to_module, name, function)
        target: Any = to_module.parametrizations[name]
        for key, value in source[name].named_parameters(recurse=False):
            setattr(target, key, value)
    return to_module


enclose_functions(globals())
