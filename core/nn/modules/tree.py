"""tree: a Module's parameters, buffers and submodules, and what is done to all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ... import dtypes, modes
from ...border import enclose
from ...creation import empty
from ...errors import NoValuesError
from ...layouts import accept, channels_last, channels_last_3d
from ...tensor import Tensor
from ..parameter import Parameter, is_lazy
from .converting import converted

if TYPE_CHECKING:
    from typing_extensions import Self

    from .module import Module


@enclose
class Tree:
    """The part of Module that walks; the tables are Module's.

    Modules are no ``Bordered``: a base without room for attributes would come between them and
    ``object``, and programs give their classes other bases (``cls.__bases__ = (Mixin, Module)``).
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        enclose(cls)

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    training: bool

    # -- walking ------------------------------------------------------------------------------
    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """All modules below and with this one, with dotted names, depth first."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]
        for name, module in self._modules.items():
            if module is not None:
                inner = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, inner, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """All modules below and with this one."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one."""
        memo = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        memo: set[Any] = set()
        owners: Any = [(prefix, self)]
        if recurse:
            owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in owners:
            for name, value in getattr(module, table).items():
                if value is None or value in memo:
                    continue
                if remove_duplicate:
                    memo.add(value)
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names; a shared one once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters; a shared one once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names; a shared one once."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers; a shared one once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # -- by dotted name -----------------------------------------------------------------------
    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; raises AttributeError where there is none."""
        from .module import Module

        found: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(found, name):
                raise AttributeError(f"{found._get_name()} has no attribute `{name}`")
            found = getattr(found, name)
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path; ``strict``: only where there is one already."""
        from .module import Module

        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _member(self, target: str) -> tuple[Any, str, Any]:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path; raises AttributeError where there is none."""
        _, name, value = self._member(target)
        if not isinstance(value, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return value

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path; raises AttributeError where there is none."""
        module, name, value = self._member(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return value

    # -- done to all --------------------------------------------------------------------------
    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module, children first; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)  # type: ignore[arg-type]
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the memory of every parameter, gradient and buffer by what ``fn`` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with modes.no_grad():
            for name, parameter in self._parameters.items():
                if parameter is not None:
                    made = fn(parameter)
                    grad = None if parameter.grad is None else fn(parameter.grad)
                    if made is not parameter or grad is not parameter.grad:
                        self._parameters[name] = converted(parameter, made, grad)
            for name, buffer in self._buffers.items():
                if buffer is None:
                    continue
                if is_lazy(buffer):  # it goes on waiting for its shape
                    buffer.data = fn(buffer)
                else:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, or to a floating dtype, or both, in place (``Module.to``).

        ``to("cuda")``, ``to(ad.float64)``, ``to("cuda", ad.float16)``, ``to(other_tensor)``.
        Integer parameters and buffers keep their dtype. ``memory_format=ad.channels_last`` orders
        those of 4 dimensions. Returns self.
        """
        device, dtype, form = _destination(args, kwargs)
        ranks = {channels_last: 4, channels_last_3d: 5}
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype!r}"
            )

        def convert(t: Tensor) -> Tensor:
            kind = t.dtype
            floating = kind.is_floating_point or kind.is_complex
            try:
                moved = t.to(device=device, dtype=dtype if floating else None)
                if form is None or t.ndim != ranks.get(form, t.ndim):
                    return moved
                return moved.to(memory_format=form)
            except NoValuesError as error:
                raise NoValuesError(
                    f"{error} Please use {dtypes.shown_as}.nn.Module.to_empty() instead of "
                    f"{dtypes.shown_as}.nn.Module.to() when moving module from "
                    f"{t.device.type} to a different device."
                ) from None

        return self._apply(convert)

    def _cast(self, dtype: Any) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.dtype.is_floating_point else t)

    def float(self) -> Self:
        """Floating parameters and buffers become float32; returns self."""
        return self._cast(dtypes.float32)

    def double(self) -> Self:
        """Floating parameters and buffers become float64; returns self."""
        return self._cast(dtypes.float64)

    def half(self) -> Self:
        """Floating parameters and buffers become float16; returns self."""
        return self._cast(dtypes.float16)

    def bfloat16(self) -> Self:
        """Floating parameters and buffers become bfloat16; returns self."""
        return self._cast(dtypes.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """All parameters and buffers, integers too, become ``dst_type``; returns self."""
        return self._apply(lambda t: t.to(dtypes.as_dtype(dst_type)))

    def cpu(self) -> Self:
        """Move to the CPU; returns self."""
        return self._apply(lambda t: t.to("cpu"))

    def cuda(self, device: Any = None) -> Self:
        """Move to a GPU, the current one if none is named; returns self."""
        place = f"cuda:{device}" if isinstance(device, int) else (device or "cuda")
        return self._apply(lambda t: t.to(place))

    def to_empty(self, *, device: Any = None, recurse: bool = True) -> Self:
        """Move to a device without the values, which are then to be set anew; returns self."""

        def fresh(t: Tensor) -> Tensor:
            return empty(tuple(t.shape), dtype=t.dtype, device=device or t.device)

        return self._apply(fresh, recurse)

    def share_memory(self) -> Self:
        """``share_memory_`` of all parameters and buffers, which warns; returns self."""
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.share_memory_()
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accepted: the module runs as before (``anadrome.capture`` makes a step faster)."""

    def train(self, mode: bool = True) -> Self:
        """Set training mode, which dropout and batch normalisation look at; returns self."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode; returns self."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for (or renounce) gradients of all parameters; returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or (``set_to_none=False``) write zeros into them."""
        for parameter in self.parameters():
            gradient = parameter._grad
            if gradient is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if gradient.requires_grad:
                gradient = parameter.grad = gradient.detach()
            with modes.no_grad():
                gradient.zero_()


def _destination(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Device, dtype and memory format out of the ways in which ``to`` may be called."""
    device = kwargs.pop("device", None)
    dtype = kwargs.pop("dtype", None)
    other = kwargs.pop("tensor", None)
    kwargs.pop("non_blocking", None)
    form = accept("to", kwargs)
    if kwargs:
        raise TypeError(f"to() got unexpected arguments {', '.join(kwargs)}")
    for a in (*args, other):
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, dtypes.dtype) or a in (float, int, complex):
            dtype = a
        elif a is not None and not isinstance(a, bool):
            device = a
    return device, None if dtype is None else dtypes.as_dtype(dtype), form
