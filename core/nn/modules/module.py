"""module: a function with parameters (PyTorch: ``torch.nn.Module``).

What is assigned to an attribute decides where it is kept: a Parameter in ``_parameters``, a Module
in ``_modules``, a Tensor under a registered name in ``_buffers``, anything else in the instance.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ... import modes
from ...border import on_purpose, refuse
from ...graph import RemovableHandle
from ...tensor import Tensor
from ..parameter import Buffer, Parameter
from . import state, tree
from .hooks import (
    attach,
    call_with_hooks,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    registered,
)
from .hooks import every as _every_hook
from .state import _EXTRA_STATE_KEY_SUFFIX as _EXTRA_STATE_KEY_SUFFIX  # where programs look
from .state import State
from .state import _IncompatibleKeys as _IncompatibleKeys
from .tree import Tree

__all__ = [
    "Module", "register_module_backward_hook", "register_module_buffer_registration_hook",
    "register_module_forward_hook", "register_module_forward_pre_hook",
    "register_module_full_backward_hook", "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook", "register_module_parameter_registration_hook",
]  # fmt: skip

#: Also by PyTorch's name, which packages look through.
_global_parameter_registration_hooks = _every_hook["parameter"]

_HOOK_TABLES = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks",
    "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_backward_pre_hooks",
    "_backward_hooks", "_state_dict_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks_with_module", "_load_state_dict_post_hooks",
)  # fmt: skip


class Module(Tree, State):
    """Base of all modules: subclass it, assign parts in ``__init__``, write ``forward``.

    >>> import anadrome as ad
    >>> class Scale(ad.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = ad.nn.Parameter(ad.tensor(3.0))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(ad.ones(2))
    tensor([3., 3.], grad_fn=<MulBackward0>)
    """

    call_super_init = False
    training: bool
    #: Whether this module (or, set on the class, any module) ever had a hook around its calls.
    _hooked = False
    _forward_pre_hooks: OrderedDict[int, Any]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _forward_hooks: OrderedDict[int, Any]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _backward_pre_hooks: OrderedDict[int, Any]
    _backward_hooks: OrderedDict[int, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            name = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{name} got an unexpected keyword argument {next(iter(kwargs))!r}")
            if args:
                raise TypeError(
                    f"{name} takes 1 positional argument but {len(args) + 1} were given"
                )
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_non_persistent_buffers_set"] = set()
        own["_modules"] = {}
        for table in _HOOK_TABLES:
            own[table] = OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- calling ------------------------------------------------------------------------------
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass writes it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked:
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            if on_purpose(error):
                raise
            refuse(type(self).__name__, error, args, kwargs)

    # -- attributes ---------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        # Only called for what is not in the instance or the class.
        own = self.__dict__
        parameters = own.get("_parameters")
        if parameters is not None:
            if name in parameters:
                return parameters[name]
            if name in own["_buffers"]:
                return own["_buffers"][name]
            if name in own["_modules"]:
                return own["_modules"][name]
        hint = ""
        if parameters is None and not name.startswith("_"):
            hint = "; did __init__ call super().__init__() first?"
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        parameters = own.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise _too_early("parameters")
            self._forget(name, own, own["_buffers"], own["_modules"])
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if parameters is None:
                raise _too_early("module")
            if name in parameters:
                raise _wrong(value, "parameter", name, "anadrome.nn.Parameter or None")
            self._forget(name, own, own["_buffers"])
            own["_modules"][name] = registered("module", self, name, value)
        elif parameters is None:
            if isinstance(value, Buffer):
                raise _too_early("buffer")
            object.__setattr__(self, name, value)
        elif name in parameters:
            if value is not None:
                raise _wrong(value, "parameter", name, "anadrome.nn.Parameter or None")
            parameters[name] = None
        elif name in own["_modules"]:
            if value is not None:
                raise _wrong(value, "child module", name, "anadrome.nn.Module or None")
            own["_modules"][name] = None
        elif isinstance(value, Buffer) or name in own["_buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise _wrong(value, "buffer", name, "anadrome.nn.Buffer, anadrome.Tensor or None")
            persistent = name not in own["_non_persistent_buffers_set"]
            if isinstance(value, Buffer):
                persistent = value.persistent
            for hooks in modes.current().saved_hooks:
                hooks.rebinding(self, name)
            self.register_buffer(name, value, persistent)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str, *tables: dict[str, Any]) -> None:
        for table in tables:
            table.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            object.__delattr__(self, name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        names.update(self._parameters, self._modules, self._buffers)
        return sorted(n for n in names if not n[0].isdigit())

    def _check_name(self, name: Any, kind: str, table: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in table:
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name, for a module that goes without it."""
        if "_parameters" not in self.__dict__:
            raise _too_early("parameter")
        self._check_name(name, "parameter", self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                    "(anadrome.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
            param = registered("parameter", self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that moves with the module but is not trained.

        ``persistent``: whether it is part of ``state_dict``.
        """
        if "_buffers" not in self.__dict__:
            raise _too_early("buffer")
        self._check_name(name, "buffer", self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' (anadrome.Tensor "
                "or None required)"
            )
        if tensor is not None:
            tensor = registered("buffer", self, name, tensor)
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under a name."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_name(name, "module", self._modules)
        if module is not None:
            module = registered("module", self, name, module)
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as ``add_module``."""
        self.add_module(name, module)

    # -- hooks --------------------------------------------------------------------------------
    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; it may return other args.

        ``with_kwargs``: call ``hook(module, args, kwargs)``, which may return both anew.
        ``prepend``: before the hooks that are there.
        """
        self.__dict__["_hooked"] = True
        marks = [self._forward_pre_hooks_with_kwargs] * with_kwargs
        return attach(self._forward_pre_hooks, hook, *marks, prepend=prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; it may return another output.

        ``with_kwargs``: call ``hook(module, args, kwargs, output)``. ``always_call``: also when
        forward raised. ``prepend``: before the hooks that are there.
        """
        self.__dict__["_hooked"] = True
        marks = [self._forward_hooks_with_kwargs] * with_kwargs
        marks += [self._forward_hooks_always_called] * always_call
        return attach(self._forward_hooks, hook, *marks, prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward."""
        self.__dict__["_hooked"] = True
        return attach(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once both are known.

        Both are tuples, with None for what is no Tensor or has no gradient. The hook may return
        other gradients of the inputs.
        """
        self.__dict__["_hooked"] = True
        return attach(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The older name of ``register_full_backward_hook``."""
        return self.register_full_backward_hook(hook)

    # -- printing -----------------------------------------------------------------------------
    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the representation shows between the parentheses; override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        own = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(m))}" for name, m in self._modules.items()]
        if not own and not children:
            return f"{self._get_name()}()"
        if len(own) == 1 and not children:
            return f"{self._get_name()}({own[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*own, *children]) + "\n)"


def indented(text: str) -> str:
    """Lines after the first moved in by two, blank ones left blank."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line.strip() else "" for line in rest)])


def _typename(value: Any) -> str:
    cls = type(value)
    if isinstance(value, Tensor):
        return value.type()
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


for _file in (state, tree):  # whose annotations name it: typing.get_type_hints looks there
    vars(_file)["Module"] = Module


def _too_early(kind: str) -> AttributeError:
    return AttributeError(
        f"cannot assign {kind} before Module.__init__() call; begin __init__ with "
        "`super().__init__()`"
    )


def _wrong(value: Any, kind: str, name: str, expected: str) -> TypeError:
    hint = ""
    if isinstance(value, Tensor) and kind == "parameter":
        hint = "; wrap it in anadrome.nn.Parameter, or write into the old one with .copy_()"
    return TypeError(
        f"cannot assign '{_typename(value)}' as {kind} '{name}' ({expected} expected){hint}"
    )
