"""library: ops that a program registers by name (``torch.library``), called in ``torch.ops``.

An op is a Python function here, whatever it was registered for; its gradient is the one that was
registered, as a ``Function`` of its own.

>>> import anadrome as ad
>>> @ad.library.custom_op("mine::cube", mutates_args=())
... def cube(x: ad.Tensor) -> ad.Tensor:
...     return x**3
>>> cube.register_autograd(
...     lambda ctx, grad: grad * 3 * ctx.saved_tensors[0] ** 2,
...     setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
... )
>>> x = ad.tensor(2.0, requires_grad=True)
>>> ad.ops.mine.cube(x).backward()
>>> x.grad
tensor(12.)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from .. import modes
from ..autograd.function import Function
from ..border import enclose_functions
from ..op import Op
from ..tensor import Tensor
from .missing import ONLY_NAMED
from .schemas import signature_of
from .trees import tree_flatten, tree_unflatten

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "impl", "opcheck", "ops", "register_autograd",
    "register_fake", "register_kernel",
]  # fmt: skip

#: Every op that was defined, by its name.
_defined: dict[str, CustomOpDef] = {}

#: Keys under which a kernel is differentiated through, call by call, and those where it is not.
_COMPOSITE = ("", "CompositeImplicitAutograd")
_OPAQUE = ("CPU", "CUDA", "META", "CompositeExplicitAutograd", "default")


class CustomOpDef:
    """An op by name: calling it calls its kernel (``torch.library.CustomOpDef``)."""

    def __init__(self, name: str, signature: inspect.Signature | None = None) -> None:
        self._qualname = name
        self._namespace, _, self._name = name.partition("::")
        self._signature = signature
        self._kernels: dict[str, Callable[..., Any]] = {}
        self._backward: Callable[..., Any] | None = None
        self._setup: Callable[..., Any] | None = None
        #: The names of the arguments that it writes into.
        self._mutates: frozenset[str] = frozenset()
        self._function = _function_of(self)
        self.__name__ = self._name
        #: The only form of it, as PyTorch's overloads are asked for.
        self.default = self

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for key in _COMPOSITE:
            if key in self._kernels:
                return self._kernels[key](*args, **kwargs)
        args, named = self._bound(args, kwargs)
        leaves, spec = tree_flatten(args)
        if not (modes.is_grad_enabled() and any(_differentiable(leaf) for leaf in leaves)):
            with modes.no_grad():
                return self._kernel(leaves)(*args, **named)
        return self._function.apply(spec, named, *leaves)

    def _bound(self, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments in their order, with defaults."""
        if self._signature is None:
            return args, kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._qualname}(): {error}") from None
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _kernel(self, leaves: Iterable[Any]) -> Callable[..., Any]:
        first = next((leaf for leaf in leaves if isinstance(leaf, Tensor)), None)
        place = "cpu" if first is None else first.device.type
        if first is not None and not first._backend.holds_values:
            return self._fake()
        for key in (place.upper(), "CompositeExplicitAutograd", "default"):
            if key in self._kernels:
                return self._kernels[key]
        raise NotImplementedError(
            f"Could not run '{self._qualname}' with tensors on {place!r}: it has no kernel there; "
            f"write library.register_kernel({self._qualname!r}, {place!r}, function)"
        )

    def register_kernel(self, device_types: Any, fn: Any = None) -> Any:
        """Set what computes it on a device type, or on all where it is None; a decorator too."""
        names = [device_types] if isinstance(device_types, str) else device_types or ["default"]
        return self._set([n if n == "default" else n.upper() for n in names], fn)

    def _fake(self) -> Callable[..., Any]:
        """What gives its results where there are no values."""
        if "META" not in self._kernels:
            raise NotImplementedError(
                f"There was no fake impl registered for {self!r}. It says which shape and dtype "
                f"the results have where there are no values; write {self._name}.register_fake(...)"
            )
        return self._kernels["META"]

    def register_fake(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Set what gives results of the right shape and dtype, of Tensors on the device "meta".

        Returns ``fn``.
        """
        self._kernels["META"] = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Set its gradient, as two functions.

        ``backward(ctx, *grads)`` returns one for each positional argument, None where there is
        none, and a list for a list of Tensors. ``setup_context(ctx, inputs, output)`` saves what
        that needs; arguments by name come as ``keyword_only_inputs``.
        """
        self._backward, self._setup = backward, setup_context

    def _set(self, keys: Iterable[str], fn: Any) -> Any:
        if fn is None:
            return lambda function: self._set(keys, function)
        for key in keys:
            key = key.upper() if key == "Meta" else key
            if key not in (*_COMPOSITE, *_OPAQUE):
                raise ValueError(
                    f"{self._qualname}: there is no dispatch key {key!r} here; a gradient is given "
                    "to library.register_autograd, and amp.custom_fwd casts under autocast"
                )
            self._kernels[key] = fn
        return fn


def _differentiable(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad


def _function_of(op: CustomOpDef) -> Any:
    """The Function that records a call: of the arguments' structure, those by name, the leaves."""

    def forward(spec: Any, named: Any, *leaves: Any) -> Any:
        out = op._kernel(leaves)(*tree_unflatten(leaves, spec), **named)
        return tuple(out) if isinstance(out, list) else out

    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.spec_of_op, named, *leaves = inputs
        if op._setup is not None:
            again = {"keyword_only_inputs": named} if named else {}
            op._setup(ctx, inputs=tree_unflatten(leaves, inputs[0]), output=output, **again)

    def backward(ctx: Any, *grads: Any) -> Any:
        if op._backward is None:
            raise RuntimeError(
                f"Trying to backward through {op._qualname.replace('::', '.')}.default but no "
                "autograd formula was registered. Please use register_autograd to add one."
            )
        given = op._backward(ctx, *grads)
        given = given if isinstance(given, tuple) else (given,)
        return None, None, *_spread(op, given, ctx.spec_of_op)

    functions = (("forward", forward), ("setup_context", setup_context), ("backward", backward))
    return type(op._name, (Function,), {name: staticmethod(made) for name, made in functions})


def _spread(op: CustomOpDef, grads: tuple[Any, ...], spec: Any) -> tuple[Any, ...]:
    """A gradient for each leaf, from one for each argument."""
    if len(grads) != len(spec.children_specs):
        raise RuntimeError(
            f"the backward of {op._qualname} returned {len(grads)} gradients; expected "
            f"{len(spec.children_specs)}: one for each positional argument"
        )
    out: list[Any] = []
    for grad, part in zip(grads, spec.children_specs):
        if grad is None:
            out += [None] * part.num_leaves
        else:
            out += tree_flatten(grad)[0]
    return tuple(out)


def _found(op: Any) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    namespace, _, name = str(op).removesuffix(".default").partition("::")
    return getattr(_Namespace(namespace), name)  # type: ignore[no-any-return]


def _new(name: str, signature: inspect.Signature) -> CustomOpDef:
    namespace, separator, short = name.partition("::")
    if not (namespace and separator and short.replace(".", "").isidentifier()):
        raise ValueError(f"expected a name like 'namespace::op', got {name!r}")
    _defined[name] = CustomOpDef(name, signature)
    return _defined[name]


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: Any,
    device_types: Any = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Make a function an op with the name ``"namespace::op"`` (``torch.library.custom_op``).

    ``mutates_args`` names what it writes into; a write is seen here in any case. Without ``fn`` it
    is a decorator. Returns a ``CustomOpDef``. See the module's example.
    """

    def made(function: Callable[..., Any]) -> CustomOpDef:
        signature = inspect.signature(function) if schema is None else signature_of(schema)
        op = _new(name, signature)
        op._mutates = frozenset(signature.parameters if mutates_args == "unknown" else mutates_args)
        op.register_kernel(device_types, function)
        return op

    return made if fn is None else made(fn)


def define(qualname: str, schema: Any, *, lib: Any = None, tags: Any = ()) -> CustomOpDef:
    """Define an op whose kernels come later (``torch.library.define``).

    ``schema`` is like ``"(Tensor x, float y=1.0) -> Tensor"``.
    """
    op = _new(qualname, signature_of(schema))
    op._mutates = frozenset(re.findall(r"!\)[^\s,]*\s+(\w+)", schema))
    return op


def impl(qualname: str, types: Any, func: Any = None, *, lib: Any = None) -> Any:
    """Set an op's kernel for device types or ``"default"``; a decorator too."""
    return register_kernel(qualname, None if types == "default" else types, func)


def register_kernel(op: Any, device_types: Any, func: Any = None, /, *, lib: Any = None) -> Any:
    """Set an op's kernel; a decorator too (``torch.library.register_kernel``)."""
    return _found(op).register_kernel(device_types, func)


def register_autograd(
    op: Any, backward: Any, /, *, setup_context: Any = None, lib: Any = None
) -> None:
    """Set an op's gradient: see ``CustomOpDef.register_autograd``."""
    _found(op).register_autograd(backward, setup_context=setup_context)


def register_fake(op: Any, func: Any = None, /, *, lib: Any = None, **options: Any) -> Any:
    """See ``CustomOpDef.register_fake``; a decorator too. Accepted for an op that is not there."""
    if func is None:
        return lambda function: register_fake(op, function)
    try:
        return _found(op).register_fake(func)
    except AttributeError:
        return func


impl_abstract = register_fake


class Library:
    """Ops of one namespace (``torch.library.Library``)."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Define ``"name(Tensor x) -> Tensor"``; returns its name."""
        name = schema.partition("(")[0].strip()
        define(f"{self.ns}::{name}", schema[schema.index("(") :])
        return name

    def impl(self, op_name: Any, fn: Any, dispatch_key: str = "", **options: Any) -> None:
        """Set the kernel of an op; without a key it is differentiated through."""
        op = _found(op_name if "::" in str(op_name) else f"{self.ns}::{op_name}")
        op._set([dispatch_key or self.dispatch_key], fn)


class _Namespace:
    """The ops of one namespace (``torch.ops.mine``)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        found = _defined.get(f"{self.name}::{name}")
        if found is None:
            raise AttributeError(
                f"'_OpNamespace' '{self.name}' object has no attribute '{name}': {ONLY_NAMED}"
            )
        return found

    def __dir__(self) -> list[str]:
        return [op._name for op in _defined.values() if op._namespace == self.name]


class _Aten(_Namespace):
    """PyTorch's own ops (``torch.ops.aten``): the functions of that name, of all overloads."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found: Any = _defined.get(f"aten::{name}")
        if found is None:
            found = self.__dict__[name] = _Packet(name)
        return found


class _Packet:
    """An op of PyTorch's by its name; ``.default``, ``.Tensor`` and the like are its overloads.

    Programs keep them as keys, and look for ops among these: it is equal to the declaration of its
    name, whatever the overload. Which function it is, is asked when it is called.
    """

    def __init__(self, name: str, overload: str = "") -> None:
        self.name, self.overload = name, overload

    def __getattr__(self, overload: str) -> _Packet:
        if overload.startswith("__") or self.overload:
            raise AttributeError(overload)
        made = self.__dict__[overload] = _Packet(self.name, overload)
        return made

    def __call__(self, *args: Any, **options: Any) -> Any:
        from .aten import function_of

        function = function_of(self.name)
        if function is not None:
            return function(*args, **options)
        raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{self.name}'")

    def __eq__(self, other: object) -> bool:
        return other is self or (isinstance(other, Op) and other.name == self.name)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        kind = f"OpOverload(op='aten.{self.name}', overload='{self.overload}')"
        return f"<{kind}>" if self.overload else f"<OpOverloadPacket(op='aten.{self.name}')>"


_aten = _Aten("aten")


class _Ops:
    """``torch.ops``: namespaces of registered ops, by attribute."""

    def __getattr__(self, name: str) -> _Namespace:
        if name.startswith("__"):
            raise AttributeError(name)
        return _aten if name == "aten" else _Namespace(name)

    def __dir__(self) -> list[str]:
        return sorted({op._namespace for op in _defined.values()} | {"load_library"})

    def load_library(self, path: Any) -> NoReturn:
        """Raises OSError: a library that was compiled for PyTorch cannot be used here."""
        raise OSError(
            f"{path}: it was compiled for PyTorch, whose memory it works on; write the op in "
            "Python with library.custom_op, or as a kernel of a backend (docs/backends.md)"
        )


ops = _Ops()

from .opchecks import opcheck

enclose_functions(globals())
